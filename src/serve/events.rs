//! Gives events their numbers, and wakes the streams of this node.
//!
//! Every node does, so that events come even if the others stand still; the database lets one at a time.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::app::App;
use crate::serve::deliveries::POLL_INTERVAL;
use crate::store::Result;
use crate::telemetry::metrics::NoticeOutcome;

/// The most events that get their numbers in one transaction.
const AT_ONCE: i64 = 500;

/// Gives numbers for as long as it runs.
pub(super) async fn run(app: Arc<App>) {
    // Webhooks that are told of nothing more, which is said once.
    let mut full = HashSet::new();
    let mut polls = tokio::time::interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        polls.tick().await;
        if let Err(error) = poll(&app, &mut full).await {
            tracing::debug!(%error, "events got no numbers");
        }
    }
}

async fn poll(app: &App, full: &mut HashSet<Uuid>) -> Result<()> {
    loop {
        let numbered = app.store.events_number(app.clock.now(), AT_ONCE).await?;
        app.event_streams.moved(numbered.head);
        if numbered.count == 0 {
            return Ok(());
        }
        full.retain(|webhook| numbered.full.iter().any(|(id, _)| id == webhook));
        for (webhook, missed) in numbered.full {
            app.metrics.webhook_messages(NoticeOutcome::Dropped, missed);
            if full.insert(webhook) {
                tracing::warn!(%webhook, "too many events wait for a webhook: it is told of no more until it takes them");
            }
        }
    }
}
