//! Tokens, sessions, clients and users that the operations use up, and what was acknowledged of them.

use std::collections::VecDeque;
use std::time::Instant;

use crate::support::TestClient;

/// So many of each kind are left for the time after the fault.
const RESERVE: usize = 8;

/// The tokens of a session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) refresh: String,
    pub(super) access: String,
}

/// What is used up, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Deck {
    /// Good for ever, and known to every node.
    pub(super) known: Vec<String>,
    /// Good for ever, and never shown to this node before.
    pub(super) fresh: Vec<VecDeque<String>>,
    /// Clients that this node has never met.
    pub(super) clients: Vec<VecDeque<TestClient>>,
    /// Tokens of which the revocation is to be asked for.
    pub(super) to_revoke: VecDeque<String>,
    pub(super) sessions: VecDeque<Session>,
    /// A spent refresh token of each of these sessions, with an access token.
    pub(super) spent: VecDeque<Session>,
    /// Tokens of which the revocation was acknowledged: when, and by which node.
    pub(super) revoked: Vec<(String, Instant, usize)>,
    /// Tokens of which it was asked for and not acknowledged.
    pub(super) doubtful: Vec<String>,
    /// Sessions of which a refresh was not acknowledged: the same refresh token must be good still.
    pub(super) doubtful_sessions: Vec<Session>,
    /// Sessions of which the end for reuse was not acknowledged.
    pub(super) doubtful_spent: Vec<Session>,
    /// Access tokens that were handed out and never revoked.
    pub(super) issued: Vec<String>,
    /// Users that were created, as was acknowledged.
    pub(super) users: Vec<String>,
    pub(super) doubtful_users: Vec<String>,
}

/// Takes one, unless it must be kept for the time after the fault.
pub(super) fn take<T>(from: &mut VecDeque<T>, is_over: bool) -> Option<T> {
    if from.len() > RESERVE || is_over { from.pop_front() } else { None }
}
