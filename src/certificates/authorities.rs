//! The authorities that issue certificates of clients (`JETON_TLS_CLIENT_CA`), and whether they issued one.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::certificates::Certificate;
use crate::protocol::time::Timestamp;

/// The largest file, in bytes.
pub(crate) const LARGEST_FILE: u64 = 1024 * 1024;

/// The authorities, and how chains to them are verified (RFC 5280 §6): signatures by the algorithms of the TLS library, which has no
/// SHA-1 and no RSA key below 2048 bits, dates, names, and that the certificate is one for clients.
#[derive(Clone)]
pub struct ClientAuthorities(Arc<dyn ClientCertVerifier>);

impl fmt::Debug for ClientAuthorities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientAuthorities")
    }
}

impl ClientAuthorities {
    /// Those of a PEM file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn open(path: &Path) -> Result<Self, String> {
        Self::in_pem(&read_pem(path)?)
    }

    /// Those of a PEM text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn in_pem(pem: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        add_pem(&mut roots, pem, check_authority)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
        verifier.build().map(Self).map_err(|error| format!("cannot be used: {error}"))
    }

    /// Checks that one of them issued a certificate, which is valid now and for clients.
    ///
    /// # Errors
    /// Why not, for the log.
    pub fn check(&self, certificate: &Certificate, now: Timestamp) -> Result<(), String> {
        certificate.check_use(now)?;
        let end = CertificateDer::from(certificate.der.as_slice());
        let chain: Vec<_> = certificate.chain.iter().map(|one| CertificateDer::from(one.as_slice())).collect();
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now.millis().max(0).unsigned_abs()));
        match self.0.verify_client_cert(&end, &chain, now) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("the certificate of {} is not accepted: {error}", certificate.subject.shown())),
        }
    }
}

/// Reads a PEM file of a bounded size.
pub(crate) fn read_pem(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut pem = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut pem).map_err(unreadable)?;
    if pem.len() as u64 > LARGEST_FILE {
        return Err(format!("is larger than {} KiB", LARGEST_FILE / 1024));
    }
    Ok(pem)
}

/// Adds the certificates of a PEM text, of which there must be one, after a check of each.
pub(crate) fn add_pem(
    roots: &mut RootCertStore,
    pem: &[u8],
    check: impl Fn(&[u8]) -> Result<(), String>,
) -> Result<(), String> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("is not a PEM file of certificates: {error}"))?;
        check(&certificate)?;
        roots.add(certificate).map_err(|error| format!("has a certificate that cannot be used: {error}"))?;
    }
    if roots.len() == before { Err("has no certificate in PEM form".into()) } else { Ok(()) }
}

/// Whoever has the key of a trusted certificate can issue others, so one that is not meant for that is most likely a mistake.
fn check_authority(der: &[u8]) -> Result<(), String> {
    let Ok(([], certificate)) = X509Certificate::from_der(der) else {
        return Err("has a certificate that cannot be read".into());
    };
    let may_issue = certificate.key_usage().is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()));
    if certificate.is_ca() && may_issue {
        return Ok(());
    }
    Err(format!("has the certificate of {}, which is no authority (CA:TRUE)", certificate.subject()))
}
