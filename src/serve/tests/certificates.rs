//! What a client proves over TLS reaches its requests.

use rcgen::{CertifiedKey, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::serve::tests::*;

fn new_pair() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap()
}

fn identity(pair: &CertifiedKey<KeyPair>) -> (Vec<CertificateDer<'static>>, PrivatePkcs8KeyDer<'static>) {
    (vec![pair.cert.der().clone()], pair.signing_key.serialize_der().into())
}

fn trusting(pair: &CertifiedKey<KeyPair>) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    Arc::new(roots)
}

/// What `/certificate` answers to a client with this configuration.
async fn seen(running: &Running, client: ClientConfig) -> String {
    let stream = running.connect(b"").await;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    stream.write_all(b"GET /certificate HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    in_time("the answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer.split("\r\n\r\n").nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_request_has_the_certificate_of_its_connection() {
    let (ours, theirs, provider) = (new_pair(), new_pair(), Arc::new(default_provider()));
    let verifier = WebPkiClientVerifier::builder_with_provider(trusting(&theirs), Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let (chain, key) = identity(&ours);
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let server = server.unwrap().with_client_cert_verifier(verifier).with_single_cert(chain, key.into()).unwrap();
    let running = start(LASTING, Some(Arc::new(server))).await;
    let client = || {
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        client.unwrap().with_root_certificates(trusting(&ours))
    };
    let (chain, key) = identity(&theirs);
    let with = client().with_client_auth_cert(chain, key.into()).unwrap();
    let thumbprint = crate::crypto::base64url(crate::crypto::sha256(theirs.cert.der()));
    assert_eq!(seen(&running, with).await, format!("Some(Certificate({thumbprint:?}))"));
    assert_eq!(seen(&running, client().with_no_client_auth()).await, "None");
}
