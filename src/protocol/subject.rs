//! The subject of a token.
//!
//! Three rules tell the kind of a subject, in this order:
//!
//! 1. With the private claim `sub_iss`, `sub` is a subject of that other issuer.
//! 2. A `sub` that equals `client_id` is the client itself (RFC 9068 §2.2).
//! 3. Every other `sub` is a user of this server.
//!
//! Rule 2 is safe because no user's `sub` ever equals a `client_id`: the database refuses to create either of them.
//!
//! Resource servers may look at `sub` alone, so no token is issued to a subject of another issuer whose `sub` is one of ours.
//!
//! A revocation names a user by `sub`, since that is what a token carries, and covers user subjects only. Deleting a
//! user and creating one with the same `sub` revives nothing: the deletion is a revocation, which covers everything
//! with a smaller sequence number.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The longest `sub`, in bytes (OpenID Connect Core §2).
const LONGEST_SUB: usize = 255;

/// The subject of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A user of this server, by `sub`.
    User(&'a str),
    /// A client on its own behalf, by `client_id`.
    Client(&'a str),
    /// A subject of another issuer.
    Foreign {
        /// The other issuer.
        issuer: &'a str,
        /// The subject's `sub` there.
        sub: &'a str,
    },
}

impl<'a> Subject<'a> {
    /// The `sub` of the user, if it is one.
    pub const fn user(self) -> Option<&'a str> {
        match self {
            Self::User(sub) => Some(sub),
            Self::Client(_) | Self::Foreign { .. } => None,
        }
    }
}

/// The party that acts for the subject (`act`, RFC 8693 §4.1); the current actor is outermost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The actor's `sub`.
    pub sub: String,
    /// The previous actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Self>>,
}

impl Actor {
    /// How many actors there are.
    pub fn depth(&self) -> usize {
        std::iter::successors(Some(self), |actor| actor.act.as_deref()).count()
    }
}

/// The only party that may act for the subject (`may_act`, RFC 8693 §4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MayAct {
    /// Its `sub`.
    pub sub: String,
    /// Its issuer; this server if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whatever else must be true of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl MayAct {
    /// Whether a party of this issuer with this `sub` is meant. Of other claims about it, none is known to be true.
    pub fn allows(&self, issuer: &str, sub: &str) -> bool {
        self.sub == sub && self.iss.as_deref().is_none_or(|iss| iss == issuer) && self.more.is_empty()
    }
}

/// Checks the `sub` of a new user: printable ASCII, so that it fits any header.
pub fn check_sub(sub: &str) -> Result<(), String> {
    let is_printable = sub.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
    if sub.is_empty() || sub.len() > LONGEST_SUB || !is_printable {
        return Err(format!("sub must be 1 to {LONGEST_SUB} printable ASCII characters"));
    }
    if sub.trim() != sub {
        return Err("sub must not begin or end with a space".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_is_printable_ascii_and_bounded() {
        let longest = "x".repeat(LONGEST_SUB);
        for sub in ["auth0|5f7c", "a b", "248289761001", "018f4d2e-0000-7000-8000-000000000000", longest.as_str()] {
            assert_eq!(check_sub(sub), Ok(()), "{sub}");
        }
        let too_long = "x".repeat(LONGEST_SUB + 1);
        for sub in ["", " a", "a ", "é", "a\nb", "a\0", "\u{7f}", too_long.as_str()] {
            assert!(check_sub(sub).is_err(), "{sub:?}");
        }
    }
}
