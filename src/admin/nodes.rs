//! The live nodes, and what all of them know.

use crate::admin::{AdminError, Result};
use crate::app::App;
use crate::protocol::client::ClientSettings;
use crate::protocol::feature::{FEATURES, Feature};
use crate::state::SILENCE;
use crate::store::NodeRecord;

impl App {
    /// The nodes that may answer requests. One that fell silent counts until it must have stopped answering from
    /// memory, and a little longer.
    pub(super) async fn live_nodes(&self) -> Result<Vec<NodeRecord>> {
        // Heartbeats are in database time, and so is the decision whether one is too old.
        let now = self.store.database_clock().await?.unwrap_or_else(|| self.clock.now().millis());
        let silence = i64::try_from(SILENCE.as_millis()).unwrap_or(i64::MAX);
        let is_live = |node: &NodeRecord| node.heartbeat_at.millis() + node.max_staleness + silence >= now;
        Ok(self.store.node_list().await?.into_iter().filter(is_live).collect())
    }

    /// Refuses a change by which a client begins to use a feature that some live node does not know.
    pub(super) async fn require_known_features(&self, before: &ClientSettings, after: &ClientSettings) -> Result<()> {
        let is_new = |feature: &&Feature| (feature.is_used)(after) && !(feature.is_used)(before);
        let new: Vec<&Feature> = FEATURES.iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(());
        }
        let nodes = self.live_nodes().await?;
        for feature in new {
            if let Some(node) = nodes.iter().find(|node| !feature.is_known_to(&node.version)) {
                return Err(AdminError::Conflict(format!(
                    "{} needs Jeton {} or newer on every node, and the node {:?} runs {}: upgrade it first",
                    feature.member, feature.since, node.name, node.version
                )));
            }
        }
        Ok(())
    }
}
