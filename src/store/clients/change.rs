//! Creating, changing and deleting clients.

use crate::protocol::client::Client;
use crate::protocol::object::Kind;
use crate::protocol::revocation::NewRevocation;
use crate::store::changes::{LogTransaction, Logged, Notice, Written};
use crate::store::clients::secrets::{INSERT_SECRET, secret_values};
use crate::store::row::{to_json, values};
use crate::store::{Audited, Result, Store, StoreError, SubOwner};

impl LogTransaction {
    /// Adds a client with its secrets. Returns the refusal if its id is taken, or a live node does not understand it.
    pub(in crate::store) async fn insert_client(
        &mut self,
        client: &Client,
        audited: &Audited,
    ) -> Result<Option<StoreError>> {
        match self.sub_take(&client.client_id, SubOwner::Client).await? {
            Some(owner) => Ok(Some(StoreError::SubTaken(owner))),
            None => self.insert_client_as("client.create", client, audited).await,
        }
    }

    /// The same for a client whose id this transaction has taken.
    pub(in crate::store) async fn insert_client_as(
        &mut self,
        action: &'static str,
        client: &Client,
        audited: &Audited,
    ) -> Result<Option<StoreError>> {
        if let Some(refusal) = self.refuse_client_id(&client.client_id).await? {
            return Ok(Some(refusal));
        }
        if let Some(refusal) = self.refuse_audiences(client).await? {
            return Ok(Some(refusal));
        }
        if let Some(refusal) = self.use_features(&client.settings, audited.at).await? {
            return Ok(Some(refusal));
        }
        let sql = "INSERT INTO clients (client_id, settings, version, created_at) VALUES ($1, $2, $3, $4)";
        let values = values![&client.client_id, to_json(&client.settings)?, client.version, client.created_at];
        self.query(sql, values).await?;
        for secret in &client.secrets {
            self.query(INSERT_SECRET, secret_values(&client.client_id, secret)).await?;
        }
        self.audit(audited, action, format!("client {}", client.client_id), None).await?;
        self.notify(Notice::Client(&client.client_id), audited).await?;
        Ok(None)
    }

    /// Replaces the settings of a client, unless they changed since `client.version`, and writes the revocation that goes with the
    /// change.
    pub(in crate::store) async fn update_client(
        &mut self,
        client: &Client,
        action: &'static str,
        revocation: Option<&NewRevocation>,
        audited: &Audited,
    ) -> Result<Written> {
        if let Some(refusal) = self.refuse_audiences(client).await? {
            return Ok(Written::Refused(refusal));
        }
        let sql = "UPDATE clients SET settings = $1, version = version + 1 WHERE client_id = $2 AND version = $3 \
                   RETURNING client_id";
        let values = values![to_json(&client.settings)?, &client.client_id, client.version];
        if self.query_one(sql, values).await?.is_none() {
            return Ok(Written::Outdated);
        }
        if let Some(refusal) = self.use_features(&client.settings, audited.at).await? {
            return Ok(Written::Refused(refusal));
        }
        self.audit(audited, action, format!("client {}", client.client_id), None).await?;
        match revocation {
            Some(revocation) => self.revoke(revocation, audited).await?,
            None => self.notify(Notice::Client(&client.client_id), audited).await?,
        };
        Ok(Written::Done)
    }

    /// Deletes a client and revokes what was issued to it.
    pub(in crate::store) async fn delete_client(
        &mut self,
        client_id: &str,
        revocation: &NewRevocation,
        audited: &Audited,
    ) -> Result<Written> {
        self.lock_names().await?;
        let sql = "DELETE FROM clients WHERE client_id = $1 RETURNING client_id";
        if self.query_one(sql, values![client_id]).await?.is_none() {
            return Ok(Written::Outdated);
        }
        self.sub_free(client_id).await?;
        self.disown(Kind::Client, client_id).await?;
        self.stop_serving(client_id, audited).await?;
        self.stop_trusting_for(client_id, audited).await?;
        self.audit(audited, "client.delete", format!("client {client_id}"), None).await?;
        self.revoke(revocation, audited).await?;
        Ok(Written::Done)
    }
}

impl Store {
    /// Creates a client with its secrets.
    ///
    /// # Errors
    /// [`StoreError::SubTaken`] when a client has the id, or a user has it as `sub`; [`StoreError::IsAudience`],
    /// [`StoreError::IsClientId`], [`StoreError::UnknownFeature`].
    pub async fn client_create(&self, client: &Client, audited: &Audited) -> Result<Logged<()>> {
        let mut transaction = self.begin_logged().await?;
        match transaction.insert_client(client, audited).await? {
            None => transaction.commit(()).await,
            Some(refusal) => transaction.roll_back(()).await.and(Err(refusal)),
        }
    }

    /// Replaces the settings of a client, unless they changed since `client.version`, and writes the revocation that
    /// goes with the change. Returns whether they were replaced.
    ///
    /// # Errors
    /// [`StoreError::UnknownFeature`] when a live node would not understand them; [`StoreError::IsClientId`].
    pub async fn client_update(
        &self,
        client: &Client,
        action: &'static str,
        revocation: Option<&NewRevocation>,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        let written = transaction.update_client(client, action, revocation, audited).await?;
        transaction.end(written).await
    }

    /// Deletes a client and revokes what was issued to it. Returns whether it existed.
    pub async fn client_delete(
        &self,
        client_id: &str,
        revocation: &NewRevocation,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        let written = transaction.delete_client(client_id, revocation, audited).await?;
        transaction.end(written).await
    }
}
