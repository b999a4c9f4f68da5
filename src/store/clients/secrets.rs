//! The secrets of clients.

use uuid::Uuid;

use crate::protocol::client::{ClientSecret, MOST_SECRETS, SecretDigest};
use crate::protocol::revocation::NewRevocation;
use crate::protocol::time::Timestamp;
use crate::store::changes::{Logged, Notice};
use crate::store::row::{Value, values};
use crate::store::{Audited, Result, Store};

pub(super) const INSERT_SECRET: &str =
    "INSERT INTO client_secrets (id, client_id, sha256, argon2id, created_at) VALUES ($1, $2, $3, $4, $5)";

pub(super) fn secret_values(client_id: &str, secret: &ClientSecret) -> Vec<Value> {
    let (generated, chosen) = match &secret.digest {
        SecretDigest::Generated(hash) => (Some(hash.to_vec()), None),
        SecretDigest::Chosen(hash) => (None, Some(hash.clone())),
    };
    values![secret.id, client_id, generated, chosen, secret.created_at]
}

impl Store {
    /// Adds a secret, if the client exists and has fewer than two. Returns whether it was added.
    pub async fn client_secret_add(
        &self,
        client_id: &str,
        secret: &ClientSecret,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        // The lock on the client's row makes concurrent additions wait for each other.
        let lock = "UPDATE clients SET version = version WHERE client_id = $1 RETURNING client_id";
        if transaction.query_one(lock, values![client_id]).await?.is_none() {
            return transaction.roll_back(false).await;
        }
        let sql = "SELECT count(*) AS count FROM client_secrets WHERE client_id = $1";
        let row = transaction.query_one(sql, values![client_id]).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.get("count"))?;
        if usize::try_from(count).unwrap_or(usize::MAX) >= MOST_SECRETS {
            return transaction.roll_back(false).await;
        }
        transaction.query(INSERT_SECRET, secret_values(client_id, secret)).await?;
        let detail = Some(format!("secret {}", secret.id));
        transaction.audit(audited, "client.secret.add", format!("client {client_id}"), detail).await?;
        transaction.notify(Notice::Client(client_id), audited).await?;
        transaction.commit(true).await
    }

    /// Retires a secret, and on request revokes what was issued to the client. Returns whether the secret existed.
    pub async fn client_secret_retire(
        &self,
        client_id: &str,
        id: Uuid,
        revocation: Option<&NewRevocation>,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        // A login that this secret authenticated must not create a session: creating one depends on the version.
        let bump = "UPDATE clients SET version = version + 1 WHERE client_id = $1";
        transaction.query(bump, values![client_id]).await?;
        let sql = "DELETE FROM client_secrets WHERE id = $1 AND client_id = $2 RETURNING id";
        if transaction.query_one(sql, values![id, client_id]).await?.is_none() {
            return transaction.roll_back(false).await;
        }
        let detail = Some(format!("secret {id}"));
        transaction.audit(audited, "client.secret.retire", format!("client {client_id}"), detail).await?;
        match revocation {
            Some(revocation) => transaction.revoke(revocation, audited).await?,
            None => transaction.notify(Notice::Client(client_id), audited).await?,
        };
        transaction.commit(true).await
    }

    /// At most `limit` secrets that were neither used nor made since a moment, those first that are unused for the longest time: the
    /// clients and the ids.
    pub async fn client_secrets_unused(&self, since: Timestamp, limit: i64) -> Result<Vec<(String, Uuid)>> {
        let sql = "SELECT client_id, id FROM client_secrets WHERE COALESCE(last_used_at, created_at) < $1 \
                   ORDER BY COALESCE(last_used_at, created_at), id LIMIT $2";
        let rows = self.database.query(sql, values![since, limit]).await?;
        rows.iter().map(|row| Ok((row.get("client_id")?, row.get("id")?))).collect()
    }

    /// Records when secrets were last used.
    pub async fn client_secrets_used(&self, used: &[(Uuid, Timestamp)]) -> Result<()> {
        // In the same order on every node, so that two nodes cannot deadlock, and few at a time, so that administrators
        // do not wait long for the rows.
        let mut used = used.to_vec();
        used.sort_unstable();
        for some in used.chunks(100) {
            let mut transaction = self.database.begin().await?;
            for (id, at) in some {
                let sql = "UPDATE client_secrets SET last_used_at = $1 WHERE id = $2";
                transaction.query(sql, values![*at, *id]).await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }
}
