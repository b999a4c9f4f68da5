//! What this node counts: marks of the last minutes in memory, and sums by the hour in the database, where nodes also tell each other what
//! they counted lately.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use crate::app::App;
use crate::protocol::figures::Figures;
use crate::store::{NodeFigures, Result, StoreError};
use crate::telemetry::recent::Recent;

/// Seconds for which what another node told of itself counts: it tells so once a minute.
const TOLD_FOR: i64 = 150;

/// What becomes of the figures of this node.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    /// What was counted when it was last written.
    written: Mutex<Figures>,
    writing: Attempts,
    telling: Attempts,
}

/// Attempts of a kind, one a minute: the log has the first one that fails, and the first one that succeeds again.
#[derive(Debug, Default)]
struct Attempts {
    fail: AtomicBool,
}

impl Attempts {
    fn succeeded(&self, what: &str) {
        if self.fail.swap(false, Ordering::Relaxed) {
            tracing::info!("{what} succeeds again");
        }
    }

    fn failed(&self, what: &str, error: &StoreError) {
        if self.fail.swap(true, Ordering::Relaxed) {
            tracing::debug!(%error, "{what} failed again");
        } else {
            tracing::warn!(%error, "{what} failed; it is tried again every minute");
        }
    }
}

impl App {
    /// What was counted since the start of this node.
    fn counted(&self) -> Figures {
        self.metrics.figures(&self.state.measures, &self.passwords)
    }

    /// Sets the mark of this moment, once a minute.
    pub(crate) fn mark_figures(&self) {
        self.metrics.mark(self.clock.now(), self.counted(), self.passwords.take_most_waiting());
    }

    /// What this node counted in the last quarter of an hour.
    fn recent_figures(&self) -> NodeFigures {
        let at = self.clock.now();
        let Recent { since, figures, most_waiting } =
            self.metrics.recent(at, &self.counted(), self.passwords.most_waiting());
        NodeFigures { node: self.node, at, since, most_waiting, figures }
    }

    /// What each node counted in the last quarter of an hour: this one until now, others until they last told so.
    pub(crate) async fn figures_lately(&self) -> Result<Vec<NodeFigures>> {
        let mut nodes = self.store.node_figures_list(self.clock.now().plus_seconds(-TOLD_FOR)).await?;
        nodes.retain(|node| node.node != self.node);
        nodes.insert(0, self.recent_figures());
        Ok(nodes)
    }

    /// Writes what was counted since it was last written. What could not be written comes with the next attempt; if the database did
    /// not say whether it was, it may be counted twice.
    pub async fn write_figures(&self) {
        let mut written = self.figures.written.lock().await;
        let counted = self.counted();
        let new = counted.since(&written).to_keep();
        if !new.is_empty() {
            let what = "writing what this node counted";
            match self.store.figures_add(self.clock.now(), &new).await {
                Ok(()) => {
                    *written = counted;
                    self.figures.writing.succeeded(what);
                }
                Err(error) => self.figures.writing.failed(what, &error),
            }
        }
    }

    /// Tells the other nodes what this one counted lately.
    pub async fn tell_figures(&self) {
        let what = "telling the other nodes what this one counted";
        match self.store.node_figures_write(&self.recent_figures()).await {
            Ok(()) => self.figures.telling.succeeded(what),
            Err(error) => self.figures.telling.failed(what, &error),
        }
    }
}
