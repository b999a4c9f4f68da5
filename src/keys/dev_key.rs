//! The master key of a development database, kept in a file beside the database.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Result, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::keys::master::MasterKey;

/// Reads the file, or creates it with a new master key, readable only by its owner.
pub(crate) fn read_or_create(path: &Path) -> Result<Zeroizing<String>> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            let key = MasterKey::generate();
            file.write_all(key.as_bytes())?;
            file.sync_all()?;
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => std::fs::read_to_string(path).map(Zeroizing::new),
        Err(error) => Err(error),
    }
}
