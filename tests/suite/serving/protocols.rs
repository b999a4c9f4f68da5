//! HTTP/1.1 and HTTP/2, plain and encrypted.

use reqwest::{StatusCode, Version};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{HOST, KEYS, Pair, encrypted, get, read_answer};
use crate::support::{Answer, Backend, TestServer};

/// A token by client_credentials, over whatever this client speaks; the protocol that it was.
async fn token_over(client: &reqwest::Client, base: &str, basic: &str) -> Version {
    let request = client.post(format!("{base}/auth/token")).header("Authorization", basic);
    let response = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
    let version = response.version();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers().contains_key("x-request-id") && response.headers()["cache-control"] == "no-store");
    let answer: serde_json::Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert!(answer["access_token"].is_string(), "{answer}");
    version
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tls_http2_needs_prior_knowledge() {
    let app = TestServer::start(Backend::Sqlite).await;
    let client = app.main_client("app").await;
    let plain = reqwest::Client::builder().http1_only().build().unwrap();
    let prior = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    assert_eq!(token_over(&plain, &app.base, &client.basic()).await, Version::HTTP_11);
    assert_eq!(token_over(&prior, &app.base, &client.basic()).await, Version::HTTP_2);
    // Many at a time on one connection, large and small ones, each with its own answer.
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..90_usize {
        let (prior, base, basic) = (prior.clone(), app.base.clone(), client.basic());
        tasks.spawn(async move {
            let token = "x".repeat(1 + number * 600);
            let request = prior.post(format!("{base}/auth/introspect")).header("Authorization", basic);
            Answer::of(request.form(&[("token", token)])).await.assert_inactive();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    // What is refused is refused in the same words.
    let refused = Answer::of(
        prior.post(format!("{}/auth/token", app.base)).form(&[("grant_type", "password"), ("client_id", "nobody")]),
    )
    .await;
    refused.assert_error(401, "invalid_client");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_alpn_chooses_the_protocol() {
    let pair = Pair::new();
    let app = pair.server().await;
    let address = app.server.address;
    let certificate = std::fs::read_to_string(pair.certificate()).unwrap();
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let mut stream = encrypted(address, &certificate, offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed.map(str::as_bytes), "{offered:?}");
        if agreed != Some("h2") {
            stream.write_all(get(KEYS).as_bytes()).await.unwrap();
            assert_eq!(read_answer(&mut stream).await.unwrap().status, 200);
        }
    }
    assert!(encrypted(address, &certificate, &["imap"]).await.is_err(), "nothing in common");
    let base = format!("https://{HOST}:{}", address.port());
    for (client, version) in [
        (pair.client(address).build().unwrap(), Version::HTTP_2),
        (pair.client(address).http1_only().build().unwrap(), Version::HTTP_11),
    ] {
        let response = client.get(format!("{base}{KEYS}")).send().await.unwrap();
        assert_eq!((response.status(), response.version()), (StatusCode::OK, version));
        assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
    }
    // Plain HTTP gets no answer on this listener; the health listener stays plain.
    let mut clear = TcpStream::connect(address).await.unwrap();
    clear.write_all(get(KEYS).as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut clear, &mut bytes).await;
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
    let health = reqwest::get(format!("{}/healthz", app.ops)).await.unwrap();
    assert_eq!(health.json::<serde_json::Value>().await.unwrap(), json!({"status": "alive"}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_may_be_sent_before_earlier_ones_are_answered() {
    let app = TestServer::start(Backend::Sqlite).await;
    let mut stream = TcpStream::connect(app.server.address).await.unwrap();
    let (found, lost) = (get(KEYS), get("/nowhere"));
    stream.write_all([&*found, &lost, &found, &lost, &found].concat().as_bytes()).await.unwrap();
    for status in [200, 404, 200, 404, 200] {
        assert_eq!(read_answer(&mut stream).await.unwrap().status, status);
    }
    // And in as many pieces as there are bytes.
    for byte in found.bytes() {
        stream.write_all(&[byte]).await.unwrap();
        stream.flush().await.unwrap();
    }
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_closed_connection_blocks_nothing() {
    let app = TestServer::start(Backend::Sqlite).await;
    for bytes in ["", "P", "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HT", &get(KEYS)] {
        let mut stream = TcpStream::connect(app.server.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        // An answer or none: the other half is ended, too.
        let mut rest = Vec::new();
        let _ = super::in_time("the end", tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest)).await;
        assert!(!rest.starts_with(b"HTTP/1.1 5"), "{bytes:?}: {}", String::from_utf8_lossy(&rest));
    }
    app.get(KEYS).await.assert_ok();
}
