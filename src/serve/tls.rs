//! TLS on the public listener: its certificate, which can be replaced while the server runs.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::app::StartError;
use crate::protocol::time::Timestamp;
use crate::serve::client_certificate::AnyClientCertificate;
use crate::settings::TlsFiles;

/// The ALPN names of HTTP/2 (RFC 9113 §3.2) and HTTP/1.1 (RFC 7301 §6).
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The time between two checks of the files.
const POLL: Duration = Duration::from_secs(5);
/// Seconds; `doctor` reports a certificate that expires sooner.
const EXPIRES_SOON: i64 = 14 * 24 * 3600;

/// The certificate and key in use.
pub(super) struct Certificates {
    files: TlsFiles,
    in_use: ArcSwap<CertifiedKey>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.in_use.load_full())
    }
}

impl Certificates {
    /// Reads the configured files. An error is one sentence, with the name of the setting.
    pub(super) fn open(files: &TlsFiles) -> Result<(Arc<Self>, Watched), StartError> {
        let (pair, content) = read(files).map_err(StartError)?;
        let watched = Watched { in_use: content, doubtful: None };
        Ok((Arc::new(Self { files: files.clone(), in_use: ArcSwap::from_pointee(pair) }), watched))
    }

    /// The TLS configuration: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    pub(super) fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, StartError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| StartError(format!("TLS cannot be used: {error}")))?;
        let any = Arc::new(AnyClientCertificate::default());
        let mut config = builder.with_client_cert_verifier(any).with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        Ok(Arc::new(config))
    }

    /// Polls the files, and reads them at once on SIGHUP. A valid new pair is used from then on.
    pub(super) async fn keep_current(self: Arc<Self>, mut watched: Watched) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => Some(hangup),
            Err(error) => {
                tracing::warn!(%error, "SIGHUP is not available; the certificate is checked every 5 s");
                None
            }
        };
        loop {
            let asked = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            let at_once = tokio::select! {
                () = tokio::time::sleep(POLL) => false,
                _ = asked => true,
            };
            let files = self.files.clone();
            let Ok(found) = tokio::task::spawn_blocking(move || read(&files)).await else { continue };
            match watched.judge(found, at_once) {
                Reload::Keep => {}
                Reload::Use(pair) => {
                    let ends = expiry(&pair.cert).map(|end| end.to_string());
                    tracing::info!(ends, "a new certificate is in use from now on");
                    self.in_use.store(Arc::new(*pair));
                }
                Reload::Report(problem) => {
                    tracing::error!("the old certificate stays in use, because the new one cannot be used: {problem}");
                }
            }
        }
    }
}

/// What is known about the files: the hash of the pair in use.
#[derive(Debug)]
pub(super) struct Watched {
    in_use: [u8; 32],
    /// The problem that was found, and whether it was reported. Files are replaced one after the other, so a pair that
    /// does not fit together is checked once more before it is reported.
    doubtful: Option<(String, bool)>,
}

/// What to do after reading the files.
#[derive(Debug)]
enum Reload {
    Keep,
    Use(Box<CertifiedKey>),
    Report(String),
}

impl Watched {
    fn judge(&mut self, found: Result<(CertifiedKey, [u8; 32]), String>, at_once: bool) -> Reload {
        let problem = match found {
            Ok((_, content)) if content == self.in_use => {
                self.doubtful = None;
                return Reload::Keep;
            }
            Ok((pair, content)) => {
                (self.in_use, self.doubtful) = (content, None);
                return Reload::Use(Box::new(pair));
            }
            Err(problem) => problem,
        };
        let seen_before = self.doubtful.as_ref().filter(|(doubtful, _)| *doubtful == problem);
        let said = seen_before.is_some_and(|(_, said)| *said);
        let report = (seen_before.is_some() || at_once) && !said;
        self.doubtful = Some((problem.clone(), said || report));
        if report { Reload::Report(problem) } else { Reload::Keep }
    }
}

/// Reads a certificate with its chain and its key, and hashes both files.
fn read(files: &TlsFiles) -> Result<(CertifiedKey, [u8; 32]), String> {
    let certificate = content("JETON_TLS_CERTIFICATE", &files.certificate)?;
    let key = content("JETON_TLS_KEY", &files.key)?;
    let chain = chain_of(&certificate).ok_or_else(|| {
        format!("JETON_TLS_CERTIFICATE: {} holds no certificate in PEM format", files.certificate.display())
    })?;
    let private = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| format!("JETON_TLS_KEY: {} holds no private key in PEM format", files.key.display()))?;
    let pair = CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(_) => format!(
            "JETON_TLS_KEY: the key in {} does not belong to the certificate in {}",
            files.key.display(),
            files.certificate.display()
        ),
        Error::InvalidCertificate(error) => {
            format!("JETON_TLS_CERTIFICATE: {} cannot be used: {error}", files.certificate.display())
        }
        error => format!("JETON_TLS_KEY: {} cannot be used: {error}", files.key.display()),
    })?;
    let mut hash = Context::new(&SHA256);
    for part in [&certificate, &key] {
        hash.update(&part.len().to_be_bytes());
        hash.update(part);
    }
    let mut content = [0; 32];
    content.copy_from_slice(hash.finish().as_ref());
    Ok((pair, content))
}

fn content(setting: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let content = std::fs::read(path).map_err(|error| format!("{setting}: {} cannot be read: {error}", path.display()));
    Ok(Zeroizing::new(content?))
}

fn chain_of(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!chain.is_empty()).then_some(chain)
}

/// When the first certificate of a chain expires.
fn expiry(chain: &[CertificateDer<'_>]) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    Some(Timestamp::from_seconds(certificate.validity().not_after.timestamp()))
}

/// Describes a server's certificate, for `doctor`, or the problem: the files cannot be used, or the certificate expires
/// within 14 days or does not name `host`.
pub fn examine(files: &TlsFiles, host: Option<&str>, now: Timestamp) -> Result<String, String> {
    let (pair, _) = read(files)?;
    let name = host.map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned());
    if let Some(name) = name.and_then(|name| ServerName::try_from(name).ok())
        && let Some(certificate) = pair.cert.first()
        && let Ok(certificate) = ParsedCertificate::try_from(certificate)
        && rustls::client::verify_server_name(&certificate, &name).is_err()
    {
        return Err(format!("the certificate does not name {}, the host of the issuer", name.to_str()));
    }
    match expiry(&pair.cert) {
        Some(end) if end <= now => Err(format!("the certificate expired at {end}")),
        Some(end) if end <= now.plus_seconds(EXPIRES_SOON) => {
            Err(format!("the certificate expires at {end}: replace its files, and the server will pick them up"))
        }
        Some(end) => Ok(format!("the certificate expires at {end}")),
        None => Ok("the certificate can be used".into()),
    }
}
