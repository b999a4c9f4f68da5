//! Data keys, wrapped by the master key.

use std::collections::HashMap;

use crate::jose::algorithm::SigningAlgorithm;
use crate::keys::record::{KeyRecord, KeyUse};
use crate::protocol::cause::Cause;
use crate::protocol::feature;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::time::Timestamp;
use crate::store::changes::{LogTransaction, Logged, Notice};
use crate::store::database::Transaction;
use crate::store::row::{Row, unreadable, values};
use crate::store::settings::{MASTER_KEY_CHECK, REPLACE_MASTER_KEY_CHECK};
use crate::store::{Audited, Result, Store};

fn key(row: &Row) -> Result<KeyRecord> {
    let key_use: String = row.get("key_use")?;
    let algorithm: Option<String> = row.get("algorithm")?;
    Ok(KeyRecord {
        kid: row.get("kid")?,
        key_use: key_use.parse().map_err(|()| unreadable("key_use", &key_use))?,
        algorithm: algorithm.map(|name| name.parse().map_err(|_| unreadable("algorithm", &name))).transpose()?,
        wrapped: row.get("wrapped")?,
        created_at: row.moment("created_at")?,
        activates_at: row.moment("activates_at")?,
    })
}

const INSERT: &str = "INSERT INTO keys (kid, key_use, algorithm, wrapped, created_at, activates_at) \
                      VALUES ($1, $2, $3, $4, $5, $6)";

fn insert_values(record: &KeyRecord) -> Vec<crate::store::row::Value> {
    values![
        &record.kid,
        record.key_use.name(),
        record.algorithm.map(|algorithm| algorithm.name()),
        record.wrapped.clone(),
        record.created_at,
        record.activates_at
    ]
}

const LIST: &str = "SELECT kid, key_use, algorithm, wrapped, created_at, activates_at FROM keys \
                    ORDER BY activates_at, kid";

/// The outcome of adding keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The keys were added.
    Yes,
    /// Such keys exist already.
    ThereAreSome,
    /// The master key that wrapped them is no longer in use.
    OtherMasterKey,
}

impl Transaction {
    /// Whether the check value of the master key is still this one.
    async fn is_master_key_check(&mut self, check_value: &[u8]) -> Result<bool> {
        let sql = "SELECT value FROM settings WHERE name = $1 AND value = $2";
        let values = values![MASTER_KEY_CHECK, check_value.to_vec()];
        Ok(self.query_one(sql, values).await?.is_some())
    }

    async fn keys(&mut self) -> Result<Vec<KeyRecord>> {
        self.query(LIST, vec![]).await?.iter().map(key).collect()
    }
}

impl Store {
    /// Begins a change of keys; no other one begins until it ends.
    async fn begin_key_change(&self) -> Result<LogTransaction> {
        let mut transaction = self.begin_logged().await?;
        transaction.query("UPDATE change_head SET number = number WHERE id = 1", vec![]).await?;
        Ok(transaction)
    }

    /// Every key, in the order in which they become active.
    pub async fn key_list(&self) -> Result<Vec<KeyRecord>> {
        self.database.query(LIST, vec![]).await?.iter().map(key).collect()
    }

    /// When each deleted key was deleted, for as long as the log has the entry.
    pub async fn key_list_retired(&self) -> Result<HashMap<String, Timestamp>> {
        let sql = "SELECT target_name, min(created_at) AS at FROM changes WHERE kind = 'key' GROUP BY target_name";
        let rows = self.database.query(sql, vec![]).await?;
        rows.iter().map(|row| Ok((row.get("target_name")?, row.moment("at")?))).collect()
    }

    /// Adds the first keys, unless there are keys already (nodes may start at the same time) or the check value of the
    /// master key is no longer this one.
    pub async fn key_create_first(
        &self,
        records: &[KeyRecord],
        check_value: &[u8],
        audited: &Audited,
    ) -> Result<Logged<Added>> {
        let mut transaction = self.begin_key_change().await?;
        if transaction.query_one("SELECT kid FROM keys LIMIT 1", vec![]).await?.is_some() {
            return transaction.roll_back(Added::ThereAreSome).await;
        }
        if !transaction.is_master_key_check(check_value).await? {
            return transaction.roll_back(Added::OtherMasterKey).await;
        }
        for record in records {
            transaction.query(INSERT, insert_values(record)).await?;
        }
        transaction.audit(audited, "key.create", "first keys".into(), None).await?;
        transaction.notify(Notice::Keys, audited).await?;
        transaction.commit(Added::Yes).await
    }

    /// Adds a key, unless there is one of its use and algorithm (nodes may need one at the same time) or the check value of the
    /// master key is no longer this one.
    ///
    /// # Errors
    /// [`UnknownFeature`](crate::store::StoreError::UnknownFeature) while a live node cannot read such a key.
    pub async fn key_create(&self, record: &KeyRecord, check_value: &[u8], audited: &Audited) -> Result<Logged<Added>> {
        let mut transaction = self.begin_key_change().await?;
        let known = "SELECT kid FROM keys WHERE key_use = $1 AND coalesce(algorithm, '') = $2 LIMIT 1";
        let algorithm = record.algorithm.map_or("", |algorithm| algorithm.name());
        if transaction.query_one(known, values![record.key_use.name(), algorithm]).await?.is_some() {
            return transaction.roll_back(Added::ThereAreSome).await;
        }
        if !transaction.is_master_key_check(check_value).await? {
            return transaction.roll_back(Added::OtherMasterKey).await;
        }
        if record.key_use == KeyUse::Data
            && let Some(refusal) = transaction.use_feature(feature::named(feature::SECOND_FACTORS), audited.at).await?
        {
            return transaction.roll_back(()).await.and(Err(refusal));
        }
        transaction.query(INSERT, insert_values(record)).await?;
        transaction.audit(audited, "key.create", format!("key {}", record.kid), None).await?;
        transaction.notify(Notice::Keys, audited).await?;
        transaction.commit(Added::Yes).await
    }

    /// Adds announced keys, except those of a use and algorithm of which one is announced already, unless the master key
    /// no longer has this check value: a key that is made while it changes must not stay wrapped by the old one.
    pub async fn key_rotate(
        &self,
        records: &[KeyRecord],
        check_value: &[u8],
        audited: &Audited,
    ) -> Result<Logged<Added>> {
        let mut transaction = self.begin_key_change().await?;
        if !transaction.is_master_key_check(check_value).await? {
            return transaction.roll_back(Added::OtherMasterKey).await;
        }
        let mut new = Vec::new();
        for record in records {
            let announced = "SELECT kid FROM keys WHERE activates_at > $1 AND key_use = $2 AND \
                             coalesce(algorithm, '') = $3 LIMIT 1";
            let algorithm = record.algorithm.map_or("", |algorithm| algorithm.name());
            let values = values![audited.at, record.key_use.name(), algorithm];
            if transaction.query_one(announced, values).await?.is_none() {
                new.push(record);
            }
        }
        if new.is_empty() {
            return transaction.roll_back(Added::ThereAreSome).await;
        }
        for record in new {
            transaction.query(INSERT, insert_values(record)).await?;
            transaction.audit(audited, "key.rotate", format!("key {}", record.kid), None).await?;
        }
        transaction.notify(Notice::Keys, audited).await?;
        transaction.commit(Added::Yes).await
    }

    /// Deletes a key, unless it is the data key, the last token key, the last signing key, or the last one of an
    /// algorithm in use.
    /// Everything it made stops working. Returns whether it was deleted.
    pub async fn key_delete(
        &self,
        kid: &str,
        in_use: &[SigningAlgorithm],
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_key_change().await?;
        let records = transaction.keys().await?;
        let can_go = |gone: &KeyRecord| {
            if gone.key_use == KeyUse::Data {
                return false;
            }
            let needs_same = gone.algorithm.is_none_or(|algorithm| in_use.contains(&algorithm));
            let mut others = records.iter().filter(|other| other.kid != kid && other.key_use == gone.key_use);
            others.any(|other| !needs_same || other.algorithm == gone.algorithm)
        };
        if !records.iter().find(|record| record.kid == kid).is_some_and(can_go) {
            return transaction.roll_back(false).await;
        }
        transaction.query("DELETE FROM keys WHERE kid = $1", values![kid]).await?;
        let target = Target::Key(kid.to_owned());
        transaction.audit(audited, "key.delete", target.to_string(), None).await?;
        let cause = Cause::RetiredKey;
        transaction.revoke(&NewRevocation { target, cause, reason: None, covers_until }, audited).await?;
        transaction.commit(true).await
    }

    /// Replaces every key by the same key under another master key, which `rewrap` makes, and returns how many there
    /// are. If `rewrap` fails for one, nothing changes and the outcome is none. No other change of keys can come
    /// between reading and writing them.
    pub async fn key_rewrap(
        &self,
        rewrap: impl Fn(&KeyRecord) -> Option<KeyRecord> + Send,
        check_value: Vec<u8>,
        audited: &Audited,
    ) -> Result<Logged<Option<usize>>> {
        let mut transaction = self.begin_key_change().await?;
        let Some(rewrapped) = transaction.keys().await?.iter().map(rewrap).collect::<Option<Vec<KeyRecord>>>() else {
            return transaction.roll_back(None).await;
        };
        for record in &rewrapped {
            let sql = "UPDATE keys SET wrapped = $1 WHERE kid = $2";
            transaction.query(sql, values![record.wrapped.clone(), &record.kid]).await?;
        }
        transaction.query(REPLACE_MASTER_KEY_CHECK, values![check_value]).await?;
        transaction.audit(audited, "key.rewrap", "all keys".into(), None).await?;
        transaction.notify(Notice::Keys, audited).await?;
        transaction.commit(Some(rewrapped.len())).await
    }

    /// Replaces every key by new ones, ends everything that was issued, and removes the second factors and the secrets of
    /// webhooks, which nobody can read any more: after the loss of the master key. Returns how many second factors there were.
    pub async fn key_reset(
        &self,
        records: &[KeyRecord],
        check_value: Vec<u8>,
        revocation: &NewRevocation,
        audited: &Audited,
    ) -> Result<Logged<usize>> {
        let mut transaction = self.begin_key_change().await?;
        let second_factors = transaction.query("DELETE FROM second_factors RETURNING user_id", vec![]).await?.len();
        transaction.query("DELETE FROM webhook_secrets", vec![]).await?;
        for row in transaction.query("DELETE FROM keys RETURNING kid", vec![]).await? {
            let target = Target::Key(row.get("kid")?);
            let cause = Cause::RetiredKey;
            let covers_until = revocation.covers_until;
            let retired = NewRevocation { target, cause, reason: revocation.reason.clone(), covers_until };
            transaction.revoke(&retired, audited).await?;
        }
        for record in records {
            transaction.query(INSERT, insert_values(record)).await?;
        }
        transaction.query(REPLACE_MASTER_KEY_CHECK, values![check_value]).await?;
        transaction.audit(audited, "key.reset", "all keys".into(), None).await?;
        transaction.revoke(revocation, audited).await?;
        transaction.notify(Notice::Keys, audited).await?;
        transaction.commit(second_factors).await
    }
}
