//! Broken HTTP/2: frames written by hand.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{KEYS, in_time};
use crate::support::{Answer, Backend, TestServer};

/// What a client begins with, and its empty settings (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A frame as it was received (RFC 9113 §4.1).
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const PRIORITY: u8 = 2;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOODBYE: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The whole frames in these bytes.
pub(super) fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, _flags, s1, s2, s3, s4, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some(payload) = rest.get(..length) else { break };
        let stream = u32::from_be_bytes([*s1, *s2, *s3, *s4]) & 0x7FFF_FFFF;
        frames.push(Frame { kind: *kind, stream, payload: payload.to_vec() });
        bytes = &rest[length..];
    }
    frames
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Header fields as literals without compression (RFC 7541 §6.2.2).
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        assert!(text.len() < 127);
        [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    };
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// The outcome of one stream.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// An answer with the first byte of its head: the status, where that is in the table (RFC 7541 Appendix A).
    Answered(u8),
    /// The stream was reset.
    Reset,
    /// The connection was ended.
    Ended,
}

/// Sends these frames after the preface, and returns the outcome of a stream.
async fn outcome(address: SocketAddr, frames_sent: &[u8], of: u32) -> Outcome {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(&[PREFACE, frames_sent].concat()).await;
    let mut bytes = Vec::new();
    loop {
        for frame in frames(&bytes) {
            match frame.kind {
                HEADERS if frame.stream == of => return Outcome::Answered(frame.payload[0]),
                RESET if frame.stream == of => return Outcome::Reset,
                GOODBYE => return Outcome::Ended,
                _ => {}
            }
        }
        if !in_time("an outcome", stream.read_buf(&mut bytes)).await.is_ok_and(|count| count > 0) {
            return Outcome::Ended;
        }
    }
}

/// The indexes of `:status` 200 and 400, and of one that is written out.
const OK: Outcome = Outcome::Answered(0x88);
const BAD_REQUEST: Outcome = Outcome::Answered(0x8C);
const NOT_FOUND: Outcome = Outcome::Answered(0x8D);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_requests_are_refused_over_http2_too() {
    let app = TestServer::start(Backend::Sqlite).await;
    let address = app.server.address;
    let host = (":authority", "auth.example.com");
    let (get, http) = ((":method", "GET"), (":scheme", "http"));
    let keys = (":path", KEYS);
    let ask = async |list: &[(&str, &str)]| {
        outcome(address, &frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields(list)), 1).await
    };
    assert_eq!(ask(&[get, http, host, keys]).await, OK);
    assert_eq!(ask(&[get, http, keys, ("host", "auth.example.com")]).await, OK);
    assert_eq!(ask(&[get, http, host, (":path", "/nowhere")]).await, NOT_FOUND);
    assert_eq!(ask(&[get, http, host, keys, ("host", "other.example")]).await, BAD_REQUEST);
    assert_eq!(ask(&[get, http, keys, ("host", "a.example"), ("host", "a.example")]).await, BAD_REQUEST);
    for (what, list) in [
        ("a line break in a value", &[get, http, host, keys, ("x", "a\r\nx-other: b")][..]),
        ("a NUL in a value", &[get, http, host, keys, ("x", "a\0b")]),
        ("a line break in the path", &[get, http, host, (":path", "/x HTTP/1.1\r\nHost: a\r\n\r\n")]),
        ("a line break in the host", &[get, http, (":authority", "a\r\nx: y"), keys]),
        ("a line break in the method", &[(":method", "GET /x HTTP/1.1\r\n"), http, host, keys]),
        ("a colon in a name", &[get, http, host, keys, ("x: y\r\nz", "a")]),
        ("capitals in a name", &[get, http, host, keys, ("X-Name", "a")]),
        ("a path without a slash", &[get, http, host, (":path", "nowhere")]),
        ("an empty path", &[get, http, host, (":path", "")]),
        ("no path", &[get, http, host]),
        ("no method", &[http, host, keys]),
        ("no scheme", &[get, host, keys]),
        ("two paths", &[get, http, host, keys, (":path", "/docs")]),
        ("two methods", &[get, (":method", "POST"), http, host, keys]),
        ("a pseudo-header after others", &[get, http, host, ("x", "a"), keys]),
        ("an unknown pseudo-header", &[get, http, host, keys, (":other", "a")]),
        ("a status", &[get, http, host, keys, (":status", "200")]),
        ("a header of a connection", &[get, http, host, keys, ("connection", "close")]),
        ("transfer-encoding", &[get, http, host, keys, ("transfer-encoding", "chunked")]),
        ("te that is not trailers", &[get, http, host, keys, ("te", "gzip")]),
    ] {
        let outcome = ask(list).await;
        assert!(matches!(outcome, Outcome::Reset | Outcome::Ended) || outcome == BAD_REQUEST, "{what}: {outcome:?}");
        assert_eq!(ask(&[get, http, host, keys]).await, OK, "after {what}");
    }
    let tunnel = ask(&[(":method", "CONNECT"), (":authority", "10.0.0.1:22")]).await;
    assert!(matches!(tunnel, Outcome::Answered(first) if first != 0x88) || tunnel == Outcome::Reset, "{tunnel:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_as_long_as_its_content_length_says() {
    let app = TestServer::start(Backend::Sqlite).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let body = b"client_id=nobody&token=x";
    for (length, sent, whole) in
        [("24", 24, true), ("23", 24, false), ("25", 24, false), ("0", 24, false), ("x", 24, false)]
    {
        let head = fields(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "a.example"),
            (":path", "/auth/revoke"),
            form,
            ("content-length", length),
        ]);
        let request = [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, END_STREAM, 1, &body[..sent])].concat();
        let outcome = outcome(app.server.address, &request, 1).await;
        if whole {
            assert!(matches!(outcome, Outcome::Answered(_)) && outcome != OK && outcome != BAD_REQUEST, "{outcome:?}");
        } else {
            assert!(
                matches!(outcome, Outcome::Reset | Outcome::Ended) || outcome == BAD_REQUEST,
                "{length}: {outcome:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeatedly_reset_streams_end_the_connection() {
    let app = TestServer::start(Backend::Sqlite).await;
    let head = fields(&[(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", KEYS)]);
    let mut stream = TcpStream::connect(app.server.address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    // Each stream costs the client two small frames (CVE-2023-44487).
    let mut bytes = Vec::new();
    for number in 0..20_000_u32 {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, number * 2 + 1, &head));
        bytes.extend(frame(RESET, 0, number * 2 + 1, &8_u32.to_be_bytes()));
    }
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn(async move {
        let _ = to.write_all(&bytes).await;
        to
    });
    let mut received = Vec::new();
    while in_time("the end", from.read_buf(&mut received)).await.is_ok_and(|count| count > 0) {}
    let goodbyes = frames(&received).iter().filter(|frame| frame.kind == GOODBYE).count();
    assert!(goodbyes > 0, "it is told why");
    sending.await.unwrap();
    app.get(KEYS).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_heads_are_bounded() {
    let app = TestServer::start(Backend::Sqlite).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let ask = |length: usize| client.get(format!("{}{KEYS}", app.base)).header("x-long", "x".repeat(length)).send();
    assert_eq!(ask(31 * 1024).await.unwrap().status(), 200);
    // The client may see the bound itself, since the server tells it.
    assert!(ask(33 * 1024).await.map_or(true, |response| response.status() == 431));
    // Continued without an end.
    let head = fields(&[(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", KEYS)]);
    let mut request = frame(HEADERS, END_STREAM, 1, &head);
    let field = fields(&[("x-long", &"x".repeat(100))]).repeat(100);
    for _ in 0..1000 {
        request.extend(frame(9, 0, 1, &field));
    }
    let outcome = outcome(app.server.address, &request, 1).await;
    assert_ne!(outcome, OK, "it never ended");
    Answer::of(app.http.get(format!("{}{KEYS}", app.base))).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_frames_that_ask_for_nothing_ends_the_connection() {
    let app = TestServer::start(Backend::Sqlite).await;
    let head = fields(&[(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", KEYS)]);
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head);
    for (what, kind, stream, payload) in
        [("settings", SETTINGS, 0, &[][..]), ("pings", PING, 0, &[0; 8]), ("priorities", PRIORITY, 3, &[0, 0, 0, 0, 9])]
    {
        let one = frame(kind, 0, stream, payload);
        // Answered after a few of them, and not after many.
        for (bytes, is_answered) in [(16 * 1024, true), (512 * 1024, false)] {
            let flood = [PREFACE, &one.repeat(bytes / one.len()), &request].concat();
            let (mut from, mut to) = TcpStream::connect(app.server.address).await.unwrap().into_split();
            let sending = tokio::spawn(async move {
                let _ = to.write_all(&flood).await;
                to
            });
            let mut received = Vec::new();
            let answered = |received: &[u8]| frames(received).iter().any(|frame| frame.kind == HEADERS);
            while !answered(&received)
                && in_time("an end", from.read_buf(&mut received)).await.is_ok_and(|count| count > 0)
            {}
            assert_eq!(answered(&received), is_answered, "{bytes} bytes of {what}");
            drop(from);
            sending.await.unwrap();
        }
    }
    app.get(KEYS).await.assert_ok();
}
