//! Is the SQLite file still the one that was opened?
//!
//! A file that is removed or replaced under a server lives on for the connections that have it open, and nothing else
//! ever sees what they write. Acknowledged changes would be gone after the next start, and new connections would read
//! another database than old ones. So the server reads and writes nothing until the file is back.

use std::path::Path;
use std::sync::OnceLock;

use crate::store::{Result, StoreError};

/// Which file it is, whatever its name: on Unix its device and its number there.
type Identity = (u64, u64);

/// The file that was opened first.
#[derive(Debug, Default)]
pub(super) struct OpenedFile(OnceLock<Identity>);

impl OpenedFile {
    /// Whether a file was opened.
    pub(super) fn is_known(&self) -> bool {
        self.0.get().is_some()
    }

    /// Records that a connection has opened the file. Only the first call counts.
    pub(super) fn opened(&self, path: &Path) {
        if let Some(identity) = identity(path) {
            self.0.get_or_init(|| identity);
        }
    }

    /// Fails unless the file with this name is the one that was opened.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        match self.0.get() {
            Some(opened) if identity(path) != Some(*opened) => Err(StoreError::Unavailable(format!(
                "the SQLite file {} was removed or replaced while the server runs: stop the server, put the file in its \
                 place (without -wal and -shm files of another one), and start again",
                path.display()
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;

    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Elsewhere an open file can be neither removed nor replaced.
#[cfg(not(unix))]
fn identity(_: &Path) -> Option<Identity> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_distinguished_from_the_opened_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("a"), folder.path().join("b"));
        let file = OpenedFile::default();
        assert!(file.check(&path).is_ok() && !file.is_known(), "none was opened yet");
        std::fs::write(&path, "one").unwrap();
        file.opened(&path);
        assert!(file.check(&path).is_ok() && file.is_known());
        std::fs::rename(&path, &aside).unwrap();
        assert!(file.check(&path).is_err(), "it is gone");
        std::fs::write(&path, "one").unwrap();
        file.opened(&path);
        assert!(file.check(&path).is_err(), "another one is in its place");
        std::fs::rename(&aside, &path).unwrap();
        assert!(file.check(&path).is_ok(), "it is back");
    }
}
