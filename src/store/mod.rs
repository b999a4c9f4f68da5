//! The only SQL. One file per table; each public method is one atomic operation that returns a domain type.
//!
//! The text of a statement serves both databases; where a dialect needs its own, the fork is visible at that place.

mod audit;
mod clients;
mod database;
mod keys;
mod listen;
mod log;
mod migrate;
mod nodes;
mod row;
mod sessions;
mod settings;
mod upkeep;
mod users;

pub use audit::{AuditFilter, AuditRecord, Audited};
pub use clients::ClientsInUse;
pub use database::{Dialect, Location};
pub use listen::Listener;
pub use log::{LogEntry, LogEvent, LogPage};
pub use migrate::SchemaReport;
pub use nodes::NodeRecord;
pub use sessions::{HeldSession, NewSession, SessionFilter};
pub use upkeep::Swept;

use database::Database;

/// Why a store method failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not answer as it should; nothing is known about what was asked.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// What was to be created exists already.
    #[error("it exists already")]
    Exists,
}

/// The result of a store method.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A part of a list: at most `limit` items that follow `after`.
#[derive(Clone, Debug)]
pub struct Page {
    /// The most items.
    pub limit: i64,
    /// The key of the last item of the page before.
    pub after: Option<String>,
}

/// The database, whichever it is.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
}

impl Store {
    /// Connects; nothing is read or written yet.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(location: &Location) -> Result<Self> {
        Ok(Self { database: Database::connect(location).await? })
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    /// The clock of the database, in milliseconds since the epoch; none where it is that of this machine (SQLite).
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn database_clock(&self) -> Result<Option<i64>> {
        match self.dialect() {
            Dialect::Sqlite => Ok(None),
            Dialect::Postgres => {
                let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now";
                let row = self.database.query_one(sql, vec![]).await?;
                row.map(|row| row.get("now")).transpose()
            }
        }
    }
}
