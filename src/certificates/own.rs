//! The certificate of this server, and its key: read from their files, and examined.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use rustls::Error;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::protocol::time::Timestamp;

/// Seconds; a certificate that expires sooner is a problem.
const EXPIRES_SOON: i64 = 14 * 24 * 3600;

/// Where the certificate of the public listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// Reads a certificate with its chain and its key, and hashes both files.
pub(crate) fn read(files: &TlsFiles) -> Result<(CertifiedKey, [u8; 32]), String> {
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
pub(crate) fn expiry(chain: &[CertificateDer<'_>]) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(chain.first()?).ok()?;
    Some(Timestamp::from_seconds(certificate.validity().not_after.timestamp()))
}

/// Describes the certificate, or the problem: the files cannot be used, or the certificate expires within 14 days or does not
/// name `host`.
pub(crate) fn examine(files: &TlsFiles, host: Option<&str>, now: Timestamp) -> Result<String, String> {
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
