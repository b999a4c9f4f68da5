//! The database: statements and transactions that run to their end, on connections bounded in number and in time.

mod connection;
mod faults;
mod location;
mod pool;

pub use location::{Dialect, Location};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::current_request;
use crate::store::file::OpenedFile;
use crate::store::row::{Row, Value};
use crate::store::{Result, StoreError};
use crate::traces::Kind;
use pool::{Lease, Pool, State};

/// The longest that one statement may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(6);
/// Connections to Postgres.
const POSTGRES_CONNECTIONS: usize = 16;
/// Connections to SQLite: one writes at a time, the others read.
const SQLITE_CONNECTIONS: usize = 4;

/// All connections to one database.
#[derive(Clone)]
pub(crate) struct Database {
    location: Location,
    pool: Pool,
    /// Others to the same database, which most likely break when one of these does.
    related: Option<Pool>,
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

impl Database {
    pub(crate) async fn connect(location: &Location) -> Result<Self> {
        let dialect = location.dialect();
        let size = if dialect == Dialect::Postgres { POSTGRES_CONNECTIONS } else { SQLITE_CONNECTIONS };
        let file = Arc::default();
        let pool = pool::open(location, &file, size)?;
        let location = location.clone();
        let writer = Arc::default();
        let database = Self { location, pool, related: None, limit: STATEMENT_LIMIT, dialect, writer, file };
        database.query("SELECT 1 AS one", vec![]).await?;
        Ok(database)
    }

    /// The same database with so many connections that nobody else takes, for statements that answer within `limit`.
    pub(crate) fn with_connections_of_its_own(&self, size: usize, limit: Duration) -> Result<Self> {
        let (pool, related) = (pool::open(&self.location, &self.file, size)?, Some(self.pool.clone()));
        Ok(Self { pool, related, limit, ..self.clone() })
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    async fn lease(&self, writes: bool) -> Result<Lease> {
        let mut wait = current_request::span(Kind::Internal, "database connection");
        let lease = self.wait_for_lease(writes).await;
        match &lease {
            Ok(_) => wait.waited(),
            Err(_) => wait.failed("unavailable"),
        }
        lease
    }

    async fn wait_for_lease(&self, writes: bool) -> Result<Lease> {
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
        Lease::of(&self.pool, self.related.as_ref(), self.limit, writer).await
    }

    /// Runs a statement that reads.
    pub(crate) async fn query(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>> {
        let database = self.clone();
        to_its_end(async move { database.lease(false).await?.query(sql, values, State::Idle).await }).await
    }

    /// Runs a statement that reads at most one row.
    pub(crate) async fn query_one(&self, sql: &'static str, values: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.query(sql, values).await?.pop())
    }

    /// Runs one statement that writes, in a transaction of its own, and gives the rows that it returns.
    pub(crate) async fn write(&self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>> {
        let database = self.clone();
        to_its_end(async move { database.lease(true).await?.query(sql, values, State::Idle).await }).await
    }

    /// Begins a transaction that writes. Dropped without [`Transaction::commit`], it never was.
    pub(crate) async fn begin(&self) -> Result<Transaction> {
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

/// Does something even if nobody waits for it any more: a client that leaves must not cost a connection. It stays within
/// the request that began it.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(current_request::within(current_request::current(), work))
        .await
        .unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}

/// A transaction under way.
pub(crate) struct Transaction {
    lease: Lease,
    dialect: Dialect,
}

impl Transaction {
    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub(crate) async fn query(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>> {
        self.lease.query(sql, values, State::InTransaction).await
    }

    pub(crate) async fn query_one(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Option<Row>> {
        Ok(self.query(sql, values).await?.pop())
    }

    /// Runs several statements that take as long as they need: migrations.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<()> {
        self.lease.script(sql, Duration::from_secs(3600), State::InTransaction).await
    }

    pub(crate) async fn commit(mut self) -> Result<()> {
        self.lease.script("COMMIT", STATEMENT_LIMIT, State::Idle).await
    }

    pub(crate) async fn roll_back(mut self) -> Result<()> {
        self.lease.script("ROLLBACK", STATEMENT_LIMIT, State::Idle).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::oneshot;
    use uuid::Uuid;

    use super::*;
    use crate::current_request::CurrentRequest;
    use crate::settings::LogFormat;
    use crate::telemetry::log::tests::Written;

    #[tokio::test]
    async fn what_a_statement_logs_after_its_request_was_dropped_names_the_request() {
        let id = Uuid::now_v7();
        for (format, whose) in [
            (LogFormat::Text, format!("still here endpoint=\"token\" request_id={id} address=192.0.2.7\n")),
            (
                LogFormat::Json,
                format!("\"still here\",\"endpoint\":\"token\",\"request_id\":\"{id}\",\"address\":\"192.0.2.7\"}}\n"),
            ),
        ] {
            let (written, _guard) = Written::on_this_thread(format);
            let (leave, left) = oneshot::channel();
            let (ended, end) = oneshot::channel();
            let statement = to_its_end(async move {
                left.await.unwrap();
                tracing::warn!("still here");
                ended.send(()).unwrap();
                Ok(())
            });
            let fields = CurrentRequest::new("token", id, [192, 0, 2, 7].into());
            let request = current_request::within(Some(fields), statement);
            assert!(request.now_or_never().is_none(), "the request is dropped while its statement runs");
            leave.send(()).unwrap();
            end.await.unwrap();
            assert!(written.lines().ends_with(&whose), "{}", written.lines());
        }
    }

    #[tokio::test]
    async fn the_future_of_a_statement_is_small() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("jeton.db"));
        let database = Database::connect(&location).await.unwrap();
        let size = size_of_val(&database.write("SELECT 1", vec![]));
        assert!(size < 2048, "{size} bytes");
    }
}
