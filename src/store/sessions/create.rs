//! Creating a session.
//!
//! A code that was not redeemed is no session of its user yet: it ends none, and counts only among such codes. When it is redeemed,
//! [`Store::session_limit`] ends what is too much.

use crate::protocol::client_document;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::session::Session;
use crate::store::changes::{LogTransaction, Logged, Notice, is_unrevoked};
use crate::store::client_documents::Use;
use crate::store::database::Dialect;
use crate::store::row::{to_json, values};
use crate::store::sessions::begin_codes;
use crate::store::sessions::new::{NewSession, insert_into_sessions};
use crate::store::{Audited, Result, Store, StoreError};

/// Inserts a session of a client from this table, if neither user nor client changed, and the browser session has not ended.
macro_rules! insert_session {
    ($clients:literal) => {
        concat!(
            insert_into_sessions!(),
            "SELECT $1, u.id, u.sub, c.client_id, $2, $3, $4, $5, $6, $7, $8, $9, h.number, $10, $11, $12, \
             $11, $12, $13, $14, $19, $20, $21, $22, $23 FROM users u, ",
            $clients,
            " c, change_head h \
             WHERE u.id = $15 AND u.version = $16 AND c.client_id = $17 AND c.version = $18 AND h.id = 1 \
             AND ($20 IS NULL OR EXISTS (SELECT 1 FROM browser_sessions b WHERE b.id = $20 AND b.user_id = u.id AND ",
            is_unrevoked!(),
            ")) ON CONFLICT (id) DO NOTHING RETURNING sequence, (SELECT r.client_id FROM registrations r \
             WHERE r.client_id = $17 AND r.expires_at IS NOT NULL) AS unused_client"
        )
    };
}

impl Store {
    /// Creates a session, if neither user nor client changed since they were verified, and the browser session that it comes from
    /// has not ended, and returns its sequence number. Sessions beyond the allowed number end, those unused longest first; if the
    /// new one waits for its code to be redeemed, so do the oldest of too many like it.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is a session with this id.
    pub async fn session_create(&self, new: &NewSession, audited: &Audited) -> Result<Logged<Option<SequenceNumber>>> {
        if begin_codes::is_possible(&new.session)
            && let Some(log) = self.begun_codes.ask(new.clone()).await?
        {
            return Ok(Logged::without_entries(Some(log)));
        }
        let mut transaction = self.begin_logged().await?;
        if let Some(log) = transaction.begin_session(new, audited).await? {
            return transaction.commit(Some(log)).await;
        }
        let outdated = transaction.roll_back(None).await?;
        // Only now: what the transaction wrote itself counts for nothing.
        let known = "SELECT 1 AS one FROM sessions WHERE id = $1";
        let known = self.database.query_one(known, values![new.session.id]).await?;
        if known.is_some() { Err(StoreError::Exists) } else { Ok(outdated) }
    }
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
    pub(super) async fn lock_user(&mut self, session: &Session) -> Result<()> {
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
}
