//! Webhooks are told of events (Standard Webhooks 1.0).
//!
//! As with notices of logouts, what is to be told stands in the database, each node takes a few messages that are due, and a receiver
//! that fails gets one at a time after growing pauses.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;
use url::{Position, Url};
use uuid::Uuid;

use crate::app::App;
use crate::calling_out::{Purpose, Refused};
use crate::protocol::webhook::{Webhook, WebhookMessage};
use crate::serve::receivers::{Outcome, POLL_INTERVAL, Receivers, TAKEN_FOR, judge};
use crate::store::Result;
use crate::telemetry::metrics::NoticeOutcome;
use crate::tokens::webhook_secret::WebhookSecret;

/// The most messages that are removed at a time because their time is over.
const MOST_EXPIRED: i64 = 1000;

/// The delivery of a message that has ended.
struct Delivered {
    host: String,
    webhook: Uuid,
    outcome: Outcome,
    why: String,
}

/// A webhook that can be told now.
struct Receiver {
    id: Uuid,
    url: Url,
    host: String,
    secrets: Vec<WebhookSecret>,
}

/// Tells webhooks of events for as long as it runs.
pub(super) async fn run(app: Arc<App>) {
    let mut receivers = Receivers::of(Purpose::Webhook);
    let mut under_way = JoinSet::new();
    // Where the next poll begins, so that no webhook always comes first.
    let mut first = 0;
    let mut polls = tokio::time::interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = polls.tick() => {
                if let Err(error) = poll(&app, &mut receivers, &mut under_way, &mut first).await {
                    tracing::debug!(%error, "messages for webhooks were not read");
                }
            }
            Some(ended) = under_way.join_next() => {
                // A delivery does not panic.
                if let Ok(Delivered { host, webhook, outcome, why }) = ended {
                    if receivers.ended(&host, outcome, Instant::now()) {
                        tracing::warn!(%webhook, host, why, "a webhook could not be told of an event; it is tried again");
                    }
                    // The next ones need not wait for the next poll, or four of them would take half a second.
                    if outcome == Outcome::Taken && under_way.is_empty() {
                        polls.reset_immediately();
                    }
                }
            }
        }
    }
}

/// Begins to deliver what is due, as far as there are turns.
async fn poll(
    app: &Arc<App>,
    receivers: &mut Receivers,
    under_way: &mut JoinSet<Delivered>,
    first: &mut usize,
) -> Result<()> {
    dropped(app, app.store.webhook_messages_expire(app.clock.now(), MOST_EXPIRED).await?, "nobody took them in time");
    let mut waiting = app.store.webhook_messages_due(app.clock.now()).await?;
    if waiting.is_empty() {
        return Ok(());
    }
    *first = (*first + 1) % waiting.len();
    waiting.rotate_left(*first);
    for id in waiting {
        let Some(webhook) = app.store.webhook_find(id).await?.filter(|webhook| webhook.enabled) else {
            // They got their numbers while it was disabled.
            app.store.webhook_messages_discard(id).await?;
            continue;
        };
        // Without a secret nothing is sent: an unsigned message would be taken for one of somebody else.
        let Some(receiver) = receiver(app, &webhook) else { continue };
        let receiver = Arc::new(receiver);
        let free = receivers.free(&receiver.host, Instant::now());
        if free == 0 {
            continue;
        }
        let now = app.clock.now();
        for message in app.store.webhook_messages_take(id, now, now.plus_seconds(TAKEN_FOR), free).await? {
            receivers.begun(&receiver.host);
            let (app, receiver) = (Arc::clone(app), Arc::clone(&receiver));
            under_way.spawn(async move {
                let (outcome, why) = deliver(&app, &receiver, &message).await;
                Delivered { host: receiver.host.clone(), webhook: receiver.id, outcome, why }
            });
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
    let host = url[Position::BeforeHost..Position::AfterPort].to_owned();
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
