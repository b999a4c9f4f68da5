//! Deadlines and places, with short ones: each test waits for what has to happen, not for time.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::serve::connection::{Deadlines, Served};
use crate::serve::connections::{Limits, serve};
use crate::serve::tls::Certificates;
use crate::settings::TlsFiles;

/// So long that it never matters.
const NEVER: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);
/// The longest that a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(30);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// The preface of HTTP/2 and empty settings (RFC 9113 §3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const LASTING: Limits = Limits {
    places: 100,
    deadlines: Deadlines {
        opening: NEVER,
        head: NEVER,
        stall: NEVER,
        unread_body: NEVER,
        drain: NEVER,
        farewell: SHORT,
        last_call: SHORT,
    },
    idle_when_scarce: NEVER,
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
    /// Lets the requests at `/slow` end.
    go_on: Arc<Notify>,
    /// Tells that one has begun.
    begun: Arc<Notify>,
}

async fn start(limits: Limits, tls: Option<Arc<ServerConfig>>) -> Running {
    let (go_on, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (waiting, telling) = (Arc::clone(&go_on), Arc::clone(&begun));
    let slow = async move || {
        telling.notify_one();
        waiting.notified().await;
        "slow"
    };
    let endless = async || {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 64 * 1024]));
        Body::from_stream(futures_util::stream::repeat_with(chunk))
    };
    // Reads the beginning of a body, and refuses it.
    let first = async |body: Body| {
        let mut body = body;
        body.frame().await;
        axum::http::StatusCode::PAYLOAD_TOO_LARGE
    };
    let router = Router::new()
        .route("/", get(async || "here"))
        .route("/slow", get(slow))
        .route("/first", axum::routing::post(first))
        .route("/never", get(async || pending::<&str>().await))
        .route("/endless", get(endless));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(serve(listener, Served { router, tls, http2: true, stopped }, limits));
    Running { address, stop, task, go_on, begun }
}

impl Running {
    async fn connect(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// A connection that has been answered.
    async fn answered(&self) -> TcpStream {
        let mut stream = self.connect(REQUEST).await;
        assert!(read_until(&mut stream, "here").await.starts_with("HTTP/1.1 200"));
        stream
    }

    /// An HTTP/2 connection, and what is told when it has ended in good order.
    async fn http2(&self) -> (SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
        let stream = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        (sender, tokio::spawn(connection))
    }

    /// Takes so many places with requests that last.
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

/// Asks once more; whether the answer is the last one of its connection.
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

/// Everything until the server ends the connection, with or without ceremony.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while in_time("the end of the connection", stream.read_buf(&mut text)).await.is_ok_and(|count| count > 0) {}
    String::from_utf8_lossy(&text).into_owned()
}

/// Sends one byte after the other (or none), as long as the server listens.
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

#[tokio::test]
async fn an_answer_that_overtakes_a_body_arrives_and_the_next_request_is_answered() {
    let running = start(LASTING, None).await;
    // Far more than the sockets hold between them, announced and in one chunk of unknown length.
    let body = vec![b'x'; 8 * 1024 * 1024];
    let announced = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    let chunk = format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
    for (head, end) in [(announced, ""), (chunk, "\r\n0\r\n\r\n")] {
        let mut stream = running.connect(head.as_bytes()).await;
        in_time("the body", stream.write_all(&[&body, end.as_bytes(), REQUEST].concat())).await.unwrap();
        let answers = read_until(&mut stream, "here").await;
        assert!(answers.starts_with("HTTP/1.1 405") && answers.contains("HTTP/1.1 200"), "{answers}");
        assert!(!answers.contains("connection: close"), "{answers}");
    }
}

#[tokio::test]
async fn an_answer_that_overtakes_what_does_not_end_is_the_last_one_and_says_so() {
    let running = start(with(|limits| limits.deadlines.unread_body = SHORT), None).await;
    for lines in ["Content-Length: 9", "Transfer-Encoding: chunked", "Content-Length: 9\r\nExpect: 100-continue"] {
        let mut stream = running.connect(format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").as_bytes()).await;
        let answer = read_to_end(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("connection: close"), "{lines}: {answer}");
    }
}

#[tokio::test]
async fn who_was_told_to_go_on_is_listened_to_also_when_the_body_is_refused_in_the_middle() {
    let running = start(LASTING, None).await;
    let lines = "Transfer-Encoding: chunked\r\nExpect: 100-continue";
    let mut stream = running.connect(format!("POST /first HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").as_bytes()).await;
    read_until(&mut stream, "100 Continue").await;
    let body = vec![b'x'; 8 * 1024 * 1024];
    let sent = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n", REQUEST].concat();
    in_time("the body", stream.write_all(&sent)).await.unwrap();
    let answers = read_until(&mut stream, "here").await;
    assert!(answers.contains("HTTP/1.1 413") && answers.contains("HTTP/1.1 200"), "{answers}");
}

#[tokio::test]
async fn who_waits_to_send_a_body_that_nobody_wants_is_answered_at_once() {
    let running = start(LASTING, None).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    let answer = read_to_end(&mut running.connect(head.as_bytes()).await).await;
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("connection: close"), "{answer}");
}

fn certificate() -> Arc<ServerConfig> {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.certificate, pair.cert.pem()).unwrap();
    std::fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
    Certificates::open(&files).unwrap().0.config().unwrap()
}

#[tokio::test]
async fn who_sends_nothing_or_little_is_ended() {
    let limits = with(|limits| {
        (limits.deadlines.opening, limits.deadlines.head) = (SHORT, SHORT * 4);
    });
    let (clear, encrypted) = (start(limits, None).await, start(limits, Some(certificate())).await);
    for (running, begin, then) in [
        (&clear, &b""[..], &b""[..]),
        (&clear, b"P", b""),
        (&clear, b"GET / HT", b""),
        (&clear, b"", b"GET / HTTP/1.1\r\nX: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        (&clear, b"PRI * HTTP/2.0\r\n\r\nSM", b""),
        (&clear, b"PRI * HTTP/2.0\r\n", b"\r"),
        // Complete, and then nothing; or an answer to every ping, and no request.
        (&clear, HTTP2, b""),
        (&clear, HTTP2, b"\0\0\x08\x06\0\0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08"),
        (&encrypted, b"", b""),
        (&encrypted, &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], &[0]),
    ] {
        trickles_until_it_is_ended(running, begin, then).await;
    }
    clear.answered().await;
}

#[tokio::test]
async fn http2_is_ended_when_it_does_not_begin_and_when_it_is_idle() {
    let preface_alone = &HTTP2[..24];
    for (change, begin) in [
        (SHORT, &b"PRI"[..]),
        (SHORT, preface_alone),
        (SHORT, HTTP2),
        // Settings are a frame, and no request.
        (NEVER, preface_alone),
        (NEVER, HTTP2),
    ] {
        // Only one of the two deadlines is there to end it, and it does not answer to the goodbye.
        let limits = with(|limits| {
            limits.deadlines.opening = change;
            limits.deadlines.head = if change == NEVER { SHORT } else { NEVER };
        });
        let running = start(limits, None).await;
        read_to_end(&mut running.connect(begin).await).await;
    }
}

#[tokio::test]
async fn an_http2_connection_with_a_request_in_flight_is_neither_idle_nor_late() {
    let limits = with(|limits| (limits.deadlines.opening, limits.deadlines.head) = (SHORT * 60, SHORT * 20));
    let running = start(limits, None).await;
    let (mut sender, connection) = running.http2().await;
    let answer = tokio::spawn(async move { ask(&mut sender, "/slow").await });
    in_time("the request", running.begun.notified()).await;
    // Others are ended meanwhile.
    read_to_end(&mut running.connect(HTTP2).await).await;
    read_to_end(&mut running.connect(b"PRI").await).await;
    running.go_on.notify_one();
    assert_eq!(answer.await.unwrap(), "slow");
    in_time("the end of one that is idle", connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_is_idle_is_ended_and_who_asks_is_not() {
    let running = start(with(|limits| limits.deadlines.head = SHORT * 10), None).await;
    let (mut idle, mut asking) = (running.answered().await, running.answered().await);
    let ended = async { while idle.read_u8().await.is_ok() {} };
    let asks = async {
        loop {
            asking.write_all(REQUEST).await.unwrap();
            read_until(&mut asking, "here").await;
            tokio::time::sleep(SHORT / 5).await;
        }
    };
    in_time("the end of the idle one", async {
        tokio::select! { () = ended => {}, () = asks => {} }
    })
    .await;
}

#[tokio::test]
async fn who_never_reads_holds_no_place_for_ever() {
    let limits = with(|limits| (limits.places, limits.deadlines.stall) = (1, SHORT));
    let running = start(limits, None).await;
    let missed_notification = running.connect(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // There is no other place than the one that it had.
    running.answered().await;
    drop(missed_notification);
}

#[tokio::test]
async fn beyond_the_places_connections_wait_and_the_others_go_on() {
    let running = start(with(|limits| limits.places = 2), None).await;
    let (mut first, second) = (running.answered().await, running.answered().await);
    let mut third = running.connect(REQUEST).await;
    for _ in 0..20 {
        first.write_all(REQUEST).await.unwrap();
        read_until(&mut first, "here").await;
    }
    let unanswered = tokio::time::timeout(SHORT, third.readable()).await;
    assert!(unanswered.is_err(), "it has to wait");
    drop(second);
    read_until(&mut third, "here").await;
}

#[tokio::test]
async fn who_takes_the_last_places_loses_them_soon() {
    let limits = with(|limits| (limits.places, limits.idle_when_scarce) = (10, SHORT * 10));
    let running = start(limits, None).await;
    let mut first = running.answered().await;
    let others = running.busy(8).await;
    // The tenth is the last.
    let mut last = running.connect(b"G").await;
    read_to_end(&mut last).await;
    running.answered().await;
    first.write_all(REQUEST).await.unwrap();
    read_until(&mut first, "here").await;
    drop(others);
}

#[tokio::test]
async fn while_places_are_scarce_every_answer_is_the_last_of_its_connection() {
    let running = start(with(|limits| limits.places = 20), None).await;
    let (mut early, mut late) = (running.answered().await, running.answered().await);
    let (mut http2, ended) = running.http2().await;
    assert_eq!(ask(&mut http2, "/").await, "here");
    assert!(!is_told_to_end(&mut early).await);
    // 20 in all. So the next one waits, and who holds a place longest loses it as soon as it is used.
    let busy = running.busy(17).await;
    let mut waiting = running.connect(REQUEST).await;
    assert!(is_told_to_end(&mut early).await);
    assert_eq!(read_to_end(&mut early).await, "");
    assert!(read_until(&mut waiting, "here").await.to_ascii_lowercase().contains("connection: close"));
    assert_eq!(read_to_end(&mut waiting).await, "");
    // 19 are left, one of them of HTTP/2.
    assert_eq!(ask(&mut http2, "/").await, "here");
    in_time("the end of HTTP/2", ended).await.unwrap().unwrap();
    // Once there are places again, nobody is ended.
    drop(busy);
    in_time("places", async { while is_told_to_end(&mut running.connect(b"").await).await {} }).await;
    assert!(!is_told_to_end(&mut late).await && !is_told_to_end(&mut late).await);
}

#[tokio::test]
async fn what_an_http2_connection_has_begun_is_finished_also_when_places_are_scarce() {
    let running = start(with(|limits| limits.places = 10), None).await;
    let (mut sender, mut ended) = running.http2().await;
    let mut other = sender.clone();
    let slow = tokio::spawn(async move { ask(&mut other, "/slow").await });
    in_time("the request", running.begun.notified()).await;
    let busy = running.busy(9).await;
    assert_eq!(ask(&mut sender, "/").await, "here");
    // It was told goodbye, and has longer than that takes.
    let early = tokio::time::timeout(SHORT * 4, &mut ended).await;
    assert!(early.is_err() && !slow.is_finished(), "{early:?}");
    running.go_on.notify_waiters();
    assert_eq!(in_time("the slow answer", slow).await.unwrap(), "slow");
    in_time("the end of HTTP/2", ended).await.unwrap().unwrap();
    drop(busy);
}

#[tokio::test]
async fn a_stop_ends_what_is_idle_and_finishes_what_is_not() {
    let running = start(LASTING, None).await;
    let mut idle = running.answered().await;
    let (mut silent, mut begun_word) = (running.connect(b"").await, running.connect(b"P").await);
    let mut idle_http2 = running.connect(HTTP2).await;
    let mut settings = [0; 9];
    in_time("the settings of the server", idle_http2.read_exact(&mut settings)).await.unwrap();
    let mut busy = running.connect(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    in_time("the request", running.begun.notified()).await;
    running.stop.send_replace(true);
    for stream in [&mut idle, &mut silent, &mut begun_word] {
        assert_eq!(read_to_end(stream).await, "");
    }
    assert!(!running.task.is_finished());
    running.go_on.notify_one();
    let answer = read_to_end(&mut busy).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("slow"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    drop(idle_http2);
    running.ends().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let running = start(with(|limits| limits.deadlines.drain = SHORT), None).await;
    let mut endless = running.connect(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut missed_notification = running.connect(HTTP2).await;
    running.answered().await;
    running.stop.send_replace(true);
    running.ends().await;
    assert_eq!(read_to_end(&mut endless).await, "");
    read_to_end(&mut missed_notification).await;
}

#[tokio::test]
async fn who_had_connected_when_the_stop_came_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut early = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(REQUEST).await.unwrap();
        early.push(stream);
    }
    let (_stop, stopped) = watch::channel(true);
    let router = Router::new().route("/", get(async || "here"));
    let limits = with(|limits| limits.deadlines.last_call = SHORT * 5);
    let task = tokio::spawn(serve(listener, Served { router, tls: None, http2: true, stopped }, limits));
    for stream in &mut early {
        let answer = read_to_end(stream).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    }
    in_time("the stop", task).await.unwrap();
}
