//! Webhooks are told of events (Standard Webhooks 1.0).

use std::sync::Arc;

use url::Url;
use uuid::Uuid;

use crate::app::App;
use crate::calling_out::{Purpose, Refused};
use crate::protocol::webhook::{Webhook, WebhookMessage};
use crate::serve::deliveries::{Delivered, Deliveries, MOST_EXPIRED, TAKEN_FOR, host};
use crate::serve::receivers::{Outcome, judge};
use crate::store::Result;
use crate::telemetry::metrics::NoticeOutcome;
use crate::tokens::webhook_secret::WebhookSecret;

/// A webhook that can be told now.
struct Receiver {
    id: Uuid,
    url: Url,
    host: String,
    secrets: Vec<WebhookSecret>,
}

/// Tells webhooks of events for as long as it runs.
pub(super) async fn run(app: Arc<App>) {
    let mut deliveries = Deliveries::of(Purpose::Webhook);
    loop {
        let tell_trouble = |Delivered { host, receiver, why, .. }| {
            tracing::warn!(webhook = %receiver, host, why, "a webhook could not be told of an event; it is tried again");
        };
        deliveries.next_poll(tell_trouble).await;
        if let Err(error) = poll(&app, &mut deliveries).await {
            tracing::debug!(%error, "messages for webhooks were not read");
        }
    }
}

/// Begins to deliver what is due, as far as there are turns.
async fn poll(app: &Arc<App>, deliveries: &mut Deliveries) -> Result<()> {
    dropped(app, app.store.webhook_messages_expire(app.clock.now(), MOST_EXPIRED).await?, "nobody took them in time");
    let waiting = app.store.webhook_messages_due(app.clock.now()).await?;
    for id in deliveries.in_turn(waiting) {
        let Some(webhook) = app.store.webhook_find(id).await?.filter(|webhook| webhook.enabled) else {
            // They got their numbers while it was disabled.
            app.store.webhook_messages_discard(id).await?;
            continue;
        };
        // Without a secret nothing is sent: an unsigned message would be taken for one of somebody else.
        let Some(receiver) = receiver(app, &webhook) else { continue };
        let receiver = Arc::new(receiver);
        let free = deliveries.free(&receiver.host);
        if free == 0 {
            continue;
        }
        let now = app.clock.now();
        for message in app.store.webhook_messages_take(id, now, now.plus_seconds(TAKEN_FOR), free).await? {
            let (app, receiver) = (Arc::clone(app), Arc::clone(&receiver));
            let host = receiver.host.clone();
            deliveries.begin(&host, id.to_string(), async move { deliver(&app, &receiver, &message).await });
        }
    }
    Ok(())
}

/// Counts messages that nobody will get.
fn dropped(app: &App, count: usize, why: &str) {
    app.metrics.webhook_messages(NoticeOutcome::Dropped, count);
    if count > 0 {
        tracing::warn!(count, why, "messages for webhooks were dropped");
    }
}

/// Where a webhook is told, and with which secrets; `None` if its secrets cannot be read.
fn receiver(app: &App, webhook: &Webhook) -> Option<Receiver> {
    let keys = app.issuer.keys();
    let key = keys.ring.data_key();
    let sealed = webhook.secrets.iter();
    let secrets: Vec<WebhookSecret> =
        sealed.filter_map(|secret| WebhookSecret::open(&secret.sealed, webhook.id, secret.id, key?)).collect();
    if secrets.is_empty() {
        tracing::debug!(webhook = %webhook.id, "a webhook has no secret that can be read; it is told of nothing");
        return None;
    }
    let url = Url::parse(&webhook.url).ok()?;
    let host = host(&url);
    Some(Receiver { id: webhook.id, url, host, secrets })
}

/// Sends a message that was taken, and settles what becomes of it.
async fn deliver(app: &App, receiver: &Receiver, message: &WebhookMessage) -> (Outcome, String) {
    let (webhook, event, attempts) = (receiver.id, message.event, message.attempts);
    let refused = match send(app, receiver, message).await {
        Ok(Some(Ok(()))) => None,
        Ok(Some(Err(refused))) => Some(refused),
        // It is older than messages become, unless a clock was set.
        Ok(None) => {
            dropped(app, 1, "their events are no longer kept");
            let removed = app.store.webhook_message_failed(message, "its event is gone", app.clock.now(), None).await;
            if let Err(error) = removed {
                tracing::debug!(%error, %webhook, %event, "a message was not removed");
            }
            return (Outcome::NotSent, String::new());
        }
        // It is due again when the time for which it was taken is over.
        Err(error) => {
            tracing::debug!(%error, %webhook, %event, "an event was not read");
            return (Outcome::NotSent, String::new());
        }
    };
    let (outcome, counted) = judge(refused.as_ref(), message.pause().is_some());
    let why = refused.map(|refused| refused.to_string()).unwrap_or_default();
    match counted {
        NoticeOutcome::Delivered => tracing::debug!(%webhook, %event, attempts, "a webhook was told of an event"),
        NoticeOutcome::Postponed => {
            tracing::debug!(%webhook, %event, attempts, why, "a message for a webhook has to wait")
        }
        NoticeOutcome::Dropped => tracing::warn!(%webhook, %event, attempts, why, "a webhook was not told of an event"),
    }
    let now = app.clock.now();
    let due_at = message.pause().filter(|_| counted == NoticeOutcome::Postponed).map(|pause| now.plus_seconds(pause));
    let settled = match counted {
        NoticeOutcome::Delivered => app.store.webhook_message_delivered(message, now).await,
        _ => app.store.webhook_message_failed(message, &why, now, due_at).await,
    };
    if let Err(error) = settled {
        tracing::debug!(%error, %webhook, %event, "the outcome of a message was not written; it is sent again");
    }
    app.metrics.webhook_messages(counted, 1);
    (outcome, why)
}

/// Each attempt has the id of the event, by which receivers know a repetition, and a time and a signature of its own. `None`: the event
/// is gone.
async fn send(
    app: &App,
    receiver: &Receiver,
    message: &WebhookMessage,
) -> Result<Option<std::result::Result<(), Refused>>> {
    let Some(event) = app.store.event_find(message.event).await? else { return Ok(None) };
    let (id, now, body) = (event.id.to_string(), app.clock.now(), event.to_json());
    let signatures: Vec<String> = receiver.secrets.iter().map(|secret| secret.sign(&id, now, &body)).collect();
    let headers = [
        ("webhook-id", id.as_str()),
        ("webhook-timestamp", &now.seconds().to_string()),
        ("webhook-signature", &signatures.join(" ")),
    ];
    Ok(Some(app.caller.post_json(Purpose::Webhook, &receiver.url, &headers, body).await))
}
