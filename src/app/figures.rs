//! What this node counts: marks of the last minutes in memory, and sums by the hour in the database, where nodes also tell each other what
//! they counted lately.

use tokio::sync::Mutex;

use crate::app::App;
use crate::protocol::figures::Figures;
use crate::store::{NodeFigures, Result};
use crate::telemetry::recent::Recent;

/// Seconds for which what another node told of itself counts: it tells so once a minute.
const TOLD_FOR: i64 = 150;

/// What was counted when it was last written.
pub(crate) type Written = Mutex<Figures>;

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
        let mut written = self.figures_written.lock().await;
        let counted = self.counted();
        let new = counted.since(&written).to_keep();
        if !new.is_empty() {
            match self.store.figures_add(self.clock.now(), &new).await {
                Ok(()) => *written = counted,
                Err(error) => tracing::debug!(%error, "the figures of the last minute were not written"),
            }
        }
    }

    /// Tells the other nodes what this one counted lately.
    pub async fn tell_figures(&self) {
        if let Err(error) = self.store.node_figures_write(&self.recent_figures()).await {
            tracing::debug!(%error, "the other nodes were not told what this one counted");
        }
    }
}
