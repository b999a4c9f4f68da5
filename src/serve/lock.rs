//! The lock that allows only one server per SQLite file. The command line does not take it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::app::StartError;

/// Held while the server runs. The operating system releases it however the process ends.
#[derive(Debug)]
pub(super) struct ServerLock {
    _file: File,
}

impl ServerLock {
    pub(super) fn take(database: &Path) -> Result<Self, StartError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let path = Path::new(&name);
        let cannot = |error: std::io::Error| {
            StartError(format!("JETON_DATABASE_URL: the lock file {} cannot be opened: {error}", path.display()))
        };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StartError(format!(
                "the SQLite file {} is in use by another server: stop that one, or use Postgres for several nodes",
                database.display()
            ))),
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }
}
