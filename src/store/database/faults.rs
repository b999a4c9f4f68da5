//! What can go wrong with a statement, and whether the connection is of use afterwards.
//!
//! One that answers can be of no more use, too: one that Postgres has made read-only (a role or a server that was
//! switched, perhaps a primary that is one no more), one that SQLite opened while the file could not be written. It
//! would stay so for as long as it lives, whatever becomes of the cause.

use std::time::Duration;

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::store::StoreError;

/// What can go wrong with a statement.
pub(crate) enum Trouble {
    /// The database answered with a refusal.
    Refused(sqlx::Error),
    /// The connection is of no more use.
    Broken(String),
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(sqlx::Error::Database(error)) if error.is_unique_violation() => Self::Exists,
            Trouble::Refused(error) => Self::Unavailable(error.to_string()),
            Trouble::Broken(text) => Self::Unavailable(text),
        }
    }
}

/// Waits for a connection to do something, and tells what it comes to.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = sqlx::Result<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error @ sqlx::Error::Database(_))) if !is_the_end(&error) => Err(Trouble::Refused(error)),
        Ok(Err(error)) => Err(Trouble::Broken(error.to_string())),
        Err(_) => Err(Trouble::Broken(format!("no answer within {} s", limit.as_secs()))),
    }
}

/// Whether the connection is of no more use after this error.
fn is_the_end(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return true };
    if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
        /// read_only_sql_transaction: the session may not write, and that does not change while it lives.
        const READ_ONLY: &str = "25006";
        // Postgres closes the connection with a fatal error, as it does when it stops.
        return matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic) || error.code() == READ_ONLY;
    }
    /// SQLITE_READONLY, SQLITE_CORRUPT, SQLITE_CANTOPEN, SQLITE_NOTADB: a connection keeps what it has found
    /// out about its file, so a new one looks again.
    const ABOUT_THE_FILE: [u32; 4] = [8, 11, 14, 26];
    sqlite_code(error).is_some_and(|code| ABOUT_THE_FILE.contains(&code))
}

/// The primary code of an error of SQLite, which is the lower byte of the extended one.
pub(crate) fn sqlite_code(error: &dyn sqlx::error::DatabaseError) -> Option<u32> {
    error.code()?.parse::<u32>().ok().map(|code| code & 0xFF)
}
