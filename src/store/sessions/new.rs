//! A session that is to be created.

use crate::protocol::session::Session;
use crate::protocol::time::Timestamp;

/// A session to create, and what was verified for it.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The session; the database fills in its sequence number.
    pub session: Session,
    /// The version of the user whose password was verified.
    pub user_version: i64,
    /// The version of the client that was authenticated.
    pub client_version: i64,
    /// How many sessions this user may have with this client.
    pub max_sessions: i64,
    /// Until when an access token of a session that ends now may live.
    pub covers_until: Timestamp,
}

/// The beginning of a statement that inserts sessions.
macro_rules! insert_into_sessions {
    () => {
        "INSERT INTO sessions (id, user_id, sub, client_id, scope, audiences, nonce_hash, generation, retries, repeats, \
         repeats_since, network, sequence, created_at, last_refreshed_at, idle_expires_at, previous_refreshed_at, \
         previous_idle_expires_at, expires_at, ended, login, browser_session, offline, confirmation, code_key) "
    };
}
pub(super) use insert_into_sessions;
