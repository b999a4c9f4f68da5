//! The state of the database: the audit trail lists exactly the writes that happened, and the numbers of the log rise.

use std::collections::HashSet;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

use super::actor::{Actor, RETURNED};

/// What the previous comparison found in the database.
pub(super) struct Records {
    /// The audit records.
    seen: HashSet<String>,
    /// How many entries the log had, and the highest number.
    numbers: (i64, i64),
    is_new: bool,
}

#[derive(Clone, Debug)]
struct Record {
    id: String,
    request_id: String,
    action: String,
    target: String,
}

impl Records {
    pub(super) fn new() -> Self {
        Self { seen: HashSet::new(), numbers: (0, 0), is_new: true }
    }

    /// Compares what was written with what was acknowledged, and tells the actors the outcome of requests in doubt. The
    /// first time, everything is accepted as it is.
    pub(super) async fn check(&mut self, database: &str, actors: &mut [Actor]) {
        let mut new = records(database).await;
        new.retain(|record| self.seen.insert(record.id.clone()));
        let mut numbers = vec![];
        for actor in actors.iter_mut() {
            numbers.append(&mut actor.numbers);
            for write in actor.acknowledged.drain(..) {
                let before = new.len();
                new.retain(|record| {
                    (&record.request_id, &*record.action, &record.target)
                        != (&write.request_id, write.action, &write.target)
                });
                assert_eq!(before - new.len(), 1, "{}: records of {write:?}, which was acknowledged", actor.name);
            }
        }
        // Repeats of refreshes, and secrets that are presented after their end: they change nothing else that is
        // acknowledged.
        new.retain(|record| !["session.refresh.repeat", "client.throttled"].contains(&&*record.action));
        for actor in actors.iter_mut() {
            if let Some(pending) = &actor.pending {
                let before = new.len();
                new.retain(|record| record.action != pending.action || !record.target.starts_with(&pending.target));
                actor.resolve(new.len() < before);
            }
        }
        assert!(self.is_new || new.is_empty(), "records of what nobody has done: {new:?}");
        self.check_the_log(database, &numbers).await;
        self.is_new = false;
    }

    /// The log only grows, at its end; each entry names the one before it.
    async fn check_the_log(&mut self, database: &str, acknowledged: &[i64]) {
        let (count, highest) = self.numbers;
        let old = format!("SELECT count(*) FROM changes WHERE number <= {highest}");
        assert_eq!(number(database, &old).await, Some(count), "entries up to number {highest}");
        let broken = "SELECT count(*) FROM changes l WHERE number IS NULL OR (previous > 0 AND NOT EXISTS \
                      (SELECT 1 FROM changes b WHERE b.number = l.previous))";
        assert_eq!(number(database, broken).await, Some(0), "entries whose predecessor is not there");
        for acknowledged in acknowledged {
            assert!(*acknowledged > highest, "number {acknowledged} comes after {highest}");
            let there = format!("SELECT count(*) FROM changes WHERE number = {acknowledged}");
            assert_eq!(number(database, &there).await, Some(1), "revocation {acknowledged}, which was acknowledged");
        }
        let now = async |what: &str| number(database, &format!("SELECT {what} FROM changes")).await.unwrap();
        self.numbers = (now("count(number)").await, now("coalesce(max(number), 0)").await);
    }
}

async fn records(database: &str) -> Vec<Record> {
    // Only the last minutes: all of them would soon be too many.
    let select = |id: &str, token: &str, now: &str| {
        AssertSqlSafe(format!(
            "SELECT {id} AS id, coalesce(request_id, ''), action, target FROM audit WHERE at > ({now} - 300) * 1000 \
             UNION ALL SELECT {id}, '', '{RETURNED}', 'token ' || {token} FROM changes WHERE kind = 'token' \
             AND reason = 'revoked by the client' AND created_at > ({now} - 300) * 1000"
        ))
    };
    macro_rules! read {
        ($rows:expr) => {
            $rows
                .iter()
                .map(|row| Record { id: row.get(0), request_id: row.get(1), action: row.get(2), target: row.get(3) })
                .collect()
        };
    }
    if database.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(database).await.unwrap();
        let rows = sqlx::query(select("hex(id)", "lower(hex(target_id))", "unixepoch()"))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        return read!(rows);
    }
    let mut connection = PgConnection::connect(database).await.unwrap();
    let now = "extract(epoch FROM now())::bigint";
    let rows = sqlx::query(select("id::text", "replace(target_id::text, '-', '')", now))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    read!(rows)
}

/// The one number that a statement returns; `None` when the database does not answer.
pub(super) async fn number(database: &str, sql: &str) -> Option<i64> {
    let sql = AssertSqlSafe(sql.to_owned());
    if database.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(database).await.ok()?;
        return sqlx::query_scalar(sql).fetch_one(&mut connection).await.ok();
    }
    let mut connection = PgConnection::connect(database).await.ok()?;
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.ok()
}

/// Runs a statement on Postgres.
pub(super) async fn execute(database: &str, sql: &str) {
    let mut connection = PgConnection::connect(database).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}
