//! What a JWT says about itself. Nothing here is verified.

use serde_json::{Map, Value};

use crate::diagnosis::bytes::characters::printable;
use crate::diagnosis::bytes::reader::{Object, Reader};
use crate::diagnosis::bytes::shape::Shape;
use crate::protocol::time::Timestamp;

/// Claims that access tokens have and ID tokens do not.
const ACCESS_TOKEN_CLAIMS: [&str; 12] = [
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
/// The last second that is shown as a date: the end of the year 9999.
const LAST_DATE: i64 = 253_402_300_799;
/// The most values of an array that are repeated in an answer.
const MAX_VALUES: usize = 20;

/// The header and the claims of a JWT, as far as they are readable.
#[derive(Debug, Default)]
pub(in crate::diagnosis) struct UnverifiedJwt {
    pub(super) header: Object,
    pub(in crate::diagnosis) claims: Option<Object>,
}

impl UnverifiedJwt {
    /// What a text with this shape says; nothing if it is no JWT.
    pub(in crate::diagnosis) fn of(reader: &Reader, core: &str, shape: Shape) -> Self {
        if shape != Shape::Jwt {
            return Self::default();
        }
        let mut segments = core.split('.');
        let header = segments.next().and_then(|segment| reader.object(segment));
        let claims = segments.next().and_then(|segment| reader.object(segment));
        match header {
            // The header was lost, so the claims come first.
            Some(first) if claims.is_none() && !first.contains_key("alg") => {
                Self { header: Object::default(), claims: Some(first) }
            }
            header => Self { header: header.unwrap_or_default(), claims },
        }
    }

    pub(in crate::diagnosis) fn algorithm(&self) -> Option<&str> {
        self.header.get("alg").and_then(Value::as_str)
    }

    pub(in crate::diagnosis) fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.as_ref()?.get("iss")?.as_str()
    }

    /// Whether it looks like an ID token (OpenID Connect Core §2). Other servers' access tokens share many of the claims, so
    /// any claim that only access tokens have rules it out.
    pub(super) fn is_id_token(&self, our_issuer: &str) -> bool {
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
        if says("typ", "Bearer") || says("token_use", "access") || ACCESS_TOKEN_CLAIMS.into_iter().any(has) {
            return false;
        }
        let is_complete = ["iss", "sub", "aud", "exp", "iat"].into_iter().all(has);
        let person_claims =
            ["auth_time", "email", "email_verified", "name", "given_name", "preferred_username", "picture"];
        (is_complete && person_claims.into_iter().any(has))
            // Our own access tokens have more claims than that.
            || (is_complete && says("iss", our_issuer) && !has("client_id") && !has("jti") && !has("sid"))
    }

    /// Its claims under readable names.
    pub(super) fn facts(&self) -> Vec<(&'static str, Value)> {
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
            ("bound_to", "cnf"),
        ];
        let pick = |names: &[(&'static str, &str)], members: &Map<String, Value>| -> Vec<(&'static str, Value)> {
            names.iter().filter_map(|(fact, member)| Some((*fact, readable(member, members.get(*member)?)?))).collect()
        };
        let mut facts = pick(&of_header, &self.header);
        facts.extend(self.claims.as_ref().map(|claims| pick(&of_claims, claims)).unwrap_or_default());
        facts
    }
}

/// A value as people read it: times as dates.
fn readable(member: &str, value: &Value) -> Option<Value> {
    let seconds = value.as_i64().filter(|_| matches!(member, "iat" | "nbf" | "exp"));
    match seconds.filter(|seconds| (0..=LAST_DATE).contains(seconds)) {
        Some(seconds) => Some(Timestamp::from_seconds(seconds).to_string().into()),
        None if member == "cnf" => binding(value),
        None => bounded(value),
    }
}

/// What a token is bound to: the name and the thumbprint.
fn binding(value: &Value) -> Option<Value> {
    let (name, thumbprint) = value.as_object().filter(|members| members.len() == 1)?.iter().next()?;
    Some(Value::String(printable(&format!("{name} {}", thumbprint.as_str()?))))
}

/// A value that is safe to repeat: short, printable and flat.
fn bounded(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(Value::String(printable(text))),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            Some(Value::Array(items.iter().take(MAX_VALUES).filter_map(bounded).collect()))
        }
        Value::Number(_) | Value::Bool(_) => Some(value.clone()),
        _ => None,
    }
}
