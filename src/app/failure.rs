//! Why a request failed.

use crate::passwords::pool::Overloaded;
use crate::protocol::error::Refusal;
use crate::protocol::identity::Identity;
use crate::state::Unavailable;
use crate::store::StoreError;
use crate::throttle::Throttled;

/// Why a request failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// It was refused.
    Refused(Refusal),
    /// It could not be decided, which is never a refusal. The text is for the log.
    Unavailable(String),
    /// The server is overloaded.
    Overloaded,
    /// There were too many attempts.
    Throttled(Throttled),
}

impl std::fmt::Display for Failure {
    /// For operators.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Refused(refusal) => &refusal.description,
            Self::Unavailable(reason) => reason,
            Self::Overloaded => "the server is overloaded",
            Self::Throttled(throttled) => throttled.reason,
        })
    }
}

impl Failure {
    /// The same failure with whom it concerns.
    #[must_use]
    pub(crate) fn about(self, identity: Identity) -> Self {
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

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Failure>;
