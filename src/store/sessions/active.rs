//! The sessions that have not ended, for people who administer. No index has which sessions live, so only so many are looked at, the
//! newest first.

use uuid::Uuid;

use crate::protocol::revocation::Target;
use crate::protocol::time::Timestamp;
use crate::store::row::{Value, values};
use crate::store::sessions::find::SessionFilter;
use crate::store::sessions::record::{SessionRecord, record, session_records};
use crate::store::{Looked, Page, Result, Store};

/// The sessions of each kind of target, or of a filter, in the order of an index; the ones below use this order.
const OF_USER: &str =
    "SELECT id FROM sessions WHERE user_id = $3 AND NOT ended AND id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2";
const OF_CLIENT: &str = "SELECT id FROM sessions WHERE client_id = $3 AND id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2";
const OF_ALL: &str = "SELECT id FROM sessions WHERE id < $1 ORDER BY id DESC LIMIT 1 OFFSET $2";

/// That a session has not ended by itself at the time `$1`, nor by a revocation of everything. A code that was not redeemed is none
/// yet. What a revocation of one client or one user covers is told by one number too, if it is that of the list. The sum keeps SQLite from
/// the index of the expiry, which leads to all that live.
macro_rules! is_active {
    () => {
        "NOT s.ended AND s.idle_expires_at > $1 AND s.expires_at + 0 > $1 AND (s.login IS NULL OR s.generation > 0) \
         AND s.sequence >= (SELECT COALESCE(max(number), 0) FROM changes WHERE kind = 'all')"
    };
}
macro_rules! of_user {
    ($parameter:literal) => {
        concat!(
            "s.user_id = ",
            $parameter,
            " AND s.sequence >= (SELECT COALESCE(max(number), 0) FROM changes WHERE kind = 'user' AND target_name = \
             (SELECT sub FROM users WHERE id = ",
            $parameter,
            ")) AND "
        )
    };
}
macro_rules! of_client {
    ($parameter:literal) => {
        concat!(
            "s.client_id = ",
            $parameter,
            " AND s.sequence >= (SELECT COALESCE(max(number), 0) FROM changes WHERE kind = 'client' AND target_name = ",
            $parameter,
            ") AND "
        )
    };
}

/// Counts active sessions under a condition on `$3`, from the id `$2` on. Those that a revocation covers have ended.
macro_rules! count_active {
    ($($condition:tt)*) => {
        concat!(
            "SELECT count(*) AS sessions FROM sessions s WHERE ",
            $($condition)*,
            "s.id >= $2 AND ",
            is_active!(),
            " AND NOT EXISTS (SELECT 1 FROM changes WHERE target_id = s.id AND kind = 'session') \
             AND NOT EXISTS (SELECT 1 FROM changes WHERE target_name = s.sub AND kind = 'user' AND number > s.sequence) \
             AND NOT EXISTS (SELECT 1 FROM changes WHERE target_name = s.client_id AND kind = 'client' AND number > s.sequence)"
        )
    };
}

/// Lists active sessions under a condition on the parameters from `$5` on.
macro_rules! list_active {
    ($($condition:tt)*) => {
        session_records!(
            "sessions",
            concat!(
                "WHERE ",
                $($condition)*,
                "s.id < $4 AND s.id >= $2 AND ",
                is_active!(),
                " AND r.number IS NULL ORDER BY s.id DESC LIMIT $3"
            )
        )
    };
}

impl Store {
    /// How many active sessions a revocation of this would cover, among the newest `looks` of its sessions, and whether these are all.
    /// A token is no session.
    pub async fn sessions_covered(&self, target: &Target, now: Timestamp, looks: i64) -> Result<(u64, bool)> {
        let (count, order, of): (_, _, Option<Value>) = match target {
            Target::Session(id) => (count_active!("s.id = $3 AND "), None, Some((*id).into())),
            Target::User(sub) => {
                let user = self.database.query_one("SELECT id FROM users WHERE sub = $1", values![sub]).await?;
                let Some(user) = user else { return Ok((0, true)) };
                (count_active!(of_user!("$3")), Some(OF_USER), Some(user.get::<Uuid>("id")?.into()))
            }
            Target::Client(client_id) => {
                (count_active!(of_client!("$3")), Some(OF_CLIENT), Some(client_id.as_str().into()))
            }
            Target::All => (count_active!(""), Some(OF_ALL), None),
            Target::Token(_) | Target::Key(_) => return Ok((0, true)),
        };
        let looked_to = match order {
            Some(order) => self.looked_to(order, Uuid::max(), looks, of.clone()).await?,
            None => None,
        };
        let mut values = values![now, looked_to.unwrap_or(Uuid::nil())];
        values.extend(of);
        let row = self.database.query_one(count, values).await?;
        let count = row.map_or(Ok(0), |row| row.get::<i64>("sessions"))?;
        Ok((count.unsigned_abs(), looked_to.is_none()))
    }

    /// The last of the first `looks` sessions below an id, if there are so many.
    async fn looked_to(
        &self,
        order: &'static str,
        before: Uuid,
        looks: i64,
        of: Option<Value>,
    ) -> Result<Option<Uuid>> {
        let mut values = values![before, looks - 1];
        values.extend(of);
        self.database.query_one(order, values).await?.map(|row| row.get("id")).transpose()
    }

    /// Active sessions, the newest first; the key of a page is the id. At most `looks` sessions are looked at.
    pub async fn session_list_active(
        &self,
        filter: &SessionFilter,
        now: Timestamp,
        page: &Page,
        looks: i64,
    ) -> Result<Looked<SessionRecord>> {
        // One for each filter, so that each finds its index: for both, that of the user, in the order of the list.
        let (order, list) = match (filter.user, &filter.client) {
            (None, None) => (OF_ALL, list_active!("")),
            (Some(_), None) => (OF_USER, list_active!(of_user!("$5"))),
            (None, Some(_)) => (OF_CLIENT, list_active!(of_client!("$5"))),
            (Some(_), Some(_)) => (OF_USER, list_active!(of_user!("$5"), "s.client_id || '' = $6 AND ")),
        };
        let before = page.after.as_deref().and_then(|key| key.parse::<Uuid>().ok()).unwrap_or(Uuid::max());
        let mut of = Vec::from_iter(filter.user.map(Value::from));
        of.extend(filter.client.as_deref().map(Value::from));
        let looked_to = self.looked_to(order, before, looks, of.first().cloned()).await?;
        let mut values = values![now, looked_to.unwrap_or(Uuid::nil()), page.limit, before];
        values.extend(of);
        let rows = self.database.query(list, values).await?;
        let found = rows.iter().map(record).collect::<Result<Vec<_>>>()?;
        let is_full = i64::try_from(found.len()) == Ok(page.limit);
        let looked_to = looked_to.filter(|_| !is_full).map(|id| id.to_string());
        Ok(Looked { found, looked_to })
    }
}
