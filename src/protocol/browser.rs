//! Browser sessions: a person who is logged in here, at one browser.

use uuid::Uuid;

use crate::protocol::revocation::SequenceNumber;
use crate::protocol::time::Timestamp;

/// The password, as a way to log in (RFC 8176).
pub const PASSWORD: &str = "pwd";
/// A code of an authenticator or a recovery code, as a way to log in (RFC 8176).
pub const OTP: &str = "otp";

/// A person who is logged in at a browser. What a client gets for that person is a session of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSession {
    /// Its id; the cookie is a secret apart from it.
    pub id: Uuid,
    /// The person.
    pub user_id: Uuid,
    /// How the person logged in: [`PASSWORD`], [`OTP`].
    pub methods: Vec<String>,
    /// The sequence number at which it began: later revocations of the user end it.
    pub log: SequenceNumber,
    /// The network of the login.
    pub network: String,
    /// The browser, as it calls itself; shortened.
    pub agent: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When the person last proved who they are.
    pub authenticated_at: Timestamp,
    /// Roughly when it was last used.
    pub last_seen_at: Timestamp,
    /// When it ends unless it is used before.
    pub idle_expires_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}
