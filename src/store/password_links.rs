//! One-time links to set a password, kept as hashes.

use uuid::Uuid;

use crate::protocol::revocation::NewRevocation;
use crate::protocol::time::Timestamp;
use crate::protocol::user::User;
use crate::store::changes::Logged;
use crate::store::row::values;
use crate::store::users::{user, users};
use crate::store::{Audited, Result, Store};

impl Store {
    /// Makes a link, known by the hash of its token, in place of an earlier one of the user. Returns false if the user does not exist,
    /// is disabled, or has a role and `may_have_role` is not set: with the link of one who is just getting a role, others could take it.
    pub async fn password_link_create(
        &self,
        hash: [u8; 32],
        user: Uuid,
        expires_at: Timestamp,
        may_have_role: bool,
        audited: &Audited,
    ) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        // The lock keeps the user from being disabled, and others from making a link, until the end of the transaction.
        let lock = "UPDATE users SET version = version WHERE id = $1 AND enabled AND (role IS NULL OR $2) RETURNING id";
        if transaction.query_one(lock, values![user, may_have_role]).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(false);
        }
        transaction.query("DELETE FROM password_links WHERE user_id = $1", values![user]).await?;
        let sql = "INSERT INTO password_links (hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)";
        transaction.query(sql, values![hash, user, audited.at, expires_at]).await?;
        transaction.audit(audited, "user.password_link", format!("user {user}"), None).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The user of the link whose token has this hash, unless it has expired, was used or has ended.
    pub async fn password_link_find(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<User>> {
        let sql = users!(
            "WHERE enabled AND id = (SELECT user_id FROM password_links WHERE hash = $1 AND password_links.expires_at > $2)"
        );
        self.database.query_one(sql, values![hash, now]).await?.map(|row| user(&row)).transpose()
    }

    /// Uses up a link: the user gets the new password hash, and what was issued to it ends. Returns false, and changes
    /// nothing, if the link has ended or the user has changed since `user.version`.
    pub async fn password_link_use(
        &self,
        hash: [u8; 32],
        user: &User,
        revocation: &NewRevocation,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        // The user first, as everywhere, so that no two transactions wait for each other.
        let update = "UPDATE users SET password_hash = $1, version = version + 1 \
                      WHERE id = $2 AND version = $3 AND enabled RETURNING id";
        let values = values![user.password_hash.clone(), user.id, user.version];
        if transaction.query_one(update, values).await?.is_none() {
            return transaction.roll_back(false).await;
        }
        let delete =
            "DELETE FROM password_links WHERE hash = $1 AND user_id = $2 AND expires_at > $3 RETURNING user_id";
        if transaction.query_one(delete, values![hash, user.id, audited.at]).await?.is_none() {
            return transaction.roll_back(false).await;
        }
        transaction.browser_sessions_end_with_notices(user.id, audited.at).await?;
        let detail = Some("by a one-time link".to_owned());
        transaction.audit(audited, "user.password", format!("user {}", user.id), detail).await?;
        transaction.revoke(revocation, audited).await?;
        transaction.commit(true).await
    }
}
