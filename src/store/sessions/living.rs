//! The sessions that have not ended, for people who administer.

use uuid::Uuid;

use crate::protocol::revocation::Target;
use crate::protocol::time::Timestamp;
use crate::store::row::{Value, values};
use crate::store::sessions::find::SessionFilter;
use crate::store::sessions::record::{SessionRecord, record, session_records};
use crate::store::{Page, Result, Store};

/// Counts living sessions under a condition on `$3`, at the time `$1`, at most `$2` of them. Those that a revocation covers have
/// ended, and a code that was not redeemed is none yet.
macro_rules! count_living {
    ($condition:literal) => {
        concat!(
            "SELECT count(*) AS sessions FROM (SELECT s.id FROM sessions s WHERE ",
            $condition,
            " AND NOT s.ended AND s.idle_expires_at > $1 AND s.expires_at > $1 AND (s.login IS NULL OR s.generation > 0) \
             AND NOT EXISTS (SELECT 1 FROM changes WHERE target_id = s.id AND kind = 'session') \
             AND NOT EXISTS (SELECT 1 FROM changes WHERE target_name = s.sub AND kind = 'user' AND number > s.sequence) \
             AND NOT EXISTS (SELECT 1 FROM changes WHERE target_name = s.client_id AND kind = 'client' AND number > s.sequence) \
             AND NOT EXISTS (SELECT 1 FROM changes WHERE kind = 'all' AND number > s.sequence) LIMIT $2) living"
        )
    };
}

impl Store {
    /// How many living sessions a revocation of this would cover, counted up to `most`. A token is no session.
    pub async fn sessions_covered(&self, target: &Target, now: Timestamp, most: u64) -> Result<u64> {
        let (sql, of): (_, Option<Value>) = match target {
            Target::Session(id) => (count_living!("s.id = $3"), Some((*id).into())),
            Target::User(sub) => {
                (count_living!("s.user_id = (SELECT id FROM users WHERE sub = $3)"), Some(sub.as_str().into()))
            }
            Target::Client(client_id) => (count_living!("s.client_id = $3"), Some(client_id.as_str().into())),
            Target::All => (count_living!("TRUE"), None),
            Target::Token(_) | Target::Key(_) => return Ok(0),
        };
        let mut values = values![now, i64::try_from(most).unwrap_or(i64::MAX)];
        values.extend(of);
        let row = self.database.query_one(sql, values).await?;
        let count = row.map_or(Ok(0), |row| row.get::<i64>("sessions"))?;
        Ok(count.unsigned_abs())
    }

    /// Living sessions, the newest first; the key of a page is the id.
    pub async fn session_list_living(
        &self,
        filter: &SessionFilter,
        now: Timestamp,
        page: &Page,
    ) -> Result<Vec<SessionRecord>> {
        // One for each filter, so that each finds its index.
        let sql = match (filter.user, &filter.client) {
            (None, None) => session_records!(
                "sessions",
                "WHERE s.id < $1 AND NOT s.ended AND s.idle_expires_at > $2 AND s.expires_at > $2 \
                 AND (s.login IS NULL OR s.generation > 0) AND r.number IS NULL ORDER BY s.id DESC LIMIT $3"
            ),
            (Some(_), None) => session_records!(
                "sessions",
                "WHERE s.user_id = $4 AND s.id < $1 AND NOT s.ended AND s.idle_expires_at > $2 AND s.expires_at > $2 \
                 AND (s.login IS NULL OR s.generation > 0) AND r.number IS NULL ORDER BY s.id DESC LIMIT $3"
            ),
            (None, Some(_)) => session_records!(
                "sessions",
                "WHERE s.client_id = $4 AND s.id < $1 AND NOT s.ended AND s.idle_expires_at > $2 AND s.expires_at > $2 \
                 AND (s.login IS NULL OR s.generation > 0) AND r.number IS NULL ORDER BY s.id DESC LIMIT $3"
            ),
            (Some(_), Some(_)) => session_records!(
                "sessions",
                "WHERE s.user_id = $4 AND s.client_id = $5 AND s.id < $1 AND NOT s.ended AND s.idle_expires_at > $2 AND s.expires_at > $2 \
                 AND (s.login IS NULL OR s.generation > 0) AND r.number IS NULL ORDER BY s.id DESC LIMIT $3"
            ),
        };
        let before = page.after.as_deref().and_then(|key| key.parse::<Uuid>().ok()).unwrap_or(Uuid::max());
        let mut values = values![before, now, page.limit];
        values.extend(filter.user.map(Value::from));
        values.extend(filter.client.as_deref().map(Value::from));
        self.database.query(sql, values).await?.iter().map(record).collect()
    }
}
