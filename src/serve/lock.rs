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
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        // Whoever may open it can hold the lock, and so keep the server from starting.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(cannot)?;
        #[cfg(unix)]
        if let Err(error) = file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)) {
            tracing::warn!(%error, path = %path.display(), "others may hold the lock of the database");
        }
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
