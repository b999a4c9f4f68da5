//! The certificate authorities that are trusted when calling out: the public ones, and those of a file.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;

use crate::certificates::authorities::{add_pem, read_pem};

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
        let pem = read_pem(path)?;
        let Self(public) = Self::default();
        let mut roots = Arc::unwrap_or_clone(public);
        add_pem(&mut roots, &pem, |_| Ok(()))?;
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
    use crate::certificates::authorities::LARGEST_FILE;

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
