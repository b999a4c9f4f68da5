//! The claims of an access token (RFC 9068 §2.2), the same for both formats.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::protocol::confirmation::Confirmation;
use crate::protocol::origin::{Named, Origin};
use crate::protocol::scope::Scope;
use crate::protocol::subject::{Actor, MayAct, Subject};
use crate::protocol::time::Timestamp;
use crate::protocol::token_id::TokenId;

/// A position in the change log.
pub type SequenceNumber = i64;

/// Additional claims of a client or a user: a JSON object.
pub type ExtraClaims = Map<String, Value>;

/// How many seconds `iat` and `nbf` may lie in the future; `exp` has no leeway.
pub const LEEWAY: i64 = 60;

/// The largest `claims` object of a client or a user, in bytes of JSON.
pub const LARGEST_EXTRA_CLAIMS: usize = 2048;

/// Names that `claims` may not use, because they mean something to this server or to resource servers.
pub const REGISTERED: [&str; 36] = [
    "iss",
    "sub",
    "sub_iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "sid",
    "log",
    "username",
    "active",
    "token_type",
    "auth_time",
    "acr",
    "amr",
    "azp",
    "nonce",
    "at_hash",
    "c_hash",
    "cnf",
    "act",
    "may_act",
    EXCHANGED_FROM,
    "events",
    "authorization_details",
    "typ",
    "alg",
    "kid",
    "crit",
    "jku",
    "x5u",
    "jwk",
    "error",
];

/// The claim with the tokens that were exchanged for a token; private to this server.
pub const EXCHANGED_FROM: &str = "exchanged_from";

/// `aud`: a single string or an array (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One audience.
    One(String),
    /// Several audiences.
    Many(Vec<String>),
}

impl Audience {
    /// A single string for one, an array for several.
    pub fn new(mut audiences: Vec<String>) -> Self {
        if audiences.len() == 1 { Self::One(audiences.remove(0)) } else { Self::Many(audiences) }
    }

    /// The audiences.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(audience) => std::slice::from_ref(audience),
            Self::Many(audiences) => audiences,
        }
    }

    /// Whether this audience is among them, compared exactly.
    pub fn contains(&self, audience: &str) -> bool {
        self.all().iter().any(|named| named == audience)
    }
}

/// The claims of an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The issuer.
    pub iss: String,
    /// The subject; [`subject`](Self::subject) gives its kind.
    pub sub: String,
    /// The issuer of the subject, if it is not this server. No grant writes it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_iss: Option<String>,
    /// The party that acts for the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Actor>>,
    /// The only party that may act for the subject. No grant writes it, but what a token has stays in those that come of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_act: Option<Box<MayAct>>,
    /// What the token is bound to, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// The resource servers that the token is for.
    pub aud: Audience,
    /// The client that asked for it.
    pub client_id: String,
    /// Its scopes; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// When it was issued, in seconds since the epoch.
    pub iat: i64,
    /// When it expires, in seconds since the epoch.
    pub exp: i64,
    /// The time before which it is not valid. This server never writes it but honours it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Its own id.
    pub jti: TokenId,
    /// Its session, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
    /// The sequence number by which revocations of its user, client or all are judged.
    pub log: SequenceNumber,
    /// The tokens that were exchanged for it, the newest first: it is revoked with each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanged_from: Vec<Origin>,
    /// Additional claims of the client and the user.
    #[serde(flatten)]
    pub extra: ExtraClaims,
}

impl AccessClaims {
    /// The subject and its kind.
    pub fn subject(&self) -> Subject<'_> {
        match &self.sub_iss {
            Some(issuer) => Subject::Foreign { issuer, sub: &self.sub },
            None if self.sub == self.first_client() => Subject::Client(&self.sub),
            None => Subject::User(&self.sub),
        }
    }

    /// The client that the subject's first token was issued to.
    fn first_client(&self) -> &str {
        let first = self.exchanged_from.iter().rev().find(|origin| origin.is_of_subject());
        first.map_or(&self.client_id, |origin| &origin.client_id)
    }

    /// It, and the tokens that were exchanged for it, as revocations name them.
    pub fn named(&self) -> impl Iterator<Item = Named<'_>> {
        let user = self.subject().user();
        let (jti, sid, client_id, log) = (self.jti, self.sid, self.client_id.as_str(), self.log);
        let own = Named { jti, sid, user, client_id, log };
        std::iter::once(own).chain(self.exchanged_from.iter().map(move |origin| Named {
            jti: origin.jti,
            sid: origin.sid,
            // A client is no user of the same name, since no user has the name of a client.
            user: origin.actor.as_deref().or(user),
            client_id: &origin.client_id,
            log: origin.log,
        }))
    }

    /// Whether its subject belongs to another issuer. Nothing here checks that yet, so such a token, which a newer program may have
    /// issued, is refused.
    pub const fn is_beyond_this_program(&self) -> bool {
        self.sub_iss.is_some()
    }

    /// Whether it has expired.
    pub const fn is_expired(&self, now: Timestamp) -> bool {
        self.exp <= now.seconds()
    }

    /// Whether it is not valid yet.
    pub fn is_early(&self, now: Timestamp) -> bool {
        self.starts_at() > now.seconds() + LEEWAY
    }

    /// When it becomes valid, in seconds since the epoch.
    pub fn starts_at(&self) -> i64 {
        self.nbf.map_or(self.iat, |nbf| nbf.max(self.iat))
    }
}

/// Whether a claim has a fixed meaning, so that it cannot be set.
pub fn is_registered(name: &str) -> bool {
    REGISTERED.contains(&name)
}

/// Checks a `claims` object of a client or a user.
pub fn check_extra(claims: &ExtraClaims) -> Result<(), String> {
    if let Some(name) = claims.keys().find(|name| is_registered(name) || name.is_empty()) {
        return Err(format!("the claim {name:?} has a fixed meaning and cannot be set"));
    }
    let size = serde_json::to_string(claims).map_or(usize::MAX, |text| text.len());
    if size > LARGEST_EXTRA_CLAIMS {
        return Err(format!("claims take {size} bytes, more than {LARGEST_EXTRA_CLAIMS}"));
    }
    if depth(&Value::Object(claims.clone())) > 8 {
        return Err("claims are nested more than 8 deep".into());
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// These claims and those of the user; if both have one, the user's counts.
pub fn merge(mut claims: ExtraClaims, user: Option<&ExtraClaims>) -> ExtraClaims {
    claims.extend(user.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    claims
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> ExtraClaims {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn registered_names_and_oversize_are_refused() {
        assert!(check_extra(&object(json!({"tenant": "blue", "roles": ["a"]}))).is_ok());
        for name in ["sub", "exp", "scope", "log", "active", "act", "may_act", "cnf", EXCHANGED_FROM, ""] {
            assert!(check_extra(&object(json!({name: 1}))).is_err(), "{name}");
        }
        assert!(check_extra(&object(json!({"long": "x".repeat(3000)}))).is_err());
    }

    #[test]
    fn the_subject_of_an_exchanged_token_is_that_of_the_first_one() {
        let claims = |sub: &str, origins: Value| -> AccessClaims {
            serde_json::from_value(json!({
                "iss": "i", "sub": sub, "aud": "a", "client_id": "api", "iat": 0, "exp": 1, "log": 2,
                "jti": TokenId::new([0; 16]), "exchanged_from": origins,
            }))
            .unwrap()
        };
        let origin = |client: &str| json!({"jti": TokenId::new([1; 16]), "client_id": client, "log": 1});
        let of_actor =
            |client: &str| json!({"jti": TokenId::new([1; 16]), "client_id": client, "log": 1, "actor": client});
        assert_eq!(claims("api", json!([])).subject(), Subject::Client("api"));
        assert_eq!(claims("worker", json!([origin("worker")])).subject(), Subject::Client("worker"));
        assert_eq!(claims("worker", json!([origin("gateway"), origin("worker")])).subject(), Subject::Client("worker"));
        assert_eq!(claims("alice", json!([of_actor("agent"), origin("web")])).subject(), Subject::User("alice"));
        let named = claims("alice", json!([of_actor("agent"), origin("web")]));
        let named: Vec<_> =
            named.named().map(|named| (named.client_id.to_owned(), named.user.map(str::to_owned))).collect();
        let expected = [("api", "alice"), ("agent", "agent"), ("web", "alice")];
        assert_eq!(named, expected.map(|(client, user)| (client.to_owned(), Some(user.to_owned()))));
    }

    #[test]
    fn a_single_audience_is_a_string_and_several_are_an_array() {
        assert_eq!(serde_json::to_value(Audience::new(vec!["a".into()])).unwrap(), json!("a"));
        assert_eq!(serde_json::to_value(Audience::new(vec!["a".into(), "b".into()])).unwrap(), json!(["a", "b"]));
    }
}
