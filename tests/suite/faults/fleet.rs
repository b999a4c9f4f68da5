//! Several servers of the real binary on one Postgres, and their clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jeton::clock::Clock;
use jeton::keys::master::MasterKey;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::RECOVERY;
use super::oracle::{Oracle, Said, Token};
use crate::support::program::{Place, Running};
use crate::support::{Answer, Setup, TestClient, TestServer, eventually};

/// The time between two revocations of a stream.
const PACE: Duration = Duration::from_millis(25);
/// The most rounds of a stream.
const MOST: usize = 2000;

/// A server.
pub(super) struct Node {
    /// Its index among all servers that were started.
    pub(super) number: usize,
    pub(super) base: String,
    ops: String,
    /// The process; `None` for a server inside the test process.
    running: Option<Running>,
}

impl Node {
    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Its name in receipts ends with this.
    pub(super) fn process(&self) -> String {
        format!("process {}", self.running().guard.0.id())
    }

    /// How many lines of its log have this.
    pub(super) fn logged(&self, words: &str) -> usize {
        self.running().log.lock().unwrap().lines().filter(|line| line.contains(words)).count()
    }

    /// Stops it in the middle of whatever it does.
    pub(super) fn freeze(&self) {
        self.running().signal("STOP");
    }

    pub(super) fn thaw(&self) {
        self.running().signal("CONT");
    }

    pub(super) async fn is_ready(&self) -> bool {
        let answer = Answer::if_any(reqwest::Client::new().get(format!("{}/readyz", self.ops))).await;
        answer.is_ok_and(|answer| answer.status == StatusCode::OK)
    }

    /// The value of a metric.
    pub(super) async fn metric(&self, name: &str) -> f64 {
        let text = Answer::of(reqwest::Client::new().get(format!("{}/metrics", self.ops))).await.body;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in {text}"))
    }
}

/// The common part of the servers on one database.
#[derive(Clone)]
pub(super) struct Fleet {
    place: Arc<Place>,
    started: Arc<AtomicUsize>,
    http: reqwest::Client,
    ops: TestClient,
    /// A client with all grants and JWTs.
    pub(super) app: TestClient,
    /// A client with opaque tokens.
    pub(super) sealed: TestClient,
    pub(super) oracle: Oracle,
}

impl Fleet {
    /// On a database that is empty or has the schema. `staleness` is JETON_MAX_STALENESS and the bound of the oracle.
    pub(super) fn on(database: &str, staleness: Duration) -> Self {
        let mut place = Place::bare();
        place.set("JETON_DATABASE_URL", database);
        place.set("JETON_ISSUER", "https://auth.example.com");
        place.set("JETON_MASTER_KEY", &MasterKey::generate());
        place.set("JETON_MAX_STALENESS", &format!("{}ms", staleness.as_millis()));
        place.set("JETON_PASSWORD_THREADS", "1");
        place.run(&["migrate"]);
        let client = |id: &str, settings: &[&str]| {
            let made = place.json(&[&["client", "create", "--client-id", id], settings].concat());
            TestClient { id: id.into(), secret: made["client_secret"].as_str().map(str::to_owned), in_body: false }
        };
        let grants = ["--grant-types", "password,client_credentials,refresh_token", "--scope", "read"];
        let opaque = ["--access-token-format", "opaque"];
        let app = client("app", &grants);
        let sealed = client("sealed", &[&grants[..], &opaque].concat());
        let ops = client("ops", &["--grant-types", "client_credentials", "--scope", "jeton:admin"]);
        let asker = client("asker", &["--grant-types", "client_credentials", "--permissions", "introspect"]);
        let oracle = Oracle::new(staleness, asker);
        Self { place: Arc::new(place), started: Arc::default(), http: reqwest::Client::new(), ops, app, sealed, oracle }
    }

    /// The directory and environment of a server with this database URL.
    pub(super) fn place(&self, database: &str) -> Place {
        self.place.with("JETON_DATABASE_URL", database)
    }

    /// Runs a command on the database.
    pub(super) fn command(&self, arguments: &[&str]) {
        self.place.run(arguments).ok();
    }

    /// Starts a server, and has the oracle watch it.
    pub(super) fn start(&self) -> Node {
        self.start_in(&self.place)
    }

    pub(super) fn start_on(&self, database: &str) -> Node {
        self.start_in(&self.place(database))
    }

    pub(super) fn start_in(&self, place: &Place) -> Node {
        self.joins(place.serve(&[]))
    }

    /// A server that listens joins the others.
    pub(super) fn joins(&self, running: Running) -> Node {
        self.add(running.base.clone(), running.ops.clone(), Some(running))
    }

    fn add(&self, base: String, ops: String, running: Option<Running>) -> Node {
        let node = Node { number: self.started.fetch_add(1, Ordering::Relaxed), base, ops, running };
        self.oracle.watch(&node);
        node
    }

    /// A server inside the test process, with a manual clock. It runs as long as the second value lives.
    pub(super) async fn start_with_clock(&self, clock: Clock) -> (Node, TestServer) {
        let setting = |name: &str| self.place.environment[name].as_str();
        let setup = Setup { clock: Some(clock), ..Setup::default() };
        let setup = setup.set("JETON_MAX_STALENESS", setting("JETON_MAX_STALENESS")).set("JETON_PASSWORD_THREADS", "1");
        let server = TestServer::start_on(setting("JETON_DATABASE_URL"), setting("JETON_MASTER_KEY"), setup).await;
        (self.add(server.base.clone(), server.ops.clone(), None), server)
    }

    /// Kills a server at once.
    pub(super) fn kill(&self, mut node: Node) {
        self.oracle.leave(&node);
        node.running.take().unwrap().kill();
    }

    /// Stops a server as a service manager does.
    pub(super) fn stop(&self, mut node: Node) {
        self.oracle.leave(&node);
        assert_eq!(node.running.take().unwrap().stop().code(), Some(0));
    }

    pub(super) async fn form(&self, node: &Node, path: &str, client: &TestClient, form: &[(&str, &str)]) -> Answer {
        self.form_at(&node.base, path, client, form).await.unwrap()
    }

    async fn form_at(
        &self,
        base: &str,
        path: &str,
        client: &TestClient,
        form: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let request = self.http.post(format!("{base}{path}")).header("Authorization", client.basic()).form(form);
        Answer::if_any(request).await
    }

    /// A valid client_credentials token.
    pub(super) async fn token(&self, node: &Node, client: &TestClient) -> Token {
        let answer = self.form(node, "/auth/token", client, &[("grant_type", "client_credentials")]).await;
        let name = format!("a token that node {} gave to {}", node.number, client.id);
        self.oracle.good(&name, answer.assert_ok().text("access_token"))
    }

    pub(super) async fn user(&self, node: &Node, username: &str) {
        let members = json!({"username": username, "password": "wonderland"});
        let answer = self.admin(node, Method::POST, "/admin/v1/users", Some(members)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }

    /// A login, which must succeed.
    pub(super) async fn login(&self, node: &Node, client: &TestClient, username: &str) -> Session {
        let answer = self.form(node, "/auth/token", client, &login(username)).await;
        let access = answer.assert_ok().text("access_token");
        let name = format!("a login of {username} that node {} gave to {}", node.number, client.id);
        Session { token: self.oracle.good(&name, access.clone()), access, refresh: answer.text("refresh_token") }
    }

    /// Nothing valid is refused: each request is answered with 200 or 503. Returns the statuses of a client_credentials
    /// request, a login and a refresh.
    pub(super) async fn good_requests(&self, node: &Node, username: &str, refresh: &str) -> [u16; 3] {
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let status = async |form: &[(&str, &str)]| {
            let answer = self.form(node, "/auth/token", &self.app, form).await;
            assert!(answer.status == StatusCode::OK || answer.is_unavailable(), "{answer:?}");
            answer.status.as_u16()
        };
        let grant = [("grant_type", "client_credentials")];
        let user = login(username);
        tokio::join!(status(&grant), status(&user), status(&refresh)).into()
    }

    /// A request to the admin API with a new token, since old ones may be revoked.
    pub(super) async fn admin(&self, node: &Node, method: Method, path: &str, body: Option<Value>) -> Answer {
        let token = self.form(node, "/auth/token", &self.ops, &[("grant_type", "client_credentials")]).await;
        if token.status != StatusCode::OK {
            return token;
        }
        let mut request = self.http.request(method, format!("{}{path}", node.base));
        request = request.bearer_auth(token.text("access_token"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    /// Revokes through the admin API and returns the receipt; `wait` is the longest wait for it.
    pub(super) async fn revoke(&self, node: &Node, target: Value, covered: &[Token], wait: &str) -> Value {
        self.oracle.revoking(covered);
        let answer = self.admin(node, Method::POST, &format!("/admin/v1/revocations?wait={wait}"), Some(target)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        self.oracle.revoked(covered, Some(node.number));
        answer.json
    }

    /// The receipt of a revocation as it is now.
    pub(super) async fn receipt(&self, node: &Node, number: &Value) -> Value {
        let answer = self.admin(node, Method::GET, &format!("/admin/v1/revocations/{number}"), None).await;
        answer.assert_ok().json.clone()
    }

    /// Begins to get tokens and to revoke each immediately, all on this node.
    pub(super) fn stream(&self, node: &Node) -> Stream {
        let stream = Stream { stop: Arc::default(), acknowledged: Arc::default() };
        let (fleet, base, number) = (self.clone(), node.base.clone(), node.number);
        let (stop, acknowledged) = (Arc::clone(&stream.stop), Arc::clone(&stream.acknowledged));
        tokio::spawn(async move {
            for round in 0..MOST {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let grant = [("grant_type", "client_credentials")];
                let client = if round % 2 == 0 { &fleet.app } else { &fleet.sealed };
                if let Ok(answer) = fleet.form_at(&base, "/auth/token", client, &grant).await
                    && answer.status == StatusCode::OK
                {
                    let text = answer.text("access_token");
                    let token = fleet
                        .oracle
                        .good(&format!("token {round} of a stream on node {number} for {}", client.id), text.clone());
                    fleet.oracle.revoking(&[token]);
                    let answer = fleet.form_at(&base, "/auth/revoke", client, &[("token", &text)]).await;
                    if answer.is_ok_and(|answer| answer.status == StatusCode::OK) {
                        fleet.oracle.revoked(&[token], Some(number));
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                }
                tokio::time::sleep(PACE).await;
            }
        });
        stream
    }

    /// The node cannot read the log any more: soon it stops answering from memory and reports it, and so do its
    /// metrics.
    pub(super) async fn falls_behind(&self, node: &Node, good: Token) {
        let counters = ["jeton_view_fallbacks_total", "jeton_view_feed_errors_total"];
        let before = [node.metric(counters[0]).await, node.metric(counters[1]).await];
        eventually(RECOVERY, "it does not answer from memory", async || {
            self.oracle.ask(node, good).await == Said::Unknown
        })
        .await;
        assert!(!node.is_ready().await, "node {} says that it is ready", node.number);
        let age = node.metric("jeton_view_age_seconds").await;
        assert!(age > self.oracle.bound.as_secs_f64(), "node {} says that its view is {age} s old", node.number);
        for (counter, before) in counters.into_iter().zip(before) {
            eventually(RECOVERY, &format!("{counter} grows"), async || node.metric(counter).await > before).await;
        }
    }

    /// A node serves again, soon after the fault ended.
    pub(super) async fn recovers(&self, node: &Node, good: Token) {
        eventually(RECOVERY, &format!("node {} serves again", node.number), async || {
            // The node may find a broken connection to the database as often as it may have connections.
            for _ in 0..16 {
                if self.admin(node, Method::GET, "/admin/v1/clients/app", None).await.status != StatusCode::OK {
                    return false;
                }
            }
            self.oracle.ask(node, good).await == Said::Active && node.is_ready().await
        })
        .await;
    }
}

/// A login.
pub(super) struct Session {
    pub(super) token: Token,
    pub(super) access: String,
    pub(super) refresh: String,
}

fn login(username: &str) -> [(&str, &str); 3] {
    [("grant_type", "password"), ("username", username), ("password", "wonderland")]
}

/// Revocations one after the other, until it is dropped.
pub(super) struct Stream {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
}

impl Stream {
    /// How many were acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until some more are acknowledged.
    pub(super) async fn goes_on(&self) {
        let before = self.acknowledged();
        eventually(RECOVERY, "revocations are acknowledged", async || self.acknowledged() > before + 2).await;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The nodes that have not applied what a receipt is about.
pub(super) fn waited_for(receipt: &Value) -> Vec<&str> {
    let nodes = receipt["applied_by"].as_array().unwrap().iter();
    nodes.filter(|node| node["applied"] == json!(false)).map(|node| node["name"].as_str().unwrap()).collect()
}
