//! The base of the tests: a server on either store, reached over HTTP, and actors that talk to it.

#![allow(dead_code, unused_imports, unused_macros, reason = "each test crate uses a part of it")]

pub(crate) mod authenticator;
pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod cluster;
pub(crate) mod crash;
pub(crate) mod inputs;
pub(crate) mod log;
pub(crate) mod model;
pub(crate) mod outages;
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod scene;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jeton::app::StartError;
use jeton::clock::Clock;
use jeton::keys::master::MasterKey;
use jeton::protocol::time::Timestamp;
use jeton::serve::Server;
use jeton::settings::{Needs, Resolved, Settings, Sources};
use jeton::store::{Location, Store};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// Makes two tests of one body, one for each store: `on_both_stores!(name_of_the_test, async |backend| { … });`
macro_rules! on_both_stores {
    ($(#[$meta:meta])* $name:ident, $body:expr) => {
        mod $name {
            use super::*;
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                crate::support::run_on(crate::support::Backend::Sqlite, $body).await;
            }
            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                crate::support::run_on(crate::support::Backend::Postgres, $body).await;
            }
        }
    };
}
pub(crate) use on_both_stores;

/// Runs the body of a test on a store.
pub(crate) async fn run_on(backend: Backend, body: impl AsyncFnOnce(Backend)) {
    body(backend).await;
}

static MIGRATED: postgres::Template = postgres::Template::new();

/// The address of an empty database with the schema, and the folder that must outlive it.
pub(crate) async fn fresh_database(backend: Backend) -> (String, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let address = match backend {
        Backend::Sqlite => format!("sqlite://{}", folder.path().join("jeton.db").display()),
        Backend::Postgres => {
            postgres::fresh_database(&MIGRATED, async |address: String| {
                let location: Location = address.parse().unwrap();
                Store::connect(&location).await.unwrap().migrate().await.unwrap();
            })
            .await
        }
    };
    (address, folder)
}

/// How a test server differs from the usual one.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// Settings, by the names of their environment variables.
    pub(crate) environment: BTreeMap<String, String>,
    /// A clock that the test moves.
    pub(crate) clock: Option<Clock>,
    /// With `--dev`.
    pub(crate) dev: bool,
}

impl Setup {
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With a clock that moves only by [`TestServer::advance`].
    pub(crate) fn with_manual_clock(mut self) -> Self {
        self.clock = Some(Clock::manual(Timestamp::from_seconds(1_800_000_000)));
        self
    }
}

/// A server of its own for one test, with an administrator's token.
pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) base: String,
    pub(crate) ops: String,
    pub(crate) http: reqwest::Client,
    pub(crate) database: String,
    pub(crate) master_key: String,
    pub(crate) clock: Clock,
    admin_token: tokio::sync::Mutex<Option<String>>,
    _folder: Option<TempDir>,
}

/// The first administrator of every test server, made as `jeton client create` makes one.
const ADMIN: &str = "test-admin";

impl TestServer {
    pub(crate) async fn start(backend: Backend) -> Self {
        Self::start_with(backend, Setup::default()).await
    }

    pub(crate) async fn start_with(backend: Backend, setup: Setup) -> Self {
        let (database, folder) = fresh_database(backend).await;
        let master_key = MasterKey::generate().to_string();
        let mut server = Self::start_on(&database, &master_key, setup).await;
        server._folder = Some(folder);
        server
    }

    /// Another server on a database: a second node, or the same one after a restart.
    pub(crate) async fn start_on(database: &str, master_key: &str, setup: Setup) -> Self {
        let mut environment = BTreeMap::from([
            ("JETON_DATABASE_URL".to_owned(), database.to_owned()),
            ("JETON_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("JETON_OPS_LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
            ("JETON_ISSUER".to_owned(), "https://auth.example.com".to_owned()),
            ("JETON_MASTER_KEY".to_owned(), master_key.to_owned()),
            ("JETON_THROTTLING".to_owned(), "off".to_owned()),
        ]);
        if setup.dev {
            environment.remove("JETON_ISSUER");
        }
        environment.extend(setup.environment);
        let resolved = Resolved::read(&Sources { environment, dev: setup.dev, ..Sources::default() });
        let checked = || Settings::check(&resolved, Needs::ALL).unwrap();
        let scheme = checked().scheme();
        let clock = setup.clock.unwrap_or_else(Clock::system);
        // A program that another test starts shares the lock of a server that stopped, until it is executed.
        let is_locked = |error: &StartError| error.0.contains("in use by another server");
        let mut attempts = 0;
        let server = loop {
            match Server::start(checked(), clock.clone()).await {
                Err(error) if is_locked(&error) && attempts < 100 => attempts += 1,
                started => break started.unwrap(),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        Self {
            base: format!("{scheme}://{}", server.address),
            ops: format!("http://{}", server.ops_address),
            http: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            database: database.to_owned(),
            master_key: master_key.to_owned(),
            clock,
            server,
            admin_token: tokio::sync::Mutex::default(),
            _folder: None,
        }
    }

    /// The same server after a restart with other settings.
    pub(crate) async fn restart(self, setup: Setup) -> Self {
        let Self { server, database, master_key, _folder: folder, .. } = self;
        server.stop().await;
        let mut again = Self::start_on(&database, &master_key, setup).await;
        again._folder = folder;
        again
    }

    /// Stops the server gracefully.
    pub(crate) async fn stop(self) {
        let Self { server, _folder: folder, .. } = self;
        server.stop().await;
        drop(folder);
    }

    /// Moves a manual clock.
    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The `iss` of its tokens.
    pub(crate) fn issuer(&self) -> &str {
        self.server.app.issuer.url()
    }

    /// Creates a client through the admin API; `members` as `NewClient` in openapi.yaml. Gives the actor that it is.
    pub(crate) async fn client(&self, client_id: &str, mut members: Value) -> TestClient {
        members["client_id"] = json!(client_id);
        let answer = self.admin(Method::POST, "/admin/v1/clients", Some(members.clone())).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{client_id}: {answer:?}");
        let secret = answer.json["client_secret"].as_str().or(members["client_secret"].as_str()).map(str::to_owned);
        TestClient {
            id: client_id.to_owned(),
            secret,
            in_body: members["token_endpoint_auth_method"] == "client_secret_post",
        }
    }

    /// A confidential client with every grant and the scopes `read write`.
    pub(crate) async fn main_client(&self, client_id: &str) -> TestClient {
        self.client(client_id, scene::every_grant(json!({}))).await
    }

    /// A public client with the password and refresh grants.
    pub(crate) async fn public_client(&self, client_id: &str) -> TestClient {
        let grants = ["password", "refresh_token"];
        let members = json!({"token_endpoint_auth_method": "none", "grant_types": grants, "scope": "read write"});
        self.client(client_id, members).await
    }

    /// A resource server that may introspect everything.
    pub(crate) async fn resource_server(&self, client_id: &str) -> TestClient {
        self.client(client_id, json!({"permissions": ["introspect", "explain"]})).await
    }

    /// Creates a resource through the admin API; `members` as `NewResource` in openapi.yaml.
    pub(crate) async fn resource(&self, members: Value) -> Answer {
        let answer = self.admin(Method::POST, "/admin/v1/resources", Some(members)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer
    }

    /// Creates a user through the admin API and gives its id.
    pub(crate) async fn user(&self, username: &str, password: &str) -> String {
        let members = json!({"username": username, "password": password});
        let answer = self.admin(Method::POST, "/admin/v1/users", Some(members)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{username}: {answer:?}");
        answer.json["id"].as_str().unwrap().to_owned()
    }

    /// A request to the admin API by its administrator.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let token = self.admin_token().await;
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    /// A token with `jeton:admin`.
    pub(crate) async fn admin_token(&self) -> String {
        let mut held = self.admin_token.lock().await;
        if let Some(token) = &*held {
            return token.clone();
        }
        let administrator = self.administrator().await;
        let answer = self.token(&administrator, &[("grant_type", "client_credentials")]).await;
        let token = answer.text("access_token");
        *held = Some(token.clone());
        token
    }

    /// The next request to the admin API gets a new token, because the old one has expired.
    pub(crate) async fn forget_admin_token(&self) {
        *self.admin_token.lock().await = None;
    }

    /// Makes the first administrator as the command line does: on the database, beside the running server.
    async fn administrator(&self) -> TestClient {
        let app = &self.server.app;
        let actor = jeton::admin::Actor::on_the_database("test");
        let _ = app.client_delete(ADMIN, &actor).await;
        let members = json!({"grant_types": ["client_credentials"], "scope": "jeton:admin"});
        let new = jeton::admin::clients::NewClient {
            client_id: Some(ADMIN.into()),
            client_secret: None,
            settings: jeton::admin::body::read(members.to_string().as_bytes()).unwrap(),
        };
        let secret = app.client_create(new, &actor).await.unwrap().client_secret;
        TestClient { id: ADMIN.into(), secret, in_body: false }
    }

    /// A form POST to the token endpoint by a client.
    pub(crate) async fn token(&self, client: &TestClient, parameters: &[(&str, &str)]) -> Answer {
        self.form(client, "/auth/token", parameters).await
    }

    /// A login; the answer is expected to be good.
    pub(crate) async fn login(&self, client: &TestClient, username: &str, password: &str) -> Answer {
        let parameters = [("grant_type", "password"), ("username", username), ("password", password)];
        let answer = self.token(client, &parameters).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer
    }

    /// A refresh.
    pub(crate) async fn refresh(&self, client: &TestClient, refresh_token: &str) -> Answer {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    pub(crate) async fn introspect(&self, client: &TestClient, token: &str) -> Answer {
        // Whoever asks knows what it is.
        let hint = if token.starts_with("jrt_") { "refresh_token" } else { "" };
        self.form(client, "/auth/introspect", &[("token", token), ("token_type_hint", hint)]).await
    }

    pub(crate) async fn revoke(&self, client: &TestClient, token: &str) -> Answer {
        self.form(client, "/auth/revoke", &[("token", token)]).await
    }

    /// A form POST by a client, authenticated in the client's way.
    pub(crate) async fn form(&self, client: &TestClient, path: &str, parameters: &[(&str, &str)]) -> Answer {
        let mut request = self.http.post(format!("{}{path}", self.base));
        let mut all: Vec<(&str, &str)> = parameters.to_vec();
        match &client.secret {
            Some(secret) if client.in_body => {
                all.extend([("client_id", client.id.as_str()), ("client_secret", secret)])
            }
            Some(_) => request = request.header("Authorization", client.basic()),
            None => all.push(("client_id", &client.id)),
        }
        Answer::of(request.form(&all)).await
    }

    /// A request with these headers and no body.
    pub(crate) async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::GET, path, headers).await
    }

    /// The keys that the server publishes.
    pub(crate) async fn published_keys(&self) -> Vec<Value> {
        let answer = self.get("/.well-known/jwks.json").await;
        answer.assert_ok().json["keys"].as_array().unwrap().clone()
    }

    /// A POST with exactly this body and these headers.
    pub(crate) async fn raw(&self, path: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
        let mut request = self.http.post(format!("{}{path}", self.base)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.base))).await
    }
}

/// The answer to exactly these bytes on a connection of their own, read until the server closes it or nothing can be
/// expected any more; invalid UTF-8 is replaced.
pub(crate) async fn exchange(base: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    let mut answer = Vec::new();
    let exchange = async {
        // A server that refuses a request may close before all of it was sent.
        let _ = stream.write_all(bytes).await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), exchange).await;
    ended.unwrap_or_else(|_| panic!("the connection does not end"));
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer that was read from a socket.
#[track_caller]
pub(crate) fn status_of(answer: &str) -> u16 {
    let code = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// The content type of forms.
pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// A client as an actor.
#[derive(Clone, Debug)]
pub(crate) struct TestClient {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) in_body: bool,
}

impl TestClient {
    /// The value of its Authorization header, each half form-encoded.
    pub(crate) fn basic(&self) -> String {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encode(&self.id), encode(self.secret.as_deref().unwrap_or_default()));
        format!("Basic {}", STANDARD.encode(pair))
    }

    /// The same client with another secret.
    pub(crate) fn with_secret(&self, secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..self.clone() }
    }

    /// The same client without a secret: its id alone.
    pub(crate) fn without_secret(&self) -> Self {
        Self { secret: None, ..self.clone() }
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// The body as JSON; null if it is not JSON.
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        Self::if_any(request).await.unwrap()
    }

    /// The answer of a server that may be gone.
    pub(crate) async fn if_any(request: reqwest::RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = String::from_utf8(response.bytes().await?.to_vec()).expect("every answer is UTF-8");
        let json = serde_json::from_str(&body).unwrap_or_default();
        Ok(Self { status, headers, body, json })
    }

    /// A member that must be a text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.json[name].as_str().unwrap_or_else(|| panic!("no text {name} in {self:?}")).to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// An OAuth error with this status: JSON, no token in it, a challenge with every 401.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, error: &str) {
        assert_eq!((self.status.as_u16(), self.json["error"].as_str()), (status, Some(error)), "{self:?}");
        assert!(self.header("content-type").unwrap_or_default().starts_with("application/json"), "{self:?}");
        assert!(self.json.get("access_token").is_none(), "{self:?}");
        assert_eq!(status == 401, self.header("www-authenticate").is_some(), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn assert_ok(&self) -> &Self {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self
    }

    /// Whether this is the honest answer of an OAuth endpoint that cannot tell at the moment: 503, and when to come
    /// again.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
            && self.header("retry-after").is_some()
            && self.json["error"] == "temporarily_unavailable"
    }

    /// Whether it tells a throttled caller to wait.
    pub(crate) fn is_slowed_down(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
            && self.header("retry-after").is_some()
            && self.json["error"] == "temporarily_unavailable"
    }

    /// Exactly `{"active":false}`.
    #[track_caller]
    pub(crate) fn assert_inactive(&self) {
        assert_eq!((self.status.as_u16(), self.body.as_str()), (200, r#"{"active":false}"#), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn assert_active(&self) -> &Self {
        assert_eq!((self.status.as_u16(), &self.json["active"]), (200, &json!(true)), "{self:?}");
        self
    }
}

/// The header or the claims of a JWT (part 0 or 1), unverified.
pub(crate) fn jwt_part(token: &str, part: usize) -> Value {
    let segment = token.split('.').nth(part).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
}

/// Tries until it is so.
pub(crate) async fn eventually(limit: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
