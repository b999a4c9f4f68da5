//! A reverse proxy that gives requests in turn to the nodes that are ready, as one in front of a fleet does.
//!
//! It asks `/readyz` of each node, and sends nothing more to one that said once that it is not ready. It sends no request
//! a second time: what a node does not answer is answered with 502, so that no failure is hidden.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// The time between two questions whether a node is ready.
pub(crate) const PROBE: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub(crate) struct Balancer {
    nodes: Arc<Mutex<Vec<Arc<Upstream>>>>,
    turn: Arc<AtomicUsize>,
    probes: reqwest::Client,
    pub(crate) base: String,
}

struct Upstream {
    base: String,
    ops: String,
    is_ready: AtomicBool,
    http: reqwest::Client,
}

impl Balancer {
    /// Listens until the runtime ends.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let probes = reqwest::Client::builder().timeout(Duration::from_secs(2)).pool_max_idle_per_host(0).build();
        let balancer = Self { nodes: Arc::default(), turn: Arc::default(), probes: probes.unwrap(), base };
        let router = Router::new().fallback(pass).with_state(balancer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        balancer
    }

    /// Adds a node, which gets requests as soon as it says that it is ready; gives whether it did within a minute.
    pub(crate) async fn add(&self, base: &str, ops: &str) {
        let http = reqwest::Client::builder().retry(reqwest::retry::never()).timeout(Duration::from_secs(30)).build();
        let (base, ops) = (base.to_owned(), ops.to_owned());
        let node = Arc::new(Upstream { base, ops, is_ready: AtomicBool::new(false), http: http.unwrap() });
        self.nodes.lock().unwrap().push(Arc::clone(&node));
        let (probes, weak) = (self.probes.clone(), Arc::downgrade(&node));
        tokio::spawn(async move {
            while let Some(node) = weak.upgrade() {
                let answer = probes.get(format!("{}/readyz", node.ops)).send().await;
                node.is_ready.store(answer.is_ok_and(|answer| answer.status() == StatusCode::OK), Ordering::Relaxed);
                drop(node);
                tokio::time::sleep(PROBE).await;
            }
        });
        crate::support::eventually(Duration::from_secs(60), "the node is ready", async || {
            node.is_ready.load(Ordering::Relaxed)
        })
        .await;
    }

    /// Sends nothing more to a node, whatever it says of itself.
    pub(crate) fn remove(&self, base: &str) {
        self.nodes.lock().unwrap().retain(|node| node.base != base);
    }

    fn next(&self) -> Option<Arc<Upstream>> {
        let nodes = self.nodes.lock().unwrap();
        let ready: Vec<_> = nodes.iter().filter(|node| node.is_ready.load(Ordering::Relaxed)).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        (!ready.is_empty()).then(|| Arc::clone(ready[turn % ready.len()]))
    }
}

async fn pass(State(balancer): State<Balancer>, request: Request) -> Response {
    let Some(node) = balancer.next() else {
        return (StatusCode::BAD_GATEWAY, "no node is ready").into_response();
    };
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = head.headers;
    headers.remove("host");
    headers.remove("content-length");
    let sent = node.http.request(head.method, format!("{}{path}", node.base)).headers(headers).body(body).send().await;
    let answered = match sent {
        Ok(answer) => {
            let (status, mut headers) = (answer.status(), answer.headers().clone());
            headers.remove("connection");
            headers.remove("content-length");
            headers.remove("transfer-encoding");
            answer.bytes().await.map(|body| (status, headers, body))
        }
        Err(error) => Err(error),
    };
    match answered {
        Ok((status, headers, body)) => (status, headers, Body::from(body)).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{} did not answer: {error:?}", node.base)).into_response(),
    }
}
