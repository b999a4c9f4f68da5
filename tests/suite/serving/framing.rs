//! Broken HTTP/1. A proxy in front may disagree about where a request ends, so an ambiguous request is refused, or is
//! the last one of its connection.

use super::{HOST, KEYS, OnWire, answers_to, get};
use crate::support::{Backend, TestServer};

/// The path of a request that is hidden in another.
const HIDDEN: &str = "/hidden";

/// A POST with these lines in its head, and this body.
fn post(lines: &str, body: &str) -> Vec<u8> {
    let head = "Content-Type: application/x-www-form-urlencoded\r\n";
    format!("POST /auth/revoke HTTP/1.1\r\nHost: {HOST}\r\n{head}{lines}\r\n{body}").into_bytes()
}

fn with_head(lines: &str) -> Vec<u8> {
    format!("GET {KEYS} HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n").into_bytes()
}

fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: {HOST}\r\n\r\n").into_bytes()
}

/// The answers to these bytes and to a last request after them on the same connection.
async fn answers(app: &TestServer, bytes: &[u8]) -> Vec<OnWire> {
    let last = format!("GET {KEYS} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    answers_to(app.server.address, &[bytes, last.as_bytes()].concat()).await
}

/// Each is answered with these statuses; the last 200 is that of the next request, if that is answered at all.
async fn are_answered(app: &TestServer, cases: &[(&str, Vec<u8>, &[u16])]) {
    let mut wrong = Vec::new();
    for (what, bytes, expected) in cases {
        let answers = answers(app, bytes).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        if statuses != *expected {
            wrong.push(format!("{what}: {statuses:?}, not {expected:?}: {answers:?}"));
        }
        app.get(KEYS).await.assert_ok();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_has_one_end() {
    let app = TestServer::start(Backend::Sqlite).await;
    let hidden = get(HIDDEN);
    let form = "client_id=nobody&token=x";
    let chunked = format!("18\r\n{form}\r\n0\r\n\r\n");
    let (te, te_hidden) = ("Transfer-Encoding: chunked\r\n", format!("0\r\n\r\n{hidden}"));
    let length = |length: &dyn std::fmt::Display| format!("Content-Length: {length}\r\n");
    let both = format!("{}{te}", length(&te_hidden.len()));
    let turned = format!("{te}{}", length(&te_hidden.len()));
    are_answered(
        &app,
        &[
            ("a length", post(&length(&24), form), &[401, 200]),
            ("chunks", post(te, &chunked), &[401, 200]),
            ("chunks in capitals", post("TRANSFER-ENCODING: CHUNKED\r\n", &chunked), &[401, 200]),
            // Read as chunks, and nothing after them: RFC 9112 §6.1.
            ("a length and chunks", post(&both, &te_hidden), &[401]),
            ("chunks and a length", post(&turned, &te_hidden), &[401]),
            ("a length of 0 and chunks", post(&format!("{}{te}", length(&0)), &chunked), &[401]),
            ("two lengths", post(&format!("{}{}", length(&24), length(&0)), form), &[400]),
            ("two lengths in a list", post(&length(&"24, 0"), form), &[400]),
            ("the same length twice", post(&format!("{}{}", length(&24), length(&24)), form), &[401, 200]),
            ("a length with a sign", post(&length(&"+24"), form), &[400]),
            ("a negative length", post(&length(&"-1"), form), &[400]),
            ("a length in hexadecimal", post(&length(&"0x18"), form), &[400]),
            ("a length with a space in it", post(&length(&"2 4"), form), &[400]),
            ("an empty length", post(&length(&""), form), &[400]),
            ("a length beyond all numbers", post(&length(&"99999999999999999999999"), form), &[400]),
            ("a length near the end of numbers", post(&length(&"18446744073709551615"), form), &[431]),
            ("another coding", post("Transfer-Encoding: identity\r\n", &hidden), &[400]),
            ("chunked is not the last", post("Transfer-Encoding: chunked, identity\r\n", &chunked), &[400]),
            ("a coding that is nearly chunked", post("Transfer-Encoding: xchunked\r\n", &chunked), &[400]),
            ("chunked in quotes", post("Transfer-Encoding: \"chunked\"\r\n", &chunked), &[400]),
            ("a vertical tab before chunked", post("Transfer-Encoding: \x0bchunked\r\n", &chunked), &[400]),
            ("a space before the colon", post("Transfer-Encoding : chunked\r\n", &chunked), &[400]),
            ("a tab before the colon", post("Transfer-Encoding\t: chunked\r\n", &chunked), &[400]),
            ("a space before the name", post(" Transfer-Encoding: chunked\r\n", &chunked), &[400]),
            ("a folded coding", post("Transfer-Encoding:\r\n chunked\r\n", &chunked), &[400]),
            ("an empty coding", post(&format!("Transfer-Encoding:\r\n{}", length(&24)), form), &[400]),
            (
                "two lines of codings",
                post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &chunked),
                &[400],
            ),
            (
                "chunks in HTTP/1.0",
                {
                    let text = String::from_utf8(post(te, &chunked)).unwrap();
                    text.replace("HTTP/1.1", "HTTP/1.0").into_bytes()
                },
                &[400],
            ),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_has_one_length() {
    let app = TestServer::start(Backend::Sqlite).await;
    let te = "Transfer-Encoding: chunked\r\n";
    let chunked = |body: &str| post(te, body);
    let form = "client_id=nobody&token=x";
    are_answered(
        &app,
        &[
            ("a chunk extension", chunked(&format!("18;a=b\r\n{form}\r\n0\r\n\r\n")), &[401, 200]),
            ("trailers", chunked(&format!("18\r\n{form}\r\n0\r\nX-Trailer: a\r\n\r\n")), &[401, 200]),
            (
                "trailers that change the request",
                chunked(&format!("18\r\n{form}\r\n0\r\nContent-Length: 5\r\nHost: b\r\n\r\n")),
                &[401, 200],
            ),
            (
                "small pieces",
                chunked(&format!("{}0\r\n\r\n", form.chars().map(|c| format!("1\r\n{c}\r\n")).collect::<String>())),
                &[401, 200],
            ),
            ("a length that is none", chunked(&format!("xx\r\n{form}\r\n0\r\n\r\n")), &[400]),
            ("a length with a sign", chunked(&format!("+18\r\n{form}\r\n0\r\n\r\n")), &[400]),
            ("a length in C", chunked(&format!("0x18\r\n{form}\r\n0\r\n\r\n")), &[400]),
            ("a length beyond all numbers", chunked(&format!("FFFFFFFFFFFFFFFFF\r\n{form}\r\n0\r\n\r\n")), &[400]),
            ("a chunk that is longer than it says", chunked(&format!("17\r\n{form}\r\n0\r\n\r\n")), &[400]),
            ("a line that ends with LF alone", chunked(&format!("18\n{form}\r\n0\r\n\r\n")), &[400]),
            ("an extension with LF alone", chunked(&format!("18;a\n{form}\r\n0\r\n\r\n")), &[400]),
            ("no end of the chunk", chunked(&format!("18\r\n{form}0\r\n\r\n")), &[400]),
            ("an extension without end", chunked(&format!("18;{}", "x".repeat(100_000))), &[400]),
            ("trailers without end", chunked(&format!("18\r\n{form}\r\n0\r\n{}", "X: y\r\n".repeat(20_000))), &[400]),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_is_well_formed_and_bounded() {
    let app = TestServer::start(Backend::Sqlite).await;
    let many = |count: usize| (0..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let long = |length: usize| format!("X-Long: {}\r\n", "x".repeat(length));
    are_answered(
        &app,
        &[
            ("a usual one", with_head("X: y\r\n"), &[200, 200]),
            ("one long line", with_head(&long(31 * 1024)), &[200, 200]),
            // A head of more than 32 KiB passes if all of it is there at once, up to twice that.
            ("a line that is too long", with_head(&long(100 * 1024)), &[431]),
            ("many lines", with_head(&many(50)), &[200, 200]),
            ("too many lines", with_head(&many(200)), &[431]),
            ("a target that is too long", get(&format!("/{}", "x".repeat(100 * 1024))).into_bytes(), &[431]),
            ("a folded line", with_head("X: y\r\n z\r\n"), &[400]),
            ("a line without a colon", with_head("nonsense\r\n"), &[400]),
            ("a line without a name", with_head(": y\r\n"), &[400]),
            ("a space in a name", with_head("X Y: z\r\n"), &[400]),
            ("a NUL in a name", with_head("X\0Y: z\r\n"), &[400]),
            ("a NUL in a value", with_head("X: y\0z\r\n"), &[400]),
            ("a CR in a value", with_head("X: y\rz\r\n"), &[400]),
            ("an escape in a value", with_head("X: y\x1bz\r\n"), &[400]),
            (
                "Latin letters in a value",
                [b"GET / HTTP/1.1\r\nHost: a\r\nX: \xE9\r\n\r\n".to_vec()].concat(),
                &[404, 200],
            ),
            // RFC 9112 §2.2 lets a server take LF alone as the end of a line; there is still one reading.
            (
                "lines that end with LF alone",
                format!("GET {KEYS} HTTP/1.1\nHost: {HOST}\n\n").into_bytes(),
                &[200, 200],
            ),
            ("empty lines in front", [b"\r\n\r\n", &*with_head("")].concat(), &[200, 200]),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_line_names_a_method_a_target_and_a_version() {
    let app = TestServer::start(Backend::Sqlite).await;
    are_answered(
        &app,
        &[
            ("HTTP/0.9", b"GET /\r\n".to_vec(), &[400]),
            ("HTTP/1.2", line("GET / HTTP/1.2"), &[400]),
            ("HTTP/2.0", line("GET / HTTP/2.0"), &[400]),
            ("http in small letters", line("GET / http/1.1"), &[400]),
            ("two spaces", line("GET  / HTTP/1.1"), &[400]),
            ("a tab", line("GET\t/ HTTP/1.1"), &[400]),
            ("a target with a space", line("GET /a b HTTP/1.1"), &[400]),
            ("no target", line("GET HTTP/1.1"), &[400]),
            ("a target without a slash", line("GET docs HTTP/1.1"), &[400, 200]),
            ("a fragment", line(&format!("GET {KEYS}#x HTTP/1.1")), &[200, 200]),
            ("an absolute target", line(&format!("GET http://{HOST}{KEYS} HTTP/1.1")), &[200, 200]),
            (
                "an absolute target of another host",
                line(&format!("GET http://other.example{KEYS} HTTP/1.1")),
                &[400, 200],
            ),
            ("another scheme", line(&format!("GET file://{HOST}{KEYS} HTTP/1.1")), &[200, 200]),
            ("an authority", line(&format!("GET {HOST}:80 HTTP/1.1")), &[400, 200]),
            ("a star", line("OPTIONS * HTTP/1.1"), &[404, 200]),
            ("TRACE", line(&format!("TRACE {KEYS} HTTP/1.1")), &[405, 200]),
            ("a method of nobody", line(&format!("BREW {KEYS} HTTP/1.1")), &[405, 200]),
            ("a method in small letters", line(&format!("get {KEYS} HTTP/1.1")), &[405, 200]),
            ("an empty method", line("/ HTTP/1.1"), &[400]),
            ("CONNECT", line("CONNECT 10.0.0.1:22 HTTP/1.1"), &[400, 200]),
            ("CONNECT to the host itself", line(&format!("CONNECT {HOST} HTTP/1.1")), &[404, 200]),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_names_one_host() {
    let app = TestServer::start(Backend::Sqlite).await;
    let with = |version: &str, lines: &str| format!("GET {KEYS} {version}\r\n{lines}\r\n").into_bytes();
    are_answered(
        &app,
        &[
            ("one", with("HTTP/1.1", "Host: a.example:8080\r\n"), &[200, 200]),
            ("none", with("HTTP/1.1", ""), &[400, 200]),
            ("an empty one", with("HTTP/1.1", "Host:\r\n"), &[400, 200]),
            ("two", with("HTTP/1.1", "Host: a.example\r\nHost: b.example\r\n"), &[400, 200]),
            ("the same twice", with("HTTP/1.1", "Host: a.example\r\nHost: a.example\r\n"), &[400, 200]),
            ("a list", with("HTTP/1.1", "Host: a.example, b.example\r\n"), &[400, 200]),
            ("a user", with("HTTP/1.1", "Host: a@b.example\r\n"), &[400, 200]),
            ("a path", with("HTTP/1.1", "Host: a.example/b\r\n"), &[400, 200]),
            ("none in HTTP/1.0", with("HTTP/1.0", ""), &[200]),
            ("one in HTTP/1.0", with("HTTP/1.0", "Host: a.example\r\n"), &[200]),
            ("HTTP/1.0 that goes on", with("HTTP/1.0", "Connection: keep-alive\r\n"), &[200, 200]),
        ],
    )
    .await;
    let refused = &answers(&app, &with("HTTP/1.1", "")).await[0];
    assert!(refused.head.contains("content-type: application/json"), "{refused:?}");
    assert!(refused.body.contains("There is no Host header."), "{refused:?}");
    let refused = &answers(&app, b"GET /admin/v1/users HTTP/1.1\r\n\r\n").await[0];
    assert!(refused.head.contains("content-type: application/problem+json"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_announced_as_too_large_is_refused_before_it_is_sent() {
    let app = TestServer::start(Backend::Sqlite).await;
    // The client waits for 100: without it, the body is not wanted and not sent.
    let answers = answers_to(app.server.address, &post("Content-Length: 65537\r\nExpect: 100-continue\r\n", "")).await;
    let [refused] = answers.as_slice() else { panic!("{answers:?}") };
    assert_eq!(refused.status, 413, "{refused:?}");
    assert!(refused.head.contains("connection: close"), "what follows may be the body: {refused:?}");
    assert!(refused.body.contains("The body is too large: 64 KiB is the limit"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_a_usual_body_is_read_only_from_a_caller_whom_the_head_makes_known() {
    let app = TestServer::start(Backend::Sqlite).await;
    let main = app.main_client("main").await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n";
    let with = |line: &str| format!("POST /auth/explain HTTP/1.1\r\nHost: {HOST}\r\n{form}{line}\r\n").into_bytes();
    let authorization = |value: &str| with(&format!("Authorization: {value}\r\n"));
    for (what, request, expected) in [
        ("nobody", with(""), 413),
        ("another scheme", authorization("Digest x"), 413),
        ("a wrong secret", authorization(&main.with_secret("wrong").basic()), 401),
        ("a bad token", authorization("Bearer x"), 401),
    ] {
        let answers = answers_to(app.server.address, &request).await;
        let [refused] = answers.as_slice() else { panic!("{what}: {answers:?}") };
        assert_eq!(refused.status, expected, "{what}: {refused:?}");
        assert!(refused.head.contains("connection: close"), "nothing of the body was asked for: {what}: {refused:?}");
    }
    let admin = format!("Bearer {}", app.admin_token().await);
    for known in [main.basic(), admin] {
        let body = format!("token={}", "%41".repeat(60_000));
        app.raw("/auth/explain", &[crate::support::FORM, ("Authorization", &known)], body).await.assert_ok();
    }
    // Whose credentials are in the body has room for any token.
    let secret = main.secret.as_deref().unwrap_or_default();
    let body = |length| format!("client_id={}&client_secret={secret}&token={}", main.id, "x".repeat(length));
    app.raw("/auth/explain", &[crate::support::FORM], body(60_000)).await.assert_ok();
    app.raw("/auth/explain", &[crate::support::FORM], body(66_000)).await.assert_error(413, "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_of_other_protocols_are_ignored() {
    let app = TestServer::start(Backend::Sqlite).await;
    let settings = "HTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let form = "client_id=nobody&token=x";
    are_answered(
        &app,
        &[
            (
                "h2c",
                with_head(&format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n{settings}")),
                &[200, 200],
            ),
            ("a web socket", with_head("Connection: Upgrade\r\nUpgrade: websocket\r\n"), &[200, 200]),
            ("the preface of HTTP/2 later", [with_head(""), preface.into()].concat(), &[200]),
            ("an expectation", post("Content-Length: 24\r\nExpect: 100-continue\r\n", form), &[100, 401, 200]),
            ("another expectation", post("Content-Length: 24\r\nExpect: 200-maybe\r\n", form), &[401, 200]),
            ("an expectation without a body", with_head("Expect: 100-continue\r\n"), &[200, 200]),
        ],
    )
    .await;
    // GEN-036: a compressed body is not decompressed, however small it is.
    // The beginning of a gzip file, and 10 kB that nothing reads.
    let mut packed = vec![0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 3];
    packed.resize(10 * 1024, 0xAA);
    let headers = [crate::support::FORM, ("Content-Encoding", "gzip")];
    for path in ["/auth/token", "/auth/introspect", "/auth/revoke", "/auth/explain"] {
        let answer = app.raw(path, &headers, packed.clone()).await;
        answer.assert_error(415, "invalid_request");
    }
}
