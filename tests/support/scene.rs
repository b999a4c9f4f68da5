//! A server with the clients and the user that most tests of the protocol need, and what they ask of it.

use serde_json::{Value, json};

use super::{Answer, Backend, FORM, Setup, TestClient, TestServer, exchange};

/// The audiences of every client that [`every_grant`] describes.
pub(crate) const API: &str = "https://api.example.test/";
pub(crate) const FILES: &str = "https://files.example.test/";

/// Names and passwords of users. Every scene has alice.
pub(crate) const ALICE: (&str, &str) = ("alice", "Wonderland-1865");
pub(crate) const BOB: (&str, &str) = ("bob@example.com", "p+ä&s%s=w;o'r\"d\\ 41");

/// `grant_type=client_credentials`.
pub(crate) const CLIENT_CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

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

/// The tokens of a login or a refresh.
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

/// A server with its actors.
pub(crate) struct Scene {
    pub(crate) app: TestServer,
    /// Confidential, with every grant and JWTs.
    pub(crate) main: TestClient,
    /// The same with opaque access tokens.
    pub(crate) opaque: TestClient,
    /// Like `main`, but does not own its tokens.
    pub(crate) other: TestClient,
    /// A public client.
    pub(crate) public: TestClient,
    /// A resource server, which may introspect everything.
    pub(crate) rs: TestClient,
    /// The id of [`ALICE`].
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
            alice: app.user(ALICE.0, ALICE.1).await,
            app,
        }
    }

    /// The clients that own tokens of every kind: JWT and opaque, confidential and public.
    pub(crate) fn owners(&self) -> [&TestClient; 3] {
        [&self.main, &self.opaque, &self.public]
    }

    /// A new client that has only the client credentials grant.
    pub(crate) async fn machine_client(&self) -> TestClient {
        self.app.client("machine", json!({"grant_types": ["client_credentials"], "scope": "read write"})).await
    }

    /// A new client that sends its secret in the body; the secret is generated unless given.
    pub(crate) async fn post_client(&self, secret: Option<&str>) -> TestClient {
        let mut members = json!({"grant_types": ["client_credentials"], "scope": "read write"});
        members["token_endpoint_auth_method"] = json!("client_secret_post");
        if let Some(secret) = secret {
            members["client_secret"] = json!(secret);
        }
        self.app.client("post", members).await
    }

    /// A new client whose id and secret contain every character that is special somewhere.
    pub(crate) async fn weird_client(&self) -> TestClient {
        let secret = "s% + : space \" \\ &%41";
        let members = json!({"grant_types": ["client_credentials"], "scope": "read", "client_secret": secret});
        self.app.client("% + : space \" \\ &", members).await
    }

    /// A client credentials request with more parameters.
    pub(crate) async fn client_credentials(&self, client: &TestClient, more: &[(&str, &str)]) -> Answer {
        self.app.token(client, &[&[CLIENT_CREDENTIALS], more].concat()).await
    }

    /// A password request with more parameters.
    pub(crate) async fn password(
        &self,
        client: &TestClient,
        (username, password): (&str, &str),
        more: &[(&str, &str)],
    ) -> Answer {
        let login = [("grant_type", "password"), ("username", username), ("password", password)];
        self.app.token(client, &[&login, more].concat()).await
    }

    /// A refresh request with more parameters.
    pub(crate) async fn refresh_with(&self, client: &TestClient, token: &str, more: &[(&str, &str)]) -> Answer {
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.app.token(client, &[&refresh, more].concat()).await
    }

    /// Logs alice in.
    pub(crate) async fn login(&self, client: &TestClient) -> Tokens {
        self.login_with(client, &[]).await
    }

    /// Logs alice in with more parameters.
    pub(crate) async fn login_with(&self, client: &TestClient, more: &[(&str, &str)]) -> Tokens {
        Tokens::of(&self.password(client, ALICE, more).await)
    }

    /// A refresh that must succeed.
    pub(crate) async fn refresh(&self, client: &TestClient, refresh_token: &str) -> Tokens {
        Tokens::of(&self.app.refresh(client, refresh_token).await)
    }

    pub(crate) async fn assert_active(&self, access_token: &str) -> Value {
        self.app.introspect(&self.rs, access_token).await.assert_active().json.clone()
    }

    pub(crate) async fn assert_inactive(&self, access_token: &str) {
        self.app.introspect(&self.rs, access_token).await.assert_inactive();
    }

    /// Neither token works any more.
    pub(crate) async fn assert_dead(&self, client: &TestClient, tokens: &Tokens) {
        self.assert_inactive(&tokens.access).await;
        self.app.refresh(client, &tokens.refresh).await.assert_error(400, "invalid_grant");
    }

    /// The server still serves a normal request (GEN-039).
    pub(crate) async fn assert_still_works(&self) {
        self.client_credentials(&self.main, &[]).await.assert_ok();
    }

    /// A form POST to the token endpoint by `main` with exactly this body.
    pub(crate) async fn token_body(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.app.raw("/auth/token", &[FORM, ("Authorization", &self.main.basic())], body).await
    }

    /// A client credentials request with these values of the Authorization header.
    pub(crate) async fn with_authorization(&self, values: &[&str]) -> Answer {
        let mut headers = vec![FORM];
        headers.extend(values.iter().map(|value| ("Authorization", *value)));
        self.app.raw("/auth/token", &headers, "grant_type=client_credentials").await
    }

    /// The answer to exactly these bytes.
    pub(crate) async fn exchange(&self, request: &[u8]) -> String {
        let answer = exchange(&self.app.base, request).await;
        assert!(!answer.contains(char::REPLACEMENT_CHARACTER), "every answer is UTF-8: {answer:?}");
        answer
    }

    /// A client credentials request by `main` with exactly this method and target.
    pub(crate) async fn odd_request(&self, method: &str, target: &str, headers: &str) -> String {
        let (basic, body) = (self.main.basic(), "grant_type=client_credentials");
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {basic}\r\n\
             Content-Type: {}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            FORM.1,
            body.len()
        );
        self.exchange(request.as_bytes()).await
    }
}
