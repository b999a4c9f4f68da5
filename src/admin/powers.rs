//! What each part of administration needs: one of these scopes, or the role that has its powers.

use crate::protocol::scope;

/// Scopes of which one is needed; `jeton:admin` always suffices.
pub type Powers = &'static [&'static str];

/// Changing clients and resources.
pub const CLIENTS: Powers = &[scope::CLIENTS];
/// Reading them.
pub const READ_CLIENTS: Powers = &[scope::CLIENTS, scope::READ];
/// Changing users.
pub const USERS: Powers = &[scope::USERS];
/// Reading them.
pub const READ_USERS: Powers = &[scope::USERS, scope::READ];
/// Revoking.
pub const REVOKE: Powers = &[scope::REVOKE];
/// Reading sessions and revocations.
pub const READ_REVOCATIONS: Powers = &[scope::REVOKE, scope::READ];
/// Reading everything else, and having tokens explained.
pub const READ: Powers = &[scope::READ];
/// What only an administrator may.
pub const ADMIN: Powers = &[scope::ADMIN];
