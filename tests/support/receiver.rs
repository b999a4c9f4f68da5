//! Servers that this server calls, with certificates of an authority of their own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::Setup;

/// Instead of a status: the receiver reads the request and never answers.
pub(crate) const HANGS: u16 = 0;

/// A certificate authority.
pub(crate) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: rcgen::Issuer::new(params, key), folder }
    }

    /// Its certificate, in PEM form.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server that answers with this status on a free port of 127.0.0.1.
    pub(crate) async fn receiver(&self, status: u16) -> Receiver {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let receiver = Receiver {
            port: listener.local_addr().unwrap().port(),
            status: Arc::new(AtomicU16::new(status)),
            body: Arc::default(),
            connections: Arc::default(),
            received: Arc::default(),
            documents: Arc::default(),
        };
        tokio::spawn(receiver.clone().serve(listener, TlsAcceptor::from(Arc::new(config))));
        receiver
    }

    /// Settings by which these receivers may be called.
    pub(crate) fn setup(&self, receivers: &[&Receiver]) -> Setup {
        let networks: Vec<String> =
            receivers.iter().map(|receiver| format!("127.0.0.1/32:{}", receiver.port)).collect();
        Setup::default()
            .set("JETON_FETCH_ALLOW", &networks.join(", "))
            .set("JETON_FETCH_CA", self.file().to_str().unwrap())
    }
}

/// A request that a receiver got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) port: u16,
    status: Arc<AtomicU16>,
    body: Arc<Mutex<String>>,
    connections: Arc<AtomicUsize>,
    received: Arc<Mutex<Vec<Received>>>,
    /// Whole answers, by path.
    documents: Arc<Mutex<HashMap<String, String>>>,
}

impl Receiver {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// From now on it answers with this status.
    pub(crate) fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// From now on a GET of this path gets this JSON document, with these header lines besides; the same `ETag` gets 304.
    pub(crate) fn serves(&self, path: &str, headers: &str, document: &str) {
        let length = document.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{document}"
        );
        self.documents.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// From now on a GET of this path is answered by the status.
    pub(crate) fn forgets(&self, path: &str) {
        self.documents.lock().unwrap().remove(path);
    }

    /// What it says to a request that asks for a document.
    fn document_for(&self, head: &str) -> Option<String> {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let document = self.documents.lock().unwrap().get(path).cloned()?;
        let etag = head.split("if-none-match: ").nth(1).and_then(|rest| rest.split('\r').next());
        let is_same = etag.is_some_and(|etag| document.contains(&format!("ETag: {etag}\r\n")));
        Some(if is_same { "HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n".into() } else { document })
    }

    /// From now on its answers have this body.
    pub(crate) fn says(&self, body: &str) {
        *self.body.lock().unwrap() = body.to_owned();
    }

    /// Everything that it got so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn serve(self, listener: TcpListener, acceptor: TlsAcceptor) {
        while let Ok((stream, _)) = listener.accept().await {
            self.connections.fetch_add(1, Ordering::SeqCst);
            let (receiver, acceptor) = (self.clone(), acceptor.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut bytes = Vec::new();
                let (head, length) = loop {
                    let mut part = [0; 4096];
                    let Ok(read @ 1..) = stream.read(&mut part).await else { return };
                    bytes.extend_from_slice(&part[..read]);
                    let text = String::from_utf8(bytes.clone()).unwrap();
                    if let Some((head, _)) = text.split_once("\r\n\r\n") {
                        let length = head.split("content-length: ").nth(1);
                        let length = length.map_or(0, |rest| rest.split('\r').next().unwrap().parse().unwrap());
                        break (head.to_owned(), length);
                    }
                };
                let mut body = bytes.split_off(head.len() + 4);
                let had = body.len();
                body.resize(length, 0);
                if stream.read_exact(&mut body[had..]).await.is_err() {
                    return;
                }
                let body = String::from_utf8(body).unwrap();
                let document = receiver.document_for(&head);
                receiver.received.lock().unwrap().push(Received { head, body, at: Instant::now() });
                if let Some(document) = document {
                    let _ = stream.write_all(document.as_bytes()).await;
                    let _ = stream.shutdown().await;
                    return;
                }
                match receiver.status.load(Ordering::SeqCst) {
                    HANGS => {
                        let _ = stream.read(&mut [0]).await;
                    }
                    status => {
                        let body = receiver.body.lock().unwrap().clone();
                        let answer =
                            format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                }
            });
        }
    }
}
