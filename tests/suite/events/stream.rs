//! `GET /admin/v1/events`.

use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::scene::{ALICE, CLIENT_CREDENTIALS, every_grant};
use crate::support::{Answer, Setup, TestServer, eventually, on_both_stores};

/// How long a test waits for what comes within a second or two.
const PATIENCE: Duration = Duration::from_secs(20);

/// A stream of events.
struct Stream {
    response: Response,
    text: String,
}

/// A block of a stream.
#[derive(Debug)]
struct Block {
    id: Option<i64>,
    event: Option<String>,
    data: Option<Value>,
}

impl Stream {
    async fn open(app: &TestServer, token: &str, query: &str) -> Self {
        Self::open_after(app, token, query, None).await
    }

    async fn open_after(app: &TestServer, token: &str, query: &str, last: Option<i64>) -> Self {
        let mut request = app.http.get(format!("{}/admin/v1/events{query}", app.base)).bearer_auth(token);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { response, text: String::new() }
    }

    /// The next block; `None` at the end of the stream.
    async fn block(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let line = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
                };
                let block = Block {
                    id: line("id:").map(|id| id.parse().unwrap()),
                    event: line("event:"),
                    data: line("data:").map(|data| serde_json::from_str(&data).unwrap()),
                };
                self.text = rest.to_owned();
                return Some(block);
            }
            let part = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("the stream says something");
            match part.expect("the stream does not break") {
                Some(part) => self.text.push_str(std::str::from_utf8(&part).unwrap()),
                None => return None,
            }
        }
    }

    /// The next block with data.
    async fn told(&mut self) -> Block {
        loop {
            let block = self.block().await.expect("the stream goes on");
            if block.data.is_some() {
                return block;
            }
        }
    }

    /// The type and the target of the next event.
    async fn event(&mut self) -> (String, String) {
        let Block { event, data: Some(data), .. } = self.told().await else { unreachable!() };
        assert_eq!(event, None, "{data}");
        (data["type"].as_str().unwrap().to_owned(), data["data"]["target"].as_str().unwrap().to_owned())
    }

    /// Why the stream ends, which it then does.
    async fn end(mut self) -> String {
        loop {
            let block = self.told().await;
            if block.event.as_deref() == Some("end") {
                assert!(self.block().await.is_none(), "nothing follows");
                return block.data.unwrap()["reason"].as_str().unwrap().to_owned();
            }
        }
    }
}

/// A client with a scope of the admin API, and its token.
async fn deputy(app: &TestServer, client_id: &str, scope: &str) -> String {
    let client = app.client(client_id, json!({"grant_types": ["client_credentials"], "scope": scope})).await;
    app.token(&client, &[CLIENT_CREDENTIALS]).await.text("access_token")
}

fn pair(event_type: &str, target: &str) -> (String, String) {
    (event_type.to_owned(), target.to_owned())
}

on_both_stores!(a_stream_tells_what_happens_and_goes_on_from_a_cursor, async |backend| {
    let app = TestServer::start(backend).await;
    let token = deputy(&app, "watcher", "jeton:read").await;
    let mut stream = Stream::open(&app, &token, "?types=client.*").await;
    let first = stream.block().await.unwrap();
    assert!(first.id.is_some() && first.data.is_none(), "it says at once that it has begun: {first:?}");
    let id = app.user("somebody", "a password").await;
    app.client("one", json!({})).await;
    // What happened a moment before the stream began may have got its number after that.
    let (number, data) = loop {
        let Block { id, data: Some(data), .. } = stream.told().await else { unreachable!() };
        if data["data"]["target"] == "client one" {
            break (id, data);
        }
    };
    assert_eq!(data["type"], "client.create");
    assert_eq!((&data["data"]["actor"], &data["data"]["number"]), (&json!("client test-admin"), &json!(number)));
    let names: Vec<&String> =
        data.as_object().unwrap().keys().chain(data["data"].as_object().unwrap().keys()).collect();
    assert_eq!(names, ["type", "timestamp", "data", "id", "number", "actor", "target", "request_id"]);
    // The audit trail has the rest under this id.
    let records = app.admin(Method::GET, "/admin/v1/audit?action=client.create", None).await.json;
    assert_eq!(records["items"][0]["id"], data["data"]["id"]);
    assert_eq!(records["items"][0]["request_id"], data["data"]["request_id"]);
    app.admin(Method::PATCH, "/admin/v1/clients/one", Some(json!({"scope": "read"}))).await.assert_ok();
    assert_eq!(stream.event().await, pair("client.update", "client one"));
    drop(stream);
    app.admin(Method::DELETE, "/admin/v1/clients/one", None).await;
    // Another stream goes on there, and its own cursor counts less than that of the header.
    let mut again = Stream::open_after(&app, &token, "?after=0", number).await;
    assert_eq!(again.event().await, pair("client.update", "client one"));
    assert_eq!(again.event().await, pair("client.delete", "client one"));
    let mut all = Stream::open(&app, &token, "?after=0&types=user.create,client.delete").await;
    assert_eq!(all.event().await, pair("user.create", &format!("user {id}")));
    assert_eq!(all.event().await, pair("client.delete", "client one"));
});

on_both_stores!(a_stream_tells_of_reuse_of_throttling_of_keys_and_of_revocations, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().set("JETON_THROTTLING", "on")).await;
    let token = deputy(&app, "watcher", "jeton:read").await;
    let types = "session.reuse,key.rotate,revocation.create,client.throttled";
    let mut stream = Stream::open(&app, &token, &format!("?types={types}")).await;
    let strict = app.client("strict", every_grant(json!({"retry_window": 0}))).await;
    app.user(ALICE.0, ALICE.1).await;
    let login = app.login(&strict, ALICE.0, ALICE.1).await;
    let refresh = login.text("refresh_token");
    let session = crate::support::jwt_part(&login.text("access_token"), 1)["sid"].as_str().unwrap().to_owned();
    app.refresh(&strict, &refresh).await.assert_ok();
    app.refresh(&strict, &refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(stream.event().await, pair("session.reuse", &format!("session {session}")));
    let answer = app.admin(Method::POST, "/admin/v1/keys/rotate", Some(json!({"alg": "EdDSA"}))).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    // The stream may end because the keys have changed; whoever connects again misses nothing.
    let mut stream = Stream::open(&app, &token, &format!("?after=0&types={types}")).await;
    stream.event().await;
    assert_eq!(stream.event().await.0, "key.rotate");
    app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"client": "strict", "reason": "secret reason"})))
        .await;
    assert_eq!(stream.event().await, pair("revocation.create", "client strict"));
    let guesser = strict.with_secret("wrong");
    while app.token(&guesser, &[CLIENT_CREDENTIALS]).await.status != StatusCode::TOO_MANY_REQUESTS {}
    let Block { data: Some(data), .. } = stream.told().await else { unreachable!() };
    assert_eq!(data["type"], "client.throttled");
    assert!(!data.to_string().contains("127.0.0.1"), "{data}");
});

on_both_stores!(a_stream_ends_with_the_token_of_its_administrator, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let first = deputy(&app, "first", "jeton:read").await;
    let stream = Stream::open(&app, &first, "").await;
    let revoked = app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"token": first}))).await;
    assert_eq!(revoked.status, StatusCode::CREATED, "{revoked:?}");
    assert!(stream.end().await.contains("not valid any more"));
    // The client loses its scope.
    let second = deputy(&app, "second", "jeton:read").await;
    let stream = Stream::open(&app, &second, "").await;
    app.admin(Method::PATCH, "/admin/v1/clients/second", Some(json!({"scope": "jeton:users"}))).await.assert_ok();
    assert!(stream.end().await.contains("not valid any more"));
    // A key is withdrawn, or made: the token is judged anew when the stream is opened again.
    let third = deputy(&app, "third", "jeton:read").await;
    let stream = Stream::open(&app, &third, "").await;
    app.admin(Method::POST, "/admin/v1/keys/rotate", Some(json!({"alg": "EdDSA"}))).await;
    assert!(stream.end().await.contains("connect again"));
    // It expires.
    let stream = Stream::open(&app, &third, "").await;
    app.advance(2 * 3600);
    assert!(stream.end().await.contains("not valid any more"));
});

on_both_stores!(streams_are_bounded_for_each_client_and_places_come_back, async |backend| {
    let app = TestServer::start(backend).await;
    let (one, other) = (deputy(&app, "one", "jeton:read").await, deputy(&app, "other", "jeton:read").await);
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(Stream::open(&app, &one, "").await);
    }
    let ask = |token: &str| app.http.get(format!("{}/admin/v1/events?after=0", app.base)).bearer_auth(token);
    let answer = Answer::of(ask(&one)).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
    assert!(answer.text("detail").contains("Too many streams"), "{answer:?}");
    let mut of_other = Stream::open(&app, &other, "?after=0").await;
    of_other.event().await;
    let metrics = reqwest::get(format!("{}/metrics", app.ops)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("jeton_event_streams 9.0\n"), "{metrics}");
    open.clear();
    eventually(Duration::from_secs(40), "a place is free", async || {
        ask(&one).send().await.unwrap().status() == StatusCode::OK
    })
    .await;
});

on_both_stores!(a_stream_is_for_those_who_may_read_the_audit_trail, async |backend| {
    let app = TestServer::start(backend).await;
    let users = deputy(&app, "users", "jeton:users").await;
    let reader = deputy(&app, "reader", "jeton:read").await;
    let at = |path: &str| app.http.get(format!("{}/admin/v1/events{path}", app.base));
    let answer = Answer::of(at("")).await;
    assert_eq!((answer.status, answer.header("www-authenticate").is_some()), (StatusCode::UNAUTHORIZED, true));
    let answer = Answer::of(at("").bearer_auth(&users)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    for (query, named) in [
        ("?after=soon", "after"),
        ("?after=-1", "after"),
        ("?types=client.updated", "types"),
        ("?types=client.create,client.create", "types"),
        ("?type=client.create", "no parameter"),
        ("?after=1&after=2", "sent twice"),
    ] {
        let answer = Answer::of(at(query).bearer_auth(&reader)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}: {answer:?}");
        assert!(answer.text("detail").contains(named), "{query}: {answer:?}");
    }
    for last in ["x", "99999999999999999999", "é"] {
        let answer = Answer::of(at("").bearer_auth(&reader).header("Last-Event-ID", last)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{last}: {answer:?}");
    }
});

on_both_stores!(a_stream_does_not_keep_the_server_from_stopping, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().set("JETON_DRAIN_DELAY", "0s")).await;
    let token = app.admin_token().await;
    let stream = Stream::open(&app, &token, "").await;
    let begun = Instant::now();
    let ((), why) = tokio::join!(app.stop(), stream.end());
    assert!(why.contains("The server stops"), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
});
