//! The use cases: one file per OAuth flow. Each is an ordered list of checks; the order is that of the RFC.

pub mod admin_token;
mod app;
pub mod check;
pub mod client_auth;
pub mod client_credentials;
pub mod diagnose;
pub mod explain;
pub mod explanation;
mod guesses;
pub mod introspect;
pub mod issue;
mod limits;
pub mod metadata;
pub mod metrics;
mod outages;
pub mod password;
pub mod public;
pub mod refresh_token;
pub mod revoke;
pub mod token;
mod used_secrets;
pub mod verify;

pub use app::{App, StartError, open_master_key};

use std::net::IpAddr;

use uuid::Uuid;

use crate::oauth::error::Refusal;
use crate::oauth::identity::Identity;
use crate::oauth::parameters::Parameters;
use crate::secret::pool::Overloaded;
use crate::store::StoreError;
use crate::view::Unavailable;

/// A request to an OAuth endpoint, as far as the protocol is concerned.
#[derive(Debug)]
pub struct Request<'a> {
    /// The values of the Authorization headers.
    pub authorization: &'a [&'a [u8]],
    /// The parameters of the body.
    pub parameters: &'a Parameters,
    /// The id under which it is logged.
    pub request_id: Uuid,
    /// The address that it came from.
    pub address: IpAddr,
}

/// Why a request did not get what it wanted.
#[derive(Clone, Debug)]
pub enum Failure {
    /// It is refused.
    Refused(Refusal),
    /// It could not be decided: never to be taken for a refusal. The text is for the log.
    Unavailable(String),
    /// There is more to do than can be done.
    Overloaded,
    /// Whoever asks has asked too often.
    Throttled(Throttled),
}

/// Whoever asks has asked too often.
#[derive(Clone, Debug)]
pub struct Throttled {
    /// Seconds after which to ask again.
    pub seconds: i64,
    /// What there was too much of, for the log.
    pub reason: &'static str,
    /// Whom it is about, for the log.
    pub about: Identity,
}

impl std::fmt::Display for Failure {
    /// For people who have the database.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Refused(refusal) => refusal.description,
            Self::Unavailable(reason) => reason,
            Self::Overloaded => "there is more to do than can be done",
            Self::Throttled(throttled) => throttled.reason,
        })
    }
}

impl Failure {
    /// The same failure, with whom it is about.
    #[must_use]
    fn about(self, identity: Identity) -> Self {
        match self {
            Self::Refused(refusal) => Self::Refused(refusal.about(identity)),
            Self::Throttled(throttled) => {
                Self::Throttled(Throttled { about: throttled.about.and(identity), ..throttled })
            }
            other => other,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Throttled> for Failure {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled(throttled)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Unavailable> for Failure {
    fn from(Unavailable(text): Unavailable) -> Self {
        Self::Unavailable(text)
    }
}

impl From<Overloaded> for Failure {
    fn from(Overloaded: Overloaded) -> Self {
        Self::Overloaded
    }
}

/// The result of a flow.
pub type Result<T> = std::result::Result<T, Failure>;
