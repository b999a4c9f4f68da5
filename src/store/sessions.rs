//! Sessions: one row each, however often they are refreshed.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::crypto::equal_in_constant_time;
use crate::protocol::cause::Cause;
use crate::protocol::revocation::{NewRevocation, SequenceNumber, Target};
use crate::protocol::scope::Scope;
use crate::protocol::session::{MOST_RETRIES, Session};
use crate::protocol::time::Timestamp;
use crate::protocol::user::User;
use crate::store::database::{Database, Dialect};
use crate::store::log::Logged;
use crate::store::row::{Row, array, to_json, unreadable, values};
use crate::store::users::user;
use crate::store::{Audited, Page, Result, Store};
use crate::tokens::refresh::RefreshToken;

/// A session to create, and what was verified for it.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The session; the database fills in its sequence number.
    pub session: Session,
    /// The version of the user whose password was verified.
    pub user_version: i64,
    /// The version of the client that was authenticated.
    pub client_version: i64,
    /// How many sessions this user may have with this client.
    pub max_sessions: i64,
    /// Until when an access token of a session that ends now may live.
    pub covers_until: Timestamp,
}

/// A session with its present user and the revocation that covers it, if any.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    /// The session.
    pub session: Session,
    /// Its user, unless deleted.
    pub user: Option<User>,
    /// The number of the first revocation that covers it.
    pub revoked_by: Option<SequenceNumber>,
    /// The cause of that revocation.
    pub revoked_because: Option<Cause>,
}

impl SessionRecord {
    /// Whether a refresh token carries the nonce of this session; otherwise it comes from another database.
    pub fn has_nonce_of(&self, token: &RefreshToken) -> bool {
        equal_in_constant_time(&self.session.nonce_hash, &token.nonce_hash())
    }

    /// Why the user of the session may no longer log in, if that is so.
    pub fn lost_user(&self) -> Option<Cause> {
        match &self.user {
            None => Some(Cause::UserDeleted),
            Some(user) if !user.enabled => Some(Cause::UserDisabled),
            Some(_) => None,
        }
    }
}

/// Which sessions to list.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Of this user.
    pub user: Option<Uuid>,
    /// Of this client.
    pub client: Option<String>,
}

/// Sessions from a table or a query, each with its user and the first revocation that covers it: of itself, or a later
/// one of its user, its client or all.
macro_rules! held_session {
    ($from:literal, $rest:literal) => {
        concat!(
            "SELECT s.id, s.user_id AS session_user_id, s.client_id, s.scope, s.audiences, s.nonce_hash, s.generation, \
             s.retries, s.sequence, s.created_at, s.last_refreshed_at, s.idle_expires_at, s.expires_at, \
             s.sub AS session_sub, u.id AS user_id, u.sub AS user_sub, u.username, u.password_hash, u.scope AS user_scope, u.claims AS user_claims, \
             u.enabled AS user_enabled, u.created_at AS user_created_at, u.version AS user_version, \
             r.number AS revoked_by, r.cause AS revoked_because \
             FROM ",
            $from,
            " s LEFT JOIN users u ON u.id = s.user_id LEFT JOIN changes r ON r.number = COALESCE(\
             (SELECT min(number) FROM changes WHERE target_id = s.id AND kind = 'session'), \
             (SELECT min(number) FROM changes WHERE target_name = s.sub AND kind = 'user' AND number > s.sequence), \
             (SELECT min(number) FROM changes WHERE target_name = s.client_id AND kind = 'client' AND number > s.sequence), \
             (SELECT min(number) FROM changes WHERE kind = 'all' AND number > s.sequence)) ",
            $rest
        )
    };
}

fn session(row: &Row) -> Result<Session> {
    let scope: String = row.get("scope")?;
    Ok(Session {
        id: row.get("id")?,
        user_id: row.get("session_user_id")?,
        sub: row.get("session_sub")?,
        client_id: row.get("client_id")?,
        scope: Scope::parse(&scope).map_err(|error| unreadable("scope", &error))?,
        audiences: row.json("audiences")?,
        nonce_hash: row.hash("nonce_hash")?,
        generation: row.get("generation")?,
        retries: row.get("retries")?,
        log: row.get("sequence")?,
        created_at: row.moment("created_at")?,
        last_refreshed_at: row.moment("last_refreshed_at")?,
        idle_expires_at: row.moment("idle_expires_at")?,
        expires_at: row.moment("expires_at")?,
    })
}

fn held(row: &Row) -> Result<SessionRecord> {
    let has_user = row.get::<Option<Uuid>>("user_id")?.is_some();
    let cause: Option<String> = row.get("revoked_because")?;
    Ok(SessionRecord {
        session: session(row)?,
        user: has_user.then(|| user(row)).transpose()?,
        revoked_by: row.get("revoked_by")?,
        revoked_because: cause.map(|name| name.parse().unwrap_or(Cause::SessionRevoked)),
    })
}

/// A request to move a session to its next generation.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The session.
    pub id: Uuid,
    /// The client that refreshes.
    pub client_id: String,
    /// The generation that it presents.
    pub generation: i64,
    /// The time.
    pub now: Timestamp,
    /// When the session ends if it is not refreshed again.
    pub idle_expires_at: Timestamp,
}

/// An answer for each session that was asked for.
type Answers = Vec<Result<Option<SessionRecord>>>;

/// Finds several sessions with one statement.
pub(crate) async fn find_all(database: &Database, ids: Vec<Uuid>) -> Result<Answers> {
    let (sql, asked) = match database.dialect() {
        Dialect::Postgres => (held_session!("sessions", "WHERE s.id = ANY ($1::text::uuid[])"), array(ids.iter())),
        Dialect::Sqlite => {
            let hex: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
            (held_session!("sessions", "WHERE s.id IN (SELECT unhex(value) FROM json_each($1))"), to_json(&hex)?)
        }
    };
    let rows = database.query(sql, values![asked]).await?;
    let found = by_id(&rows)?;
    Ok(ids.iter().map(|id| found.get(id).cloned().transpose()).collect())
}

/// Moves several sessions to their next generation with one statement (on SQLite, one more reads them). Of several
/// calls for one session, one wins.
pub(crate) async fn rotate_all(database: &Database, rotations: Vec<Rotation>) -> Result<Answers> {
    // One rotation for each session, and in the same order on every node, so that two nodes cannot deadlock.
    let mut distinct: BTreeMap<Uuid, &Rotation> = BTreeMap::new();
    for rotation in &rotations {
        distinct.entry(rotation.id).or_insert(rotation);
    }
    let asked = distinct.values();
    let mut moved: HashMap<Uuid, Result<SessionRecord>> = match database.dialect() {
        Dialect::Postgres => {
            let sql = concat!(
                "WITH moved AS (UPDATE sessions SET generation = sessions.generation + 1, retries = 0, \
                 last_refreshed_at = asked.now, idle_expires_at = asked.idle FROM unnest($1::text::uuid[], \
                 $2::text::text[], $3::text::bigint[], $4::text::bigint[], $5::text::bigint[]) \
                 AS asked(id, client_id, generation, now, idle) \
                 WHERE sessions.id = asked.id AND sessions.client_id = asked.client_id \
                 AND sessions.generation = asked.generation AND NOT sessions.ended \
                 AND sessions.idle_expires_at > asked.now AND sessions.expires_at > asked.now RETURNING sessions.*) ",
                held_session!("moved", "")
            );
            let values = values![
                array(asked.clone().map(|rotation| rotation.id)),
                array(asked.clone().map(|rotation| &rotation.client_id)),
                array(asked.clone().map(|rotation| rotation.generation)),
                array(asked.clone().map(|rotation| rotation.now.millis())),
                array(asked.map(|rotation| rotation.idle_expires_at.millis()))
            ];
            by_id(&database.write(sql, values).await?)?
        }
        Dialect::Sqlite => {
            let sql = "UPDATE sessions SET generation = sessions.generation + 1, retries = 0, \
                       last_refreshed_at = asked.now, idle_expires_at = asked.idle \
                       FROM (SELECT unhex(value ->> 'id') AS id, value ->> 'client_id' AS client_id, \
                       value ->> 'generation' AS generation, value ->> 'now' AS now, value ->> 'idle' AS idle \
                       FROM json_each($1)) AS asked \
                       WHERE sessions.id = asked.id AND sessions.client_id = asked.client_id \
                       AND sessions.generation = asked.generation AND NOT sessions.ended \
                       AND sessions.idle_expires_at > asked.now AND sessions.expires_at > asked.now RETURNING id";
            let member = |rotation: &&Rotation| {
                json!({
                    "id": rotation.id.simple().to_string(),
                    "client_id": rotation.client_id,
                    "generation": rotation.generation,
                    "now": rotation.now.millis(),
                    "idle": rotation.idle_expires_at.millis(),
                })
            };
            let rows = database.write(sql, values![to_json(&asked.map(member).collect::<Vec<Value>>())?]).await?;
            let ids = rows.iter().map(|row| row.get("id")).collect::<Result<Vec<Uuid>>>()?;
            let held = find_all(database, ids.clone()).await?;
            ids.into_iter().zip(held).filter_map(|(id, held)| Some((id, held.transpose()?))).collect()
        }
    };
    // Only the first rotation of a session succeeds.
    let won = |rotation: &Rotation| {
        let is_it = distinct
            .get(&rotation.id)
            .is_some_and(|first| (first.generation, &first.client_id) == (rotation.generation, &rotation.client_id));
        if is_it { moved.remove(&rotation.id).transpose() } else { Ok(None) }
    };
    Ok(rotations.iter().map(won).collect())
}

/// A row that cannot be read fails its own session only.
fn by_id(rows: &[Row]) -> Result<HashMap<Uuid, Result<SessionRecord>>> {
    rows.iter().map(|row| Ok((row.get("id")?, held(row)))).collect()
}

impl Store {
    /// Creates a session, if user and client are still as they were verified; otherwise returns none. Returns its
    /// sequence number. Beyond the allowed number, the sessions unused longest end.
    pub async fn session_create(&self, new: &NewSession, audited: &Audited) -> Result<Logged<Option<SequenceNumber>>> {
        let session = &new.session;
        let mut transaction = self.begin_logged().await?;
        if transaction.dialect() == Dialect::Postgres {
            // Concurrent logins of a user wait for each other, so that each counts the sessions of the ones before.
            let lock = "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE";
            transaction.query(lock, values![session.user_id]).await?;
        }
        let insert = "INSERT INTO sessions (id, user_id, sub, client_id, scope, audiences, nonce_hash, generation, \
                      retries, sequence, created_at, last_refreshed_at, idle_expires_at, expires_at, ended) \
                      SELECT $1, u.id, u.sub, c.client_id, $2, $3, $4, $5, $6, h.number, $7, $8, $9, $10, $11 \
                      FROM users u, clients c, change_head h WHERE u.id = $12 AND u.version = $13 AND c.client_id = $14 \
                      AND c.version = $15 AND h.id = 1 RETURNING sequence";
        let values = values![
            session.id,
            session.scope.to_string(),
            to_json(&session.audiences)?,
            session.nonce_hash,
            session.generation,
            session.retries,
            session.created_at,
            session.last_refreshed_at,
            session.idle_expires_at,
            session.expires_at,
            false,
            session.user_id,
            new.user_version,
            &session.client_id,
            new.client_version
        ];
        let Some(row) = transaction.query_one(insert, values).await? else {
            return transaction.roll_back(None).await;
        };
        let surplus = "UPDATE sessions SET ended = $1 WHERE id IN (SELECT id FROM sessions WHERE user_id = $2 AND \
                       client_id = $3 AND NOT ended AND idle_expires_at > $6 AND expires_at > $6 AND id <> $4 ORDER BY last_refreshed_at DESC, id DESC \
                       LIMIT 1000 OFFSET $5) RETURNING id";
        let keep = new.max_sessions - 1;
        let values = values![true, session.user_id, &session.client_id, session.id, keep, session.created_at];
        let surplus = transaction.query(surplus, values).await?;
        for ended in &surplus {
            let revocation = NewRevocation {
                target: Target::Session(ended.get("id")?),
                cause: Cause::Superseded,
                reason: Some("the user has too many sessions with this client".into()),
                covers_until: new.covers_until,
            };
            transaction.revoke(&revocation, audited).await?;
        }
        let log = row.get("sequence")?;
        transaction.commit(Some(log)).await
    }

    /// A session with its user and the first revocation that covers it. Shares its statement with other calls.
    pub async fn session_find(&self, id: Uuid) -> Result<Option<SessionRecord>> {
        self.finds.ask(id).await
    }

    /// Sessions by id, oldest first; the key of a page is the id.
    pub async fn session_list(&self, filter: &SessionFilter, page: &Page) -> Result<Vec<SessionRecord>> {
        let sql = held_session!(
            "sessions",
            "WHERE ($1 IS NULL OR s.user_id = $1) AND ($2 IS NULL OR s.client_id = $2) \
             AND ($3 IS NULL OR s.id > $3) ORDER BY s.id LIMIT $4"
        );
        let after = page.after.as_deref().and_then(|key| key.parse::<Uuid>().ok());
        let values = values![filter.user, filter.client.clone(), after, page.limit];
        self.database.query(sql, values).await?.iter().map(held).collect()
    }

    /// Moves a session to its next generation, if it belongs to this client, is at this generation, and is neither over
    /// nor ended; gives it as it stands then. Whether its user or its client was revoked is for the caller to judge.
    /// Shares its statement, and the commit, with other calls.
    pub async fn session_rotate(&self, rotation: Rotation) -> Result<Option<SessionRecord>> {
        self.rotations.ask(rotation).await
    }

    /// Undoes a rotation from this generation whose request was refused, unless somebody has used it since.
    pub async fn session_give_back(&self, id: Uuid, generation: i64) -> Result<()> {
        // The token before the restored one must not pass for a retry.
        let sql = "UPDATE sessions SET generation = generation - 1, retries = $1 \
                   WHERE id = $2 AND generation = $3 AND retries = 0 AND NOT ended";
        self.database.write(sql, values![MOST_RETRIES, id, generation + 1]).await.map(drop)
    }

    /// Records a refresh without rotation. Returns whether the session was still at this generation.
    pub async fn session_keep(&self, id: Uuid, generation: i64, now: Timestamp, idle: Timestamp) -> Result<bool> {
        let sql = "UPDATE sessions SET last_refreshed_at = $1, idle_expires_at = $2 \
                   WHERE id = $3 AND generation = $4 AND NOT ended RETURNING id";
        Ok(!self.database.write(sql, values![now, idle, id, generation]).await?.is_empty())
    }

    /// Counts and records a repeated refresh. Returns false if the session changed meanwhile.
    pub async fn session_repeat(&self, session: &Session, audited: &Audited) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let sql = "UPDATE sessions SET retries = retries + 1 WHERE id = $1 AND generation = $2 AND retries = $3 \
                   AND NOT ended RETURNING id";
        let values = values![session.id, session.generation, session.retries];
        if transaction.query_one(sql, values).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(false);
        }
        let detail = Some(format!("repeat {} of generation {}", session.retries + 1, session.generation));
        transaction.audit(audited, "session.refresh.repeat", format!("session {}", session.id), detail).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
