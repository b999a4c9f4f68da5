//! Whom a refusal concerns, for the log. It holds only what was verified: a claimed id may be a secret in the wrong
//! field.

use uuid::Uuid;

use crate::protocol::claims::AccessClaims;
use crate::protocol::token_id::TokenId;

/// The client, the subject, the session and the token of a request, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The client.
    pub client: Option<String>,
    /// The user, or the client if it acts on its own behalf.
    pub subject: Option<String>,
    /// The session.
    pub session: Option<Uuid>,
    /// The id of the access token.
    pub jti: Option<TokenId>,
}

impl Identity {
    /// A client that exists.
    pub fn of_client(client_id: &str) -> Self {
        Self { client: Some(client_id.to_owned()), ..Self::default() }
    }

    /// A user that exists, by `sub`.
    pub fn of_user(sub: &str) -> Self {
        Self { subject: Some(sub.to_owned()), ..Self::default() }
    }

    /// A session that an authentic token names.
    pub fn of_session(id: Uuid) -> Self {
        Self { session: Some(id), ..Self::default() }
    }

    /// Fills in from the other one what this one lacks.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            client: self.client.or(other.client),
            subject: self.subject.or(other.subject),
            session: self.session.or(other.session),
            jti: self.jti.or(other.jti),
        }
    }
}

impl From<&AccessClaims> for Identity {
    fn from(claims: &AccessClaims) -> Self {
        Self {
            client: Some(claims.client_id.clone()),
            subject: Some(claims.sub.clone()),
            session: claims.sid,
            jti: Some(claims.jti),
        }
    }
}
