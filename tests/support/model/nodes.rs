//! The servers of a case.

use std::sync::atomic::AtomicUsize;

use crate::support::{Backend, Setup, TestClient, TestServer};

/// The servers on one database: one on SQLite, two on Postgres, with one clock.
pub(crate) struct Nodes {
    pub(super) all: Vec<TestServer>,
    pub(super) api: TestClient,
    pub(super) stranger: TestClient,
    /// How many cases ran; each has its own clients and users.
    pub(super) cases: AtomicUsize,
}

impl Nodes {
    pub(crate) async fn start(backend: Backend) -> Self {
        let setup = Setup::default().with_manual_clock().set("JETON_PASSWORD_THREADS", "1");
        let first = TestServer::start_with(backend, setup.clone()).await;
        let mut all = vec![];
        if backend == Backend::Postgres {
            let setup = Setup { clock: Some(first.clock.clone()), ..setup };
            all.push(TestServer::start_on(&first.database, &first.master_key, setup).await);
        }
        all.insert(0, first);
        let (api, stranger) = (all[0].resource_server("api").await, all[0].main_client("stranger").await);
        let nodes = Self { all, api, stranger, cases: AtomicUsize::new(0) };
        nodes.catch_up().await;
        nodes
    }

    /// Makes each node read the log.
    pub(super) async fn catch_up(&self) {
        for node in &self.all {
            node.server.app.state.catch_up().await.unwrap();
        }
    }
}
