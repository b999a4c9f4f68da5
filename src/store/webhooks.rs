//! Webhooks, their secrets, and the messages that they have not got yet.
//!
//! Messages are made with the numbers of the events (`store/events.rs`). Whoever delivers one takes it for a while, as with notices
//! of logouts: if that node stops, another takes it when the while is over.

use uuid::Uuid;

use crate::protocol::event::EventTypes;
use crate::protocol::time::Timestamp;
use crate::protocol::webhook::{
    Deliveries, MOST_SECRETS, MOST_WAITING, MOST_WEBHOOKS, SealedSecret, Webhook, WebhookMessage,
};
use crate::store::database::{Dialect, Transaction};
use crate::store::outbox::take;
use crate::store::row::{Row, values};
use crate::store::{Audited, Page, Result, Store, StoreError};

/// The outcome of retiring a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretRetired {
    /// It is gone.
    Yes,
    /// It is the only one, so it stays.
    ItIsTheLast,
    /// There is no such secret.
    ThereIsNone,
}

/// Reads webhooks; `$1` bounds the count of what waits.
macro_rules! webhooks {
    ($rest:literal) => {
        concat!(
            "SELECT w.id, w.url, w.types, w.description, w.enabled, w.version, w.created_at, w.delivered_at, w.failed_at, \
             w.failure, (SELECT count(*) FROM (SELECT m.event FROM webhook_messages m WHERE m.webhook = w.id LIMIT $1) n) \
             AS waiting FROM webhooks w WHERE ",
            $rest
        )
    };
}

fn webhook(row: &Row) -> Result<Webhook> {
    let moment = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    let types: String = row.get("types")?;
    Ok(Webhook {
        id: row.get("id")?,
        url: row.get("url")?,
        types: EventTypes::from_column(&types),
        description: row.get("description")?,
        enabled: row.get("enabled")?,
        secrets: Vec::new(),
        created_at: row.moment("created_at")?,
        version: row.get("version")?,
        deliveries: Deliveries {
            waiting: row.get("waiting")?,
            delivered_at: moment(row.get("delivered_at")?),
            failed_at: moment(row.get("failed_at")?),
            failure: row.get("failure")?,
        },
    })
}

fn message(row: &Row) -> Result<WebhookMessage> {
    Ok(WebhookMessage { webhook: row.get("webhook")?, event: row.get("event")?, attempts: row.get("attempts")? })
}

impl Store {
    /// Creates a webhook with its secrets.
    ///
    /// # Errors
    /// [`StoreError::TooMany`].
    pub async fn webhook_create(&self, webhook: &Webhook, audited: &Audited) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        if transaction.dialect() == Dialect::Postgres {
            // So that they are counted one after the other. The number is arbitrary, but never changes. SQLite has one writer.
            transaction.query("SELECT pg_advisory_xact_lock(7439)", vec![]).await?;
        }
        let count = transaction.query_one("SELECT count(*) AS count FROM webhooks", vec![]).await?;
        if count.map_or(Ok(0), |row| row.get::<i64>("count"))? >= MOST_WEBHOOKS {
            transaction.roll_back().await?;
            return Err(StoreError::TooMany(MOST_WEBHOOKS));
        }
        let sql = "INSERT INTO webhooks (id, url, types, description, enabled, version, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let values = values![
            webhook.id,
            &webhook.url,
            webhook.types.to_column(),
            webhook.description.clone(),
            webhook.enabled,
            webhook.version,
            webhook.created_at
        ];
        transaction.query(sql, values).await?;
        for secret in &webhook.secrets {
            transaction.webhook_secret_insert(webhook.id, secret).await?;
        }
        transaction.audit(audited, "webhook.create", format!("webhook {}", webhook.id), None).await?;
        transaction.commit().await
    }

    /// Replaces what an administrator sets of a webhook, unless that changed since `webhook.version`. What waits for it is dropped
    /// when it is disabled. Returns whether it was replaced.
    pub async fn webhook_update(&self, webhook: &Webhook, audited: &Audited) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let sql = "UPDATE webhooks SET url = $1, types = $2, description = $3, enabled = $4, version = version + 1 \
                   WHERE id = $5 AND version = $6 RETURNING id";
        let values = values![
            &webhook.url,
            webhook.types.to_column(),
            webhook.description.clone(),
            webhook.enabled,
            webhook.id,
            webhook.version
        ];
        if transaction.query_one(sql, values).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(false);
        }
        if !webhook.enabled {
            transaction.query("DELETE FROM webhook_messages WHERE webhook = $1", values![webhook.id]).await?;
        }
        transaction.audit(audited, "webhook.update", format!("webhook {}", webhook.id), None).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Deletes a webhook with its secrets and messages. Returns whether it existed.
    pub async fn webhook_delete(&self, id: Uuid, audited: &Audited) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        let sql = "DELETE FROM webhooks WHERE id = $1 RETURNING id";
        if transaction.query_one(sql, values![id]).await?.is_none() {
            transaction.roll_back().await?;
            return Ok(false);
        }
        transaction.audit(audited, "webhook.delete", format!("webhook {id}"), None).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// A webhook with its secrets, the newest last.
    pub async fn webhook_find(&self, id: Uuid) -> Result<Option<Webhook>> {
        let row = self.database.query_one(webhooks!("w.id = $2"), values![MOST_WAITING, id]).await?;
        let found = row.as_ref().map(webhook).transpose()?;
        Ok(self.with_secrets(found.into_iter().collect()).await?.pop())
    }

    /// Webhooks with their secrets, by id, which is the key of a page.
    pub async fn webhook_list(&self, page: &Page) -> Result<Vec<Webhook>> {
        let after = page.after.as_deref().and_then(|key| Uuid::parse_str(key).ok()).unwrap_or_default();
        let sql = webhooks!("w.id > $2 ORDER BY w.id LIMIT $3");
        let rows = self.database.query(sql, values![MOST_WAITING, after, page.limit]).await?;
        self.with_secrets(rows.iter().map(webhook).collect::<Result<_>>()?).await
    }

    /// Adds the secrets; there are few in all.
    async fn with_secrets(&self, mut webhooks: Vec<Webhook>) -> Result<Vec<Webhook>> {
        if webhooks.is_empty() {
            return Ok(webhooks);
        }
        let sql = "SELECT id, webhook, sealed, created_at FROM webhook_secrets ORDER BY id";
        for row in &self.database.query(sql, vec![]).await? {
            let of: Uuid = row.get("webhook")?;
            if let Some(webhook) = webhooks.iter_mut().find(|webhook| webhook.id == of) {
                let (id, sealed, created_at) = (row.get("id")?, row.get("sealed")?, row.moment("created_at")?);
                webhook.secrets.push(SealedSecret { id, sealed, created_at });
            }
        }
        Ok(webhooks)
    }

    /// Gives a webhook another secret. Returns false if it has two already, or does not exist.
    pub async fn webhook_secret_add(&self, webhook: Uuid, secret: &SealedSecret, audited: &Audited) -> Result<bool> {
        let mut transaction = self.database.begin().await?;
        if transaction.webhook_secrets(webhook).await?.is_none_or(|secrets| secrets.len() >= MOST_SECRETS) {
            transaction.roll_back().await?;
            return Ok(false);
        }
        transaction.webhook_secret_insert(webhook, secret).await?;
        let detail = Some(format!("secret {} was added", secret.id));
        transaction.audit(audited, "webhook.secret", format!("webhook {webhook}"), detail).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Retires a secret, unless it is the last one.
    pub async fn webhook_secret_retire(&self, webhook: Uuid, id: Uuid, audited: &Audited) -> Result<SecretRetired> {
        let mut transaction = self.database.begin().await?;
        let outcome = match transaction.webhook_secrets(webhook).await? {
            Some(secrets) if !secrets.contains(&id) => SecretRetired::ThereIsNone,
            None => SecretRetired::ThereIsNone,
            Some(secrets) if secrets.len() < 2 => SecretRetired::ItIsTheLast,
            Some(_) => SecretRetired::Yes,
        };
        if outcome != SecretRetired::Yes {
            transaction.roll_back().await?;
            return Ok(outcome);
        }
        transaction.query("DELETE FROM webhook_secrets WHERE id = $1", values![id]).await?;
        let detail = Some(format!("secret {id} was retired"));
        transaction.audit(audited, "webhook.secret", format!("webhook {webhook}"), detail).await?;
        transaction.commit().await?;
        Ok(outcome)
    }

    /// The webhooks with messages that are due, perhaps expired ones.
    pub async fn webhook_messages_due(&self, now: Timestamp) -> Result<Vec<Uuid>> {
        let sql = "SELECT w.id FROM webhooks w \
                   WHERE (SELECT min(m.due_at) FROM webhook_messages m WHERE m.webhook = w.id) <= $1 ORDER BY w.id";
        self.database.query(sql, values![now]).await?.iter().map(|row| row.get("id")).collect()
    }

    /// Takes at most `limit` messages of a webhook that are due, the first that was due first, and counts the attempt. They are due
    /// again at `until`: nobody else takes them before.
    pub async fn webhook_messages_take(
        &self,
        webhook: Uuid,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<WebhookMessage>> {
        let sql = take!(self.dialect(), "webhook_messages", "webhook", "event");
        self.database.write(sql, values![webhook, now, until, limit]).await?.iter().map(message).collect()
    }

    /// Removes a message that was taken by its receiver.
    pub async fn webhook_message_delivered(&self, message: &WebhookMessage, now: Timestamp) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        // The webhook before its message, as whoever deletes one.
        let sql = "UPDATE webhooks SET delivered_at = $1 WHERE id = $2";
        transaction.query(sql, values![now, message.webhook]).await?;
        transaction.webhook_message_remove(message).await?;
        transaction.commit().await
    }

    /// Records why an attempt failed. The message is due at another time, unless it was taken again; or it is removed, if there is
    /// none.
    pub async fn webhook_message_failed(
        &self,
        message: &WebhookMessage,
        failure: &str,
        now: Timestamp,
        due_at: Option<Timestamp>,
    ) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        let sql = "UPDATE webhooks SET failed_at = $1, failure = $2 WHERE id = $3";
        transaction.query(sql, values![now, failure, message.webhook]).await?;
        match due_at {
            None => transaction.webhook_message_remove(message).await?,
            Some(due_at) => {
                let sql = "UPDATE webhook_messages SET due_at = $1 WHERE webhook = $2 AND event = $3 AND attempts = $4";
                let values = values![due_at, message.webhook, message.event, message.attempts];
                transaction.query(sql, values).await?;
            }
        }
        transaction.commit().await
    }

    /// Removes the messages of a webhook that is not told any more.
    pub async fn webhook_messages_discard(&self, webhook: Uuid) -> Result<()> {
        self.database.write("DELETE FROM webhook_messages WHERE webhook = $1", values![webhook]).await.map(drop)
    }

    /// Removes at most `limit` messages whose time is over. Returns how many.
    pub async fn webhook_messages_expire(&self, now: Timestamp, limit: i64) -> Result<usize> {
        let over = "SELECT event FROM webhook_messages WHERE expires_at <= $1 LIMIT $2";
        if self.database.query_one(over, values![now, 1_i64]).await?.is_none() {
            return Ok(0);
        }
        let sql = "DELETE FROM webhook_messages WHERE (webhook, event) IN \
                   (SELECT webhook, event FROM webhook_messages WHERE expires_at <= $1 LIMIT $2) RETURNING event";
        Ok(self.database.write(sql, values![now, limit]).await?.len())
    }
}

impl Transaction {
    async fn webhook_secret_insert(&mut self, webhook: Uuid, secret: &SealedSecret) -> Result<()> {
        let sql = "INSERT INTO webhook_secrets (id, webhook, sealed, created_at) VALUES ($1, $2, $3, $4)";
        let values = values![secret.id, webhook, secret.sealed.clone(), secret.created_at];
        self.query(sql, values).await.map(drop)
    }

    /// The ids of the secrets of a webhook, which nobody else changes until the transaction ends; `None` if there is no webhook.
    async fn webhook_secrets(&mut self, webhook: Uuid) -> Result<Option<Vec<Uuid>>> {
        let lock = match self.dialect() {
            Dialect::Postgres => "SELECT id FROM webhooks WHERE id = $1 FOR NO KEY UPDATE",
            Dialect::Sqlite => "SELECT id FROM webhooks WHERE id = $1",
        };
        if self.query_one(lock, values![webhook]).await?.is_none() {
            return Ok(None);
        }
        let rows = self.query("SELECT id FROM webhook_secrets WHERE webhook = $1", values![webhook]).await?;
        rows.iter().map(|row| row.get("id")).collect::<Result<_>>().map(Some)
    }

    async fn webhook_message_remove(&mut self, message: &WebhookMessage) -> Result<()> {
        let sql = "DELETE FROM webhook_messages WHERE webhook = $1 AND event = $2";
        self.query(sql, values![message.webhook, message.event]).await.map(drop)
    }
}
