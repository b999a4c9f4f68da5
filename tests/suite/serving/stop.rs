//! A stop with requests in flight, over every protocol.

use reqwest::{StatusCode, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{HOST, KEYS, Pair, encrypted, get, in_time, read_answer};
use crate::support::program::{Place, Running};
use crate::support::{Backend, eventually};

/// The head of a token request whose body does not come yet.
fn begun() -> String {
    format!(
        "POST /auth/revoke HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 24\r\nExpect: 100-continue\r\n\r\n"
    )
}

const BODY: &[u8] = b"client_id=nobody&token=x";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_finish_and_idle_connections_close() {
    let mut place = Place::new(Backend::Sqlite).await;
    let pair = Pair::new();
    for encrypt in [false, true] {
        if encrypt {
            for (name, path) in pair.settings() {
                place.set(name, &path);
            }
        }
        let server = place.serve(&[]);
        let address: std::net::SocketAddr = server.base.rsplit('/').next().unwrap().parse().unwrap();
        let scheme = if encrypt { "https" } else { "http" };
        let builder = || pair.client(address);
        let over_http2 = if encrypt { builder() } else { builder().http2_prior_knowledge() }.build().unwrap();
        // Idle ones of either protocol, and a request of either that waits for its body.
        let url = format!("{scheme}://{HOST}:{}", address.port());
        let (feed, body) = tokio::sync::mpsc::channel::<Result<&'static [u8], std::io::Error>>(1);
        let stream =
            futures_util::stream::unfold(body, |mut body| async move { body.recv().await.map(|part| (part, body)) });
        let in_flight = over_http2
            .post(format!("{url}/auth/revoke"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(reqwest::Body::wrap_stream(stream));
        feed.send(Ok(&BODY[..5])).await.unwrap();
        let in_flight = tokio::spawn(in_flight.send());
        let idle_http2 = builder();
        let idle_http2 = if encrypt { idle_http2 } else { idle_http2.http2_prior_knowledge() }.build().unwrap();
        let idle_answer = idle_http2.get(format!("{url}{KEYS}")).send().await.unwrap();
        assert_eq!(idle_answer.version(), Version::HTTP_2);
        let certificate = std::fs::read_to_string(pair.certificate()).unwrap();
        let connect = async || {
            if encrypt {
                Box::new(encrypted(address, &certificate, &["http/1.1"]).await.unwrap()) as Box<dyn Stream>
            } else {
                Box::new(TcpStream::connect(address).await.unwrap()) as Box<dyn Stream>
            }
        };
        let (mut idle, mut busy) = (connect().await, connect().await);
        idle.write_all(get(KEYS).as_bytes()).await.unwrap();
        assert_eq!(read_answer(&mut idle).await.unwrap().status, 200);
        busy.write_all(begun().as_bytes()).await.unwrap();
        // It asks for the body, so the request is in flight.
        assert_eq!(read_answer(&mut busy).await.unwrap().status, 100);
        eventually(super::PATIENCE, "the other one is in flight, too", async || feed.capacity() == 1).await;

        server.signal("TERM");
        assert!(read_answer(&mut idle).await.is_none(), "idle ones end at once");
        busy.write_all(BODY).await.unwrap();
        let answer = read_answer(&mut busy).await.unwrap();
        assert!(answer.status == 401 && answer.head.contains("connection: close"), "{answer:?}");
        assert!(read_answer(&mut busy).await.is_none());
        feed.send(Ok(&BODY[5..])).await.unwrap();
        drop(feed);
        let answer = in_time("the answer", in_flight).await.unwrap().unwrap();
        assert_eq!((answer.status(), answer.version()), (StatusCode::UNAUTHORIZED, Version::HTTP_2));
        drop(answer);
        let mut server: Running = server;
        assert!(server.guard.wait().success(), "{}", server.log.lock().unwrap());
    }
}

trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin {}
impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Stream for S {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_says_goodbye_on_http2() {
    let place = Place::new(Backend::Sqlite).await;
    let server = place.serve(&[]);
    let mut stream = TcpStream::connect(server.base.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(super::http2::PREFACE).await.unwrap();
    let mut head = [0; 9];
    in_time("settings", stream.read_exact(&mut head)).await.unwrap();
    server.signal("TERM");
    let mut rest = Vec::new();
    let goodbye = async {
        // A frame of type 7, GOAWAY (RFC 9113 §6.8).
        while !super::http2::frames(&[&head[..], &rest].concat()).iter().any(|frame| frame.kind == 7) {
            assert!(stream.read_buf(&mut rest).await.unwrap() > 0, "ended without a word");
        }
    };
    in_time("the goodbye", goodbye).await;
    drop(stream);
    let mut server: Running = server;
    assert!(server.guard.wait().success());
}
