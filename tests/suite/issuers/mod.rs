//! Trusted issuers: their administration, what their tokens prove, and what they must not.

mod administration;
mod attacks;
mod discovery;
mod workloads;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::conformance::jose::{changed, sign};
use crate::support::scene::API;
use crate::support::{Answer, TestClient, TestServer};

/// `grant_type` of the JWT bearer grant.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION_TYPE: (&str, &str) =
    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

pub(crate) fn new_key(algorithm: SigningAlgorithm) -> Arc<SigningKey> {
    Arc::new(SigningKey::parse(algorithm, &SigningKey::generate(algorithm)).unwrap())
}

/// A set with the public halves of keys, by the name of each.
pub(crate) fn key_set(keys: &[(&SigningKey, &str)]) -> Value {
    let keys: Vec<_> = keys.iter().map(|(key, kid)| key.public_jwk(kid)).collect();
    json!({ "keys": keys })
}

/// An issuer of the tests, with one key.
pub(crate) struct Idp {
    pub(crate) name: String,
    pub(crate) key: Arc<SigningKey>,
}

impl Idp {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), key: new_key(SigningAlgorithm::Es256) }
    }

    /// What is registered of it, with more members.
    pub(crate) fn members(&self, more: Value) -> Value {
        let usual = json!({
            "issuer": self.name, "jwks": key_set(&[(&self.key, "own")]), "audience": ["https://auth.example.com"],
        });
        changed(&usual, more)
    }

    /// Registers it.
    pub(crate) async fn register(&self, app: &TestServer, more: Value) {
        let answer = app.admin(Method::POST, "/admin/v1/issuers", Some(self.members(more))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }

    /// Changes what is registered.
    pub(crate) async fn patch(&self, app: &TestServer, members: Value) -> Answer {
        app.admin(Method::PATCH, &self.path(), Some(members)).await
    }

    /// Its path in the admin API.
    pub(crate) fn path(&self) -> String {
        let name = self.name.replace(':', "%3A").replace('/', "%2F");
        format!("/admin/v1/issuers/{name}")
    }

    pub(crate) fn claims(&self, app: &TestServer, sub: &str) -> Value {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let now = app.clock.now().seconds();
        let jti = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
        json!({
            "iss": self.name, "sub": sub, "aud": "https://auth.example.com", "exp": now + 300, "iat": now, "nbf": now,
            "jti": jti,
        })
    }

    /// A token, with members of its header and its claims changed.
    pub(crate) fn token(&self, app: &TestServer, sub: &str, header: Value, claims: Value) -> String {
        let usual = json!({"alg": self.key.algorithm().name(), "kid": "own", "typ": "JWT"});
        sign(&self.key, &changed(&usual, header), &changed(&self.claims(app, sub), claims))
    }

    /// An identity assertion for a client.
    pub(crate) fn identity_assertion(&self, app: &TestServer, client_id: &str, sub: &str, claims: Value) -> String {
        let mut about = json!({"client_id": client_id});
        about.as_object_mut().unwrap().extend(claims.as_object().cloned().unwrap());
        self.token(app, sub, json!({"typ": "oauth-id-jag+jwt"}), about)
    }
}

/// A client that may use the JWT bearer grant with tokens of these issuers.
pub(crate) async fn portal(app: &TestServer, id: &str, issuers: &[&Idp], more: Value) -> TestClient {
    let names: Vec<&str> = issuers.iter().map(|idp| idp.name.as_str()).collect();
    let members = json!({"grant_types": [JWT_BEARER], "scope": "read write", "audiences": [API], "issuers": names});
    app.client(id, changed(&members, more)).await
}

/// A request of the JWT bearer grant.
pub(crate) async fn exchange(app: &TestServer, client: &TestClient, assertion: &str) -> Answer {
    app.token(client, &[("grant_type", JWT_BEARER), ("assertion", assertion)]).await
}

/// A client that is proved by tokens of these issuers.
async fn worker(app: &TestServer, id: &str, issuers: &[&Idp]) {
    let names: Vec<&str> = issuers.iter().map(|idp| idp.name.as_str()).collect();
    let members = json!({
        "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"], "scope": "read write",
        "audiences": [API], "issuers": names,
    });
    app.client(id, members).await;
}

/// A client credentials request of a client that is proved by a token.
async fn ask(app: &TestServer, client_id: &str, assertion: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_assertion", assertion),
        ASSERTION_TYPE,
    ];
    let form: Vec<(&str, &str)> = form.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    Answer::of(app.http.post(format!("{}/auth/token", app.base)).form(&form)).await
}

/// How often requests to the token endpoint were refused for this.
pub(crate) async fn refusals(app: &TestServer, cause: &str) -> u64 {
    let text = app.http.get(format!("{}/metrics", app.ops)).send().await.unwrap().text().await.unwrap();
    let name = format!("jeton_refusals_total{{endpoint=\"token\",cause=\"{cause}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}
