//! A protected API: `GET /data` answers anyone with a good Jeton access token.
//!
//! It verifies JWTs itself, with the keys that Jeton publishes. It asks Jeton (introspection, RFC 7662) about tokens
//! that it cannot verify: opaque tokens, and JWTs whose key is not published; with INTROSPECT=always, about every one.
//!
//! Environment: ISSUER, AUDIENCE, SCOPE (what /data needs), CLIENT_ID and CLIENT_SECRET (this API's own),
//! PORT (default 3000), INTROSPECT ("always", or nothing).

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::{Json, Router, routing::get};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tokio::sync::{Mutex, RwLock};

/// The algorithms Jeton signs with. A token must use the one of its key.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256];
/// An unknown key id makes the API fetch the keys at once, but not more often than this.
const PAUSE: Duration = Duration::from_secs(10);
/// How often the keys are fetched in any case, so that a deleted key is forgotten.
const REFRESH: Duration = Duration::from_secs(300);
/// How many seconds the issuer's clock may be ahead (`nbf`). Expiry gets no leeway.
const LEEWAY: u64 = 60;

/// Status, error code (RFC 6750 §3.1) and explanation.
struct Refusal(StatusCode, &'static str, &'static str);
const NO_TOKEN: Refusal = Refusal(StatusCode::UNAUTHORIZED, "", "Send a Bearer token.");
const TOO_LITTLE: Refusal = Refusal(StatusCode::FORBIDDEN, "insufficient_scope", "The token lacks a scope.");

const TWO_TOKENS: Refusal =
    Refusal(StatusCode::BAD_REQUEST, "invalid_request", "The request carries more than one token.");
const IN_QUERY: Refusal =
    Refusal(StatusCode::BAD_REQUEST, "invalid_request", "The token is in the query string. Send it in the header.");

fn bad_token(text: &'static str) -> Refusal {
    Refusal(StatusCode::UNAUTHORIZED, "invalid_token", text)
}

/// Whether the token is good is unknown: this is an outage, not a refusal.
fn could_not_check(why: impl std::fmt::Debug) -> Refusal {
    eprintln!("introspection failed: {why:?}");
    Refusal(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "The token could not be checked.")
}

struct Checker {
    issuer: String,
    audience: String,
    scope: String,
    credentials: [String; 2],
    always_introspect: bool,
    http: reqwest::Client,
    keys: RwLock<Vec<Jwk>>,
    asked_for_unknown: Mutex<Option<Instant>>,
}

impl Checker {
    /// The claims of a good token, and how it was checked.
    async fn check(&self, headers: &HeaderMap, query: &str) -> Result<(Value, &'static str), Refusal> {
        let token = bearer_token(headers, query)?;
        let checked = match token.get(..4) {
            Some("jrt_") => return Err(bad_token("This is a refresh token. Send the access token.")),
            Some("jat_") => self.introspect(&token).await?,
            _ if self.always_introspect => self.introspect(&token).await?,
            _ => self.verify(&token).await?,
        };
        if !checked.0["cnf"].is_null() {
            // Bound to a key or a certificate of the client: examples/dpop checks that.
            return Err(bad_token("The token is bound to its client, which this API cannot check."));
        }
        let held = checked.0["scope"].as_str().unwrap_or_default();
        let is_held = |needed| held.split(' ').any(|scope| scope == needed);
        if self.scope.split(' ').all(is_held) { Ok(checked) } else { Err(TOO_LITTLE) }
    }

    async fn verify(&self, token: &str) -> Result<(Value, &'static str), Refusal> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| bad_token("This is not an access token."))?;
        if header.typ.as_deref() != Some("at+jwt") || header.crit.is_some() {
            return Err(bad_token("This JWT is not an access token."));
        }
        let Some((key, algorithm)) = self.key(header.kid.as_deref()).await else {
            return self.introspect(token).await;
        };
        let mut rules = Validation::new(algorithm);
        rules.set_issuer(&[&self.issuer]);
        rules.set_audience(&[&self.audience]);
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        rules.validate_nbf = true;
        rules.leeway = LEEWAY;
        let verified = jsonwebtoken::decode::<Value>(token, &key, &rules);
        let claims = verified.map_err(|error| bad_token(reason(error.kind())))?.claims;
        let now = jsonwebtoken::get_current_timestamp() as f64;
        if claims["exp"].as_f64().is_none_or(|expiry| expiry <= now) {
            return Err(bad_token(reason(&ErrorKind::ExpiredSignature)));
        }
        Ok((claims, "keys"))
    }

    /// The published key with this id, and its algorithm.
    async fn key(&self, kid: Option<&str>) -> Option<(DecodingKey, Algorithm)> {
        let has_id = |key: &&Jwk| kid.is_some() && key.common.key_id.as_deref() == kid;
        let mut found = self.keys.read().await.iter().find(has_id).cloned();
        if found.is_none() {
            let mut asked = self.asked_for_unknown.lock().await;
            if asked.is_none_or(|moment| moment.elapsed() >= PAUSE) {
                *asked = Some(Instant::now());
                drop(asked);
                self.fetch_keys().await;
                found = self.keys.read().await.iter().find(has_id).cloned();
            }
        }
        let key = found?;
        let algorithm = Algorithm::try_from(key.common.key_algorithm?).ok()?;
        if ALGORITHMS.contains(&algorithm) { Some((DecodingKey::from_jwk(&key).ok()?, algorithm)) } else { None }
    }

    /// Fetches the published keys. If that fails, the known ones stay in use.
    async fn fetch_keys(&self) {
        let request = self.http.get(format!("{}/.well-known/jwks.json", self.issuer));
        match async { request.send().await?.error_for_status()?.json::<JwkSet>().await }.await {
            Ok(set) => *self.keys.write().await = set.keys,
            Err(error) => eprintln!("the published keys could not be fetched: {error:?}"),
        }
    }

    async fn introspect(&self, token: &str) -> Result<(Value, &'static str), Refusal> {
        let [id, secret] = &self.credentials;
        let request = self.http.post(format!("{}/auth/introspect", self.issuer)).basic_auth(id, Some(secret));
        let answer = request.form(&[("token", token)]).send().await.map_err(could_not_check)?;
        if answer.status() != StatusCode::OK {
            return Err(could_not_check(answer.status()));
        }
        let claims: Value = answer.json().await.map_err(could_not_check)?;
        let audience = &claims["aud"];
        let is_ours = |audience: &Value| *audience == self.audience;
        match claims["active"].as_bool() {
            None => Err(could_not_check("the answer does not say whether the token is active")),
            Some(false) => Err(bad_token("The token has expired, was revoked, or was never issued.")),
            Some(true) if claims["token_type"] != "Bearer" => Err(bad_token("This is not an access token.")),
            Some(true) if claims["iss"] != self.issuer => Err(bad_token(reason(&ErrorKind::InvalidIssuer))),
            Some(true) if is_ours(audience) || audience.as_array().is_some_and(|all| all.iter().any(is_ours)) => {
                Ok((claims, "introspection"))
            }
            Some(true) => Err(bad_token(reason(&ErrorKind::InvalidAudience))),
        }
    }
}

/// The token from the Authorization header, the only place where it is accepted.
fn bearer_token(headers: &HeaderMap, query: &str) -> Result<String, Refusal> {
    let in_query = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token");
    let value = match headers.get_all(header::AUTHORIZATION).iter().collect::<Vec<_>>()[..] {
        [_, _, ..] => return Err(TWO_TOKENS),
        [_] if in_query => return Err(TWO_TOKENS),
        [] if in_query => return Err(IN_QUERY),
        [] => return Err(NO_TOKEN),
        [value] => String::from_utf8_lossy(value.as_bytes()),
    };
    let (scheme, token) = value.split_once(' ').ok_or(NO_TOKEN)?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && !token.starts_with(' ');
    if is_bearer { Ok(token.to_owned()) } else { Err(NO_TOKEN) }
}

fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "The token has expired.",
        ErrorKind::ImmatureSignature => "The token is not valid yet.",
        ErrorKind::InvalidIssuer => "The token is of another issuer.",
        ErrorKind::InvalidAudience => "The token is for another audience.",
        ErrorKind::InvalidSignature => "The signature is wrong.",
        ErrorKind::InvalidAlgorithm => "The algorithm is not the one of the key.",
        _ => "This is not an access token.",
    }
}

type Answer = (StatusCode, [(HeaderName, String); 1], Json<Value>);

async fn data(State(checker): State<Arc<Checker>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    let Refusal(status, code, text) = match checker.check(&headers, query.as_deref().unwrap_or_default()).await {
        Ok((claims, checked_by)) => {
            let body = json!({"data": "secret", "client": claims["client_id"], "checked_by": checked_by});
            return (StatusCode::OK, [(header::CACHE_CONTROL, "no-store".into())], Json(body));
        }
        Err(refusal) => refusal,
    };
    let challenge = match code {
        "" => "Bearer realm=\"data\"".into(),
        _ => format!("Bearer realm=\"data\", error=\"{code}\", error_description=\"{text}\""),
    };
    let header = match status {
        StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, "2".into()),
        StatusCode::FORBIDDEN => (header::WWW_AUTHENTICATE, format!("{challenge}, scope=\"{}\"", checker.scope)),
        _ => (header::WWW_AUTHENTICATE, challenge),
    };
    (status, [header], Json(json!({"error": code, "error_description": text})))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let required = |name| std::env::var(name).map_err(|_| format!("{name} is not set"));
    // RFC 6749 §2.3.1: in Basic, id and secret are encoded like the fields of a form.
    let encoded = |name| required(name).map(|text| form_urlencoded::byte_serialize(text.as_bytes()).collect());
    let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).redirect(reqwest::redirect::Policy::none());
    let checker = Arc::new(Checker {
        issuer: required("ISSUER")?,
        audience: required("AUDIENCE")?,
        scope: required("SCOPE")?,
        credentials: [encoded("CLIENT_ID")?, encoded("CLIENT_SECRET")?],
        always_introspect: std::env::var("INTROSPECT").is_ok_and(|value| value == "always"),
        http: http.build()?,
        keys: RwLock::default(),
        asked_for_unknown: Mutex::default(),
    });
    let refreshed = Arc::clone(&checker);
    tokio::spawn(async move {
        loop {
            refreshed.fetch_keys().await;
            tokio::time::sleep(REFRESH).await;
        }
    });
    let address = format!("127.0.0.1:{}", std::env::var("PORT").unwrap_or_else(|_| "3000".into()));
    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("http://{address}/data");
    Ok(axum::serve(listener, Router::new().route("/data", get(data)).with_state(checker)).await?)
}
