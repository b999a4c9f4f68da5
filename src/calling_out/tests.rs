//! Calls to real servers on this machine, good and bad ones.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A certificate authority, which is trusted by a file, and a certificate of it for `host.test` and 127.0.0.1.
struct Pki {
    authorities: Authorities,
    server: Arc<ServerConfig>,
}

impl Pki {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::new(params, key);
        let leaf_key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["host.test".to_owned(), "127.0.0.1".to_owned()];
        let leaf = rcgen::CertificateParams::new(names).unwrap().signed_by(&leaf_key, &issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, ca.pem()).unwrap();
        let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(leaf_key.serialize_der()).into())
            .unwrap();
        Self { authorities: Authorities::with_file(&file).unwrap(), server: Arc::new(server) }
    }
}

/// What a server does with a request whose head it has read.
#[derive(Clone)]
enum Does {
    /// Answers these bytes and closes.
    Answers(Vec<u8>),
    /// Repeats the second bytes after the first without end, with a pause.
    Repeats(Vec<u8>, Vec<u8>, Duration),
    /// Nothing.
    Hangs,
    /// Does not even shake hands.
    HangsAtOnce,
}

struct Host {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Host {
    async fn start(tls: Option<&Pki>, does: Does) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host = Self {
            port: listener.local_addr().unwrap().port(),
            heads: Arc::default(),
            connections: Arc::default(),
            most_at_once: Arc::default(),
        };
        let acceptor = tls.map(|pki| TlsAcceptor::from(Arc::clone(&pki.server)));
        let (heads, connections, most) =
            (Arc::clone(&host.heads), Arc::clone(&host.connections), Arc::clone(&host.most_at_once));
        let open = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (acceptor, does, heads) = (acceptor.clone(), does.clone(), Arc::clone(&heads));
                let (open, most) = (Arc::clone(&open), Arc::clone(&most));
                tokio::spawn(async move {
                    most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    if matches!(does, Does::HangsAtOnce) {
                        until_closed(stream).await;
                    } else if let Some(acceptor) = acceptor {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, does, &heads).await;
                        }
                    } else {
                        serve(stream, does, &heads).await;
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        host
    }

    fn url(&self, scheme: &str) -> Url {
        format!("{scheme}://host.test:{}/document?a=b", self.port).parse().unwrap()
    }

    fn head(&self) -> String {
        self.heads.lock().unwrap().last().unwrap().clone()
    }
}

async fn until_closed(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = [0; 64];
    while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, does: Does, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if !stream.read(&mut byte).await.is_ok_and(|length| length > 0) {
            return;
        }
        head.push(byte[0]);
    }
    let length = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length =
        length.split("content-length: ").nth(1).map_or(0, |rest| rest.split('\r').next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    head.extend(body);
    heads.lock().unwrap().push(String::from_utf8(head).unwrap());
    match does {
        Does::Answers(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Does::Repeats(first, again, pause) => {
            let mut next = first;
            while stream.write_all(&next).await.is_ok() && stream.flush().await.is_ok() {
                tokio::time::sleep(pause).await;
                next.clone_from(&again);
            }
        }
        Does::Hangs | Does::HangsAtOnce => until_closed(stream).await,
    }
}

/// Every name leads to 127.0.0.1.
fn to_this_machine() -> Resolver {
    Arc::new(|_| Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) }))
}

/// A caller that may reach these hosts, and gives up after half a second.
fn caller(pki: &Pki, hosts: &[&Host]) -> Caller {
    let networks = hosts.iter().map(|host| format!("127.0.0.1/32:{}", host.port).parse().unwrap()).collect();
    let exceptions = Exceptions { networks, authorities: pki.authorities.clone() };
    Caller { time_limit: Duration::from_millis(500), ..Caller::with_resolver(exceptions, to_this_machine()) }
}

fn answer(head: &str, body: &str) -> Does {
    Does::Answers(format!("HTTP/1.1 {head}\r\n\r\n{body}").into_bytes())
}

const DOCUMENT: Purpose = Purpose::ClientDocument;

#[tokio::test]
async fn a_document_is_fetched_without_cookies_or_compression_and_again_only_if_it_changed() {
    let pki = Pki::new();
    let good = answer(
        "200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=60\r\nETag: \"v1\"\r\nContent-Length: 7\r\nSet-Cookie: a=b",
        "{\"a\":1}",
    );
    let host = Host::start(Some(&pki), good).await;
    let caller = caller(&pki, &[&host]);
    let fetched = caller.get(DOCUMENT, &host.url("https"), None).await.unwrap();
    assert_eq!((fetched.body.as_slice(), fetched.is_unchanged), (&b"{\"a\":1}"[..], false));
    assert_eq!((fetched.max_age, fetched.etag.as_deref()), (Some(60), Some("\"v1\"")));
    let expected = format!(
        "GET /document?a=b HTTP/1.1\r\nhost: host.test:{}\r\nuser-agent: Jeton\r\naccept: application/json\r\n\
         accept-encoding: identity\r\nconnection: close\r\n\r\n",
        host.port
    );
    assert_eq!(host.head(), expected);
    caller.get(DOCUMENT, &host.url("https"), None).await.unwrap();
    assert_eq!(host.head(), expected, "no cookie came along");

    let unchanged = Host::start(Some(&pki), answer("304 Not Modified\r\nETag: \"v1\"", "")).await;
    let caller = super::tests::caller(&pki, &[&unchanged]);
    let fetched = caller.get(DOCUMENT, &unchanged.url("https"), Some("\"v1\"")).await.unwrap();
    assert!(fetched.is_unchanged && fetched.body.is_empty());
    assert!(unchanged.head().contains("\r\nif-none-match: \"v1\"\r\n"));
    assert_eq!(caller.get(DOCUMENT, &unchanged.url("https"), None).await, Err(Refused::Status(304)), "nobody asked");
}

#[tokio::test]
async fn a_certificate_must_be_of_a_trusted_authority_and_for_the_host() {
    let (pki, other) = (Pki::new(), Pki::new());
    let host = Host::start(Some(&pki), answer("200 OK\r\nContent-Type: application/json", "{}")).await;
    let other_name = Url::parse(&host.url("https").as_str().replace("host.test", "other.test")).unwrap();
    let by_address = Url::parse(&host.url("https").as_str().replace("host.test", "127.0.0.1")).unwrap();
    let trusting = caller(&pki, &[&host]);
    assert!(trusting.get(DOCUMENT, &host.url("https"), None).await.is_ok());
    assert!(trusting.get(DOCUMENT, &by_address, None).await.is_ok());
    for (caller, url) in [(&trusting, other_name), (&caller(&other, &[&host]), host.url("https"))] {
        let refused = caller.get(DOCUMENT, &url, None).await.unwrap_err();
        assert!(matches!(&refused, Refused::Unreachable(why) if why.contains("certificate")), "{refused:?}");
    }
    assert_eq!(host.heads.lock().unwrap().len(), 2, "nothing was sent to who is not known");
}

#[tokio::test]
async fn no_answer_but_a_small_plain_json_document_is_taken() {
    let pki = Pki::new();
    let elsewhere = Host::start(None, answer("200 OK\r\nContent-Type: application/json", "{}")).await;
    let json = "200 OK\r\nContent-Type: application/json";
    let redirect = |status: &str| answer(&format!("{status}\r\nLocation: http://host.test:{}/", elsewhere.port), "");
    let large = "x".repeat(5 * 1024 + 1);
    let many_headers = (0..200).map(|index| format!("\r\nA{index}: b")).collect::<String>();
    let no_pause = Duration::ZERO;
    for (does, expected) in [
        (redirect("301 Moved Permanently"), Refused::Status(301)),
        (redirect("302 Found"), Refused::Status(302)),
        (redirect("307 Temporary Redirect"), Refused::Status(307)),
        (answer("404 Not Found", "{}"), Refused::Status(404)),
        (answer("204 No Content", ""), Refused::Status(204)),
        (answer("500 Oh", "{}"), Refused::Status(500)),
        (answer("200 OK\r\nContent-Type: text/html", "<p>"), Refused::NotJson),
        (answer("200 OK", "{}"), Refused::NotJson),
        (answer(&format!("{json}\r\nContent-Encoding: gzip"), "x"), Refused::Compressed),
        (answer(&format!("{json}\r\nContent-Length: 999999999"), "x"), Refused::TooLarge),
        (answer(json, &large), Refused::TooLarge),
        (
            answer(&format!("{json}\r\nTransfer-Encoding: chunked"), &format!("1401\r\n{large}\r\n0\r\n\r\n")),
            Refused::TooLarge,
        ),
        (Does::Repeats(format!("HTTP/1.1 {json}\r\n\r\n").into_bytes(), vec![b'x'; 1000], no_pause), Refused::TooLarge),
        (Does::Repeats(b"HTTP/1.1 200 OK\r\n".to_vec(), b"A: b\r\n".repeat(20), no_pause), Refused::TooLarge),
        (Does::Repeats(b"HTTP/1.1 200 OK\r\nA: ".to_vec(), vec![b'x'; 1000], no_pause), Refused::TooLarge),
        (answer(&format!("{json}{many_headers}"), "{}"), Refused::TooLarge),
    ] {
        let host = Host::start(Some(&pki), does.clone()).await;
        let caller = caller(&pki, &[&host, &elsewhere]);
        let refused = caller.get(DOCUMENT, &host.url("https"), None).await;
        assert_eq!(refused, Err(expected), "{:?}", host.heads.lock().unwrap());
    }
    for broken in
        ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "{}", "SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\nA: b"]
    {
        let host = Host::start(Some(&pki), Does::Answers(broken.into())).await;
        let refused = caller(&pki, &[&host]).get(DOCUMENT, &host.url("https"), None).await;
        assert!(matches!(refused, Err(Refused::Unreachable(_))), "{broken:?}: {refused:?}");
    }
    assert_eq!(elsewhere.connections.load(Ordering::SeqCst), 0, "no redirect was followed");
    // A key set may be larger.
    let host = Host::start(Some(&pki), answer("200 OK", &large)).await;
    let fetched = caller(&pki, &[&host]).get(Purpose::KeySet, &host.url("https"), None).await;
    assert_eq!(fetched.map(|fetched| fetched.body.len()), Ok(large.len()));
    let host = Host::start(Some(&pki), answer("200 OK", &"x".repeat(64 * 1024 + 1))).await;
    let fetched = caller(&pki, &[&host]).get(Purpose::KeySet, &host.url("https"), None).await;
    assert_eq!(fetched, Err(Refused::TooLarge));
}

#[tokio::test]
async fn a_host_that_hangs_or_drips_is_given_up_at_the_limit() {
    let pki = Pki::new();
    let drip = Duration::from_millis(20);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n".to_vec();
    for does in [
        Does::HangsAtOnce,
        Does::Hangs,
        Does::Repeats(head, b"x".to_vec(), drip),
        Does::Repeats(b"HTTP/1.1 200 OK\r\n".to_vec(), b"A".to_vec(), drip),
        Does::Repeats(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), drip),
    ] {
        let host = Host::start(Some(&pki), does).await;
        let caller = caller(&pki, &[&host]);
        let begun = Instant::now();
        assert_eq!(caller.get(DOCUMENT, &host.url("https"), None).await, Err(Refused::TooSlow));
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    assert_eq!(Caller::new(Exceptions::default()).time_limit, TIME_LIMIT);
}

#[tokio::test]
async fn a_name_is_resolved_once_and_what_it_leads_to_inside_is_never_connected_to() {
    let pki = Pki::new();
    let host = Host::start(Some(&pki), answer("200 OK\r\nContent-Type: application/json", "{}")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    // First an address that may be reached, later one inside.
    let resolver: Resolver = Arc::new(move |_| {
        let last = if counted.fetch_add(1, Ordering::SeqCst) == 0 { 1 } else { 2 };
        Box::pin(async move { Ok(vec![IpAddr::from([127, 0, 0, last])]) })
    });
    let networks = vec![format!("127.0.0.1/32:{}", host.port).parse().unwrap()];
    let exceptions = Exceptions { networks, authorities: pki.authorities.clone() };
    let caller = Caller::with_resolver(exceptions, resolver);
    assert!(caller.get(DOCUMENT, &host.url("https"), None).await.is_ok());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(caller.get(DOCUMENT, &host.url("https"), None).await, Err(Refused::Inside));
    assert_eq!(host.connections.load(Ordering::SeqCst), 1);
    // Without an exception, as the operating system resolves them.
    let caller = Caller::new(Exceptions::default());
    for url in [
        "https://localhost/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://0/",
    ] {
        assert_eq!(caller.get(DOCUMENT, &url.parse().unwrap(), None).await, Err(Refused::Inside), "{url}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_resolved_is_given_up_and_keeps_nobody_waiting() {
    let pki = Pki::new();
    let host = Host::start(Some(&pki), answer("200 OK\r\nContent-Type: application/json", "{}")).await;
    let resolver: Resolver = Arc::new(|name| {
        Box::pin(async move {
            match name.as_str() {
                "host.test" => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
                "missing.test" => Err(io::Error::other("no such name")),
                _ => std::future::pending().await,
            }
        })
    });
    let caller = Caller { resolver, ..caller(&pki, &[&host]) };
    let missing = Url::parse("https://missing.test/").unwrap();
    let refused = caller.get(DOCUMENT, &missing, None).await;
    assert_eq!(refused, Err(Refused::Unresolved("no such name".into())));
    // All turns of the purpose, one after the other, on names whose servers are silent.
    for after in [Ok(()), Err(Refused::Busy)] {
        let round = after.is_ok();
        let silent: Vec<Url> = (0..64).map(|n| format!("https://{round}-{n}.silent.test/").parse().unwrap()).collect();
        let calls = silent.iter().map(|url| caller.get(DOCUMENT, url, None));
        for refused in futures_util::future::join_all(calls).await {
            assert_eq!(refused, Err(Refused::TooSlow));
        }
        // The turns are free again, the lookups are not.
        assert_eq!(caller.get(DOCUMENT, &host.url("https"), None).await.map(drop), after);
    }
}

#[tokio::test]
async fn few_calls_go_out_at_once_and_a_slow_host_delays_no_other() {
    let pki = Pki::new();
    let slow = Host::start(Some(&pki), Does::Hangs).await;
    let good = Host::start(Some(&pki), answer("200 OK\r\nContent-Type: application/json", "{}")).await;
    let caller = caller(&pki, &[&slow, &good]);
    let (slow_url, good_url) = (slow.url("https"), good.url("https"));
    let calls_to_slow = futures_util::future::join_all((0..20).map(|_| caller.get(DOCUMENT, &slow_url, None)));
    let call_to_good = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        let fetched = caller.get(DOCUMENT, &good_url, None).await;
        (fetched.is_ok(), begun.elapsed())
    };
    let (refused, (is_good, took)) = tokio::join!(calls_to_slow, call_to_good);
    // Those that were never called are not told that the host is slow.
    let called = refused.iter().filter(|refused| **refused == Err(Refused::TooSlow)).count();
    let waited = refused.iter().filter(|refused| **refused == Err(Refused::Busy)).count();
    assert_eq!((called, waited), (4, 16), "{refused:?}");
    assert!(is_good && took < Duration::from_millis(300), "{took:?}");
    assert_eq!(slow.most_at_once.load(Ordering::SeqCst), 4);
    assert_eq!(slow.connections.load(Ordering::SeqCst), 4, "who waited for too long does not call any more");
    // So many hosts that hang take all turns of a purpose, and none of another.
    let hosts: Vec<Url> =
        (0..64).map(|n| slow_url.as_str().replace("host.test", &format!("host{n}.test")).parse().unwrap()).collect();
    let held = Host::start(None, Does::Hangs).await;
    let hosts: Vec<Url> = hosts
        .iter()
        .map(|url| {
            url.as_str()
                .replace("https", "http")
                .replace(&slow.port.to_string(), &held.port.to_string())
                .parse()
                .unwrap()
        })
        .collect();
    let caller = super::tests::caller(&pki, &[&held, &good]);
    let calls = futures_util::future::join_all(hosts.iter().map(|url| caller.get(DOCUMENT, url, None)));
    let notice = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        (caller.post_form(Purpose::LogoutNotice, &good_url, &[]).await, caller.get(DOCUMENT, &good_url, None).await)
    };
    let (refused, (notice, document)) = tokio::join!(calls, notice);
    assert!(refused.iter().all(|refused| *refused == Err(Refused::TooSlow)), "{refused:?}");
    assert_eq!((notice, document), (Ok(()), Err(Refused::Busy)));
    assert_eq!(held.most_at_once.load(Ordering::SeqCst), 64);
}

#[tokio::test]
async fn a_form_is_posted_and_only_the_status_of_the_answer_counts() {
    let pki = Pki::new();
    for (status, outcome) in [
        ("200 OK\r\nContent-Encoding: gzip", Ok(())),
        ("204 No Content", Ok(())),
        ("302 Found\r\nLocation: https://host.test/", Err(Refused::Status(302))),
        ("400 Bad Request", Err(Refused::Status(400))),
        ("503 Busy", Err(Refused::Status(503))),
    ] {
        for tls in [true, false] {
            let host = Host::start(tls.then_some(&pki), answer(status, &"x".repeat(100_000))).await;
            let url = host.url(if tls { "https" } else { "http" });
            let fields = [("logout_token", "a.b+c&d"), ("e", "")];
            let sent = caller(&pki, &[&host]).post_form(Purpose::LogoutNotice, &url, &fields).await;
            assert_eq!(sent, outcome, "{status}");
            let head = host.head();
            assert!(head.starts_with("POST /document?a=b HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("\r\ncontent-type: application/x-www-form-urlencoded\r\n"), "{head}");
            assert!(head.ends_with("\r\n\r\nlogout_token=a.b%2Bc%26d&e="), "{head}");
        }
    }
}

#[tokio::test]
async fn a_document_is_posted_with_its_headers_and_no_other_credentials() {
    let pki = Pki::new();
    for (status, outcome) in [("202 Accepted", Ok(())), ("410 Gone", Err(Refused::Status(410)))] {
        let host = Host::start(Some(&pki), answer(status, "{}")).await;
        let headers = [("webhook-id", "7"), ("webhook-signature", "v1,YQ== v1,Yg==")];
        let (caller, url) = (caller(&pki, &[&host]), host.url("https"));
        let sent = caller.post_json(Purpose::Webhook, &url, &headers, "{\"é\":1}".into()).await;
        assert_eq!(sent, outcome, "{status}");
        let head = host.head();
        assert!(head.starts_with("POST /document?a=b HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
        assert!(head.contains("\r\nwebhook-id: 7\r\nwebhook-signature: v1,YQ== v1,Yg==\r\n"), "{head}");
        assert!(head.ends_with("\r\n\r\n{\"é\":1}"), "{head}");
        assert!(!head.contains("cookie") && !head.contains("authorization"), "{head}");
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_no_panic() {
    let pki = Pki::new();
    let host = Host::start(Some(&pki), answer("200 OK", "")).await;
    let headers = [("webhook-id", "a\r\nb")];
    let sent = caller(&pki, &[&host]).post_json(Purpose::Webhook, &host.url("https"), &headers, String::new()).await;
    assert!(matches!(sent, Err(Refused::Url(_))), "{sent:?}");
    assert_eq!(host.connections.load(Ordering::SeqCst), 0);
}
