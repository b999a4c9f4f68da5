//! Keys of real servers on this machine, by a clock that the tests move.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;
use crate::calling_out::Exceptions;
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::signing::SigningKey;

/// A server with keys. It answers what it was told to after a pause, or closes the connection if that is nothing.
#[derive(Clone)]
struct Host {
    port: u16,
    calls: Arc<AtomicUsize>,
    answer: Arc<Mutex<Option<String>>>,
    head: Arc<Mutex<String>>,
    pause: Duration,
}

impl Host {
    async fn start(pause: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host = Self {
            port: listener.local_addr().unwrap().port(),
            calls: Arc::default(),
            answer: Arc::default(),
            head: Arc::default(),
            pause,
        };
        let serving = host.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let host = serving.clone();
                tokio::spawn(async move {
                    let (mut head, mut byte) = (Vec::new(), [0]);
                    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.is_ok_and(|length| length > 0) {
                        head.push(byte[0]);
                    }
                    *host.head.lock().unwrap() = String::from_utf8(head).unwrap();
                    host.calls.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(host.pause).await;
                    let answer = host.answer.lock().unwrap().clone();
                    if let Some(answer) = answer {
                        // Of what is too large, the caller does not wait for the end.
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                });
            }
        });
        host
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/keys", self.port)
    }

    /// From now on it answers with these keys, and this in the head.
    fn has(&self, keys: &[&SigningKey], head: &str) {
        let keys: Vec<_> = keys.iter().map(|key| key.public_jwk("a")).collect();
        let body = json!({ "keys": keys }).to_string();
        self.answers(&format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len()));
    }

    fn answers(&self, answer: &str) {
        *self.answer.lock().unwrap() = Some(answer.to_owned());
    }

    fn fails(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

struct Scene {
    host: Host,
    sets: Arc<KeySets>,
    caller: Caller,
    clock: Clock,
}

impl Scene {
    async fn start(pause: Duration) -> Self {
        let host = Host::start(pause).await;
        let networks = vec![format!("127.0.0.1/32:{}", host.port).parse().unwrap()];
        let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
        let caller = Caller::new(Exceptions { networks, ..Exceptions::default() });
        Self { sets: Arc::new(KeySets::new(clock.clone())), host, caller, clock }
    }

    async fn at(&self) -> Result<Arc<Fetched>, Unfetched> {
        self.sets.at(&self.caller, &self.host.url()).await
    }

    async fn newer(&self, than: &Arc<Fetched>) -> Result<Option<Arc<Fetched>>, Unfetched> {
        self.sets.newer(&self.caller, &self.host.url(), than).await
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn new_key() -> SigningKey {
    SigningKey::parse(SigningAlgorithm::EdDsa, &SigningKey::generate(SigningAlgorithm::EdDsa)).unwrap()
}

fn print(key: &SigningKey) -> [u8; 32] {
    key.public_jwk("a").thumbprint()
}

#[tokio::test]
async fn keys_are_used_for_as_long_as_their_server_says_within_bounds() {
    let (old, new) = (new_key(), new_key());
    for (head, fresh) in [
        ("", 300),
        ("Cache-Control: max-age=120\r\n", 120),
        ("Cache-Control: no-store\r\n", 60),
        ("Cache-Control: max-age=99999999999\r\n", 3600),
    ] {
        let scene = Scene::start(Duration::ZERO).await;
        scene.host.has(&[&old], head);
        assert!(scene.at().await.unwrap().keys().has(&print(&old)));
        scene.host.has(&[&new], head);
        scene.advance(fresh - 1);
        assert!(scene.at().await.unwrap().keys().has(&print(&old)), "{head}");
        assert_eq!(scene.host.calls(), 1);
        scene.advance(1);
        let fetched = scene.at().await.unwrap();
        assert!(fetched.keys().has(&print(&new)) && !fetched.keys().has(&print(&old)), "{head}");
        assert_eq!(scene.host.calls(), 2);
    }
}

#[tokio::test]
async fn a_key_that_is_not_there_is_looked_for_once_in_ten_seconds() {
    let (old, new) = (new_key(), new_key());
    let scene = Scene::start(Duration::ZERO).await;
    scene.host.has(&[&old], "");
    let first = scene.at().await.unwrap();
    scene.host.has(&[&old, &new], "");
    assert!(scene.newer(&first).await.unwrap().is_none(), "these are recent");
    scene.advance(10);
    let second = scene.newer(&first).await.unwrap().expect("they were fetched anew");
    assert!(second.keys().has(&print(&new)));
    // Somebody else who had the first ones gets those that are there.
    assert!(Arc::ptr_eq(&scene.newer(&first).await.unwrap().unwrap(), &second));
    assert!(scene.newer(&second).await.unwrap().is_none());
    assert_eq!(scene.host.calls(), 2);
}

#[tokio::test]
async fn requests_at_the_same_time_share_a_call_and_it_goes_on_without_the_first() {
    let key = new_key();
    let scene = Arc::new(Scene::start(Duration::from_millis(300)).await);
    scene.host.has(&[&key], "");
    let first = tokio::spawn({
        let scene = Arc::clone(&scene);
        async move { scene.at().await }
    });
    while scene.host.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.abort();
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let scene = Arc::clone(&scene);
        tasks.spawn(async move { scene.at().await.unwrap() });
    }
    for fetched in tasks.join_all().await {
        assert!(fetched.keys().has(&print(&key)));
    }
    assert_eq!(scene.host.calls(), 1);
}

#[tokio::test]
async fn a_host_that_fails_is_not_called_again_at_once_and_its_old_keys_are_used_for_two_hours() {
    let key = new_key();
    let scene = Scene::start(Duration::ZERO).await;
    let problem = scene.at().await.unwrap_err().to_string();
    assert!(problem.contains(&scene.host.url()), "{problem}");
    scene.host.has(&[&key], "");
    scene.advance(9);
    let begun = Instant::now();
    assert!(scene.at().await.is_err() && begun.elapsed() < Duration::from_secs(1), "it fails again at once");
    assert_eq!(scene.host.calls(), 1);
    scene.advance(1);
    let fetched = scene.at().await.unwrap();
    // Nobody knows whether there is a new key.
    scene.host.fails();
    scene.advance(10);
    assert!(scene.newer(&fetched).await.is_err());
    assert!(scene.newer(&fetched).await.is_err());
    assert_eq!(scene.host.calls(), 3);
    scene.advance(7189);
    assert!(Arc::ptr_eq(&scene.at().await.unwrap(), &fetched));
    scene.advance(1);
    assert!(scene.at().await.is_err(), "they are too old");
}

#[tokio::test]
async fn what_is_no_set_of_keys_counts_as_unreachable() {
    let key = new_key();
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n";
    for answer in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        redirect,
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
        &format!("HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n{}", " ".repeat(70_000)),
    ] {
        let scene = Scene::start(Duration::ZERO).await;
        scene.host.answers(answer);
        assert!(scene.at().await.is_err(), "{answer:.40}");
        scene.host.has(&[&key], "");
        scene.advance(10);
        assert!(scene.at().await.is_ok());
    }
    let scene = Scene::start(Duration::ZERO).await;
    assert!(scene.sets.at(&scene.caller, "no address").await.is_err());
}

#[tokio::test]
async fn keys_that_did_not_change_stay() {
    let key = new_key();
    let scene = Scene::start(Duration::ZERO).await;
    scene.host.has(&[&key], "ETag: \"v1\"\r\n");
    scene.at().await.unwrap();
    scene.host.answers("HTTP/1.1 304 Not Modified\r\n\r\n");
    for _ in 0..2 {
        scene.advance(300);
        assert!(scene.at().await.unwrap().keys().has(&print(&key)));
        let head = scene.host.head.lock().unwrap().to_ascii_lowercase();
        assert!(head.contains("if-none-match: \"v1\""), "{head}");
    }
    assert_eq!(scene.host.calls(), 3);
}

#[test]
fn registered_keys_are_those_of_the_client_as_it_is_now() {
    let (old, new) = (new_key(), new_key());
    let sets = KeySets::new(Clock::manual(Timestamp::from_seconds(1)));
    let client = |key: Option<&SigningKey>| {
        let jwks = key.map(|key| json!({"keys": [key.public_jwk("a")]}));
        Client {
            client_id: "worker".into(),
            settings: serde_json::from_value(json!({ "jwks": jwks })).unwrap(),
            secrets: vec![],
            created_at: Timestamp::from_seconds(1),
            version: 1,
        }
    };
    let has = |client: &Client, key: &SigningKey| sets.registered(client).is_some_and(|keys| keys.1.has(&print(key)));
    let (before, after) = (client(Some(&old)), client(Some(&new)));
    assert!(has(&before, &old) && has(&before, &old) && !has(&before, &new));
    assert!(has(&after, &new) && !has(&after, &old));
    assert!(sets.registered(&client(None)).is_none());
}
