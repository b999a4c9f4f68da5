//! Ending several sessions at once.

use uuid::Uuid;

use crate::protocol::cause::Cause;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::time::Timestamp;
use crate::store::changes::LogTransaction;
use crate::store::row::{Row, values};
use crate::store::{Audited, Result};

/// The most sessions that one transaction ends: each is an entry of the log, which other writers wait for while it is numbered.
pub(in crate::store) const ENDED_AT_ONCE: i64 = 500;

/// How far a method came that ends sessions, a bounded number in one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There was nothing to end.
    Nothing,
    /// There may be more: call it again.
    Part,
    /// Everything has ended.
    Whole,
}

/// Ends active sessions, at most `$3`, at the time `$2`. `$1` is true; the condition has further values. A session whose code was
/// never redeemed expires besides: no revocation will tell that it is over.
macro_rules! end_sessions {
    ($dialect:expr, $which:literal) => {
        match $dialect {
            // Locked in the order of refreshes, so that the two cannot deadlock.
            $crate::store::database::Dialect::Postgres => {
                end_sessions!("= ANY (ARRAY(", $which, " FOR NO KEY UPDATE))")
            }
            $crate::store::database::Dialect::Sqlite => end_sessions!("IN (", $which, ")"),
        }
    };
    ($before:literal, $which:literal, $after:literal) => {
        concat!(
            "UPDATE sessions SET ended = $1, \
             idle_expires_at = CASE WHEN generation = 0 AND login IS NOT NULL THEN $2 ELSE idle_expires_at END WHERE id ",
            $before,
            "SELECT id FROM sessions WHERE NOT ended AND idle_expires_at > $2 AND expires_at > $2 AND ",
            $which,
            " ORDER BY id LIMIT $3",
            $after,
            " AND NOT ended RETURNING id, (generation = 0 AND login IS NOT NULL) AS is_unredeemed"
        )
    };
}
pub(in crate::store) use end_sessions;

impl LogTransaction {
    /// Marks a session as ended; its revocation says so to the nodes.
    pub(in crate::store) async fn end_session(&mut self, id: Uuid) -> Result<()> {
        self.query("UPDATE sessions SET ended = $1 WHERE id = $2", values![true, id]).await.map(drop)
    }

    /// Revokes sessions, by the rows of [`end_sessions`], which this transaction has run. What was never redeemed has no tokens, and
    /// its code is good only by its row: no node has to hear of it.
    pub(in crate::store) async fn revoke_sessions(
        &mut self,
        ended: &[Row],
        reason: &str,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<()> {
        for row in ended {
            if row.get("is_unredeemed")? {
                continue;
            }
            let target = Target::Session(row.get("id")?);
            let reason = Some(reason.to_owned());
            let revocation = NewRevocation { target, cause: Cause::SessionRevoked, reason, covers_until };
            self.revoke(&revocation, audited).await?;
        }
        Ok(())
    }
}
