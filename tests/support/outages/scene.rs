//! The servers and their clients.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use futures_util::future::join_all;
use jeton::keys::master::MasterKey;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::deck::{Deck, Session};
use super::operations::session;
use super::{DEADLINE, STALENESS};
use crate::support::program::{Place, Running};
use crate::support::{Answer, TestClient};

/// Tokens that a node has never seen, and clients that it has never met.
const FRESH: usize = 40;
/// Users of whom a node does not know the name before it meets their tokens.
const USERS: usize = 6;
/// Tokens to revoke, sessions to refresh, and sessions with a spent refresh token.
const TO_REVOKE: usize = 60;
const SESSIONS: usize = 20;
const SPENT: usize = 16;

/// The name of one of these users.
pub(super) fn guest(number: usize) -> String {
    format!("guest-{}", number % USERS)
}

/// Servers on one database, and their clients.
pub(crate) struct Scene {
    pub(crate) nodes: Vec<Running>,
    pub(super) http: reqwest::Client,
    /// A client with all grants and JWTs.
    pub(super) app: TestClient,
    /// May introspect and explain everything.
    pub(super) asker: TestClient,
    pub(super) admin_token: String,
    deck: Mutex<Deck>,
    turns: AtomicUsize,
    _place: Place,
}

impl Scene {
    /// This many servers on an empty database; `start` starts the one with this index.
    pub(crate) async fn on(database: &str, nodes: usize, start: impl Fn(&Place) -> Running) -> Self {
        let mut place = Place::bare();
        place.set("JETON_DATABASE_URL", database);
        place.set("JETON_ISSUER", "https://auth.example.com");
        place.set("JETON_MASTER_KEY", &MasterKey::generate());
        place.set("JETON_MAX_STALENESS", &format!("{}ms", STALENESS.as_millis()));
        place.set("JETON_PASSWORD_THREADS", "1");
        place.set("JETON_THROTTLING", "on");
        place.run(&["migrate"]).ok();
        let client = |id: &str, settings: &[&str]| {
            let made = place.json(&[&["client", "create", "--client-id", id], settings].concat());
            TestClient { id: id.into(), secret: made["client_secret"].as_str().map(str::to_owned), in_body: false }
        };
        let grants = ["--grant-types", "password,client_credentials,refresh_token", "--scope", "read"];
        // The longest outage is shorter, so that every refresh that is in doubt may be repeated.
        let app = client("app", &[&grants[..], &["--retry-window", "300"]].concat());
        let opaque = client("opaque", &[&grants[..], &["--access-token-format", "opaque"]].concat());
        let ops = client("ops", &["--grant-types", "client_credentials", "--scope", "jeton:admin"]);
        let asker = client("asker", &["--permissions", "introspect,explain"]);
        let nodes: Vec<Running> = (0..nodes).map(|_| start(&place)).collect();
        let http = reqwest::Client::builder().timeout(DEADLINE + super::RECOVERY).build().unwrap();
        let (deck, turns) = (Mutex::default(), AtomicUsize::default());
        let mut scene = Self { nodes, http, app, asker, admin_token: String::new(), deck, turns, _place: place };
        let for_itself = [("grant_type", "client_credentials")];
        scene.admin_token = scene.token(0, &ops, &for_itself).await.text("access_token");
        scene.prepare(&opaque).await;
        scene
    }

    pub(super) fn deck(&self) -> MutexGuard<'_, Deck> {
        self.deck.lock().unwrap()
    }

    /// A number that is used once.
    pub(super) fn turn(&self) -> usize {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    async fn token(&self, node: usize, client: &TestClient, form: &[(&str, &str)]) -> Answer {
        let answer = Answer::of(self.form(node, "/auth/token", client, form)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer
    }

    async fn login(&self, username: &str) -> Session {
        let form = [("grant_type", "password"), ("username", username), ("password", "wonderland")];
        session(&self.token(0, &self.app, &form).await)
    }

    async fn refresh(&self, refresh: &str) -> Session {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        session(&self.token(0, &self.app, &form).await)
    }

    async fn make(&self, path: &str, members: serde_json::Value) -> Answer {
        let answer = Answer::of(self.admin(0, Method::POST, path).json(&members)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer
    }

    /// Creates the material that the operations will use up.
    async fn prepare(&self, opaque: &TestClient) {
        let for_itself = [("grant_type", "client_credentials")];
        self.make("/admin/v1/users", json!({"username": "alice", "password": "wonderland"})).await;
        let users: Vec<String> = (0..USERS).map(guest).collect();
        for user in &users {
            self.make("/admin/v1/users", json!({"username": user, "password": "wonderland"})).await;
        }
        let text = |answer: Answer| answer.text("access_token");
        let mut known = vec![self.login("alice").await.access];
        known.push(text(self.token(0, &self.app, &for_itself).await));
        let many = |count: usize, client: &TestClient| {
            let client = client.clone();
            async move { join_all((0..count).map(|_| self.token(0, &client, &for_itself))).await }
        };
        let tokens = |answers: Vec<Answer>| answers.into_iter().map(text);
        let mut fresh: Vec<String> = tokens(many(FRESH / 2, &self.app).await).collect();
        fresh.extend(tokens(many(FRESH / 2, opaque).await));
        let to_revoke = tokens(many(TO_REVOKE, &self.app).await).collect();
        // One after the other, because few passwords may wait for hashing.
        let (mut sessions, mut spent) = (VecDeque::new(), VecDeque::new());
        for _ in 0..SESSIONS {
            sessions.push_back(self.login("alice").await);
        }
        for _ in 0..SPENT {
            let first = self.login("alice").await;
            let second = self.refresh(&first.refresh).await;
            let third = self.refresh(&second.refresh).await;
            spent.push_back(Session { refresh: first.refresh, access: third.access });
        }
        // Every third one of a user whose name is asked of the database.
        for (number, user) in users.iter().enumerate() {
            fresh.insert(3 * number, self.login(user).await.access);
        }
        let settings = json!({"grant_types": ["client_credentials"], "scope": "read"});
        let mut clients = VecDeque::new();
        for number in 0..FRESH {
            let mut settings = settings.clone();
            settings["client_id"] = json!(format!("fresh-{number}"));
            let made = self.make("/admin/v1/clients", settings).await;
            clients.push_back(TestClient {
                id: made.text("client_id"),
                secret: Some(made.text("client_secret")),
                in_body: false,
            });
        }
        let revoked = text(self.token(0, &self.app, &for_itself).await);
        let answer = Answer::of(self.form(0, "/auth/revoke", &self.app, &[("token", &revoked)])).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let nodes = self.nodes.len();
        *self.deck() = Deck {
            fresh: vec![fresh.into(); nodes],
            clients: vec![clients; nodes],
            to_revoke,
            sessions,
            spent,
            revoked: vec![(revoked, Instant::now(), 0); 8],
            known: known.clone(),
            ..Deck::default()
        };
        for node in 0..nodes {
            for token in &known {
                assert_eq!(self.is_active(node, token).await, Ok(true));
            }
        }
    }
}
