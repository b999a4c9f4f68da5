//! Second factors and recovery codes of users.

use uuid::Uuid;

use crate::crypto::sha256;
use crate::protocol::backoff::{Backoff, Failures};
use crate::protocol::time::Timestamp;
use crate::store::database::Transaction;
use crate::store::row::values;
use crate::store::{Audited, Result, Store};

/// The second factor of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// The secret, encrypted with the data key.
    pub secret: Vec<u8>,
    /// The last time step that counted.
    pub last_step: i64,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
    /// When it was set up.
    pub created_at: Timestamp,
}

/// What decides about an attempt to prove a second factor.
#[derive(Clone, Debug, Default)]
pub struct SecondFactorRecord {
    /// The second factor, if the user has one.
    pub factor: Option<SecondFactor>,
    /// Failed attempts, counted by all nodes together.
    pub failures: Option<Failures>,
}

/// The name under which failed attempts of a user are counted: never that of a username, which is text.
fn failures_key(user: Uuid) -> [u8; 32] {
    sha256(&[b"\xFFsecond factor\0".as_slice(), user.as_bytes()].concat())
}

impl Store {
    /// The second factor of a user, and the failed attempts to prove it.
    pub async fn second_factor_find(&self, user: Uuid) -> Result<SecondFactorRecord> {
        let sql = "SELECT s.secret, s.last_step, s.created_at, g.failures, g.last_at, \
                   (SELECT count(*) FROM recovery_codes r WHERE r.user_id = u.id) AS recovery_codes \
                   FROM users u LEFT JOIN second_factors s ON s.user_id = u.id LEFT JOIN login_failures g ON g.account = $2 \
                   WHERE u.id = $1";
        let Some(row) = self.database.query_one(sql, values![user, failures_key(user)]).await? else {
            return Ok(SecondFactorRecord::default());
        };
        let factor = match row.get::<Option<Vec<u8>>>("secret")? {
            None => None,
            Some(secret) => Some(SecondFactor {
                secret,
                last_step: row.get("last_step")?,
                recovery_codes: row.get("recovery_codes")?,
                created_at: row.moment("created_at")?,
            }),
        };
        let (count, last): (Option<i64>, Option<i64>) = (row.get("failures")?, row.get("last_at")?);
        let failures = count.zip(last).map(|(count, last)| Failures { count, last: Timestamp::from_millis(last) });
        Ok(SecondFactorRecord { factor, failures })
    }

    /// Counts an attempt as failed until it succeeds. Returns how many failed attempts there are now.
    pub async fn second_factor_attempt(&self, user: Uuid, backoff: Backoff, now: Timestamp) -> Result<i64> {
        self.login_failures_add(failures_key(user), 1, backoff, now).await
    }

    /// Gives a user a second factor, and recovery codes with these hashes. Returns false, and changes nothing, if the
    /// user has one or does not exist.
    pub async fn second_factor_create(
        &self,
        user: Uuid,
        factor: &SecondFactor,
        recovery_hashes: &[[u8; 32]],
        audited: &Audited,
    ) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let sql = "INSERT INTO second_factors (user_id, secret, last_step, created_at) \
                   SELECT u.id, $2, $3, $4 FROM users u WHERE u.id = $1 ON CONFLICT (user_id) DO NOTHING RETURNING user_id";
        let values = values![user, factor.secret.clone(), factor.last_step, factor.created_at];
        if transaction.query_one(sql, values).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(false);
        }
        transaction.recovery_codes_add(user, recovery_hashes).await?;
        transaction.audit(audited, "second_factor.create", format!("user {user}"), None).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Lets the code of a time step count, and takes back the failures. Returns false, and changes nothing, if one of
    /// this or a later step has counted already, on whichever node.
    pub async fn second_factor_use_step(&self, user: Uuid, step: i64) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let sql = "UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2 RETURNING user_id";
        if transaction.query_one(sql, values![user, step]).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(false);
        }
        transaction.second_factor_succeeded(user).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Uses up a recovery code, and takes back the failures. Returns how many are left; none if the user has no such
    /// code.
    pub async fn second_factor_use_recovery(
        &self,
        user: Uuid,
        hash: [u8; 32],
        audited: &Audited,
    ) -> Result<Option<i64>> {
        let mut transaction = self.database.begin().await?;
        let delete = "DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2 RETURNING user_id";
        if transaction.query_one(delete, values![user, hash]).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(None);
        }
        let count = "SELECT count(*) AS codes FROM recovery_codes WHERE user_id = $1";
        let left = transaction.query_one(count, values![user]).await?.map_or(Ok(0), |row| row.get("codes"))?;
        transaction.second_factor_succeeded(user).await?;
        let detail = Some(format!("{left} recovery codes are left"));
        transaction.audit(audited, "second_factor.recovery", format!("user {user}"), detail).await?;
        transaction.commit().await?;
        Ok(Some(left))
    }

    /// Replaces the recovery codes of a user. Returns false, and changes nothing, if the user has no second factor.
    pub async fn second_factor_replace_recovery(
        &self,
        user: Uuid,
        recovery_hashes: &[[u8; 32]],
        audited: &Audited,
    ) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        // The lock makes others who replace them wait.
        let lock = "UPDATE second_factors SET last_step = last_step WHERE user_id = $1 RETURNING user_id";
        if transaction.query_one(lock, values![user]).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(false);
        }
        transaction.query("DELETE FROM recovery_codes WHERE user_id = $1", values![user]).await?;
        transaction.recovery_codes_add(user, recovery_hashes).await?;
        transaction.audit(audited, "second_factor.new_codes", format!("user {user}"), None).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Removes the second factor of a user, with the recovery codes and the failures. Returns whether there was one that may be
    /// removed: that of a user without a role, or any if `even_with_role`.
    pub async fn second_factor_delete(&self, user: Uuid, even_with_role: bool, audited: &Audited) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let delete = "DELETE FROM second_factors WHERE user_id = $1 \
                      AND ($2 OR (SELECT role FROM users WHERE id = $1) IS NULL) RETURNING user_id";
        if transaction.query_one(delete, values![user, even_with_role]).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(false);
        }
        transaction.second_factor_succeeded(user).await?;
        transaction.audit(audited, "second_factor.delete", format!("user {user}"), None).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

impl Transaction {
    async fn recovery_codes_add(&mut self, user: Uuid, hashes: &[[u8; 32]]) -> Result<()> {
        for hash in hashes {
            let sql = "INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)";
            self.query(sql, values![user, *hash]).await?;
        }
        Ok(())
    }

    /// Takes back the failed attempts.
    async fn second_factor_succeeded(&mut self, user: Uuid) -> Result<()> {
        self.query("DELETE FROM login_failures WHERE account = $1", values![failures_key(user)]).await.map(drop)
    }
}
