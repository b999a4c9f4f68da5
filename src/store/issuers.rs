//! Trusted issuers.

use crate::protocol::feature;
use crate::protocol::object::Kind;
use crate::protocol::trusted_issuer::{IssuerSettings, MOST_ISSUERS, TrustedIssuer};
use crate::store::changes::{LogTransaction, Logged, Notice, Written};
use crate::store::database::Dialect;
use crate::store::row::{Row, to_json, values};
use crate::store::{Audited, Page, Result, Store, StoreError};

fn issuer(row: &Row) -> Result<TrustedIssuer> {
    Ok(TrustedIssuer {
        issuer: row.get("issuer")?,
        settings: row.json("settings")?,
        created_at: row.moment("created_at")?,
        version: row.get("version")?,
    })
}

/// The clients that the rules of an issuer name.
fn named(settings: &IssuerSettings) -> Vec<String> {
    settings.rules.iter().filter_map(|rule| rule.client_id.clone()).collect()
}

impl Store {
    /// Registers an issuer.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::NoSuchClient`], [`StoreError::TooMany`], [`StoreError::UnknownFeature`].
    pub async fn issuer_create(&self, issuer: &TrustedIssuer, audited: &Audited) -> Result<Logged<()>> {
        let mut transaction = self.begin_logged().await?;
        match transaction.insert_issuer(issuer, audited).await? {
            None => transaction.commit(()).await,
            Some(refusal) => transaction.roll_back(()).await.and(Err(refusal)),
        }
    }

    /// Replaces the settings of an issuer, unless they changed since `issuer.version`. Returns whether they were replaced.
    ///
    /// # Errors
    /// [`StoreError::NoSuchClient`].
    pub async fn issuer_update(&self, issuer: &TrustedIssuer, audited: &Audited) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        let written = transaction.update_issuer(issuer, audited).await?;
        transaction.end(written).await
    }

    /// Deletes an issuer. Returns whether it existed.
    pub async fn issuer_delete(&self, name: &str, audited: &Audited) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        let written = transaction.delete_issuer(name, audited).await?;
        transaction.end(written).await
    }

    /// The issuer with exactly this name.
    pub async fn issuer_find(&self, name: &str) -> Result<Option<TrustedIssuer>> {
        let sql = "SELECT issuer, settings, version, created_at FROM trusted_issuers WHERE issuer = $1";
        self.database.query_one(sql, values![name]).await?.as_ref().map(issuer).transpose()
    }

    /// All issuers, for a node that follows the log.
    pub async fn issuer_all(&self) -> Result<Vec<TrustedIssuer>> {
        let sql = "SELECT issuer, settings, version, created_at FROM trusted_issuers";
        self.for_nodes.query(sql, vec![]).await?.iter().map(issuer).collect()
    }

    /// Issuers by name; the key of a page is the name.
    pub async fn issuer_list(&self, name: Option<&str>, page: &Page) -> Result<Vec<TrustedIssuer>> {
        let sql = "SELECT issuer, settings, version, created_at FROM trusted_issuers \
                   WHERE ($1 IS NULL OR issuer = $1) AND ($2 IS NULL OR issuer > $2) ORDER BY issuer LIMIT $3";
        self.database.query(sql, values![name, page.after.clone(), page.limit]).await?.iter().map(issuer).collect()
    }
}

impl LogTransaction {
    /// Adds an issuer. Returns the refusal if it may not be added.
    pub(super) async fn insert_issuer(
        &mut self,
        issuer: &TrustedIssuer,
        audited: &Audited,
    ) -> Result<Option<StoreError>> {
        if let Some(refusal) = self.refuse_new_issuer(issuer, audited).await? {
            return Ok(Some(refusal));
        }
        let sql = "INSERT INTO trusted_issuers (issuer, settings, version, created_at) VALUES ($1, $2, $3, $4)";
        let values = values![&issuer.issuer, to_json(&issuer.settings)?, issuer.version, issuer.created_at];
        self.query(sql, values).await?;
        self.audit(audited, "issuer.create", format!("issuer {}", issuer.issuer), None).await?;
        self.notify(Notice::Issuer(&issuer.issuer), audited).await?;
        Ok(None)
    }

    /// Replaces the settings of an issuer, unless they changed since `issuer.version`.
    pub(super) async fn update_issuer(&mut self, issuer: &TrustedIssuer, audited: &Audited) -> Result<Written> {
        self.lock_names().await?;
        if let Some(missing) = self.missing_client(&named(&issuer.settings)).await? {
            return Ok(Written::Refused(StoreError::NoSuchClient(missing)));
        }
        let sql = "UPDATE trusted_issuers SET settings = $1, version = version + 1 WHERE issuer = $2 AND version = $3 \
                   RETURNING issuer";
        let values = values![to_json(&issuer.settings)?, &issuer.issuer, issuer.version];
        if self.query_one(sql, values).await?.is_none() {
            return Ok(Written::Outdated);
        }
        self.audit(audited, "issuer.update", format!("issuer {}", issuer.issuer), None).await?;
        self.notify(Notice::Issuer(&issuer.issuer), audited).await?;
        Ok(Written::Done)
    }

    /// Deletes an issuer.
    pub(super) async fn delete_issuer(&mut self, name: &str, audited: &Audited) -> Result<Written> {
        let sql = "DELETE FROM trusted_issuers WHERE issuer = $1 RETURNING issuer";
        if self.query_one(sql, values![name]).await?.is_none() {
            return Ok(Written::Outdated);
        }
        self.disown(Kind::Issuer, name).await?;
        self.audit(audited, "issuer.delete", format!("issuer {name}"), None).await?;
        self.notify(Notice::Issuer(name), audited).await?;
        Ok(Written::Done)
    }

    async fn refuse_new_issuer(&mut self, new: &TrustedIssuer, audited: &Audited) -> Result<Option<StoreError>> {
        self.lock_names().await?;
        let same = "SELECT issuer FROM trusted_issuers WHERE issuer = $1";
        if self.query_one(same, values![&new.issuer]).await?.is_some() {
            return Ok(Some(StoreError::Exists));
        }
        let count = self.query_one("SELECT count(*) AS count FROM trusted_issuers", vec![]).await?;
        if count.map_or(Ok(0), |row| row.get::<i64>("count"))? >= MOST_ISSUERS {
            return Ok(Some(StoreError::TooMany(MOST_ISSUERS)));
        }
        if let Some(missing) = self.missing_client(&named(&new.settings)).await? {
            return Ok(Some(StoreError::NoSuchClient(missing)));
        }
        self.use_feature(feature::named(feature::TRUSTED_ISSUERS), audited.at).await
    }

    /// Takes the rules for a client that this transaction deletes, and holds the lock of names for, out of the issuers: a client that
    /// gets its id later is another one.
    pub(super) async fn stop_trusting_for(&mut self, client_id: &str, audited: &Audited) -> Result<()> {
        let naming = match self.dialect() {
            Dialect::Postgres => "SELECT issuer, settings FROM trusted_issuers WHERE strpos(settings, $1) > 0",
            Dialect::Sqlite => "SELECT issuer, settings FROM trusted_issuers WHERE instr(settings, $1) > 0",
        };
        for row in self.query(naming, values![to_json(&client_id)?]).await? {
            let (name, mut settings): (String, IssuerSettings) = (row.get("issuer")?, row.json("settings")?);
            let before = settings.rules.len();
            settings.rules.retain(|rule| rule.client_id.as_deref() != Some(client_id));
            if settings.rules.len() == before {
                continue;
            }
            let sql = "UPDATE trusted_issuers SET settings = $1, version = version + 1 WHERE issuer = $2";
            self.query(sql, values![to_json(&settings)?, &name]).await?;
            self.notify(Notice::Issuer(&name), audited).await?;
        }
        Ok(())
    }
}
