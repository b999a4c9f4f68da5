//! Cleanup: one node at a time removes expired rows while the server runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::store::{Audited, Result, Round};

/// The longest time between the start of a server and its first turn.
const FIRST_TURN: Duration = Duration::from_secs(60);
/// How long a node holds the turn; if it dies or freezes, another one takes over after that.
const HOLD: Duration = Duration::from_secs(60);
/// How long a working node waits before it prolongs its turn.
const PROLONG: Duration = Duration::from_secs(15);
/// The pause after a batch, as a multiple of the time that the batch took.
const PAUSE: u32 = 3;
/// The most clients that a batch removes.
const REGISTRATIONS: i64 = 100;
/// The most documents of clients that a batch looks at.
const DOCUMENTS: i64 = 100;
/// The longest pause between two batches.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Cleans up at intervals.
pub(super) async fn run(app: Arc<App>) {
    let interval = app.settings.upkeep_interval;
    let mut wait = interval.min(FIRST_TURN);
    loop {
        tokio::time::sleep(wait).await;
        wait = interval;
        if let Err(error) = turn(&app).await {
            tracing::debug!(%error, "cleanup was postponed");
        }
    }
}

/// Does a round, if it is this node's turn.
async fn turn(app: &App) -> Result<()> {
    let (store, interval) = (&app.store, app.settings.upkeep_interval);
    if store.cleanup_take(app.node, HOLD, interval).await? && round(app).await? {
        if let Err(error) = sweep_keys(app).await {
            tracing::debug!(%error, "cleanup of keys was postponed");
        }
        if let Err(error) = sweep_registrations(app).await {
            tracing::debug!(%error, "cleanup of registrations was postponed");
        }
        if let Err(error) = sweep_documents(app).await {
            tracing::debug!(%error, "cleanup of the documents of clients was postponed");
        }
        store.cleanup_end(app.node, interval).await?;
    }
    if let Some(ended_at) = store.cleanup_ended_at().await? {
        app.metrics.upkeep_ended(ended_at);
    }
    Ok(())
}

/// Whether the round was completed; otherwise another node took over the turn.
async fn round(app: &App) -> Result<bool> {
    let (begun, mut prolonged) = (Instant::now(), Instant::now());
    let mut round = Round::new(app.clock.now(), app.settings.history);
    loop {
        if prolonged.elapsed() > PROLONG {
            prolonged = Instant::now();
            if !app.store.cleanup_hold(app.node, HOLD).await? {
                return Ok(false);
            }
        }
        let (batch, before) = (Instant::now(), round.removed().collect::<Vec<_>>());
        let has_more = app.store.sweep(&mut round).await?;
        for ((kind, now), (_, before)) in round.removed().zip(before) {
            app.metrics.removed(kind, now - before);
        }
        if !has_more {
            break;
        }
        tokio::time::sleep((batch.elapsed() * PAUSE).min(LONGEST_PAUSE)).await;
    }
    let removed = round.removed().filter(|(_, count)| *count > 0);
    let removed: Vec<String> = removed.map(|(kind, count)| format!("{count} {}", kind.replace('_', " "))).collect();
    if !removed.is_empty() {
        tracing::info!("removed expired rows: {}, in {} s", removed.join(", "), begun.elapsed().as_secs());
        app.store.shorten_journal().await?;
    }
    Ok(true)
}

/// Removes clients that registered themselves and with which nobody logged in, or not for a long time. The nodes are told, since they
/// may have such a client in memory.
async fn sweep_registrations(app: &App) -> Result<()> {
    let mut after = Some(String::new());
    while let Some(last) = after {
        let begun = Instant::now();
        after = app.store.registrations_rest(&last, REGISTRATIONS, app.clock.now()).await?;
        if !app.store.cleanup_hold(app.node, HOLD).await? {
            return Ok(());
        }
        tokio::time::sleep((begun.elapsed() * PAUSE).min(LONGEST_PAUSE)).await;
    }
    let mut removed = 0;
    loop {
        let begun = Instant::now();
        let audited = Audited { actor: "cleanup".into(), request_id: None, address: None, at: app.clock.now() };
        let batch = app.state.honour(app.store.registrations_expire(REGISTRATIONS, &audited)).await?;
        removed += batch;
        app.metrics.removed("registrations", batch);
        if batch == 0 || !app.store.cleanup_hold(app.node, HOLD).await? {
            break;
        }
        tokio::time::sleep((begun.elapsed() * PAUSE).min(LONGEST_PAUSE)).await;
    }
    if removed > 0 {
        tracing::info!("removed {removed} clients that registered themselves and that nobody uses");
    }
    Ok(())
}

/// Removes metadata documents of clients that have no session. The nodes are told, since they may have such a client in memory.
async fn sweep_documents(app: &App) -> Result<()> {
    let mut removed = 0;
    loop {
        let begun = Instant::now();
        let audited = Audited { actor: "cleanup".into(), request_id: None, address: None, at: app.clock.now() };
        let batch = app.state.honour(app.store.client_documents_expire(DOCUMENTS, &audited)).await?;
        removed += batch.removed;
        app.metrics.removed("client_documents", batch.removed);
        if batch.seen == 0 || !app.store.cleanup_hold(app.node, HOLD).await? {
            break;
        }
        tokio::time::sleep((begun.elapsed() * PAUSE).min(LONGEST_PAUSE)).await;
    }
    if removed > 0 {
        tracing::info!("removed the metadata documents of {removed} clients without sessions");
    }
    Ok(())
}

async fn sweep_keys(app: &App) -> std::result::Result<(), crate::admin::AdminError> {
    let deleted = app.keys_sweep().await?;
    if !deleted.is_empty() {
        tracing::info!(keys = ?deleted, "deleted retired keys whose last token has expired");
    }
    Ok(())
}
