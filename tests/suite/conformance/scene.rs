//! The actors of the rows about tokens: clients of every kind, a user, a resource server.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Backend, Setup, TestClient, TestServer};

pub(crate) const API: &str = "https://api.example.test/";
pub(crate) const FILES: &str = "https://files.example.test/";

/// A server with the actors that most rows need.
pub(crate) struct Scene {
    pub(crate) app: TestServer,
    /// Confidential, every grant, JWTs.
    pub(crate) main: TestClient,
    /// The same with opaque access tokens.
    pub(crate) opaque: TestClient,
    /// Confidential, a stranger to the tokens of the others.
    pub(crate) other: TestClient,
    /// Without a secret.
    pub(crate) public: TestClient,
    /// May introspect everything.
    pub(crate) rs: TestClient,
    /// The id of alice.
    pub(crate) alice: String,
}

impl Scene {
    pub(crate) async fn start(backend: Backend) -> Self {
        Self::start_with(backend, Setup::default()).await
    }

    pub(crate) async fn start_with(backend: Backend, setup: Setup) -> Self {
        let app = TestServer::start_with(backend, setup).await;
        Self {
            main: app.main_client("main").await,
            opaque: app.client("opaque", every_grant(json!({"access_token_format": "opaque"}))).await,
            other: app.main_client("other").await,
            public: app.public_client("app").await,
            rs: app.resource_server("rs").await,
            alice: app.user("alice", "wonderland").await,
            app,
        }
    }

    /// Those whose tokens every rule holds for: JWT and opaque, confidential and public.
    pub(crate) fn owners(&self) -> [&TestClient; 3] {
        [&self.main, &self.opaque, &self.public]
    }

    /// A login of alice.
    pub(crate) async fn login(&self, client: &TestClient) -> Tokens {
        Tokens::of(&self.app.login(client, "alice", "wonderland").await)
    }

    /// A login of alice with more parameters.
    pub(crate) async fn login_with(&self, client: &TestClient, more: &[(&str, &str)]) -> Tokens {
        let mut parameters = vec![("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
        parameters.extend(more);
        Tokens::of(&self.app.token(client, &parameters).await)
    }

    /// A refresh that is expected to be good.
    pub(crate) async fn refresh(&self, client: &TestClient, refresh_token: &str) -> Tokens {
        Tokens::of(&self.app.refresh(client, refresh_token).await)
    }

    /// A refresh with more parameters.
    pub(crate) async fn refresh_with(&self, client: &TestClient, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut parameters = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        parameters.extend(more);
        self.app.token(client, &parameters).await
    }

    /// A token of a client's own, by client credentials.
    pub(crate) async fn client_token(&self, client: &TestClient, more: &[(&str, &str)]) -> Answer {
        let mut parameters = vec![("grant_type", "client_credentials")];
        parameters.extend(more);
        self.app.token(client, &parameters).await
    }

    pub(crate) async fn assert_active(&self, access_token: &str) -> Value {
        self.app.introspect(&self.rs, access_token).await.assert_active().json.clone()
    }

    pub(crate) async fn assert_inactive(&self, access_token: &str) {
        self.app.introspect(&self.rs, access_token).await.assert_inactive();
    }

    /// Neither the refresh token nor the access token is good for anything any more.
    pub(crate) async fn assert_dead(&self, client: &TestClient, tokens: &Tokens) {
        self.assert_inactive(&tokens.access).await;
        self.app.refresh(client, &tokens.refresh).await.assert_error(400, "invalid_grant");
    }
}

/// The members of a client with every grant, and those given.
pub(crate) fn every_grant(more: Value) -> Value {
    let mut members = json!({
        "grant_types": ["password", "client_credentials", "refresh_token"],
        "scope": "read write",
        "audiences": [API, FILES],
    });
    members.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    members
}

/// What a login or a refresh gave.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Tokens {
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        answer.assert_ok();
        Self { access: answer.text("access_token"), refresh: answer.text("refresh_token") }
    }
}

/// A GET with these headers.
pub(crate) async fn get_with(app: &TestServer, path: &str, headers: &[(&str, &str)]) -> Answer {
    request(app, Method::GET, path, headers).await
}

/// A request without a body.
pub(crate) async fn request(app: &TestServer, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = app.http.request(method, format!("{}{path}", app.base));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

/// The published keys.
pub(crate) async fn published_keys(app: &TestServer) -> Vec<Value> {
    let answer = app.get("/.well-known/jwks.json").await;
    answer.assert_ok().json["keys"].as_array().unwrap().clone()
}

/// The claims of a JWT, verified by the published key that its header names.
pub(crate) async fn verified(app: &TestServer, token: &str) -> Value {
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.expect("the header names a key");
    let keys = published_keys(app).await;
    let jwk = keys.iter().find(|key| key["kid"] == kid).expect("the key is published");
    super::jose::verify(token, jwk).expect("the signature is good")
}
