//! How a statement can fail, and whether its connection can be used afterwards.
//!
//! Even a connection that answers may be useless: Postgres has made it read-only (its role was changed, or its server is
//! no longer the primary), or SQLite opened it while the file could not be written. It would stay useless for as long as
//! it lives, even after the cause is gone.

use std::time::Duration;

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::store::StoreError;

/// How a statement failed.
pub(crate) enum Fault {
    /// The database answered with an error.
    Refused(sqlx::Error),
    /// The connection cannot be used again.
    Broken(String),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused(sqlx::Error::Database(error)) if error.is_unique_violation() => Self::Exists,
            Fault::Refused(error) => Self::Unavailable(error.to_string()),
            Fault::Broken(text) => Self::Unavailable(text),
        }
    }
}

/// Runs something on a connection within a time limit, and classifies how it fails.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = sqlx::Result<T>>) -> Result<T, Fault> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error @ sqlx::Error::Database(_))) if !breaks_connection(&error) => Err(Fault::Refused(error)),
        Ok(Err(error)) => Err(Fault::Broken(error.to_string())),
        Err(_) => Err(Fault::Broken(format!("no answer within {} s", limit.as_secs()))),
    }
}

/// Whether the connection cannot be used after this error.
fn breaks_connection(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return true };
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        /// read_only_sql_transaction: the session may not write, and that never changes during its life.
        const READ_ONLY: &str = "25006";
        // With a fatal error Postgres closes the connection, for instance when it stops.
        return matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic) || error.code() == READ_ONLY;
    }
    /// SQLITE_READONLY, SQLITE_CORRUPT, SQLITE_CANTOPEN, SQLITE_NOTADB: a connection remembers what it found out about its
    /// file, and only a new one examines the file again.
    const ABOUT_THE_FILE: [u32; 4] = [8, 11, 14, 26];
    sqlite_code(error).is_some_and(|code| ABOUT_THE_FILE.contains(&code))
}

/// The primary code of an error of SQLite, which is the lower byte of the extended one.
pub(crate) fn sqlite_code(error: &dyn sqlx::error::DatabaseError) -> Option<u32> {
    error.code()?.parse::<u32>().ok().map(|code| code & 0xFF)
}
