//! Verdicts of the token doctor that are kept for colleagues. Links are kept as hashes.

use uuid::Uuid;

use crate::protocol::time::Timestamp;
use crate::store::row::values;
use crate::store::{Audited, Result, Store, StoreError};

/// The most verdicts that are kept.
#[derive(Clone, Copy, Debug)]
pub struct VerdictLimits {
    /// Of everybody.
    pub all: i64,
    /// Of one person.
    pub of_one: i64,
}

/// A verdict that somebody keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptVerdict {
    /// Who keeps it: a user, who may be gone.
    pub made_by: Uuid,
    /// The verdict, as the console writes it.
    pub verdict: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Store {
    /// Keeps a verdict, known by the hash of the id in its link; the record of the audit trail has this target.
    ///
    /// # Errors
    /// [`StoreError::TooMany`] if so many are kept already. Those who keep some at the same moment may exceed that by as many.
    pub async fn verdict_create(
        &self,
        hash: [u8; 32],
        kept: &KeptVerdict,
        limits: VerdictLimits,
        target: String,
        audited: &Audited,
    ) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        let sql = "SELECT count(*) AS all_of_them, count(CASE WHEN made_by = $1 THEN 1 END) AS own \
                   FROM verdicts WHERE expires_at > $2";
        let (all, own) = match transaction.query_one(sql, values![kept.made_by, kept.created_at]).await? {
            Some(row) => (row.get::<i64>("all_of_them")?, row.get::<i64>("own")?),
            None => (0, 0),
        };
        let full = [(own, limits.of_one), (all, limits.all)].into_iter().find(|(count, most)| count >= most);
        if let Some((_, most)) = full {
            transaction.roll_back().await?;
            return Err(StoreError::TooMany(most));
        }
        let sql = "INSERT INTO verdicts (hash, made_by, verdict, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
        let values = values![hash, kept.made_by, &kept.verdict, kept.created_at, kept.expires_at];
        transaction.query(sql, values).await?;
        transaction.audit(audited, "token.share", target, None).await?;
        transaction.commit().await
    }

    /// Deletes the verdict with this hash; the record of the audit trail has this target. Returns whether it was there.
    pub async fn verdict_delete(&self, hash: [u8; 32], target: String, audited: &Audited) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let sql = "DELETE FROM verdicts WHERE hash = $1 AND expires_at > $2 RETURNING hash";
        if transaction.query_one(sql, values![hash, audited.at]).await?.is_none() {
            return transaction.roll_back().await.map(|()| false);
        }
        transaction.audit(audited, "token.unshare", target, None).await?;
        transaction.commit().await.map(|()| true)
    }

    /// The verdict with this hash, unless it has expired.
    pub async fn verdict_find(&self, hash: [u8; 32], now: Timestamp) -> Result<Option<KeptVerdict>> {
        let sql = "SELECT made_by, verdict, created_at, expires_at FROM verdicts WHERE hash = $1 AND expires_at > $2";
        let row = self.database.query_one(sql, values![hash, now]).await?;
        row.map(|row| {
            Ok(KeptVerdict {
                made_by: row.get("made_by")?,
                verdict: row.get("verdict")?,
                created_at: row.moment("created_at")?,
                expires_at: row.moment("expires_at")?,
            })
        })
        .transpose()
    }
}
