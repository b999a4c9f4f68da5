//! Browser sessions: people logged in at a browser. The cookie is kept as a hash.

use std::collections::{BTreeMap, HashMap};

use serde_json::json;
use uuid::Uuid;

use crate::protocol::browser::BrowserSession;
use crate::protocol::time::Timestamp;
use crate::protocol::user::User;
use crate::store::changes::{Logged, is_unrevoked};
use crate::store::database::{Database, Dialect};
use crate::store::logout_notices::LoggedOut;
use crate::store::row::{Row, array, hex, to_json, values};
use crate::store::sessions::{ENDED_AT_ONCE, end_sessions};
use crate::store::users::{user, user_columns};
use crate::store::{Audited, Ended, Result, Store};

/// The most browser sessions that one transaction ends.
const BROWSERS_ENDED_AT_ONCE: i64 = 100;
/// Seconds since its last use for which a session that has ended or expired goes on to the next login at the same browser.
const STAYS_KNOWN: i64 = 24 * 3600;

/// A browser session, with its user as it is now.
#[derive(Clone, Debug)]
pub struct BrowserSessionRecord {
    /// The session.
    pub session: BrowserSession,
    /// Its user.
    pub user: User,
}

/// Which browser sessions of a user end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// This one.
    One(Uuid),
    /// All but this one.
    AllBut(Uuid),
}

/// A question for the browser session of a cookie: the hash of the cookie, and the time.
pub(in crate::store) type CookieFind = ([u8; 32], Timestamp);

/// Browser sessions with their users; what follows the tables is given.
macro_rules! browser_sessions {
    ($($rest:expr),+) => {
        concat!(
            "SELECT b.id, b.secret_hash, b.methods, b.sequence, b.network, b.agent, b.created_at, b.authenticated_at, b.last_seen_at, \
             b.idle_expires_at, b.expires_at, ",
            user_columns!(),
            " FROM browser_sessions b JOIN users u ON u.id = b.user_id ",
            $($rest),+
        )
    };
}

/// That a browser session has not ended at a time: not expired, its user enabled, and nothing revoked since it began.
macro_rules! is_active {
    () => {
        is_active!("$1")
    };
    ($now:literal) => {
        concat!("u.enabled AND b.idle_expires_at > ", $now, " AND b.expires_at > ", $now, " AND ", is_unrevoked!())
    };
}

/// That clients have something of a browser session which ends with it.
macro_rules! is_in_use {
    () => {
        "EXISTS (SELECT 1 FROM sessions s WHERE s.browser_session = b.id AND NOT s.ended AND NOT s.offline \
         AND s.idle_expires_at > $1 AND s.expires_at > $1)"
    };
}

/// The browser sessions that end.
macro_rules! which {
    () => {
        "SELECT id FROM browser_sessions WHERE user_id = $1 AND (id = $2) = $3 ORDER BY id LIMIT $4"
    };
}

fn record(row: &Row) -> Result<BrowserSessionRecord> {
    let user = user(row)?;
    Ok(BrowserSessionRecord {
        session: BrowserSession {
            id: row.get("id")?,
            user_id: user.id,
            methods: row.json("methods")?,
            log: row.get("sequence")?,
            network: row.get("network")?,
            agent: row.get("agent")?,
            created_at: row.moment("created_at")?,
            authenticated_at: row.moment("authenticated_at")?,
            last_seen_at: row.moment("last_seen_at")?,
            idle_expires_at: row.moment("idle_expires_at")?,
            expires_at: row.moment("expires_at")?,
        },
        user,
    })
}

/// Finds the browser sessions of several cookies with one statement. Of two questions for one cookie, the first one's time counts.
pub(in crate::store) async fn find_all_of_cookies(
    database: &Database,
    asked: Vec<CookieFind>,
) -> Result<Vec<Result<Option<BrowserSessionRecord>>>> {
    let distinct: BTreeMap<_, _> = asked.iter().rev().copied().collect();
    let members = distinct.iter().map(|(hash, now)| json!({"hash": hex(hash), "now": now.millis()}));
    let (sql, members) = match database.dialect() {
        Dialect::Postgres => (
            browser_sessions!(
                "JOIN unnest($1::text::jsonb[]) AS asked(value) ON b.secret_hash = decode(asked.value ->> 'hash', 'hex') WHERE ",
                is_active!("CAST(asked.value ->> 'now' AS BIGINT)")
            ),
            array(members),
        ),
        Dialect::Sqlite => (
            browser_sessions!(
                "JOIN json_each($1) AS asked ON b.secret_hash = unhex(asked.value ->> 'hash') WHERE ",
                is_active!("CAST(asked.value ->> 'now' AS BIGINT)")
            ),
            to_json(&members.collect::<Vec<_>>())?,
        ),
    };
    let rows = database.query(sql, values![members]).await?;
    let found = rows.iter().map(|row| Ok((row.hash("secret_hash")?, record(row))));
    let found = found.collect::<Result<HashMap<_, _>>>()?;
    Ok(asked.iter().map(|(hash, _)| found.get(hash).cloned().transpose()).collect())
}

impl Store {
    /// Begins a browser session, known by the hash of its cookie, if the user has not changed since this version was verified;
    /// the one with the id `replaced` ends. What the same user got for clients in that one goes on in this one. Returns whether it
    /// began.
    pub async fn browser_session_create(
        &self,
        session: &BrowserSession,
        secret_hash: [u8; 32],
        user_version: i64,
        replaced: Option<Uuid>,
        audited: &Audited,
    ) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let sql = "INSERT INTO browser_sessions (id, secret_hash, user_id, methods, sequence, network, agent, created_at, \
                   authenticated_at, last_seen_at, idle_expires_at, expires_at) \
                   SELECT $1, $2, u.id, $3, h.number, $4, $5, $6, $7, $8, $9, $10 FROM users u, change_head h \
                   WHERE u.id = $11 AND u.version = $12 AND u.enabled AND h.id = 1 RETURNING id";
        let values = values![
            session.id,
            secret_hash,
            to_json(&session.methods)?,
            &session.network,
            &session.agent,
            session.created_at,
            session.authenticated_at,
            session.last_seen_at,
            session.idle_expires_at,
            session.expires_at,
            session.user_id,
            user_version
        ];
        if transaction.query_one(sql, values).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(false);
        }
        if let Some(id) = replaced {
            // Of one that ended meanwhile, nothing goes on. A client may keep a login of its own for a while longer than its session.
            let delete = "DELETE FROM browser_sessions WHERE id = $1 RETURNING id";
            if transaction.query_one(delete, values![id]).await?.is_some() {
                let sql = "UPDATE sessions SET browser_session = $1 WHERE browser_session = $2 AND user_id = $3 \
                           AND ((generation > 0 AND last_refreshed_at > $5) OR (NOT ended AND idle_expires_at > $4 AND expires_at > $4))";
                let recently = session.created_at.plus_seconds(-STAYS_KNOWN);
                transaction.query(sql, values![session.id, id, session.user_id, session.created_at, recently]).await?;
            }
        }
        transaction.audit(audited, "login", format!("user {}", session.user_id), None).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The browser session of a cookie with this hash, unless it has ended. Concurrent calls share a statement.
    pub async fn browser_session_find(
        &self,
        secret_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<BrowserSessionRecord>> {
        self.cookie_finds.ask((secret_hash, now)).await
    }

    /// The browser session of a cookie with this hash, also one that has ended by itself, as long as clients have something of it:
    /// that goes on until the person logs out.
    pub async fn browser_session_known(
        &self,
        secret_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<BrowserSessionRecord>> {
        let sql = browser_sessions!("WHERE b.secret_hash = $2 AND (", is_in_use!(), " OR (", is_active!(), "))");
        let row = self.database.query_one(sql, values![now, secret_hash]).await?;
        row.as_ref().map(record).transpose()
    }

    /// Whether the browser session with this id has not ended.
    pub async fn browser_session_is_active(&self, id: Uuid, now: Timestamp) -> Result<bool> {
        let sql = browser_sessions!("WHERE ", is_active!(), " AND b.id = $2");
        Ok(self.database.query_one(sql, values![now, id]).await?.is_some())
    }

    /// The browser sessions of a user that have not ended, the newest first, at most 100.
    pub async fn browser_session_list(&self, user: Uuid, now: Timestamp) -> Result<Vec<BrowserSessionRecord>> {
        let sql = browser_sessions!(
            "WHERE ",
            is_active!(),
            " AND b.user_id = $2 ORDER BY b.created_at DESC, b.id DESC LIMIT 100"
        );
        self.database.query(sql, values![now, user]).await?.iter().map(record).collect()
    }

    /// Records that a browser session was used.
    pub async fn browser_session_seen(&self, id: Uuid, now: Timestamp, idle_expires_at: Timestamp) -> Result<()> {
        let sql = "UPDATE browser_sessions SET last_seen_at = $1, idle_expires_at = $2 WHERE id = $3";
        self.database.write(sql, values![now, idle_expires_at, id]).await.map(drop)
    }

    /// Records that the person of a browser session has just proved who they are. Returns false if it has ended meanwhile.
    pub async fn browser_session_authenticated(&self, id: Uuid, now: Timestamp) -> Result<bool> {
        let sql = "UPDATE browser_sessions SET authenticated_at = $1 WHERE id = $2 RETURNING id";
        Ok(!self.database.write(sql, values![now, id]).await?.is_empty())
    }

    /// Ends browser sessions of a user, also those that have expired, and what clients got in them for no longer than the login
    /// lasts (OpenID Connect RP-Initiated Logout §2). A browser session goes, and clients get their notices, once all of
    /// that has ended.
    pub async fn browser_session_end(
        &self,
        user: Uuid,
        which: Ending,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<Logged<Ended>> {
        let mut transaction = self.begin_logged().await?;
        let (id, is_one) = match which {
            Ending::One(id) => (id, true),
            Ending::AllBut(id) => (id, false),
        };
        // On Postgres, a session that begins in one of them comes before or after.
        let sql = match transaction.dialect() {
            Dialect::Postgres => concat!(which!(), " FOR UPDATE"),
            Dialect::Sqlite => which!(),
        };
        let ending = transaction.query(sql, values![user, id, is_one, BROWSERS_ENDED_AT_ONCE + 1]).await?;
        if ending.is_empty() {
            return transaction.roll_back(Ended::Nothing).await;
        }
        let (mut room, at_once) = (ENDED_AT_ONCE, usize::try_from(BROWSERS_ENDED_AT_ONCE).unwrap_or(usize::MAX));
        for row in ending.iter().take(at_once) {
            let id: Uuid = row.get("id")?;
            let sql = end_sessions!(transaction.dialect(), "browser_session = $4 AND user_id = $5 AND NOT offline");
            let sessions = transaction.query(sql, values![true, audited.at, room, id, user]).await?;
            transaction.revoke_sessions(&sessions, "the person logged out", covers_until, audited).await?;
            room -= i64::try_from(sessions.len()).unwrap_or(room);
            if room <= 0 {
                return transaction.commit(Ended::Part).await;
            }
            transaction.logout_notices_add(LoggedOut::BrowserSession(id), audited.at).await?;
            transaction.query("DELETE FROM browser_sessions WHERE id = $1", values![id]).await?;
        }
        if ending.len() > at_once {
            return transaction.commit(Ended::Part).await;
        }
        transaction.audit(audited, "logout", format!("user {user}"), None).await?;
        transaction.commit(Ended::Whole).await
    }
}
