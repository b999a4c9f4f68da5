//! The actors of the conformance list, and requests that a well-behaved client does not make.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::{Answer, Backend, FORM, Setup, TestClient, TestServer, exchange};

/// The users of the list: name and password.
pub(super) const ALICE: (&str, &str) = ("alice", "Wonderland-1865");
pub(super) const BOB: (&str, &str) = ("bob@example.com", "p+ä&s%s=w;o'r\"d\\ 41");

/// `grant_type=client_credentials`.
pub(super) const CLIENT_CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

/// A server with the client `main`; the others are made by the tests that need them.
pub(super) struct Cast {
    pub(super) app: TestServer,
    /// Confidential, with every grant and the scopes `read write`.
    pub(super) main: TestClient,
}

impl std::ops::Deref for Cast {
    type Target = TestServer;

    fn deref(&self) -> &TestServer {
        &self.app
    }
}

impl Cast {
    pub(super) async fn start(backend: Backend) -> Self {
        Self::start_with(backend, Setup::default()).await
    }

    pub(super) async fn start_with(backend: Backend, setup: Setup) -> Self {
        let app = TestServer::start_with(backend, setup).await;
        let main = app.main_client("main").await;
        Self { app, main }
    }

    /// A second client like `main`.
    pub(super) async fn other(&self) -> TestClient {
        self.main_client("other").await
    }

    /// A confidential client that sends its secret in the body.
    pub(super) async fn post(&self) -> TestClient {
        self.post_with_secret(None).await
    }

    /// The same with a secret that somebody chose.
    pub(super) async fn post_with_secret(&self, secret: Option<&str>) -> TestClient {
        let mut members = json!({"grant_types": ["client_credentials"], "scope": "read write"});
        members["token_endpoint_auth_method"] = json!("client_secret_post");
        if let Some(secret) = secret {
            members["client_secret"] = json!(secret);
        }
        self.client("post", members).await
    }

    /// A client that has the client credentials grant only.
    pub(super) async fn cc(&self) -> TestClient {
        self.client("cc", json!({"grant_types": ["client_credentials"], "scope": "read write"})).await
    }

    /// A client whose id and secret hold every character that is special somewhere.
    pub(super) async fn weird(&self) -> TestClient {
        let secret = "s% + : space \" \\ &%41";
        let members = json!({"grant_types": ["client_credentials"], "scope": "read", "client_secret": secret});
        self.client("% + : space \" \\ &", members).await
    }

    /// Creates a user of the list; gives its id.
    pub(super) async fn add(&self, (username, password): (&str, &str)) -> String {
        self.user(username, password).await
    }

    /// `T(client_credentials, …)` by `main`.
    pub(super) async fn client_credentials(&self, parameters: &[(&str, &str)]) -> Answer {
        self.token(&self.main, &[&[CLIENT_CREDENTIALS], parameters].concat()).await
    }

    /// `T(password, …)` by a client.
    pub(super) async fn password(
        &self,
        client: &TestClient,
        (username, password): (&str, &str),
        parameters: &[(&str, &str)],
    ) -> Answer {
        let login = [("grant_type", "password"), ("username", username), ("password", password)];
        self.token(client, &[&login, parameters].concat()).await
    }

    /// A form POST to the token endpoint by `main` with exactly this body.
    pub(super) async fn token_body(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.raw("/auth/token", &[FORM, ("Authorization", &self.main.basic())], body).await
    }

    /// `T(client_credentials)` with these values of the Authorization header.
    pub(super) async fn with_authorization(&self, values: &[&str]) -> Answer {
        let mut headers = vec![FORM];
        headers.extend(values.iter().map(|value| ("Authorization", *value)));
        self.raw("/auth/token", &headers, "grant_type=client_credentials").await
    }

    /// GEN-039: whatever came before, a normal request works.
    pub(super) async fn assert_still_works(&self) {
        self.client_credentials(&[]).await.assert_ok();
    }

    /// The answer to exactly these bytes.
    pub(super) async fn exchange(&self, request: &[u8]) -> String {
        let answer = exchange(&self.base, request).await;
        assert!(!answer.contains(char::REPLACEMENT_CHARACTER), "every answer is UTF-8: {answer:?}");
        answer
    }

    /// A request with this method and target, letter for letter, that asks for a client credentials token as `main`.
    pub(super) async fn odd_request(&self, method: &str, target: &str, headers: &str) -> String {
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

/// `Basic` with these bytes, not form-encoded.
pub(super) fn raw_basic(pair: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

/// One of several statuses and errors, and no token in it.
#[track_caller]
pub(super) fn assert_one_of(answer: &Answer, accepted: &[(u16, &str)]) {
    let found = (answer.status.as_u16(), answer.json["error"].as_str().unwrap_or_default());
    assert!(accepted.contains(&found), "{answer:?} is none of {accepted:?}");
    answer.assert_error(found.0, found.1);
}

/// The answers are the same but for what differs in every answer.
#[track_caller]
pub(super) fn assert_alike(one: &Answer, other: &Answer) {
    let stable = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("date");
        headers.remove("x-request-id").expect("every answer has a request id");
        (answer.status, headers, answer.body.clone())
    };
    assert_eq!(stable(one), stable(other));
}

/// The scope tokens of a space-delimited text, sorted.
pub(super) fn scope_tokens(scope: &serde_json::Value) -> Vec<String> {
    let text = scope.as_str().unwrap_or_else(|| panic!("the scope is no text: {scope}"));
    let mut tokens: Vec<String> = text.split(' ').map(str::to_owned).collect();
    tokens.sort();
    tokens
}
