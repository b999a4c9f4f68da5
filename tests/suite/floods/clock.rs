//! A clock that jumps. Order is by log number, so no jump may revive what was revoked (contract §7.3, §7.9).

use std::io::Write;
use std::sync::{Arc, Mutex};

use jeton::clock::Clock;
use jeton::oauth::time::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::eventually;
use crate::support::{Backend, Setup, TestClient, TestServer};

const HOUR: i64 = 3600 * 1000;

/// Two tests of one body. A single thread each, because only on its own thread a test sees what is logged.
macro_rules! on_one_thread {
    ($name:ident) => {
        mod $name {
            use crate::support::Backend;

            #[tokio::test]
            async fn on_sqlite() {
                super::$name(Backend::Sqlite).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                super::$name(Backend::Postgres).await;
            }
        }
    };
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn lines_with(&self, words: &str) -> usize {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(words)).count()
    }
}

/// What the log says, once for each time that it happens.
const WENT_BACK: &str = "WARN the clock went back; loading everything anew";

/// A server whose clock can be moved in both directions.
struct Scene {
    app: TestServer,
    main: TestClient,
    log: Log,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Scene {
    async fn start(backend: Backend) -> Self {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).with_target(false);
        let guard = tracing::subscriber::set_default(subscriber.with_max_level(tracing::Level::WARN).finish());
        // On Postgres a node measures its clock with every heartbeat. It is to happen seldom, so that a jump lasts.
        let setup = Setup { clock: Some(Clock::system()), ..Setup::default() };
        let setup = setup.set("JETON_POLL_INTERVAL", "10s").set("JETON_MAX_STALENESS", "5m");
        let app = TestServer::start_with(backend, setup).await;
        let main = app.main_client("main").await;
        app.user("alice", "wonderland").await;
        Self { app, main, log, _guard: guard }
    }

    /// Waits until nothing is left that would make the node measure its clock soon.
    async fn settle(&self) {
        let store = &self.app.server.app.store;
        self.app.server.app.view.catch_up().await.unwrap();
        if store.database_clock().await.unwrap().is_none() {
            return;
        }
        const SENTINEL: i64 = 1;
        self.jump_to(SENTINEL);
        let body = json!({"client": "nobody's"});
        self.app.client(&body["client"].as_str().unwrap().to_owned(), json!({})).await;
        let deleted = self.app.admin(Method::DELETE, "/admin/v1/clients/nobody's", None).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        let head = store.log_head().await.unwrap();
        eventually("the node has told how far it is", async || {
            store.node_list().await.unwrap().iter().all(|node| node.applied == head)
        })
        .await;
        eventually("it has measured its clock", async || self.app.clock.offset_millis() != SENTINEL).await;
    }

    /// Sets the clock to so many milliseconds beside that of the machine.
    fn jump_to(&self, offset: i64) {
        let now = Clock::system().now().millis();
        self.app.clock.measured(self.app.clock.read(), now + offset);
    }

    async fn token(&self) -> String {
        self.app.token(&self.main, &[("grant_type", "client_credentials")]).await.assert_ok().text("access_token")
    }
}
