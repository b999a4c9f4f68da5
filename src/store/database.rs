//! Connections to either database, bounded in number and in time.
//!
//! A connection is given back to the pool only when the last thing that was asked of it came to its end; otherwise
//! (an error of the transport, a time limit, a request that was dropped in the middle) it is closed, and with it those
//! that wait unused: what broke one has most likely broken them. So a stalled database never leaves a half-used
//! connection behind, and never a lost place in the pool.
//!
//! The same goes for a connection that answers but is of no more use: one that Postgres has made read-only (a role or a
//! server that was switched, perhaps a primary that is one no more), one that SQLite opened while the file could not be
//! written. It would stay so for as long as it lives, whatever becomes of the cause.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, Pool, PoolError, RecycleResult};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgSeverity};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::file::OpenedFile;
use super::row::{Row, Value, bind_all};
use super::{Result, StoreError};

/// The longest that one statement may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(6);
/// The longest wait for a free connection.
const WAIT_LIMIT: Duration = Duration::from_secs(2);
/// The longest wait for a new connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// Connections to Postgres.
const POSTGRES_CONNECTIONS: usize = 16;
/// Connections to SQLite: one writes at a time, the others read.
const SQLITE_CONNECTIONS: usize = 4;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL 14 or newer.
    Postgres,
    /// Embedded SQLite.
    Sqlite,
}

/// Where the database is.
#[derive(Clone)]
pub enum Location {
    /// A server.
    Postgres(Box<PgConnectOptions>),
    /// A file.
    Sqlite(PathBuf),
}

impl fmt::Debug for Location {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(options) => write!(
                formatter,
                "Postgres at {}:{}, database {}",
                options.get_host(),
                options.get_port(),
                options.get_database().unwrap_or(options.get_username())
            ),
            Self::Sqlite(path) => write!(formatter, "SQLite file {}", path.display()),
        }
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(address: &str) -> std::result::Result<Self, String> {
        if let Some(path) = address.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains(":memory:") || path.contains('?') {
                return Err("names no file: write sqlite://PATH".into());
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if address.starts_with("postgres://") || address.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(address)
                .map_err(|_| "is no valid postgres:// address: write postgres://USER:PASSWORD@HOST:PORT/DATABASE")?;
            return Ok(Self::Postgres(Box::new(options.application_name("jeton"))));
        }
        Err("begins with neither sqlite:// nor postgres://".into())
    }
}

impl Location {
    /// Which database it is.
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Postgres(_) => Dialect::Postgres,
            Self::Sqlite(_) => Dialect::Sqlite,
        }
    }

    /// The file, for SQLite.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Postgres(_) => None,
            Self::Sqlite(path) => Some(path),
        }
    }

    /// A connection outside the pool, for listening to notifications.
    pub(crate) fn postgres(&self) -> Option<&PgConnectOptions> {
        match self {
            Self::Postgres(options) => Some(options),
            Self::Sqlite(_) => None,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(super) enum Link {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Statements are logged at level `debug` alone: a warning with its whole text for each slow one would be a flood in an
/// outage. So none ever counts as slow.
fn only_for_debugging<Options: ConnectOptions>(options: Options) -> Options {
    options.log_slow_statements(log::LevelFilter::Off, Duration::MAX)
}

impl Link {
    async fn open(location: &Location, may_create: bool) -> std::result::Result<Self, sqlx::Error> {
        match location {
            Location::Postgres(options) => {
                let mut connection = only_for_debugging(options.as_ref().clone()).connect().await?;
                // Set here and not in the address, so that a connection pooler in between is no obstacle.
                // A standby is behind, nobody knows how far.
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

    async fn query(&mut self, sql: &'static str, values: Vec<Value>) -> std::result::Result<Vec<Row>, sqlx::Error> {
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

    async fn script(&mut self, sql: &str) -> std::result::Result<(), sqlx::Error> {
        let script = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Postgres(connection) => script.execute(connection).await.map(drop),
            Self::Sqlite(connection) => script.execute(connection).await.map(drop),
        }
    }
}

/// Makes the file, if it is not there yet, for its owner only: it holds password hashes. SQLite gives the files that it
/// adds beside it the same permissions.
fn make_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // If this fails, opening the database fails too, with an error that says why.
    drop(options.open(path));
}

/// Switches a connection to the write-ahead log. SQLite does not wait for other processes when the first of them switches
/// a new file, so the waiting is done here.
async fn use_write_ahead_log(mut connection: SqliteConnection) -> std::result::Result<SqliteConnection, sqlx::Error> {
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

#[derive(Debug)]
struct Manager {
    location: Location,
    /// The SQLite file that the first connection opened.
    file: Arc<OpenedFile>,
}

impl managed::Manager for Manager {
    type Type = Link;
    type Error = sqlx::Error;

    async fn create(&self) -> std::result::Result<Link, sqlx::Error> {
        // Connecting takes much room and is rare: kept on the heap, so that no statement carries that room about.
        let link = Box::pin(Link::open(&self.location, !self.file.is_known())).await?;
        if let Some(path) = self.location.file() {
            self.file.opened(path);
        }
        Ok(link)
    }

    /// Nothing is asked of a connection before it is used again: [`Lease`] has closed all that are not sound.
    async fn recycle(&self, _: &mut Link, _: &Metrics) -> RecycleResult<sqlx::Error> {
        Ok(())
    }
}

/// What a connection on loan is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing: it can go back to the pool.
    Idle,
    /// It is in a transaction.
    InTransaction,
    /// It was asked something and has not answered yet.
    Asked,
    /// It is of no more use.
    Broken,
}

/// A connection on loan. It goes back to the pool only if it is idle, else it is closed.
struct Lease {
    object: Option<Object<Manager>>,
    state: State,
    begun: Instant,
    limit: Duration,
    pools: [Option<Pool<Manager>>; 2],
    _writer: Option<OwnedMutexGuard<()>>,
}

impl Lease {
    fn link(&mut self) -> Result<&mut Link> {
        self.object.as_deref_mut().ok_or_else(|| StoreError::Unavailable("the connection is closed".into()))
    }

    /// Runs one statement that leaves the connection in this state.
    async fn query(&mut self, sql: &'static str, values: Vec<Value>, then: State) -> Result<Vec<Row>> {
        self.state = State::Asked;
        let outcome = within(self.limit, self.link()?.query(sql, values)).await;
        // A refusal leaves the connection as it was.
        self.answered(outcome, then, then)
    }

    async fn script(&mut self, sql: &str, limit: Duration, then: State) -> Result<()> {
        self.state = State::Asked;
        let outcome = within(limit, self.link()?.script(sql)).await;
        // After a COMMIT that was refused, the transaction may be open still.
        self.answered(outcome, then, State::InTransaction)
    }

    fn answered<T>(&mut self, outcome: std::result::Result<T, Trouble>, then: State, refused: State) -> Result<T> {
        match &outcome {
            Ok(_) => self.state = then,
            Err(Trouble::Refused(_)) => self.state = refused,
            Err(Trouble::Broken(_)) => self.state = State::Broken,
        }
        outcome.map_err(StoreError::from)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.state == State::Idle {
            return;
        }
        drop(self.object.take().map(Object::take));
        if self.state == State::Broken {
            // Those that were used since this one was lent have shown that they are alive.
            let lent_for = self.begun.elapsed();
            for pool in self.pools.iter().flatten() {
                pool.retain(|_, metrics| metrics.last_used() < lent_for);
            }
        }
    }
}

/// What can go wrong with a statement.
enum Trouble {
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

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = std::result::Result<T, sqlx::Error>>,
) -> std::result::Result<T, Trouble> {
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
fn sqlite_code(error: &dyn sqlx::error::DatabaseError) -> Option<u32> {
    error.code()?.parse::<u32>().ok().map(|code| code & 0xFF)
}

/// All connections to one database.
#[derive(Clone)]
pub(super) struct Database {
    location: Location,
    pool: Pool<Manager>,
    /// Others to the same database, which most likely break when one of these does.
    related: Option<Pool<Manager>>,
    /// The longest that one statement may take.
    limit: Duration,
    dialect: Dialect,
    /// SQLite has one writer: waiting for it here is fair and cheap, in SQLite it is a spin.
    writer: Arc<Mutex<()>>,
    file: Arc<OpenedFile>,
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Database({:?})", self.dialect)
    }
}

fn open_pool(location: &Location, file: &Arc<OpenedFile>, size: usize) -> Result<Pool<Manager>> {
    Pool::builder(Manager { location: location.clone(), file: Arc::clone(file) })
        .max_size(size)
        .wait_timeout(Some(WAIT_LIMIT))
        .create_timeout(Some(CONNECT_LIMIT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

impl Database {
    pub(super) async fn connect(location: &Location) -> Result<Self> {
        let dialect = location.dialect();
        let size = if dialect == Dialect::Postgres { POSTGRES_CONNECTIONS } else { SQLITE_CONNECTIONS };
        let file = Arc::default();
        let pool = open_pool(location, &file, size)?;
        let location = location.clone();
        let writer = Arc::default();
        let database = Self { location, pool, related: None, limit: STATEMENT_LIMIT, dialect, writer, file };
        database.query("SELECT 1 AS one", vec![]).await?;
        Ok(database)
    }

    /// The same database with so many connections that nobody else takes, for statements that answer within `limit`.
    pub(super) fn with_connections_of_its_own(&self, size: usize, limit: Duration) -> Result<Self> {
        let (pool, related) = (open_pool(&self.location, &self.file, size)?, Some(self.pool.clone()));
        Ok(Self { pool, related, limit, ..self.clone() })
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    async fn lease(&self, writes: bool) -> Result<Lease> {
        if let Some(path) = self.location.file() {
            self.file.check(path)?;
        }
        let writer = match self.dialect {
            Dialect::Sqlite if writes => {
                let waited = tokio::time::timeout(STATEMENT_LIMIT, Arc::clone(&self.writer).lock_owned()).await;
                Some(waited.map_err(|_| StoreError::Unavailable("the writer is busy".into()))?)
            }
            _ => None,
        };
        let object = self.pool.get().await.map_err(|error| {
            StoreError::Unavailable(match error {
                PoolError::Backend(error) => error.to_string(),
                PoolError::Timeout(_) => "no connection was to be had in time".into(),
                other => other.to_string(),
            })
        })?;
        Ok(Lease {
            object: Some(object),
            state: State::Idle,
            begun: Instant::now(),
            limit: self.limit,
            pools: [Some(self.pool.clone()), self.related.clone()],
            _writer: writer,
        })
    }

    /// Runs a statement that reads.
    pub(super) async fn query(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>> {
        let database = self.clone();
        to_its_end(async move { database.lease(false).await?.query(sql, values, State::Idle).await }).await
    }

    /// Runs a statement that reads at most one row.
    pub(super) async fn query_one(&self, sql: &'static str, values: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.query(sql, values).await?.pop())
    }

    /// Runs one statement that writes, in a transaction of its own, and gives the rows that it returns.
    pub(super) async fn write(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>> {
        let database = self.clone();
        to_its_end(async move { database.lease(true).await?.query(sql, values, State::Idle).await }).await
    }

    /// Begins a transaction that writes. Dropped without [`Transaction::commit`], it never was.
    pub(super) async fn begin(&self) -> Result<Transaction> {
        let database = self.clone();
        to_its_end(async move {
            let mut lease = database.lease(true).await?;
            let begin = if database.dialect == Dialect::Postgres { "BEGIN" } else { "BEGIN IMMEDIATE" };
            lease.script(begin, STATEMENT_LIMIT, State::InTransaction).await?;
            Ok(Transaction { lease, dialect: database.dialect })
        })
        .await
    }
}

/// Does something even if nobody waits for it any more: a client that leaves must not cost a connection.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}

/// A transaction under way.
pub(super) struct Transaction {
    lease: Lease,
    dialect: Dialect,
}

impl Transaction {
    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(super) async fn query(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>> {
        self.lease.query(sql, values, State::InTransaction).await
    }

    pub(super) async fn query_one(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.query(sql, values).await?.pop())
    }

    /// Runs several statements that take as long as they need: migrations.
    pub(super) async fn script(&mut self, sql: &str) -> Result<()> {
        self.lease.script(sql, Duration::from_secs(3600), State::InTransaction).await
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        self.lease.script("COMMIT", STATEMENT_LIMIT, State::Idle).await
    }

    pub(super) async fn roll_back(mut self) -> Result<()> {
        self.lease.script("ROLLBACK", STATEMENT_LIMIT, State::Idle).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_statement_carries_no_room_for_connecting() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("jeton.db"));
        let database = Database::connect(&location).await.unwrap();
        let size = size_of_val(&database.write("SELECT 1", vec![]));
        assert!(size < 2048, "{size} bytes");
    }
}
