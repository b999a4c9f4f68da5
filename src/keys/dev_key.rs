//! The master key of a database for development: generated once, in a file beside the database.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Result, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::keys::master::MasterKey;

/// Reads the file, or makes it with a new master key, readable by its owner only.
///
/// # Errors
/// When the file can neither be read nor made.
pub fn read_or_make(path: &Path) -> Result<Zeroizing<String>> {
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
