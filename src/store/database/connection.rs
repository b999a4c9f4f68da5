//! One connection to either database.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions};

use crate::store::database::faults::sqlite_code;
use crate::store::database::location::Location;
use crate::store::row::{Row, Value, bind_all};

/// The longest wait for a new connection.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// One connection.
#[derive(Debug)]
pub(crate) enum Link {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Statements are logged only at level `debug`. No statement counts as slow, because a warning with the whole text of
/// each would flood the log in an outage.
fn only_for_debugging<Options: ConnectOptions>(options: Options) -> Options {
    options.log_slow_statements(log::LevelFilter::Off, Duration::MAX)
}

impl Link {
    pub(crate) async fn open(location: &Location, may_create: bool) -> sqlx::Result<Self> {
        match location {
            Location::Postgres(options) => {
                let mut connection = only_for_debugging(options.as_ref().clone()).connect().await?;
                // Set here and not in the address, which not every connection pooler would accept. A standby is refused
                // because it is behind, nobody knows how far.
                let limits = "SET statement_timeout = '5s'; SET lock_timeout = '3s'; \
                              SET idle_in_transaction_session_timeout = '5s'; \
                              DO $$ BEGIN IF pg_is_in_recovery() THEN RAISE EXCEPTION \
                              'this is a standby: connect to the primary'; END IF; END $$";
                sqlx::raw_sql(limits).execute(&mut connection).await?;
                Ok(Self::Postgres(connection))
            }
            Location::Sqlite(path) => {
                if may_create {
                    make_private(path);
                }
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(may_create)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(Duration::from_secs(5));
                Ok(Self::Sqlite(use_write_ahead_log(only_for_debugging(options).connect().await?).await?))
            }
        }
    }

    pub(crate) async fn query(&mut self, sql: &'static str, values: Vec<Value>) -> sqlx::Result<Vec<Row>> {
        match self {
            Self::Postgres(connection) => {
                let rows = bind_all!(sqlx::query(sql), values).fetch_all(connection).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
            Self::Sqlite(connection) => {
                let rows = bind_all!(sqlx::query(sql), values).fetch_all(connection).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
        }
    }

    pub(crate) async fn script(&mut self, sql: &str) -> sqlx::Result<()> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(connection) => script.execute(connection).await.map(drop),
            Self::Sqlite(connection) => script.execute(connection).await.map(drop),
        }
    }
}

/// Creates the file, if it is missing, for its owner only: it holds password hashes. SQLite gives the files that it adds
/// beside it the same permissions.
fn make_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // If this fails, opening the database fails as well, with an error that says why.
    drop(options.open(path));
}

/// Switches a connection to the write-ahead log. SQLite itself does not wait while another process switches a new file.
async fn use_write_ahead_log(mut connection: SqliteConnection) -> sqlx::Result<SqliteConnection> {
    /// SQLITE_BUSY.
    const BUSY: u32 = 5;
    let is_busy = |error: &sqlx::Error| error.as_database_error().and_then(sqlite_code) == Some(BUSY);
    let begun = Instant::now();
    loop {
        match sqlx::raw_sql("PRAGMA journal_mode = WAL").execute(&mut connection).await {
            Ok(_) => return Ok(connection),
            Err(error) if !is_busy(&error) || begun.elapsed() > CONNECT_LIMIT => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
