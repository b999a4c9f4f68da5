//! Certificates of clients, an authority that issues them, and a server that speaks TLS to those who have them.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::{Backend, Setup, TestServer};

/// A client's certificate and its key.
pub(crate) struct ClientCertificate {
    pub(crate) der: Vec<u8>,
    pem: String,
    key: KeyPair,
}

/// What an authority writes about CN=name, O=Example, for the time of the tests.
pub(crate) fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, name);
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2100, 1, 1));
    params
}

impl ClientCertificate {
    /// One that nobody else issued.
    pub(crate) fn self_signed(params: &CertificateParams) -> Self {
        Self::with_key(params, KeyPair::generate().unwrap())
    }

    fn with_key(params: &CertificateParams, key: KeyPair) -> Self {
        let certificate = params.self_signed(&key).unwrap();
        Self { der: certificate.der().to_vec(), pem: certificate.pem(), key }
    }

    /// Another self-signed one with the same key.
    pub(crate) fn renewed(&self, params: &CertificateParams) -> Self {
        Self::with_key(params, KeyPair::from_pem(&self.key.serialize_pem()).unwrap())
    }

    /// As a proxy passes it on (RFC 9440).
    pub(crate) fn header(&self) -> String {
        format!(":{}:", STANDARD.encode(&self.der))
    }

    /// Its key (P-256), as a client registers it.
    pub(crate) fn jwk(&self) -> serde_json::Value {
        let point = self.key.public_key_raw();
        let part = |bytes: &[u8]| jeton::crypto::base64url(bytes);
        serde_json::json!({"kty": "EC", "crv": "P-256", "x": part(&point[1..33]), "y": part(&point[33..])})
    }

    /// Certificate and key, in PEM form.
    pub(crate) fn identity(&self) -> reqwest::Identity {
        reqwest::Identity::from_pem(format!("{}{}", self.pem, self.key.serialize_pem()).as_bytes()).unwrap()
    }

    pub(crate) fn for_rustls(
        &self,
    ) -> (Vec<rustls::pki_types::CertificateDer<'static>>, rustls::pki_types::PrivateKeyDer<'static>) {
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(self.key.serialize_der());
        (vec![self.der.clone().into()], key.into())
    }
}

/// An authority.
pub(crate) struct ClientAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    folder: TempDir,
}

impl ClientAuthority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), &pem).unwrap();
        Self { issuer: Issuer::new(params, key), pem, folder }
    }

    /// Its own certificate, in PEM form.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn issue(&self, params: &CertificateParams) -> ClientCertificate {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        ClientCertificate { der: certificate.der().to_vec(), pem: certificate.pem(), key }
    }

    /// Settings by which a server uses TLS, with a certificate of this authority, and trusts what it issues.
    pub(crate) fn setup(&self) -> Setup {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2100, 1, 1));
        let own = self.issue(&params);
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        std::fs::write(path("server.pem"), &own.pem).unwrap();
        std::fs::write(path("server.key"), own.key.serialize_pem()).unwrap();
        Setup::default()
            .set("JETON_TLS_CERTIFICATE", &path("server.pem"))
            .set("JETON_TLS_KEY", &path("server.key"))
            .set("JETON_TLS_CLIENT_CA", &path("ca.pem"))
    }

    /// A server with these settings. Its usual requests show no certificate.
    pub(crate) async fn server(&self, backend: Backend, setup: Setup) -> TestServer {
        let mut app = TestServer::start_with(backend, setup).await;
        app.http = self.http(None);
        app
    }

    /// An HTTP client that trusts such a server, and shows a certificate.
    pub(crate) fn http(&self, certificate: Option<&ClientCertificate>) -> reqwest::Client {
        self.builder(certificate).build().unwrap()
    }

    pub(crate) fn builder(&self, certificate: Option<&ClientCertificate>) -> reqwest::ClientBuilder {
        let trusted = reqwest::Certificate::from_pem(self.pem.as_bytes()).unwrap();
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).tls_certs_only([trusted]);
        match certificate {
            Some(certificate) => builder.identity(certificate.identity()),
            None => builder,
        }
    }
}
