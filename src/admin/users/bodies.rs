//! The bodies of requests that create or change a user.

use secrecy::SecretString;
use serde::Deserialize;

use crate::admin::body::{Patch, not_null};
use crate::protocol::claims::ExtraClaims;
use crate::protocol::scope::Scope;

/// A user to create.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// The name.
    pub username: String,
    /// The `sub` of the user's tokens, for one who keeps it from elsewhere; the id if absent. It never changes.
    pub sub: Option<String>,
    /// The password; without one the user cannot log in.
    pub password: Option<SecretString>,
    /// The scopes that the user may be granted; if absent, whatever the client may.
    pub scope: Option<Scope>,
    /// Claims that go into the user's tokens.
    pub claims: Option<ExtraClaims>,
    /// Whether the user may log in; true if absent.
    pub enabled: Option<bool>,
}

/// Changes to a user.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// A new name.
    #[serde(default, deserialize_with = "not_null")]
    pub username: Option<String>,
    /// A new password.
    #[serde(default, deserialize_with = "not_null")]
    pub password: Option<SecretString>,
    /// The scopes that the user may be granted; null: whatever the client may.
    #[serde(default)]
    pub scope: Patch<Scope>,
    /// Claims that go into the user's tokens, merged member by member.
    #[serde(default)]
    pub claims: Patch<ExtraClaims>,
    /// Whether the user may log in.
    #[serde(default)]
    pub enabled: Patch<bool>,
}

/// A new password.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The password.
    pub password: SecretString,
}
