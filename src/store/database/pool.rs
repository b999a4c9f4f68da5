//! The pool of connections.
//!
//! A connection returns to the pool only after its last statement came to its end. After a transport error, a time limit
//! or a request that was dropped in the middle, it is closed, and so are the unused ones, because what broke one has most
//! likely broken all. So a stalled database never leaves a half-used connection behind, nor a lost place in the pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, Object, PoolError, RecycleResult};
use tokio::sync::OwnedMutexGuard;

use crate::current_request;
use crate::store::database::connection::{CONNECT_LIMIT, Link};
use crate::store::database::faults::{Fault, within};
use crate::store::database::location::Location;
use crate::store::file::OpenedFile;
use crate::store::row::{Row, Value};
use crate::store::{Result, StoreError};
use crate::traces::{Kind, OpenSpan};

/// Connections that are lent one at a time.
pub(crate) type Pool = managed::Pool<Manager>;

/// The longest wait for a free connection.
const WAIT_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Manager {
    location: Location,
    /// The SQLite file that the first connection opened.
    file: Arc<OpenedFile>,
}

impl managed::Manager for Manager {
    type Type = Link;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<Link> {
        // Boxed because connecting is rare and large: otherwise the future of each statement would carry room for it.
        let link = Box::pin(Link::open(&self.location, !self.file.is_known())).await?;
        if let Some(path) = self.location.file() {
            self.file.opened(path);
        }
        Ok(link)
    }

    /// No check is needed, because [`Lease`] closes each connection that cannot be used again.
    async fn recycle(&self, _: &mut Link, _: &Metrics) -> RecycleResult<sqlx::Error> {
        Ok(())
    }
}

/// A pool of at most `size` connections, each opened when it is first needed.
pub(crate) fn open(location: &Location, file: &Arc<OpenedFile>, size: usize) -> Result<Pool> {
    Pool::builder(Manager { location: location.clone(), file: Arc::clone(file) })
        .max_size(size)
        .wait_timeout(Some(WAIT_LIMIT))
        .create_timeout(Some(CONNECT_LIMIT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// The state of a connection on loan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It can return to the pool.
    Idle,
    /// It is in a transaction.
    InTransaction,
    /// It has not answered its last statement yet.
    Asked,
    /// It cannot be used again.
    Broken,
}

/// A connection on loan. It returns to the pool only if it is idle; otherwise it is closed.
pub(crate) struct Lease {
    object: Option<Object<Manager>>,
    state: State,
    begun: Instant,
    limit: Duration,
    pools: [Option<Pool>; 2],
    _writer: Option<OwnedMutexGuard<()>>,
}

impl Lease {
    /// Lends a connection for statements that answer within `limit`. If it breaks, the unused ones of `related` are closed
    /// as well. It keeps the lock of the writer, if there is one, until it is returned.
    pub(crate) async fn of(
        pool: &Pool,
        related: Option<&Pool>,
        limit: Duration,
        writer: Option<OwnedMutexGuard<()>>,
    ) -> Result<Self> {
        let object = pool.get().await.map_err(|error| {
            StoreError::Unavailable(match error {
                PoolError::Backend(error) => error.to_string(),
                PoolError::Timeout(_) => "no connection became free in time".into(),
                other => other.to_string(),
            })
        })?;
        Ok(Self {
            object: Some(object),
            state: State::Idle,
            begun: Instant::now(),
            limit,
            pools: [Some(pool.clone()), related.cloned()],
            _writer: writer,
        })
    }

    fn link(&mut self) -> Result<&mut Link> {
        self.object.as_deref_mut().ok_or_else(|| StoreError::Unavailable("the connection is closed".into()))
    }

    /// Runs one statement that leaves the connection in this state.
    pub(crate) async fn query(&mut self, sql: &'static str, values: Vec<Value>, then: State) -> Result<Vec<Row>> {
        self.state = State::Asked;
        let (limit, link) = (self.limit, self.link()?);
        let mut span = span(link, sql);
        span.set("db.query.text", sql);
        let outcome = within(limit, link.query(sql, values)).await;
        // An error of the statement does not change the state of the connection.
        self.answered(outcome, then, then, span)
    }

    pub(crate) async fn script(&mut self, sql: &str, limit: Duration, then: State) -> Result<()> {
        self.state = State::Asked;
        let link = self.link()?;
        let span = span(link, sql);
        let outcome = within(limit, link.script(sql)).await;
        // After a COMMIT that was refused, the transaction may still be open.
        self.answered(outcome, then, State::InTransaction, span)
    }

    fn answered<T>(
        &mut self,
        outcome: std::result::Result<T, Fault>,
        then: State,
        refused: State,
        mut span: OpenSpan,
    ) -> Result<T> {
        match &outcome {
            Ok(_) => self.state = then,
            Err(Fault::Refused(error)) => {
                let code = error.as_database_error().and_then(|error| error.code());
                span.failed(code.map_or_else(|| "refused".to_owned(), std::borrow::Cow::into_owned));
                self.state = refused;
            }
            Err(Fault::Broken(_)) => {
                span.failed("broken");
                self.state = State::Broken;
            }
        }
        outcome.map_err(StoreError::from)
    }
}

/// The span of a statement. The text of one has no values in it.
fn span(link: &Link, sql: &str) -> OpenSpan {
    const NAMES: [&str; 8] = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "BEGIN", "COMMIT", "ROLLBACK"];
    let first = sql.split_whitespace().next().unwrap_or_default();
    let name = NAMES.into_iter().find(|name| *name == first).unwrap_or("database");
    let mut span = current_request::span(Kind::Client, name);
    span.set("db.system.name", if matches!(link, Link::Postgres(_)) { "postgresql" } else { "sqlite" });
    span
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.state == State::Idle {
            return;
        }
        drop(self.object.take().map(Object::take));
        if self.state == State::Broken {
            // Connections that were used since this one was lent are known to be alive.
            let lent_for = self.begun.elapsed();
            for pool in self.pools.iter().flatten() {
                pool.retain(|_, metrics| metrics.last_used() < lent_for);
            }
        }
    }
}
