//! Where an exchanged token comes from (RFC 8693): the tokens that were exchanged for it, by which it is revoked with them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::protocol::token_id::TokenId;

/// A token that was presented to get another one: the subject's or the actor's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its id.
    pub jti: TokenId,
    /// The client that it was issued to.
    pub client_id: String,
    /// Its sequence number.
    pub log: i64,
    /// The id of the key that made it: what came of it ends when that is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The actor whose token it was. Absent for a subject token, whose subject is that of the token that came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The session of the actor's token, if it had one. That of a subject token is the one of the token that came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
    /// Why it was accepted, if it was a token of another issuer; its id then stands for whatever that issuer calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
}

/// What made a token of another issuer count: what came of it ends with that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// The issuer.
    pub issuer: String,
    /// The name of its rule, which no other one and no later version of it has.
    pub rule: String,
}

impl Origin {
    /// Whether it was the token of the subject.
    pub const fn is_of_subject(&self) -> bool {
        self.actor.is_none()
    }
}

/// A token as revocations name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// Its id.
    pub jti: TokenId,
    /// Its session.
    pub sid: Option<Uuid>,
    /// Its user, by `sub`.
    pub user: Option<&'a str>,
    /// The client that it was issued to.
    pub client_id: &'a str,
    /// Its sequence number.
    pub log: i64,
}
