//! Why administration refuses or fails.

use crate::app::Failure;
use crate::passwords::pool::Overloaded;
use crate::protocol::bearer::begins_like_a_token;
use crate::store::StoreError;

/// Why an act of administration was not carried out. Each text is one plain sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminError {
    /// The request is malformed or asks for something that is not allowed.
    Invalid(String),
    /// The named thing does not exist.
    NotFound(String),
    /// It conflicts with the present state.
    Conflict(String),
    /// It needs the scope `jeton:admin`.
    NeedsAdmin(String),
    /// The database did not answer; the text is for the log.
    Unavailable(String),
    /// Passwords arrive faster than they can be hashed.
    Overloaded,
}

impl std::fmt::Display for AdminError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Invalid(text)
            | Self::NotFound(text)
            | Self::Conflict(text)
            | Self::NeedsAdmin(text)
            | Self::Unavailable(text) => formatter.write_str(text),
            Self::Overloaded => formatter.write_str("more passwords arrive than can be hashed; try again in a moment"),
        }
    }
}

impl std::error::Error for AdminError {}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Exists
            | StoreError::SubTaken(_)
            | StoreError::Ambiguous
            | StoreError::IsClientId(_)
            | StoreError::IsAudience(_)
            | StoreError::LastAdministrator
            | StoreError::NoSuchClient(_)
            | StoreError::TooMany(_)
            | StoreError::UnknownFeature { .. } => Self::Conflict(error.to_string()),
            StoreError::Unavailable(_) => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<Failure> for AdminError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Invalid(refusal.description.into()),
            Failure::Unavailable(reason) => Self::Unavailable(reason),
            Failure::Overloaded | Failure::Throttled(_) => Self::Overloaded,
        }
    }
}

impl From<Overloaded> for AdminError {
    fn from(Overloaded: Overloaded) -> Self {
        Self::Overloaded
    }
}

/// The result of an act of administration.
pub type Result<T> = std::result::Result<T, AdminError>;

/// The error for an id that leads nowhere. The id is repeated only if it is short and does not look like a token that was
/// sent by mistake.
pub(super) fn no_such(kind: &str, id: &str) -> AdminError {
    AdminError::NotFound(if begins_like_a_token(id) || id.len() > 255 {
        format!("there is no such {kind}; what was sent looks like a token or is too long for an id")
    } else {
        format!("there is no {kind} {id:?}")
    })
}
