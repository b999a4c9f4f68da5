//! Cleanup: expired rows are removed in small batches.
//!
//! A batch is short and skips rows that another transaction has locked; the next round finds those. So two nodes that
//! clean up at once share the work and block neither each other nor a request.
//!
//! The size of a batch adapts to the time it takes, because a batch holds SQLite's only writer, and how many rows fit
//! into 50 ms depends on the disk and the load.
//!
//! A round walks along an index and never turns back, because Postgres keeps removed rows in its indexes until the next
//! vacuum, and starting over for each batch would pass all of them again.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::protocol::time::Timestamp;
use crate::store::database::Dialect;
use crate::store::row::{Value, values};
use crate::store::{Result, Store};

/// Rows that the first batch of a round examines.
const FIRST_BATCH: i64 = 100;
/// The fewest and the most rows that a batch examines. Fewer would only cost more commits.
const BATCHES: (i64, i64) = (500, 5000);
/// The time that a batch may take. Batches shrink above it and grow below half of it.
const BATCH_TIME: Duration = Duration::from_millis(50);
/// The least seconds for which a revocation is kept after everything it covers has expired. If a clock that is ahead
/// removed it early, the token would be valid again once the clock is corrected.
const REVOCATIONS_KEPT: i64 = 30 * 24 * 3600;
/// Seconds for which audit records are kept.
const AUDIT_LIFE: i64 = 400 * 24 * 3600;
/// Seconds after which a silent node is forgotten.
const NODE_LIFE: i64 = 3600;
/// Seconds after the last failed login to an account until its failures are removed; by then they are forgiven.
const FAILURES_LIFE: i64 = 30 * 24 * 3600;
/// Seconds after the last login for which a user stays known on a network.
const NETWORK_LIFE: i64 = 180 * 24 * 3600;

/// The moment before which rows must have expired to be removed at the time of the first argument. The second argument
/// is how long, in seconds, expired rows are kept to explain refusals.
type Limit = fn(Timestamp, i64) -> Timestamp;

/// A kind of row that expires.
struct Kind {
    /// Its name in the metrics and the log.
    name: &'static str,
    over_before: Limit,
    walk: Walk,
}

/// How a round finds the rows of a kind.
enum Walk {
    /// Along an index on the moment at which they expire. `$1`: the moment to begin at; `$2`: the moment before which
    /// they must have expired; `$3`: the most rows. Returns the moments of the removed rows, as `position`.
    ByMoment { postgres: &'static str, sqlite: &'static str },
    /// Along the primary key, past all rows, because no index tells which have expired. `part` finds the last id of the
    /// `$2` rows after `$1`. The others remove the rows after `$1` up to `$2` that expired before `$3`.
    ById { part: &'static str, postgres: &'static str, sqlite: &'static str },
}

/// Removes the rows of a table whose moment has passed. The moment has an index.
#[rustfmt::skip]
macro_rules! by_moment {
    ($table:literal, $moment:literal $(, $condition:literal)?) => {
        Walk::ByMoment {
            postgres: concat!(
                "DELETE FROM ", $table, " WHERE ctid = ANY (ARRAY(SELECT ctid FROM ", $table, " WHERE ", $moment,
                " >= $1 AND ", $moment, " < $2 ", $("AND ", $condition,)? " ORDER BY ", $moment,
                " LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING ", $moment, " AS position"
            ),
            sqlite: concat!(
                "DELETE FROM ", $table, " WHERE rowid IN (SELECT rowid FROM ", $table, " WHERE ", $moment,
                " >= $1 AND ", $moment, " < $2 ", $("AND ", $condition,)? " ORDER BY ", $moment,
                " LIMIT $3) RETURNING ", $moment, " AS position"
            ),
        }
    };
}

/// Removes the rows of a table that meet a condition, part by part.
#[rustfmt::skip]
macro_rules! by_id {
    ($table:literal, $condition:literal) => {
        Walk::ById {
            part: concat!("SELECT id AS position FROM ", $table, " WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2"),
            postgres: concat!(
                "DELETE FROM ", $table, " WHERE ctid = ANY (ARRAY(SELECT ctid FROM ", $table,
                " WHERE id > $1 AND id <= $2 AND (", $condition, ") FOR UPDATE SKIP LOCKED)) RETURNING 1 AS one"
            ),
            sqlite: concat!(
                "DELETE FROM ", $table, " WHERE id > $1 AND id <= $2 AND (", $condition, ") RETURNING 1 AS one"
            ),
        }
    };
}

/// Everything that expires; a new kind is a new line here.
///
/// Conditions on another table are scalar subqueries. For EXISTS, Postgres may read that whole table in each batch.
#[rustfmt::skip]
const KINDS: [Kind; 8] = [
    // When an unused session ends changes at each refresh, so no index has it. A session that was ended is kept for as
    // long as one that expired; the log has the moment.
    Kind { name: "sessions", over_before: |now, history| now.plus_seconds(-history), walk: by_id!(
        "sessions",
        "expires_at < $3 OR idle_expires_at < $3 OR (ended AND (SELECT min(changes.created_at) FROM changes \
         WHERE changes.target_id = sessions.id AND changes.kind = 'session') < $3)"
    ) },
    Kind { name: "token_revocations", over_before: revocations, walk: by_moment!("changes", "covers_until", "kind = 'token'") },
    // After the sessions, because the cause of its end is told for as long as a session is kept. The list of kinds is
    // that of the index.
    Kind { name: "session_revocations", over_before: revocations, walk: by_moment!(
        "changes", "covers_until",
        "kind IN ('token', 'session', 'user', 'client', 'key', 'all') AND kind = 'session' AND \
         (SELECT sessions.id FROM sessions WHERE sessions.id = changes.target_id) IS NULL"
    ) },
    Kind { name: "log_entries", over_before: |now, _| now, walk: by_moment!("changes", "expires_at", "kind <> 'token'") },
    Kind { name: "audit_records", over_before: |now, _| now.plus_seconds(-AUDIT_LIFE), walk: by_moment!("audit", "at") },
    Kind { name: "nodes", over_before: |now, _| now.plus_seconds(-NODE_LIFE), walk: by_moment!("nodes", "heartbeat_at") },
    Kind { name: "guesses", over_before: |now, _| now.plus_seconds(-FAILURES_LIFE), walk: by_moment!("login_failures", "last_at") },
    Kind { name: "known_networks", over_before: |now, _| now.plus_seconds(-NETWORK_LIFE), walk: by_moment!("known_networks", "last_login_at") },
];

fn revocations(now: Timestamp, history: i64) -> Timestamp {
    now.plus_seconds(-history.max(REVOCATIONS_KEPT))
}

/// The names of the kinds of rows that cleanup removes.
pub(crate) fn swept_kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

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

/// A statement with the time of the database, in milliseconds, between its parts.
macro_rules! for_clock {
    ($store:ident, $first:literal $(, $next:literal)*) => {
        match $store.dialect() {
            Dialect::Postgres => {
                concat!($first $(, "(extract(epoch FROM clock_timestamp()) * 1000)::bigint", $next)*)
            }
            Dialect::Sqlite => concat!($first $(, "CAST(unixepoch('subsec') * 1000 AS INTEGER)", $next)*),
        }
    };
}

impl Store {
    /// Removes the next batch of a round. Returns whether the round continues.
    ///
    /// # Errors
    /// When the database does not answer. Calling again continues the round.
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
            Walk::ById { part, postgres, sqlite } => {
                let last = self.database.query_one(part, values![round.id, round.batch - 1]).await?;
                let until = last.as_ref().map(|row| row.get("position")).transpose()?.unwrap_or(Uuid::max());
                round.removed[round.kind] +=
                    self.remove(postgres, sqlite, values![round.id, until, over_before]).await?.len();
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

    async fn remove(
        &self,
        postgres: &'static str,
        sqlite: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<crate::store::row::Row>> {
        let sql = if self.dialect() == Dialect::Postgres { postgres } else { sqlite };
        self.database.write(sql, values).await
    }

    /// Takes the turn to clean up for a node until `hold` has passed, if no node has it and `rest` has passed since the
    /// last round. Times are by the clock of the database. A turn that seems taken for longer than either was taken
    /// before that clock was set back, and counts as free.
    pub async fn cleanup_take(&self, node: Uuid, hold: Duration, rest: Duration) -> Result<bool> {
        let sql = for_clock!(
            self,
            "UPDATE cleanup SET node = $1, free_at = ",
            " + $2 WHERE id = 1 AND (free_at <= ",
            " OR free_at > ",
            " + $3) RETURNING id"
        );
        let values = values![node, millis(hold), millis(hold.max(rest))];
        Ok(!self.database.write(sql, values).await?.is_empty())
    }

    /// Extends the turn of a node until `hold` from now. Returns whether the node still has it.
    pub async fn cleanup_hold(&self, node: Uuid, hold: Duration) -> Result<bool> {
        let sql = for_clock!(self, "UPDATE cleanup SET free_at = ", " + $2 WHERE id = 1 AND node = $1 RETURNING id");
        Ok(!self.database.write(sql, values![node, millis(hold)]).await?.is_empty())
    }

    /// Ends the turn of a node after a complete round: no node starts another before `rest` has passed.
    pub async fn cleanup_end(&self, node: Uuid, rest: Duration) -> Result<()> {
        let sql = for_clock!(
            self,
            "UPDATE cleanup SET node = NULL, ended_at = ",
            ", free_at = ",
            " + $2 WHERE id = 1 AND node = $1"
        );
        self.database.write(sql, values![node, millis(rest)]).await.map(drop)
    }

    /// When the last complete round of cleanup ended, on any node.
    pub async fn cleanup_ended_at(&self) -> Result<Option<Timestamp>> {
        let row = self.database.query_one("SELECT ended_at FROM cleanup WHERE id = 1", vec![]).await?;
        let ended_at: Option<i64> = row.map(|row| row.get("ended_at")).transpose()?.flatten();
        Ok(ended_at.map(Timestamp::from_millis))
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

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}
