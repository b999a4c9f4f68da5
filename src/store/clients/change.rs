//! Creating, changing and deleting clients.

use crate::protocol::client::Client;
use crate::protocol::revocation::NewRevocation;
use crate::store::changes::{LogTransaction, Logged, Notice};
use crate::store::clients::secrets::{INSERT_SECRET, secret_values};
use crate::store::row::{to_json, values};
use crate::store::{Audited, Result, Store, StoreError, SubHolder};

impl LogTransaction {
    /// Adds a client with its secrets. Returns the refusal if its id is taken, or a live node does not understand it.
    pub(in crate::store) async fn insert_client(
        &mut self,
        client: &Client,
        action: &'static str,
        audited: &Audited,
    ) -> Result<Option<StoreError>> {
        if let Some(holder) = self.sub_take(&client.client_id, SubHolder::Client).await? {
            return Ok(Some(StoreError::SubTaken(holder)));
        }
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
}

impl Store {
    /// Creates a client with its secrets.
    ///
    /// # Errors
    /// [`StoreError::SubTaken`] when a client has the id, or a user has it as `sub`; [`StoreError::IsAudience`],
    /// [`StoreError::IsClientId`], [`StoreError::UnknownFeature`].
    pub async fn client_create(&self, client: &Client, audited: &Audited) -> Result<Logged<()>> {
        let mut transaction = self.begin_logged().await?;
        match transaction.insert_client(client, "client.create", audited).await? {
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
        if let Some(refusal) = transaction.refuse_audiences(client).await? {
            return transaction.roll_back(()).await.and(Err(refusal));
        }
        let sql = "UPDATE clients SET settings = $1, version = version + 1 WHERE client_id = $2 AND version = $3 \
                   RETURNING client_id";
        let values = values![to_json(&client.settings)?, &client.client_id, client.version];
        if transaction.query_one(sql, values).await?.is_none() {
            return transaction.roll_back(false).await;
        }
        if let Some(refusal) = transaction.use_features(&client.settings, audited.at).await? {
            return transaction.roll_back(()).await.and(Err(refusal));
        }
        transaction.audit(audited, action, format!("client {}", client.client_id), None).await?;
        match revocation {
            Some(revocation) => transaction.revoke(revocation, audited).await?,
            None => transaction.notify(Notice::Client(&client.client_id), audited).await?,
        };
        transaction.commit(true).await
    }

    /// Deletes a client and revokes what was issued to it. Returns whether it existed.
    pub async fn client_delete(
        &self,
        client_id: &str,
        revocation: &NewRevocation,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        transaction.lock_names().await?;
        let sql = "DELETE FROM clients WHERE client_id = $1 RETURNING client_id";
        if transaction.query_one(sql, values![client_id]).await?.is_none() {
            return transaction.roll_back(false).await;
        }
        transaction.sub_free(client_id).await?;
        transaction.stop_serving(client_id, audited).await?;
        transaction.stop_trusting_for(client_id, audited).await?;
        transaction.audit(audited, "client.delete", format!("client {client_id}"), None).await?;
        transaction.revoke(revocation, audited).await?;
        transaction.commit(true).await
    }
}
