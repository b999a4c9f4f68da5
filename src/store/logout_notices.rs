//! Notices of logouts that clients have not got yet (OpenID Connect Back-Channel Logout 1.0).
//!
//! They are written in the transaction that ends the sessions. Whoever delivers one takes it for a while: if that node stops, another
//! takes it when the while is over.

use uuid::Uuid;

use crate::protocol::logout::{LogoutNotice, MOST_NOTICES, NOTICE_LIFE};
use crate::protocol::time::Timestamp;
use crate::store::database::{Dialect, Transaction};
use crate::store::outbox::take;
use crate::store::row::{Row, values};
use crate::store::{Result, Store};

/// Whose sessions have ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum LoggedOut {
    /// All that began in any browser session of this user.
    User(Uuid),
    /// All that began in a browser session. Also those that have ended before, or expired: the client may keep a login of its own
    /// for longer than the session that it got here.
    BrowserSession(Uuid),
    /// This one, if it began in a browser session, unless the client was told already, when everything of the user ended.
    Session(Uuid),
}

/// Makes notices, for clients whose settings may name an address; whoever delivers looks again. The settings are not read as JSON,
/// because one client's must not be able to fail the logouts of others. A code that was not redeemed began nothing at its client,
/// and a client with the id of one that was deleted is another.
macro_rules! insert {
    ($has_address:literal, $condition:literal) => {
        concat!(
            "INSERT INTO logout_notices (session, client_id, sub, attempts, due_at, expires_at) \
             SELECT s.id, s.client_id, s.sub, 0, $2, $3 FROM (SELECT id, client_id, sub, created_at, \
             row_number() OVER (PARTITION BY client_id ORDER BY last_refreshed_at DESC, id DESC) AS place \
             FROM sessions WHERE generation > 0 AND ",
            $condition,
            ") s JOIN clients c ON c.client_id = s.client_id AND c.created_at <= s.created_at WHERE s.place <= $4 AND ",
            $has_address,
            " > 0 ON CONFLICT (session) DO NOTHING"
        )
    };
}

macro_rules! insert_for {
    ($dialect:expr, $condition:literal) => {
        match $dialect {
            Dialect::Postgres => insert!("strpos(c.settings, '\"backchannel_logout_uri\":\"')", $condition),
            Dialect::Sqlite => insert!("instr(c.settings, '\"backchannel_logout_uri\":\"')", $condition),
        }
    };
}

impl Transaction {
    /// Makes the notices that clients get of this.
    pub(super) async fn logout_notices_add(&mut self, ended: LoggedOut, now: Timestamp) -> Result<()> {
        let (sql, id) = match ended {
            LoggedOut::User(id) => {
                let sql = insert_for!(
                    self.dialect(),
                    "browser_session IN (SELECT b.id FROM browser_sessions b WHERE b.user_id = $1)"
                );
                (sql, id)
            }
            LoggedOut::BrowserSession(id) => (insert_for!(self.dialect(), "browser_session = $1"), id),
            LoggedOut::Session(id) => {
                let sql = insert_for!(
                    self.dialect(),
                    "id = $1 AND browser_session IS NOT NULL \
                     AND NOT EXISTS (SELECT 1 FROM changes g WHERE g.target_name = sub AND g.kind = 'user' AND g.number > sequence) \
                     AND NOT EXISTS (SELECT 1 FROM changes g WHERE g.kind = 'all' AND g.number > sequence)"
                );
                (sql, id)
            }
        };
        self.query(sql, values![id, now, now.plus_seconds(NOTICE_LIFE), MOST_NOTICES]).await.map(drop)
    }

    /// Ends the browser sessions of a user for good, which a revocation of the user in the same transaction ends anyway, and makes the
    /// notices.
    pub(super) async fn browser_sessions_end_with_notices(&mut self, user: Uuid, now: Timestamp) -> Result<()> {
        if self.dialect() == Dialect::Postgres {
            // Before the notices, as whoever ends one of them, so that no two transactions wait for each other.
            let lock = "SELECT id FROM browser_sessions WHERE user_id = $1 ORDER BY id FOR UPDATE";
            self.query(lock, values![user]).await?;
        }
        self.logout_notices_add(LoggedOut::User(user), now).await?;
        self.query("DELETE FROM browser_sessions WHERE user_id = $1", values![user]).await.map(drop)
    }
}

fn notice(row: &Row) -> Result<LogoutNotice> {
    Ok(LogoutNotice {
        session: row.get("session")?,
        client_id: row.get("client_id")?,
        sub: row.get("sub")?,
        attempts: row.get("attempts")?,
    })
}

impl Store {
    /// The clients with notices that are due, perhaps expired ones, at most 10,000. It costs a step for each client, however many
    /// notices wait.
    pub async fn logout_notices_due(&self, now: Timestamp) -> Result<Vec<String>> {
        let sql = "WITH RECURSIVE waiting (client_id) AS (SELECT min(client_id) FROM logout_notices UNION ALL \
                   SELECT (SELECT min(n.client_id) FROM logout_notices n WHERE n.client_id > w.client_id) \
                   FROM waiting w WHERE w.client_id IS NOT NULL) \
                   SELECT w.client_id FROM waiting w WHERE w.client_id IS NOT NULL AND \
                   (SELECT min(n.due_at) FROM logout_notices n WHERE n.client_id = w.client_id) <= $1 LIMIT 10000";
        self.database.query(sql, values![now]).await?.iter().map(|row| row.get("client_id")).collect()
    }

    /// Takes at most `limit` notices of a client that are due, the first that was due first, and counts the attempt. They are due again
    /// at `until`: nobody else takes them before.
    pub async fn logout_notices_take(
        &self,
        client_id: &str,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<LogoutNotice>> {
        let sql = take!(self.dialect(), "logout_notices", "client_id", "session");
        self.database.write(sql, values![client_id, now, until, limit]).await?.iter().map(notice).collect()
    }

    /// Lets a notice that was taken be due at another time, unless it was taken again.
    pub async fn logout_notice_postpone(&self, notice: &LogoutNotice, due_at: Timestamp) -> Result<()> {
        let sql = "UPDATE logout_notices SET due_at = $1 WHERE session = $2 AND attempts = $3";
        self.database.write(sql, values![due_at, notice.session, notice.attempts]).await.map(drop)
    }

    /// Removes a notice that was delivered or given up.
    pub async fn logout_notice_remove(&self, session: Uuid) -> Result<()> {
        self.database.write("DELETE FROM logout_notices WHERE session = $1", values![session]).await.map(drop)
    }

    /// Removes the notices of a client that cannot be told. Returns how many.
    pub async fn logout_notices_discard(&self, client_id: &str) -> Result<usize> {
        let sql = "DELETE FROM logout_notices WHERE client_id = $1 RETURNING session";
        Ok(self.database.write(sql, values![client_id]).await?.len())
    }

    /// Removes at most `limit` notices whose time is over. Returns how many.
    pub async fn logout_notices_expire(&self, now: Timestamp, limit: i64) -> Result<usize> {
        let over = "SELECT session FROM logout_notices WHERE expires_at <= $1 LIMIT $2";
        if self.database.query_one(over, values![now, 1_i64]).await?.is_none() {
            return Ok(0);
        }
        let sql = "DELETE FROM logout_notices WHERE session IN (SELECT session FROM logout_notices WHERE expires_at <= $1 \
                   LIMIT $2) RETURNING session";
        Ok(self.database.write(sql, values![now, limit]).await?.len())
    }

    /// Ends at most `limit` browser sessions that the revocation of everything has ended, and makes the notices: that may be too many for
    /// the transaction that revokes. Returns how many it ended.
    pub async fn browser_sessions_end_revoked(&self, limit: i64, now: Timestamp) -> Result<usize> {
        macro_rules! revoked {
            ($lock:literal) => {
                concat!(
                    "SELECT id FROM browser_sessions WHERE sequence < (SELECT max(number) FROM changes WHERE kind = 'all') \
                     ORDER BY sequence LIMIT $1 ",
                    $lock
                )
            };
        }
        if self.database.query_one(revoked!(""), values![1_i64]).await?.is_none() {
            return Ok(0);
        }
        let mut transaction = self.database.begin().await?;
        let sql = match self.dialect() {
            Dialect::Postgres => revoked!("FOR UPDATE SKIP LOCKED"),
            Dialect::Sqlite => revoked!(""),
        };
        let ended = transaction.query(sql, values![limit]).await?;
        for row in &ended {
            let id: Uuid = row.get("id")?;
            transaction.query("DELETE FROM browser_sessions WHERE id = $1", values![id]).await?;
            transaction.logout_notices_add(LoggedOut::BrowserSession(id), now).await?;
        }
        transaction.commit().await?;
        Ok(ended.len())
    }
}
