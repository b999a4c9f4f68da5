//! What can be revoked, and which tokens a revocation covers.
//!
//! Every revocation is an entry of the change log, whose numbers are in commit order. A token carries the sequence
//! number at which its session (or, for client_credentials, the token itself) began; a revocation of a user, a client
//! or all covers tokens with a smaller number. No clock is involved.

use std::fmt;

use uuid::Uuid;

use crate::protocol::cause::Cause;
pub use crate::protocol::claims::SequenceNumber;
use crate::protocol::time::Timestamp;
use crate::protocol::token_id::TokenId;

/// What a revocation names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One access token, by `jti`, since the same token can be spelled in several ways.
    Token(TokenId),
    /// One session, with its refresh tokens and access tokens.
    Session(Uuid),
    /// Everything issued to a user so far, by `sub`.
    User(String),
    /// Everything issued to a client so far.
    Client(String),
    /// Everything made with a key.
    Key(String),
    /// Everything issued so far.
    All,
}

impl Target {
    /// The name of the kind of target.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Session(_) => "session",
            Self::User(_) => "user",
            Self::Client(_) => "client",
            Self::Key(_) => "key",
            Self::All => "all",
        }
    }

    /// The id of the target; empty for `all`.
    pub fn id(&self) -> String {
        match self {
            Self::Token(id) => id.to_string(),
            Self::Session(id) => id.to_string(),
            Self::User(id) | Self::Client(id) | Self::Key(id) => id.clone(),
            Self::All => String::new(),
        }
    }

    /// The inverse of [`kind`](Self::kind) and [`id`](Self::id).
    pub fn from_parts(kind: &str, id: &str) -> Option<Self> {
        Some(match kind {
            "token" => Self::Token(id.parse().ok()?),
            "session" => Self::Session(id.parse().ok()?),
            "user" => Self::User(id.to_owned()),
            "client" => Self::Client(id.to_owned()),
            "key" => Self::Key(id.to_owned()),
            "all" => Self::All,
            _ => return None,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id();
        formatter.write_str(self.kind())?;
        if id.is_empty() { Ok(()) } else { write!(formatter, " {id}") }
    }
}

/// A revocation that is about to be written.
#[derive(Clone, Debug)]
pub struct NewRevocation {
    /// What is revoked.
    pub target: Target,
    /// Why, as the token's cause of refusal.
    pub cause: Cause,
    /// Why, in the words of the person who revoked.
    pub reason: Option<String>,
    /// When the last access token that it covers expires; nodes keep it in memory until then.
    pub covers_until: Timestamp,
}

/// A revocation as the log records it.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// Its sequence number.
    pub number: SequenceNumber,
    /// What is revoked.
    pub target: Target,
    /// Why, as the token's cause of refusal.
    pub cause: Cause,
    /// Why, in the words of the person who revoked.
    pub reason: Option<String>,
    /// Who revoked.
    pub actor: String,
    /// When, for display only: order is by number.
    pub created_at: Timestamp,
    /// When the last access token that it covers expires.
    pub covers_until: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_from_its_kind_and_id() {
        let id = Uuid::from_u128(7);
        for target in [
            Target::Token(TokenId::new([7; 16])),
            Target::Session(id),
            Target::User("u".into()),
            Target::Client("c".into()),
            Target::Key("k".into()),
            Target::All,
        ] {
            assert_eq!(Target::from_parts(target.kind(), &target.id()), Some(target));
        }
        assert_eq!(Target::from_parts("planet", ""), None);
        assert_eq!(Target::from_parts("session", "not an id"), None);
    }
}
