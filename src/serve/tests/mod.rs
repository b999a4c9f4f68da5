//! Connections with short deadlines and few slots: each test waits for an event, not for time to pass.

mod bodies;
mod certificates;
mod deadlines;
mod slots;
mod stop;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::routing::get;
use axum::{Extension, Router};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::app::Peer;
use crate::certificates::own::TlsFiles;
use crate::serve::accepted::{Deadlines, Served};
use crate::serve::listener::{Limits, serve};
use crate::serve::tls::Certificates;

/// So long that it is never reached.
const NEVER: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);
/// How long a test waits for an event.
const PATIENCE: Duration = Duration::from_secs(30);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// The preface of HTTP/2 and empty settings (RFC 9113 §3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const LASTING: Limits = Limits {
    slots: 100,
    deadlines: Deadlines {
        opening: NEVER,
        head: NEVER,
        stall: NEVER,
        unread_body: NEVER,
        drain: NEVER,
        farewell: SHORT,
        last_call: SHORT,
    },
    idle_when_short: NEVER,
};

fn with(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = LASTING;
    change(&mut limits);
    limits
}

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    /// Lets a request to `/slow` finish.
    finish_slow: Arc<Notify>,
    /// Notified when a request to `/slow` has begun.
    begun: Arc<Notify>,
}

async fn start(limits: Limits, tls: Option<Arc<ServerConfig>>) -> Running {
    let (finish_slow, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (waiting, telling) = (Arc::clone(&finish_slow), Arc::clone(&begun));
    let slow = async move || {
        telling.notify_one();
        waiting.notified().await;
        "slow"
    };
    let endless = async || {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 64 * 1024]));
        Body::from_stream(futures_util::stream::repeat_with(chunk))
    };
    // Says a word again and again for about ten times `SHORT`.
    let chunks = async || {
        let next = async |count: u32| {
            tokio::time::sleep(SHORT / 2).await;
            (count < 20).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(b"word ")), count + 1))
        };
        Body::from_stream(futures_util::stream::unfold(0, next))
    };
    // Reads the beginning of a body and refuses it.
    let first = async |body: Body| {
        let mut body = body;
        body.frame().await;
        axum::http::StatusCode::PAYLOAD_TOO_LARGE
    };
    let router = Router::new()
        .route("/", get(async || "here"))
        .route("/slow", get(slow))
        .route("/certificate", get(async |Extension(peer): Extension<Peer>| format!("{:?}", peer.certificate)))
        .route("/first", axum::routing::post(first))
        .route("/never", get(async || pending::<&str>().await))
        .route("/chunks", get(chunks))
        .route("/endless", get(endless));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(serve(listener, Served { router, tls, http2: true, stopped }, limits));
    Running { address, stop, task, finish_slow, begun }
}

impl Running {
    async fn connect(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// A connection that has had an answer.
    async fn answered(&self) -> TcpStream {
        let mut stream = self.connect(REQUEST).await;
        assert!(read_until(&mut stream, "here").await.starts_with("HTTP/1.1 200"));
        stream
    }

    /// An HTTP/2 connection, and a task that ends with it.
    async fn http2(&self) -> (SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
        let stream = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        (sender, tokio::spawn(connection))
    }

    /// Takes this many slots with requests that last.
    async fn busy(&self, count: usize) -> Vec<TcpStream> {
        let mut streams = Vec::new();
        for _ in 0..count {
            streams.push(self.connect(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await);
            in_time("the request", self.begun.notified()).await;
        }
        streams
    }

    async fn ends(self) {
        in_time("the stop", self.task).await.unwrap();
    }
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// Sends a request; whether the answer is the last one of its connection.
async fn is_told_to_end(stream: &mut TcpStream) -> bool {
    stream.write_all(REQUEST).await.unwrap();
    let answer = read_until(stream, "here").await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    answer.contains("connection: close")
}

async fn ask(sender: &mut SendRequest<Empty<Bytes>>, path: &str) -> String {
    let request = axum::http::Request::get(format!("http://a{path}")).body(Empty::new()).unwrap();
    let answer = in_time("an answer", sender.send_request(request)).await.unwrap();
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn read_until(stream: &mut TcpStream, word: &str) -> String {
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains(word) {
        let count = in_time(word, stream.read_buf(&mut text)).await.unwrap();
        assert!(count > 0, "ended before {word:?}: {:?}", String::from_utf8_lossy(&text));
    }
    String::from_utf8(text).unwrap()
}

/// Everything until the server ends the connection, gracefully or not.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while in_time("the end of the connection", stream.read_buf(&mut text)).await.is_ok_and(|count| count > 0) {}
    String::from_utf8_lossy(&text).into_owned()
}

/// Sends byte after byte (or none) until the server ends the connection.
async fn trickles_until_it_is_ended(running: &Running, begin: &[u8], then: &[u8]) {
    let stream = running.connect(begin).await;
    let (mut from, mut to) = stream.into_split();
    let trickle = async {
        for byte in then.iter().cycle() {
            tokio::time::sleep(SHORT / 10).await;
            if to.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
        pending::<()>().await;
    };
    let mut text = Vec::new();
    let ended = async { while from.read_buf(&mut text).await.is_ok_and(|count| count > 0) {} };
    in_time("the end of one that trickles", async {
        tokio::select! { () = trickle => {}, () = ended => {} }
    })
    .await;
}
