//! One node at a time has the turn to clean up.

use std::time::Duration;

use uuid::Uuid;

use crate::protocol::time::Timestamp;
use crate::store::database::Dialect;
use crate::store::row::values;
use crate::store::{Result, Store};

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
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}
