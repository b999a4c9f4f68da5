//! A clock that jumps (SEC-011). Order is by log number, so no jump may revive what was revoked.

use std::sync::Arc;

use jeton::app::{App, Peer};
use jeton::clock::Clock;
use jeton::state::NodeState;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::log::{Log, on_one_thread};
use crate::support::{Answer, Backend, TestClient, TestServer};

const HOUR: i64 = 3600;
const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// What the log says, once for each time that it happens.
const WENT_BACK: &str = "WARN the clock went back; loading everything anew";

/// A node whose clock can be moved in both directions. It reads the log only when it has to, and never corrects its
/// clock, which a server does with each heartbeat.
struct Scene {
    app: TestServer,
    state: Arc<NodeState>,
    clock: Clock,
    main: TestClient,
    log: Log,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Scene {
    async fn start(backend: Backend) -> Self {
        let (log, guard) = Log::begin("warn");
        let mut app = TestServer::start(backend).await;
        let beside = &app.server.app;
        let clock = Clock::system();
        let node = App::new(Arc::clone(&beside.settings), clock.clone(), beside.store.clone());
        // The settings no longer have the master key.
        node.state.load(beside.master_keys().await.unwrap()).await.unwrap();
        let node = Arc::new(node);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = jeton::http::router(Arc::clone(&node)).layer(axum::Extension(Peer::from(address)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        // From here on, all requests go to that node.
        app.base = format!("http://{address}");
        let main = app.main_client("main").await;
        app.user("alice", "wonderland").await;
        Self { app, state: Arc::clone(&node.state), clock, main, log, _guard: guard }
    }

    /// Sets the clock this many seconds off the right time.
    fn jump_to(&self, seconds: i64) {
        self.clock.measured(self.clock.read(), Clock::system().now().plus_seconds(seconds).millis());
    }

    async fn token(&self) -> String {
        lasting(&self.app.token(&self.main, &GRANT).await).text("access_token")
    }

    async fn login(&self) -> Answer {
        let answer = self.app.login(&self.main, "alice", "wonderland").await;
        lasting(&answer);
        answer
    }

    /// Refreshes; gives the next refresh token.
    async fn refresh(&self, refresh_token: &str) -> String {
        lasting(&self.app.refresh(&self.main, refresh_token).await).text("refresh_token")
    }

    async fn revoke(&self, body: Value) {
        let answer = self.app.admin(Method::POST, "/admin/v1/revocations", Some(body)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }

    async fn assert_active(&self, token: &str) {
        self.app.introspect(&self.main, token).await.assert_active();
    }

    async fn assert_inactive(&self, tokens: &[&str]) {
        for token in tokens {
            self.app.introspect(&self.main, token).await.assert_inactive();
        }
    }
}

/// An answer with tokens, none of which expires before it becomes valid.
fn lasting(answer: &Answer) -> &Answer {
    let members = answer.assert_ok().json.as_object().unwrap();
    let lives = members.iter().filter(|(name, _)| name.ends_with("expires_in")).collect::<Vec<_>>();
    assert!(!lives.is_empty() && lives.iter().all(|(_, life)| life.as_i64().unwrap() >= 0), "{answer:?}");
    answer
}

async fn a_clock_that_jumps_ahead_and_back_revives_nothing(backend: Backend) {
    let scene = Scene::start(backend).await;
    let login = async || scene.login().await;
    let (good, token) = (scene.token().await, scene.token().await);
    let (active, session, user) = (login().await, login().await, login().await);
    scene.revoke(json!({"token": token})).await;
    scene.app.revoke(&scene.main, &session.text("refresh_token")).await.assert_ok();
    let held = scene.state.revocations_held();
    assert_eq!(held, 2);

    scene.jump_to(2 * HOUR);
    // What the follower does from time to time.
    scene.state.forget_what_is_over();
    assert!(
        scene.state.revocations_held() < held,
        "the life of the token was over an hour ago by this clock, and so it is forgotten"
    );
    let early = scene.token().await;
    scene.assert_active(&early).await;
    scene.assert_inactive(&[&good, &token, &session.text("access_token"), &active.text("access_token")]).await;
    let next = scene.refresh(&active.text("refresh_token")).await;

    scene.jump_to(0);
    assert_eq!(scene.log.lines_with(WENT_BACK), 0);
    scene.assert_inactive(&[&token, &session.text("access_token"), &session.text("refresh_token")]).await;
    assert_eq!(scene.log.lines_with(WENT_BACK), 1, "it is said once");
    assert_eq!(scene.state.revocations_held(), held);
    scene.assert_active(&good).await;
    scene.assert_active(&active.text("access_token")).await;
    scene.assert_inactive(&[&early]).await;
    let new = scene.token().await;
    scene.assert_active(&new).await;
    scene.refresh(&next).await;
    // And what is revoked now stays so.
    scene.revoke(json!({"user": "alice"})).await;
    scene.assert_inactive(&[&user.text("access_token"), &user.text("refresh_token")]).await;
    scene.app.refresh(&scene.main, &user.text("refresh_token")).await.assert_error(400, "invalid_grant");
    assert_eq!(scene.log.lines_with("WARN"), 1, "{}", scene.log.text());
}
on_one_thread!(a_clock_that_jumps_ahead_and_back_revives_nothing);

async fn what_a_clock_that_was_ahead_has_issued_stays_revoked_to_its_end(backend: Backend) {
    let scene = Scene::start(backend).await;
    let long = json!({"grant_types": ["client_credentials"], "scope": "read", "access_token_ttl": 24 * HOUR});
    let long = scene.app.client("long", long).await;
    scene.jump_to(HOUR);
    let token = lasting(&scene.app.token(&long, &GRANT).await).text("access_token");
    scene.jump_to(0);
    scene.revoke(json!({"client": "long"})).await;
    for half_hours in [1, 3, 48, 49] {
        scene.jump_to(half_hours * HOUR / 2);
        scene.state.forget_what_is_over();
        scene.assert_inactive(&[&token]).await;
    }
    scene.jump_to(51 * HOUR);
    scene.state.forget_what_is_over();
    assert_eq!(scene.state.revocations_held(), 0, "and then it is forgotten");
}
on_one_thread!(what_a_clock_that_was_ahead_has_issued_stays_revoked_to_its_end);

async fn a_clock_that_jumps_back_revives_nothing_and_stops_nobody(backend: Backend) {
    let scene = Scene::start(backend).await;
    let (good, token) = (scene.token().await, scene.token().await);
    let active = scene.login().await;
    scene.revoke(json!({"token": token})).await;
    scene.state.forget_what_is_over();
    assert_eq!(scene.state.revocations_held(), 1);

    scene.jump_to(-2 * HOUR);
    scene.assert_inactive(&[&token]).await;
    assert_eq!(scene.log.lines_with(WENT_BACK), 1);
    // Issued two hours in the future, by this clock: more than `iat` may lie ahead.
    scene.assert_inactive(&[&good]).await;
    // The administrator's own token, too.
    let members = json!({"grant_types": ["client_credentials"], "scope": "jeton:admin"});
    let refused = scene.app.admin(Method::POST, "/admin/v1/clients", Some(members)).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused:?}");
    let (late, other) = (scene.token().await, scene.token().await);
    scene.assert_active(&late).await;
    scene.refresh(&active.text("refresh_token")).await;
    scene.app.revoke(&scene.main, &late).await.assert_ok();
    scene.assert_inactive(&[&late]).await;
    scene.assert_active(&other).await;

    scene.jump_to(0);
    scene.state.forget_what_is_over();
    scene.assert_inactive(&[&token, &late, &other]).await;
    scene.assert_active(&good).await;
    assert_eq!(scene.log.lines_with("WARN"), 1, "{}", scene.log.text());
}
on_one_thread!(a_clock_that_jumps_back_revives_nothing_and_stops_nobody);
