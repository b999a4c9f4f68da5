//! Tokens, sessions, clients and users that the operations use up, and what was acknowledged of them.

use std::collections::VecDeque;
use std::time::Instant;

use crate::support::TestClient;

/// How many of each kind are kept for the time after the fault.
const RESERVE: usize = 8;

/// The tokens of a session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) refresh: String,
    pub(super) access: String,
}

/// Material for the operations, and its outcome.
#[derive(Debug, Default)]
pub(super) struct Deck {
    /// Always good, and known to every node.
    pub(super) known: Vec<String>,
    /// Always good, and new to this node.
    pub(super) fresh: Vec<VecDeque<String>>,
    /// Clients that are new to this node.
    pub(super) clients: Vec<VecDeque<TestClient>>,
    /// Tokens to revoke.
    pub(super) to_revoke: VecDeque<String>,
    pub(super) sessions: VecDeque<Session>,
    /// A spent refresh token of each of these sessions, with an access token.
    pub(super) spent: VecDeque<Session>,
    /// Tokens whose revocation was acknowledged, with the time and the node.
    pub(super) revoked: Vec<(String, Instant, usize)>,
    /// Tokens whose revocation was requested and not acknowledged.
    pub(super) doubtful: Vec<String>,
    /// Sessions with an unacknowledged refresh: the same refresh token must still be good.
    pub(super) doubtful_sessions: Vec<Session>,
    /// Sessions whose end by reuse was not acknowledged.
    pub(super) doubtful_spent: Vec<Session>,
    /// Access tokens that were issued and never revoked.
    pub(super) issued: Vec<String>,
    /// Users whose creation was acknowledged.
    pub(super) users: Vec<String>,
    pub(super) doubtful_users: Vec<String>,
}

/// Takes one, unless it must be kept for the time after the fault.
pub(super) fn take<T>(from: &mut VecDeque<T>, is_over: bool) -> Option<T> {
    if from.len() > RESERVE || is_over { from.pop_front() } else { None }
}
