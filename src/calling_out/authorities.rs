//! The certificate authorities that are trusted when calling out: the public ones, and those of a file.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The largest file, in bytes.
const LARGEST_FILE: u64 = 1024 * 1024;

/// The certificate authorities that are trusted.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<RootCertStore>);

impl Default for Authorities {
    /// Those that browsers trust, as this program was built with them: a container need not have any.
    fn default() -> Self {
        Self(Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
    }
}

impl Authorities {
    /// The public ones and those of a PEM file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn with_file(path: &Path) -> Result<Self, String> {
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut pem = Vec::new();
        file.take(LARGEST_FILE + 1).read_to_end(&mut pem).map_err(unreadable)?;
        if pem.len() as u64 > LARGEST_FILE {
            return Err(format!("is larger than {} KiB", LARGEST_FILE / 1024));
        }
        let Self(public) = Self::default();
        let mut roots = Arc::unwrap_or_clone(public);
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| format!("is not a PEM file of certificates: {error}"))?;
            roots.add(certificate).map_err(|error| format!("has a certificate that cannot be used: {error}"))?;
        }
        if roots.len() == before {
            return Err("has no certificate in PEM form".into());
        }
        Ok(Self(Arc::new(roots)))
    }

    /// Their certificates.
    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_adds_authorities_to_the_public_ones_or_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let read = |content: &[u8]| {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, content).unwrap();
            Authorities::with_file(&path).map(|authorities| authorities.roots().len())
        };
        let pem = || rcgen::generate_simple_self_signed(vec!["ca.example".to_owned()]).unwrap().cert.pem();
        let public = Authorities::default().roots().len();
        assert!(public > 100);
        assert_eq!(read(pem().as_bytes()), Ok(public + 1));
        assert_eq!(read(format!("# ours\n{}{}", pem(), pem()).as_bytes()), Ok(public + 2));
        for wrong in [&b""[..], b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(read(wrong).is_err());
        }
        assert!(read(&vec![b' '; usize::try_from(LARGEST_FILE).unwrap() + 1]).is_err());
        assert!(Authorities::with_file(&folder.path().join("missing")).is_err());
    }
}
