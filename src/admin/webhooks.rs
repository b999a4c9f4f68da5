//! Administration of webhooks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::body::{Patch, not_null};
use crate::admin::error::no_such;
use crate::admin::{Actor, AdminError, List, ListRequest, Result};
use crate::app::App;
use crate::protocol::event::EventTypes;
use crate::protocol::time::Timestamp;
use crate::protocol::webhook::{Deliveries, MOST_SECRETS, SealedSecret, Webhook, check_description, check_url};
use crate::store::SecretRetired;
use crate::tokens::webhook_secret::WebhookSecret;

/// A webhook to create. `null` counts as absent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where it is told of events: https, a public address unless `JETON_FETCH_ALLOW` names another, no user name or fragment.
    #[schema(format = "uri", max_length = 2048)]
    pub url: String,
    /// The events that it is told of; all if there are none.
    pub types: Option<EventTypes>,
    /// For people, at most 255 bytes of UTF-8 without control characters.
    #[schema(max_length = 255, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$")]
    pub description: Option<String>,
    /// Whether it is told.
    #[schema(default = true)]
    pub enabled: Option<bool>,
}

/// What can be changed of a webhook.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookPatch {
    /// Where it is told of events.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = String, format = "uri", max_length = 2048, required = false)]
    pub url: Option<String>,
    /// The events that it is told of; all if null, or if there are none.
    #[serde(default)]
    #[schema(value_type = Option<EventTypes>)]
    pub types: Patch<EventTypes>,
    /// For people, at most 255 bytes of UTF-8 without control characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 255, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$")]
    pub description: Patch<String>,
    /// Whether it is told. What waits for it is dropped when it is disabled.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    pub enabled: Patch<bool>,
}

/// A webhook as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub struct WebhookView {
    /// The id.
    pub id: Uuid,
    /// Where it is told of events.
    pub url: String,
    /// The events that it is told of; all if there are none.
    pub types: EventTypes,
    /// For people.
    #[schema(required)]
    pub description: Option<String>,
    /// Whether it is told.
    pub enabled: bool,
    /// Its secrets, without the secrets themselves: two while one is replaced, none after the keys were reset.
    pub secrets: Vec<WebhookSecretView>,
    /// When it was created.
    pub created_at: Timestamp,
    /// How many messages wait to be taken, at most 10,000. When so many wait, it is told of no further events.
    pub waiting: i64,
    /// When it took a message for the last time; null if never.
    #[schema(required)]
    pub delivered_at: Option<Timestamp>,
    /// When it did not take one for the last time; null if never.
    #[schema(required)]
    pub failed_at: Option<Timestamp>,
    /// Why it did not; null if that never happened.
    #[schema(required)]
    pub failure: Option<String>,
}

/// A secret of a webhook as it is shown: never the secret itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub struct WebhookSecretView {
    /// The id.
    pub id: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A new webhook with its first secret.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = CreatedWebhook)]
pub struct NewWebhookView {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// The secret that signs its messages, which is never shown again. Begins with `whsec_`.
    pub secret: String,
}

/// A new secret of a webhook, shown once.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = NewWebhookSecret)]
pub struct NewWebhookSecretView {
    /// The id.
    pub id: Uuid,
    /// The secret itself, which is never shown again. Begins with `whsec_`.
    pub secret: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        let Deliveries { waiting, delivered_at, failed_at, failure } = webhook.deliveries;
        let secrets = webhook.secrets.iter();
        Self {
            id: webhook.id,
            url: webhook.url,
            types: webhook.types,
            description: webhook.description,
            enabled: webhook.enabled,
            secrets: secrets.map(|secret| WebhookSecretView { id: secret.id, created_at: secret.created_at }).collect(),
            created_at: webhook.created_at,
            waiting,
            delivered_at,
            failed_at,
            failure,
        }
    }
}

impl App {
    /// Creates a webhook; only the answer ever shows its secret.
    pub async fn webhook_create(&self, new: NewWebhook, actor: &Actor) -> Result<NewWebhookView> {
        let mut webhook = Webhook {
            id: self.clock.new_id(),
            url: new.url,
            types: new.types.unwrap_or_default(),
            description: new.description,
            enabled: new.enabled.unwrap_or(true),
            secrets: Vec::new(),
            created_at: self.clock.now(),
            version: 1,
            deliveries: Deliveries::default(),
        };
        check(&webhook)?;
        let (sealed, secret) = self.new_webhook_secret(webhook.id, actor).await?;
        webhook.secrets.push(sealed);
        self.store.webhook_create(&webhook, &self.dated(actor)).await?;
        Ok(NewWebhookView { webhook: webhook.into(), secret: secret.text().as_str().to_owned() })
    }

    /// Shows a webhook.
    pub async fn webhook_show(&self, id: &str) -> Result<WebhookView> {
        self.find_webhook(id).await.map(WebhookView::from)
    }

    /// Lists webhooks, the oldest first.
    pub async fn webhook_list(&self, request: &ListRequest) -> Result<List<WebhookView>> {
        let page = request.page("webhooks")?;
        let webhooks = self.store.webhook_list(&page).await?;
        Ok(List::new("webhooks", &page, webhooks, |webhook| webhook.id.to_string(), WebhookView::from))
    }

    /// Changes a webhook by a merge patch (RFC 7396).
    pub async fn webhook_update(&self, id: &str, patch: WebhookPatch, actor: &Actor) -> Result<WebhookView> {
        let mut webhook = self.find_webhook(id).await?;
        if let Some(url) = patch.url {
            webhook.url = url;
        }
        patch.types.apply(&mut webhook.types, EventTypes::default());
        patch.description.apply_to_option(&mut webhook.description);
        patch.enabled.apply(&mut webhook.enabled, true);
        check(&webhook)?;
        if self.store.webhook_update(&webhook, &self.dated(actor)).await? {
            Ok(webhook.into())
        } else {
            Err(AdminError::Conflict(format!("the webhook {} was changed at the same time; try again", webhook.id)))
        }
    }

    /// Deletes a webhook with what waits for it.
    pub async fn webhook_delete(&self, id: &str, actor: &Actor) -> Result<()> {
        let webhook = self.find_webhook(id).await?;
        if self.store.webhook_delete(webhook.id, &self.dated(actor)).await? {
            Ok(())
        } else {
            Err(no_such("webhook", id))
        }
    }

    /// Gives a webhook another secret, which signs beside the first; only the answer ever shows it.
    pub async fn webhook_secret_add(&self, id: &str, actor: &Actor) -> Result<NewWebhookSecretView> {
        let webhook = self.find_webhook(id).await?;
        let (sealed, secret) = self.new_webhook_secret(webhook.id, actor).await?;
        if !self.store.webhook_secret_add(webhook.id, &sealed, &self.dated(actor)).await? {
            // Either it was deleted meanwhile, or it has two secrets.
            self.find_webhook(id).await?;
            return Err(AdminError::Conflict(format!(
                "the webhook {} has {MOST_SECRETS} secrets already; retire one first",
                webhook.id
            )));
        }
        Ok(NewWebhookSecretView {
            id: sealed.id,
            secret: secret.text().as_str().to_owned(),
            created_at: sealed.created_at,
        })
    }

    /// Retires a secret of a webhook: nothing is signed with it any more.
    pub async fn webhook_secret_retire(&self, id: &str, secret: &str, actor: &Actor) -> Result<()> {
        let webhook = self.find_webhook(id).await?;
        let missing = || AdminError::NotFound(format!("the webhook {} has no such secret", webhook.id));
        let secret: Uuid = secret.parse().map_err(|_| missing())?;
        match self.store.webhook_secret_retire(webhook.id, secret, &self.dated(actor)).await? {
            SecretRetired::Yes => Ok(()),
            SecretRetired::ThereIsNone => Err(missing()),
            SecretRetired::ItIsTheLast => Err(AdminError::Conflict(format!(
                "the webhook {} has no other secret; add one first, or delete the webhook",
                webhook.id
            ))),
        }
    }

    async fn find_webhook(&self, text: &str) -> Result<Webhook> {
        let id: Uuid = text.parse().map_err(|_| no_such("webhook", text))?;
        self.store.webhook_find(id).await?.ok_or_else(|| no_such("webhook", text))
    }

    /// A random secret: what to store, and what to show.
    async fn new_webhook_secret(&self, webhook: Uuid, actor: &Actor) -> Result<(SealedSecret, WebhookSecret)> {
        let key = self.data_key(&self.issuer, &self.dated(actor)).await?;
        let (id, secret) = (self.clock.new_id(), WebhookSecret::generate());
        let sealed = secret.seal(webhook, id, &key);
        Ok((SealedSecret { id, sealed, created_at: self.clock.now() }, secret))
    }
}

fn check(webhook: &Webhook) -> Result<()> {
    let invalid = |member: &str, problem: String| AdminError::Invalid(format!("{member}: {problem}"));
    check_url(&webhook.url).map_err(|problem| invalid("url", problem))?;
    webhook.types.clone().check().map_err(|problem| invalid("types", problem))?;
    let description = webhook.description.as_deref().unwrap_or_default();
    check_description(description).map_err(|problem| invalid("description", problem))
}
