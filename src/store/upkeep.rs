//! Upkeep: what is over is removed, in small batches.

use super::row::{Value, values};
use super::{Result, Store};
use crate::oauth::time::Timestamp;

/// The most rows that one statement removes.
const BATCH: i64 = 500;
/// Milliseconds for which audit records are kept.
const AUDIT_LIFE: i64 = 400 * 24 * 3600 * 1000;
/// Milliseconds after which a silent node is forgotten.
const NODE_LIFE: i64 = 3600 * 1000;

/// How many rows were removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions.
    pub sessions: usize,
    /// Revocations of tokens.
    pub revoked_tokens: usize,
    /// Other entries of the log.
    pub log_entries: usize,
    /// Audit records.
    pub audit_records: usize,
    /// Nodes.
    pub nodes: usize,
}

impl Swept {
    /// Whether a full batch of something was removed, so that there may be more.
    pub fn may_have_left_some(self) -> bool {
        [self.sessions, self.revoked_tokens, self.log_entries, self.audit_records]
            .iter()
            .any(|count| i64::try_from(*count) == Ok(BATCH))
    }
}

impl Store {
    /// Removes one batch of each kind of row that is over. Sessions, and revocations of tokens, are kept for `history`
    /// seconds more, so that they can be explained.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn sweep(&self, now: Timestamp, history: i64) -> Result<Swept> {
        let before = |life: i64| Timestamp::from_millis(now.millis() - life);
        let kept = now.plus_seconds(-history);
        let sessions = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 \
                        OR idle_expires_at < $1 LIMIT $2) RETURNING id";
        let tokens = "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE kind = 'token' AND covers_until < $1 \
                      LIMIT $2) RETURNING id";
        let others = "DELETE FROM log WHERE id IN (SELECT id FROM log WHERE expires_at < $1 AND kind <> 'token' \
                      LIMIT $2) RETURNING id";
        let audit = "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 LIMIT $2) RETURNING id";
        let nodes = "DELETE FROM nodes WHERE heartbeat_at < $1 RETURNING id";
        Ok(Swept {
            sessions: self.remove(sessions, values![kept, BATCH]).await?,
            revoked_tokens: self.remove(tokens, values![kept, BATCH]).await?,
            log_entries: self.remove(others, values![now, BATCH]).await?,
            audit_records: self.remove(audit, values![before(AUDIT_LIFE), BATCH]).await?,
            nodes: self.remove(nodes, values![before(NODE_LIFE)]).await?,
        })
    }

    async fn remove(&self, sql: &'static str, values: Vec<Value>) -> Result<usize> {
        Ok(self.database.write(sql, values).await?.len())
    }
}
