//! TLS on the public listener: its certificate, which can be replaced while the server runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::StartError;
use crate::certificates::own::{TlsFiles, expiry, read};
use crate::serve::client_certificate::AnyClientCertificate;

/// The ALPN names of HTTP/2 (RFC 9113 §3.2) and HTTP/1.1 (RFC 7301 §6).
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// The time between two checks of the files.
const POLL: Duration = Duration::from_secs(5);

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
