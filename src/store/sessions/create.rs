//! Creating a session, and ending those beyond the allowed number.
//!
//! A code that was not redeemed is no session of its user yet: it ends none, and counts only among such codes. When it is redeemed,
//! [`Store::session_limit`] ends what is too much.

use crate::protocol::cause::Cause;
use crate::protocol::client_document;
use crate::protocol::revocation::{NewRevocation, SequenceNumber, Target};
use crate::protocol::session::Session;
use crate::protocol::time::Timestamp;
use crate::store::changes::{LogTransaction, Logged, Notice};
use crate::store::client_documents::Use;
use crate::store::database::Dialect;
use crate::store::row::{Value, to_json, values};
use crate::store::{Audited, Result, Store, StoreError};

/// The most codes of a user and a client that wait to be redeemed. A page can make a browser ask for any number.
const MOST_UNREDEEMED: i64 = 100;

/// The sessions of a user (`$2`) with a client (`$3`) beyond the `$5` used last, without one (`$4`), at the time `$6`; none if that
/// one has ended itself. Those whose code was not redeemed do not count.
macro_rules! surplus {
    () => {
        "SELECT id FROM sessions WHERE user_id = $2 AND client_id = $3 AND NOT ended AND idle_expires_at > $6 AND \
         expires_at > $6 AND id <> $4 AND (login IS NULL OR generation > 0) \
         AND EXISTS (SELECT 1 FROM sessions own WHERE own.id = $4 AND own.ended <> $1) \
         ORDER BY last_refreshed_at DESC, id DESC LIMIT 1000 OFFSET $5"
    };
}

/// Inserts a session of a client from this table, if neither user nor client changed, and the browser session has not ended.
macro_rules! insert_session {
    ($clients:literal) => {
        concat!(
            "INSERT INTO sessions (id, user_id, sub, client_id, scope, audiences, nonce_hash, generation, \
             retries, repeats, repeats_since, network, sequence, created_at, last_refreshed_at, \
             idle_expires_at, previous_refreshed_at, previous_idle_expires_at, expires_at, ended, login, \
             browser_session, offline, confirmation, code_key) \
             SELECT $1, u.id, u.sub, c.client_id, $2, $3, $4, $5, $6, $7, $8, $9, h.number, $10, $11, $12, \
             $11, $12, $13, $14, $19, $20, $21, $22, $23 FROM users u, ",
            $clients,
            " c, change_head h \
             WHERE u.id = $15 AND u.version = $16 AND c.client_id = $17 AND c.version = $18 AND h.id = 1 \
             AND ($20 IS NULL OR EXISTS (SELECT 1 FROM browser_sessions b WHERE b.id = $20 AND b.user_id = u.id \
             AND NOT EXISTS (SELECT 1 FROM changes WHERE target_name = u.sub AND kind = 'user' AND number > b.sequence) \
             AND NOT EXISTS (SELECT 1 FROM changes WHERE kind = 'all' AND number > b.sequence))) \
             ON CONFLICT (id) DO NOTHING RETURNING sequence, (SELECT r.client_id FROM registrations r \
             WHERE r.client_id = $17 AND r.expires_at IS NOT NULL) AS unused_client"
        )
    };
}

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

impl Store {
    /// Creates a session, if neither user nor client changed since they were verified, and the browser session that it comes from
    /// has not ended, and returns its sequence number. Sessions beyond the allowed number end, those unused longest first; if the
    /// new one waits for its code to be redeemed, so do the oldest of too many like it.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is a session with this id.
    pub async fn session_create(&self, new: &NewSession, audited: &Audited) -> Result<Logged<Option<SequenceNumber>>> {
        let mut transaction = self.begin_logged().await?;
        if let Some(log) = transaction.begin_session(new, audited).await? {
            return transaction.commit(Some(log)).await;
        }
        let known =
            transaction.query_one("SELECT 1 AS one FROM sessions WHERE id = $1", values![new.session.id]).await?;
        let outdated = transaction.roll_back(None).await?;
        if known.is_some() { Err(StoreError::Exists) } else { Ok(outdated) }
    }

    /// Ends the sessions beyond the allowed number once the code of this one was redeemed, those unused longest first. Of codes
    /// that are redeemed at the same moment, the last one sees them all.
    pub async fn session_limit(
        &self,
        session: &Session,
        max_sessions: i64,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<Logged<()>> {
        // Most users have few sessions: to see that takes no transaction.
        let values = surplus_values(session, max_sessions, audited.at);
        if self.database.query_one(surplus!(), values).await?.is_none() {
            return Ok(Logged::without_entries(()));
        }
        let mut transaction = self.begin_logged().await?;
        transaction.lock_user(session).await?;
        transaction.end_surplus(session, max_sessions, audited.at, covers_until, audited).await?;
        transaction.commit(()).await
    }
}

fn surplus_values(session: &Session, max_sessions: i64, now: Timestamp) -> Vec<Value> {
    values![true, session.user_id, &session.client_id, session.id, max_sessions - 1, now]
}

impl LogTransaction {
    /// The same within a transaction; `None` also if there is a session with this id.
    pub(in crate::store) async fn begin_session(
        &mut self,
        new: &NewSession,
        audited: &Audited,
    ) -> Result<Option<SequenceNumber>> {
        let session = &new.session;
        self.lock_user(session).await?;
        let insert = match self.document_of(new, audited).await? {
            Use::NoDocument => insert_session!("clients"),
            Use::Kept => insert_session!("client_documents"),
            Use::Outdated => return Ok(None),
        };
        let values = values![
            session.id,
            session.scope.to_string(),
            to_json(&session.audiences)?,
            session.nonce_hash,
            session.generation,
            session.retries,
            session.repeats,
            session.repeats_since,
            &session.network,
            session.created_at,
            session.last_refreshed_at,
            session.idle_expires_at,
            session.expires_at,
            false,
            session.user_id,
            new.user_version,
            &session.client_id,
            new.client_version,
            session.login.as_deref().map(to_json).transpose()?,
            session.browser_session,
            session.offline,
            session.confirmation.map(|confirmation| confirmation.to_string()),
            session.code_key.map(|key| key.to_string())
        ];
        let Some(row) = self.query_one(insert, values).await? else { return Ok(None) };
        if let Some(client_id) = row.get::<Option<String>>("unused_client")? {
            // Somebody has logged in with a client that registered itself: it stays.
            let sql = "UPDATE registrations SET expires_at = NULL WHERE client_id = $1 RETURNING client_id";
            if self.query_one(sql, values![&client_id]).await?.is_none() {
                // It expired at this moment.
                return Ok(None);
            }
            // It counts for the metadata from now on.
            self.notify(Notice::Client(&client_id), audited).await?;
        }
        if session.is_unredeemed() {
            self.end_oldest_unredeemed(session).await?;
        } else {
            self.end_surplus(session, new.max_sessions, session.created_at, new.covers_until, audited).await?;
        }
        row.get("sequence").map(Some)
    }

    /// The document of the client, if it is not a registered one.
    async fn document_of(&mut self, new: &NewSession, audited: &Audited) -> Result<Use> {
        match client_document::is_url(&new.session.client_id) {
            true => self.use_document(&new.session.client_id, new.client_version, audited).await,
            false => Ok(Use::NoDocument),
        }
    }

    /// Lets concurrent logins of a user wait for each other, so that each counts the sessions of the ones before; and has a logout
    /// at the browser come before or after, so that it ends this session or prevents it.
    async fn lock_user(&mut self, session: &Session) -> Result<()> {
        if self.dialect() == Dialect::Postgres {
            // The user first, as everywhere, so that no two transactions wait for each other.
            match session.browser_session {
                None => {
                    let lock = "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE";
                    self.query(lock, values![session.user_id]).await?;
                }
                Some(browser_session) => {
                    let lock = "WITH held AS (SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE) \
                                SELECT id FROM browser_sessions WHERE id = $2 AND (SELECT count(*) FROM held) >= 0 FOR KEY SHARE";
                    self.query(lock, values![session.user_id, browser_session]).await?;
                }
            }
        }
        Ok(())
    }

    /// Ends codes beyond the allowed number, the oldest first. Nobody has tokens of them, so no node has to hear of it.
    async fn end_oldest_unredeemed(&mut self, session: &Session) -> Result<()> {
        let sql = "UPDATE sessions SET ended = $1, \
                   idle_expires_at = CASE WHEN idle_expires_at < $2 THEN idle_expires_at ELSE $2 END \
                   WHERE id IN (SELECT id FROM sessions WHERE user_id = $3 AND client_id = $4 AND NOT ended AND generation = 0 \
                   AND login IS NOT NULL AND id <> $5 ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET $6) AND generation = 0";
        let values =
            values![true, session.created_at, session.user_id, &session.client_id, session.id, MOST_UNREDEEMED - 1];
        self.query(sql, values).await.map(drop)
    }

    async fn end_surplus(
        &mut self,
        session: &Session,
        max_sessions: i64,
        now: Timestamp,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<()> {
        let sql = concat!("UPDATE sessions SET ended = $1 WHERE id IN (", surplus!(), ") AND NOT ended RETURNING id");
        for ended in &self.query(sql, surplus_values(session, max_sessions, now)).await? {
            let revocation = NewRevocation {
                target: Target::Session(ended.get("id")?),
                cause: Cause::Superseded,
                reason: Some("the user has too many sessions with this client".into()),
                covers_until,
            };
            self.revoke(&revocation, audited).await?;
        }
        Ok(())
    }
}
