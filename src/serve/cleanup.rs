//! Upkeep: what is over is removed while the server runs, by one node at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::store::{Result, Round};

/// The longest time between the start of a server and its first look whether there is something to do.
const FIRST_LOOK: Duration = Duration::from_secs(60);
/// The time for which a node takes the turn; one that dies or freezes leaves it to another one after that.
const HOLD: Duration = Duration::from_secs(60);
/// The time after which a node that works prolongs its turn.
const PROLONG: Duration = Duration::from_secs(15);
/// Between two batches, so many times the time that the first one took.
const PAUSE: u32 = 3;
/// The longest pause between two batches.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Removes what is over, now and then.
pub(crate) async fn keep_up(app: Arc<App>) {
    let interval = app.settings.upkeep_interval;
    let mut wait = interval.min(FIRST_LOOK);
    loop {
        tokio::time::sleep(wait).await;
        wait = interval;
        if let Err(error) = turn(&app).await {
            tracing::debug!(%error, "upkeep was put off");
        }
    }
}

/// Does a round, if it is this node's turn.
async fn turn(app: &App) -> Result<()> {
    let (store, interval) = (&app.store, app.settings.upkeep_interval);
    if store.cleanup_take(app.node, HOLD, interval).await? && round(app).await? {
        if let Err(error) = sweep_keys(app).await {
            tracing::debug!(%error, "upkeep of keys was put off");
        }
        store.cleanup_end(app.node, interval).await?;
    }
    if let Some(ended_at) = store.cleanup_ended_at().await? {
        app.metrics.upkeep_ended(ended_at);
    }
    Ok(())
}

/// Gives whether the round came to its end; else another node has the turn.
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
        let goes_on = app.store.sweep(&mut round).await?;
        for ((kind, now), (_, before)) in round.removed().zip(before) {
            app.metrics.removed(kind, now - before);
        }
        if !goes_on {
            break;
        }
        tokio::time::sleep((batch.elapsed() * PAUSE).min(LONGEST_PAUSE)).await;
    }
    let removed = round.removed().filter(|(_, count)| *count > 0);
    let removed: Vec<String> = removed.map(|(kind, count)| format!("{count} {}", kind.replace('_', " "))).collect();
    if !removed.is_empty() {
        tracing::info!("removed what was over: {}, in {} s", removed.join(", "), begun.elapsed().as_secs());
        app.store.shorten_journal().await?;
    }
    Ok(true)
}

async fn sweep_keys(app: &App) -> std::result::Result<(), crate::admin::AdminError> {
    let deleted = app.keys_sweep().await?;
    if !deleted.is_empty() {
        tracing::info!(keys = ?deleted, "retired keys whose last token is over were deleted");
    }
    Ok(())
}
