//! What a text claims of itself: nothing here is proved.

use serde_json::{Map, Value};

use crate::diagnosis::shape;
use crate::diagnosis::wrapping::is_invisible;
use crate::protocol::time::Timestamp;

/// Claims that access tokens have and ID tokens have not.
const OF_ACCESS_TOKENS: [&str; 12] = [
    "scope",
    "scp",
    "permissions",
    "roles",
    "role",
    "gty",
    "azpacr",
    "appid",
    "cid",
    "realm_access",
    "resource_access",
    "log",
];
/// The longest text of a claim that is repeated in an answer, in characters.
const LONGEST: usize = 200;
/// The last moment that is written as a date: the end of the year 9999, in seconds since the epoch.
const LAST_DATE: i64 = 253_402_300_799;
/// The most values of an array that are repeated.
const MOST: usize = 20;

/// The header and the claims of a JWT, as far as they can be read.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Option<Map<String, Value>>,
}

impl Claimed {
    pub(crate) fn read(core: &str) -> Self {
        let mut segments = core.split('.');
        let header = segments.next().and_then(shape::object);
        let claims = segments.next().and_then(shape::object);
        match header {
            // The header was lost, and the claims stand in its place.
            Some(first) if claims.is_none() && !first.contains_key("alg") => {
                Self { header: Map::new(), claims: Some(first) }
            }
            header => Self { header: header.unwrap_or_default(), claims },
        }
    }

    pub(crate) fn algorithm(&self) -> Option<&str> {
        self.header.get("alg").and_then(Value::as_str)
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    pub(crate) fn issuer(&self) -> Option<&str> {
        self.claims.as_ref()?.get("iss")?.as_str()
    }

    /// Whether it says of itself, in the terms of OpenID Connect Core §2, that it is an ID token. Access tokens of other
    /// servers have much of the same; what only they have speaks against it.
    pub(crate) fn is_id_token(&self, our_issuer: &str) -> bool {
        let Some(claims) = &self.claims else { return false };
        let kind = self.header.get("typ").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        if matches!(kind.as_str(), "at+jwt" | "application/at+jwt") {
            return false;
        }
        let has = |name: &str| claims.contains_key(name);
        let says = |name: &str, value: &str| {
            claims.get(name).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(value))
        };
        if says("typ", "ID") || says("token_use", "id") || ["nonce", "at_hash", "c_hash", "s_hash"].into_iter().any(has)
        {
            return true;
        }
        if says("typ", "Bearer") || says("token_use", "access") || OF_ACCESS_TOKENS.into_iter().any(has) {
            return false;
        }
        let is_complete = ["iss", "sub", "aud", "exp", "iat"].into_iter().all(has);
        let is_of_a_person =
            ["auth_time", "email", "email_verified", "name", "given_name", "preferred_username", "picture"];
        (is_complete && is_of_a_person.into_iter().any(has))
            // An access token of this server says more.
            || (is_complete && says("iss", our_issuer) && !has("client_id") && !has("jti") && !has("sid"))
    }

    /// What it claims, by names for people.
    pub(crate) fn facts(&self) -> Vec<(&'static str, Value)> {
        let of_header = [("algorithm", "alg"), ("kid", "kid"), ("type", "typ")];
        let of_claims = [
            ("issuer", "iss"),
            ("subject", "sub"),
            ("client_id", "client_id"),
            ("audience", "aud"),
            ("scope", "scope"),
            ("issued_at", "iat"),
            ("not_before", "nbf"),
            ("expires_at", "exp"),
            ("token_id", "jti"),
            ("session", "sid"),
        ];
        let pick = |names: &[(&'static str, &str)], members: &Map<String, Value>| -> Vec<(&'static str, Value)> {
            names.iter().filter_map(|(fact, member)| Some((*fact, readable(member, members.get(*member)?)?))).collect()
        };
        let mut facts = pick(&of_header, &self.header);
        facts.extend(self.claims.as_ref().map(|claims| pick(&of_claims, claims)).unwrap_or_default());
        facts
    }
}

/// A value as people read it: a moment as a date, if it is one.
fn readable(member: &str, value: &Value) -> Option<Value> {
    let seconds = value.as_i64().filter(|_| matches!(member, "iat" | "nbf" | "exp"));
    match seconds.filter(|seconds| (0..=LAST_DATE).contains(seconds)) {
        Some(seconds) => Some(Timestamp::from_seconds(seconds).to_string().into()),
        None => bounded(value),
    }
}

/// A value that can be repeated: short, plain and flat.
fn bounded(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(Value::String(plain(text))),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Some(Value::Array(items.iter().take(MOST).filter_map(bounded).collect()))
        }
        Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        _ => None,
    }
}

/// A claimed text as it may be repeated in an answer: shortened, and without what moves a cursor or ends a line.
pub(crate) fn plain(text: &str) -> String {
    let kept: String =
        text.chars().take(LONGEST).map(|c| if c.is_control() || is_invisible(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() { kept + "…" } else { kept }
}
