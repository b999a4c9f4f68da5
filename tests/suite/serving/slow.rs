//! Clients that send a byte now and then (GEN-037). They hold a connection for a while but disturb nobody. That they
//! are disconnected is tested in `src/serve/tests` and `src/http/body.rs`.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{KEYS, Pair};
use crate::support::{Backend, TestServer};

const MANY: usize = 500;

/// While many connections send something and then these bytes one by one, every request of others is answered.
async fn disturb_nobody(app: &TestServer, client: &reqwest::Client, url: &str, begin: &[u8], bytes: &[u8]) {
    let mut slow = Vec::new();
    for _ in 0..MANY {
        let mut stream = TcpStream::connect(app.server.address).await.unwrap();
        stream.write_all(begin).await.unwrap();
        slow.push(stream);
    }
    for byte in bytes {
        for stream in &mut slow {
            // On a machine that is busy, some may have been ended by now.
            let _ = stream.write_all(&[*byte]).await;
        }
        let requests = std::iter::repeat_with(|| client.get(url).send()).take(4);
        for response in futures_util::future::join_all(requests).await {
            assert_eq!(response.unwrap().status(), 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_slow_request_heads_disturb_nobody() {
    let app = TestServer::start(Backend::Sqlite).await;
    disturb_nobody(&app, &app.http, &format!("{}{KEYS}", app.base), b"", b"POST /auth/token HTTP/1.1\r\nHost").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_slow_bodies_disturb_nobody() {
    let app = TestServer::start(Backend::Sqlite).await;
    let head = b"POST /auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    disturb_nobody(&app, &app.http, &format!("{}{KEYS}", app.base), head, b"grant_type=client_credentials").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_slow_http2_prefaces_disturb_nobody() {
    let app = TestServer::start(Backend::Sqlite).await;
    disturb_nobody(&app, &app.http, &format!("{}{KEYS}", app.base), b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_slow_tls_handshakes_disturb_nobody() {
    let pair = Pair::new();
    let app = pair.server().await;
    let client = pair.client(app.server.address).build().unwrap();
    let url = format!("https://{}:{}{KEYS}", super::HOST, app.server.address.port());
    // The beginning of a ClientHello.
    disturb_nobody(&app, &client, &url, &[], &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8]).await;
}
