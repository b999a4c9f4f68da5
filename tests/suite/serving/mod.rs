//! Connections: their protocols, their slots and their ends. Short deadlines are tested in `src/serve/tests`.

mod certificates;
mod framing;
mod http2;
mod protocols;
mod slots;
mod slow;
mod stop;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{Backend, Setup, TestServer};

/// How long a test waits for an event.
const PATIENCE: Duration = Duration::from_secs(60);
/// A request that every server answers with 200.
const KEYS: &str = "/.well-known/jwks.json";
/// The name in the certificates of the tests.
const HOST: &str = "auth.example.com";

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// A folder with a certificate and its key, which may be replaced.
struct Pair {
    folder: TempDir,
}

/// The texts of a new certificate for these names, and of its key.
fn new_pair(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let pair = rcgen::generate_simple_self_signed(names).unwrap();
    (pair.cert.pem(), pair.signing_key.serialize_pem())
}

impl Pair {
    fn new() -> Self {
        let pair = Self { folder: tempfile::tempdir().unwrap() };
        pair.replace(&new_pair(&[HOST]));
        pair
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn certificate(&self) -> String {
        self.path("certificate.pem")
    }

    fn key(&self) -> String {
        self.path("key.pem")
    }

    fn replace(&self, (certificate, key): &(String, String)) {
        replace(Path::new(&self.certificate()), certificate);
        replace(Path::new(&self.key()), key);
    }

    fn settings(&self) -> [(&'static str, String); 2] {
        [("JETON_TLS_CERTIFICATE", self.certificate()), ("JETON_TLS_KEY", self.key())]
    }

    async fn server(&self) -> TestServer {
        let setup = self.settings().iter().fold(Setup::default(), |setup, (name, path)| setup.set(name, path));
        TestServer::start_with(Backend::Sqlite, setup).await
    }

    /// A client that trusts the certificate that is in the folder now, and reaches the server by its name.
    fn client(&self, address: SocketAddr) -> reqwest::ClientBuilder {
        let certificate = std::fs::read(self.certificate()).unwrap();
        let certificate = reqwest::Certificate::from_pem(&certificate).unwrap();
        reqwest::Client::builder().tls_certs_only([certificate]).resolve(HOST, address)
    }
}

/// Replaces a file at once, as programs that renew certificates do.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// A TLS connection that trusts these certificates and offers these protocols.
async fn encrypted(
    address: SocketAddr,
    certificate: &str,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(certificate.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    in_time("the handshake", connector.connect(ServerName::try_from(HOST).unwrap(), stream)).await
}

/// One answer, as sent over the wire.
#[derive(Debug)]
struct OnWire {
    status: u16,
    head: String,
    body: String,
}

/// Reads one answer; `None` if the connection ends instead, gracefully or not.
async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> Option<OnWire> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match in_time("an answer or the end", stream.read_u8()).await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => return None,
            Err(error) => panic!("{error} in {:?}", String::from_utf8_lossy(&head)),
        }
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| if status == 100 { 0 } else { length.parse().unwrap() })];
    in_time("the body", stream.read_exact(&mut body)).await.unwrap();
    Some(OnWire { status, head, body: String::from_utf8(body).unwrap() })
}

/// Sends these bytes on a connection of their own and reads every answer until the server ends the connection.
async fn answers_to(address: SocketAddr, bytes: &[u8]) -> Vec<OnWire> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may have ended the connection before all was sent.
    let _ = stream.write_all(bytes).await;
    let mut answers = Vec::new();
    while let Some(answer) = read_answer(&mut stream).await {
        answers.push(answer);
    }
    answers
}

/// A whole request for the keys.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}
