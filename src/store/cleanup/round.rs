//! A round of cleanup, batch by batch.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::protocol::time::Timestamp;
use crate::store::cleanup::kinds::{KINDS, Walk, swept_kinds};
use crate::store::database::Dialect;
use crate::store::row::{Row, Value, values};
use crate::store::{Result, Store};

/// Rows that the first batch of a round examines.
const FIRST_BATCH: i64 = 100;
/// The fewest and the most rows that a batch examines. Fewer would only cost more commits.
const BATCHES: (i64, i64) = (500, 5000);
/// The time that a batch may take. Batches shrink above it and grow below half of it.
const BATCH_TIME: Duration = Duration::from_millis(50);

/// A round of cleanup: its position, and how many rows it has removed.
#[derive(Debug)]
pub struct Round {
    now: Timestamp,
    history: i64,
    kind: usize,
    /// Where the next batch of the kind begins.
    moment: i64,
    id: Uuid,
    batch: i64,
    removed: [usize; KINDS.len()],
}

impl Round {
    /// A new round. Sessions are kept for `history` seconds after their end, so that they can be explained; so are
    /// revocations, but for at least 30 days.
    pub fn new(now: Timestamp, history: i64) -> Self {
        let removed = [0; KINDS.len()];
        Self { now, history, kind: 0, moment: i64::MIN, id: Uuid::nil(), batch: FIRST_BATCH, removed }
    }

    /// How many rows of each kind were removed so far.
    pub fn removed(&self) -> impl Iterator<Item = (&'static str, usize)> {
        swept_kinds().zip(self.removed)
    }

    /// Batches shrink when the database is slow or busy.
    fn adapt(&mut self, took: Duration) {
        if took > BATCH_TIME {
            self.batch = (self.batch / 2).max(BATCHES.0);
        } else if took < BATCH_TIME / 2 {
            self.batch = (self.batch * 2).min(BATCHES.1);
        }
    }
}

impl Store {
    /// Removes the next batch of a round. Returns whether the round continues, as it also does after an error.
    pub async fn sweep(&self, round: &mut Round) -> Result<bool> {
        let Some(kind) = KINDS.get(round.kind) else { return Ok(false) };
        let begun = Instant::now();
        let over_before = (kind.over_before)(round.now, round.history);
        let is_done = match &kind.walk {
            Walk::ByMoment { postgres, sqlite } => {
                let rows = self.remove(postgres, sqlite, values![round.moment, over_before, round.batch]).await?;
                round.removed[round.kind] += rows.len();
                for row in &rows {
                    round.moment = round.moment.max(row.get("position")?);
                }
                i64::try_from(rows.len()).unwrap_or(i64::MAX) < round.batch
            }
            Walk::ById { part, postgres, sqlite, sooner } => {
                let last = self.database.query_one(part, values![round.id, round.batch - 1]).await?;
                let until = last.as_ref().map(|row| row.get("position")).transpose()?.unwrap_or(Uuid::max());
                let mut values = values![round.id, until, over_before];
                values.extend(sooner.map(|limit| limit(round.now, round.history).into()));
                round.removed[round.kind] += self.remove(postgres, sqlite, values).await?.len();
                round.id = until;
                last.is_none()
            }
        };
        round.adapt(begun.elapsed());
        if is_done {
            round.kind += 1;
            (round.moment, round.id) = (i64::MIN, Uuid::nil());
        }
        Ok(round.kind < KINDS.len())
    }

    async fn remove(&self, postgres: &'static str, sqlite: &'static str, values: Vec<Value>) -> Result<Vec<Row>> {
        let sql = if self.dialect() == Dialect::Postgres { postgres } else { sqlite };
        self.database.write(sql, values).await
    }

    /// Writes SQLite's write-ahead log back into the file and truncates it; under constant reads it would keep its
    /// size. Postgres does this by itself.
    pub async fn shorten_journal(&self) -> Result<()> {
        match self.dialect() {
            Dialect::Postgres => Ok(()),
            Dialect::Sqlite => self.database.write("PRAGMA wal_checkpoint(TRUNCATE)", vec![]).await.map(drop),
        }
    }
}
