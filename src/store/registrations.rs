//! Clients that registered themselves (RFC 7591, 7592).

use crate::protocol::client::Client;
use crate::protocol::registration::{DORMANT_LIFE, MOST_UNUSED, UNUSED_LIFE};
use crate::protocol::time::Timestamp;
use crate::store::changes::{Logged, Notice};
use crate::store::database::Dialect;
use crate::store::row::values;
use crate::store::{Audited, Result, Store, StoreError, SubOwner};

/// Holds for a registration `r` of the client `c` with which nobody has logged in yet: it still ends [`UNUSED_LIFE`] after the client
/// was made.
macro_rules! never_used {
    () => {
        "r.client_id = c.client_id AND r.expires_at <= c.created_at + 3600000"
    };
}
pub(super) use never_used;
const _: () = assert!(UNUSED_LIFE == 3600, "the condition above has it in milliseconds");

impl Store {
    /// Creates a client that registered itself, which is removed at `expires_at` unless somebody logs in with it before.
    /// `token_hash` is the SHA-256 of its registration access token. Returns whether it was created: not if there are too many
    /// with which nobody has logged in.
    ///
    /// # Errors
    /// As [`Store::client_create`].
    pub async fn registration_create(
        &self,
        client: &Client,
        token_hash: [u8; 32],
        expires_at: Timestamp,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        // Requests at the same moment may exceed the limit by a few.
        // One with which nobody has logged in expires that soon; so do a few others.
        let sql = "SELECT count(*) AS count FROM registrations WHERE expires_at > $1 AND expires_at <= $2";
        let row = transaction.query_one(sql, values![audited.at, audited.at.plus_seconds(UNUSED_LIFE)]).await?;
        if row.map_or(Ok(0), |row| row.get::<i64>("count"))? >= MOST_UNUSED {
            return transaction.roll_back(false).await;
        }
        // Its id was drawn at random. So registrations do not wait for each other, or for a large set that is applied.
        let refusal = match transaction.sub_take_drawn(&client.client_id, SubOwner::Client).await? {
            Some(owner) => Some(StoreError::SubTaken(owner)),
            None => transaction.insert_client_as("client.register", client, audited).await?,
        };
        if let Some(refusal) = refusal {
            return transaction.roll_back(false).await.and(Err(refusal));
        }
        let sql = "INSERT INTO registrations (client_id, token_hash, expires_at) VALUES ($1, $2, $3)";
        transaction.query(sql, values![&client.client_id, token_hash, expires_at]).await?;
        transaction.commit(true).await
    }

    /// The SHA-256 of the registration access token of a client, if it registered itself.
    pub async fn registration_token_hash(&self, client_id: &str) -> Result<Option<[u8; 32]>> {
        let sql = "SELECT token_hash FROM registrations WHERE client_id = $1";
        let row = self.database.query_one(sql, values![client_id]).await?;
        row.map(|row| row.hash("token_hash")).transpose()
    }

    /// Looks at the next `limit` clients after `after` that registered themselves, and lets those expire in [`DORMANT_LIFE`] with which
    /// no session is left; the next login with such a client keeps it. Returns the last one that it looked at; none at the end.
    pub async fn registrations_rest(&self, after: &str, limit: i64, now: Timestamp) -> Result<Option<String>> {
        let sql = "SELECT client_id, NOT EXISTS (SELECT 1 FROM sessions s WHERE s.client_id = r.client_id) AS is_dormant \
                   FROM registrations r WHERE expires_at IS NULL AND client_id > $1 ORDER BY client_id LIMIT $2";
        let mut last = None;
        for row in self.database.query(sql, values![after, limit]).await? {
            let client_id: String = row.get("client_id")?;
            if row.get("is_dormant")? {
                let sql = "UPDATE registrations SET expires_at = $1 WHERE client_id = $2 AND expires_at IS NULL RETURNING client_id";
                self.database.write(sql, values![now.plus_seconds(DORMANT_LIFE), &client_id]).await?;
            }
            last = Some(client_id);
        }
        Ok(last)
    }

    /// Removes clients that registered themselves and with which nobody has logged in in time, or for a long time, at most `limit`.
    /// They have no session, so nothing is revoked. Returns how many.
    pub async fn registrations_expire(&self, limit: i64, audited: &Audited) -> Result<Logged<usize>> {
        let mut transaction = self.begin_logged().await?;
        // Before any row: whoever deletes a client has the lock first, too.
        transaction.lock_names().await?;
        // A login that was being written when its client was found without a session.
        let sql = "UPDATE registrations SET expires_at = NULL WHERE expires_at <= $1 AND EXISTS \
                   (SELECT 1 FROM sessions s WHERE s.client_id = registrations.client_id)";
        transaction.query(sql, values![audited.at]).await?;
        let sql = match transaction.dialect() {
            Dialect::Postgres => {
                "SELECT client_id FROM registrations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 \
                 FOR UPDATE SKIP LOCKED"
            }
            Dialect::Sqlite => {
                "SELECT client_id FROM registrations WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2"
            }
        };
        let rows = transaction.query(sql, values![audited.at, limit]).await?;
        if rows.is_empty() {
            return transaction.roll_back(0).await;
        }
        for row in &rows {
            let client_id: String = row.get("client_id")?;
            transaction.query("DELETE FROM clients WHERE client_id = $1", values![&client_id]).await?;
            transaction.sub_free(&client_id).await?;
            transaction.stop_serving(&client_id, audited).await?;
            transaction.stop_trusting_for(&client_id, audited).await?;
            transaction.notify(Notice::Client(&client_id), audited).await?;
        }
        transaction.commit(rows.len()).await
    }
}
