//! Traces: what a collector gets of the real binary, and what becomes of the server when it takes nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::program::{Place, Running};
use crate::support::{Backend, on_both_stores};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

type Received = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;

/// A collector that takes everything.
struct Collector {
    url: String,
    received: Received,
}

impl Collector {
    async fn start() -> Self {
        let take = async |State(received): State<Received>, uri: Uri, headers: HeaderMap, body: Bytes| {
            received.lock().unwrap().push((uri.to_string(), headers, body));
            StatusCode::OK
        };
        let received = Received::default();
        let router = axum::Router::new().fallback(take).with_state(Arc::clone(&received));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, received }
    }

    /// Everything that came, as it came.
    fn text(&self) -> String {
        let received = self.received.lock().unwrap();
        received.iter().map(|(_, _, body)| std::str::from_utf8(body).unwrap()).collect()
    }

    fn spans(&self) -> Vec<Value> {
        let received = self.received.lock().unwrap();
        let documents = received.iter().map(|(_, _, body)| serde_json::from_slice::<Value>(body).unwrap());
        documents
            .flat_map(|document| document["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone())
            .collect()
    }

    /// The spans of requests.
    fn requests(&self) -> Vec<Value> {
        self.spans().into_iter().filter(|span| span["kind"] == 2).collect()
    }
}

/// The value of an attribute of a span.
fn attribute<'a>(span: &'a Value, key: &str) -> &'a str {
    let attributes = span["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    let value = found.map(|attribute| &attribute["value"]);
    value.and_then(|value| value["stringValue"].as_str().or(value["intValue"].as_str())).unwrap_or_default()
}

/// A client with every grant, made by the command line; its secret.
fn make_client(place: &Place) -> String {
    let grants = "password,client_credentials,refresh_token";
    let made = place.json(&["client", "create", "--client-id", "app", "--grant-types", grants, "--scope", "read"]);
    made["client_secret"].as_str().unwrap().to_owned()
}

/// A request for a token, as a part of a trace of which the caller says whether it is recorded.
async fn token(server: &Running, secret: &str, password: &str, flags: &str) -> (u16, Value) {
    let form = [("grant_type", "password"), ("username", "alice.liddell"), ("password", password)];
    let request = reqwest::Client::new().post(format!("{}/auth/token?hint=query-text", server.base)).form(&form);
    let request = request.basic_auth("app", Some(secret));
    let request = request.header("traceparent", format!("00-{TRACE}-{PARENT}-{flags}")).header("tracestate", "a=b");
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

on_both_stores!(
    a_request_is_exported_with_its_parts_as_a_part_of_the_callers_trace_and_without_secrets,
    async |backend| {
        let collector = Collector::start().await;
        let mut place = Place::new(backend).await;
        let secret = make_client(&place);
        place.run_with(&["user", "create", "alice.liddell"], "down-the-rabbit-hole\n").ok();
        place.set("JETON_OTLP_ENDPOINT", &collector.url);
        place.set("JETON_OTLP_HEADERS", "authorization=Bearer%20of-the-collector");
        place.set("JETON_OTLP_SAMPLE", "0");
        let server = place.serve(&[]);
        let (status, good) = token(&server, &secret, "down-the-rabbit-hole", "01").await;
        assert_eq!(status, 200, "{good}");
        assert_eq!(token(&server, &secret, "through-the-looking-glass", "01").await.0, 400);
        assert_eq!(token(&server, &secret, "down-the-rabbit-hole", "00").await.0, 200);
        assert_eq!(server.client_credentials(("app", &secret)).await.0, 200, "of new traces, none is recorded");
        server.says(&format!("trace_id={TRACE}"));
        assert_eq!(server.stop().code(), Some(0));

        let [granted, refused] = &collector.requests()[..] else { panic!("{}", collector.text()) };
        for (span, status) in [(granted, "200"), (refused, "400")] {
            assert_eq!((&span["traceId"], &span["parentSpanId"]), (&json!(TRACE), &json!(PARENT)));
            assert_eq!((&span["name"], &span["traceState"]), (&json!("POST /auth/token"), &json!("a=b")));
            for (key, value) in [
                ("http.request.method", "POST"),
                ("http.route", "/auth/token"),
                ("http.response.status_code", status),
                ("url.scheme", "https"),
                ("server.address", "auth.example.com"),
                ("server.port", "443"),
            ] {
                assert_eq!(attribute(span, key), value, "{span}");
            }
            assert_eq!(attribute(span, "jeton.request_id").len(), 36);
            assert!(span["status"].is_null(), "{span}");
        }
        assert_eq!((attribute(granted, "jeton.cause"), attribute(refused, "jeton.cause")), ("", "invalid_grant"));
        let spans = collector.spans();
        let parts: Vec<&Value> = spans.iter().filter(|span| span["parentSpanId"] == granted["spanId"]).collect();
        assert_eq!(parts.iter().filter(|span| span["name"] == "password hash").count(), 1, "{parts:?}");
        let system = if backend == Backend::Sqlite { "sqlite" } else { "postgresql" };
        let of_database = |span: &&&Value| attribute(span, "db.system.name") == system;
        let statement = parts.iter().find(of_database).unwrap_or_else(|| panic!("{parts:?}"));
        assert!(!attribute(statement, "db.query.text").is_empty(), "{statement}");
        let nanos = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
        for part in parts {
            assert!(nanos(part, "startTimeUnixNano") >= nanos(granted, "startTimeUnixNano"), "{part}");
            assert!(nanos(part, "endTimeUnixNano") >= nanos(part, "startTimeUnixNano"), "{part}");
        }

        let text = collector.text();
        let tokens = [&good["access_token"], &good["refresh_token"]].map(|token| token.as_str().unwrap());
        let basic = reqwest::Client::new().get("http://x").basic_auth("app", Some(&secret)).build().unwrap();
        let basic = basic.headers()["authorization"].to_str().unwrap().trim_start_matches("Basic ").to_owned();
        let of_requests =
            ["down-the-rabbit-hole", "through-the-looking-glass", "alice", "query-text", "of-the-collector"];
        for private in of_requests.into_iter().chain(tokens).chain([secret.as_str(), basic.as_str(), "127.0.0.1"]) {
            assert!(!text.contains(private), "{private:?} is exported: {text}");
        }
        for (path, headers, _) in collector.received.lock().unwrap().iter() {
            assert_eq!(path, "/v1/traces");
            assert_eq!(headers["authorization"], "Bearer of-the-collector");
            assert_eq!(headers["content-type"], "application/json");
        }
    }
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_begin_traces_of_their_own_at_the_collector_that_jeton_was_told() {
    let collector = Collector::start().await;
    let mut place = Place::new(Backend::Sqlite).await;
    place.set("JETON_OTLP_ENDPOINT", &format!("{}/base/", collector.url));
    place.set("JETON_OTLP_HEADERS", "x-tenant=blue");
    // What a platform tells all its programs.
    place.set("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
    let server = place.serve(&[]);
    let ask = async |path: &str| reqwest::get(format!("{}{path}", server.base)).await.unwrap().status();
    assert_eq!(ask("/.well-known/jwks.json").await, 200);
    assert_eq!(ask("/people/alice").await, 404);
    assert_eq!(server.stop().code(), Some(0));
    let [known, unknown] = &collector.requests()[..] else { panic!("{}", collector.text()) };
    assert_eq!((&known["name"], &unknown["name"]), (&json!("GET /.well-known/jwks.json"), &json!("GET")));
    assert!(known["parentSpanId"].is_null() && known["traceId"] != unknown["traceId"]);
    assert!(!collector.text().contains("alice"));
    let received = collector.received.lock().unwrap();
    assert!(received.iter().all(|(path, headers, _)| path == "/base/v1/traces" && headers["x-tenant"] == "blue"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_takes_nothing_costs_no_request_and_does_not_hold_up_the_stop() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let hangs = listener.local_addr().unwrap();
    let closed = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    for (collector, least) in [(closed, 1), (hangs, 0)] {
        let mut place = Place::new(Backend::Sqlite).await;
        let secret = make_client(&place);
        place.set("JETON_OTLP_ENDPOINT", &format!("http://{collector}"));
        let server = place.serve(&[]);
        let asked = async {
            for _ in 0..20 {
                assert_eq!(server.client_credentials(("app", &secret)).await.0, 200);
            }
        };
        // A call to the collector may take 5 s: if each request waited for one, this would take minutes.
        tokio::time::timeout(Duration::from_secs(60), asked).await.expect("no request waits for the collector");
        let log = Arc::clone(&server.log);
        assert_eq!(server.stop().code(), Some(0));
        let lines = log.lock().unwrap().matches("takes no traces").count();
        // The one that hangs may be given up before it counts as slow.
        assert!((least..=1).contains(&lines), "{}", log.lock().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_collector_no_trace_is_recorded() {
    let place = Place::new(Backend::Sqlite).await;
    let secret = make_client(&place);
    let server = place.serve(&[]);
    assert_eq!(token(&server, &secret, "wrong", "01").await.0, 400);
    server.says("refused");
    assert!(!server.log.lock().unwrap().contains(TRACE));
    let metrics = reqwest::get(format!("{}/metrics", server.ops)).await.unwrap().text().await.unwrap();
    for outcome in ["exported", "dropped"] {
        assert!(metrics.contains(&format!("jeton_trace_spans_total{{outcome=\"{outcome}\"}} 0")), "{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_collector_is_a_problem_that_does_not_repeat_the_secret() {
    let mut place = Place::new(Backend::Sqlite).await;
    place.set("JETON_OTLP_ENDPOINT", "http://user:secret-word@collector:4318");
    place.set("JETON_OTLP_HEADERS", "secret-word");
    place.set("JETON_OTLP_SAMPLE", "2");
    let ran = place.run(&["serve"]);
    assert!(!ran.err.contains("secret-word"), "{ran:?}");
    ran.misconfigured(&["JETON_OTLP_ENDPOINT: ", "JETON_OTLP_HEADERS: ", "JETON_OTLP_SAMPLE: "]);
}
