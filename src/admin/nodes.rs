//! The nodes that share the database.

use uuid::Uuid;

use crate::admin::Result;
use crate::app::App;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::time::Timestamp;

/// A node as it is shown.
#[derive(Clone, Debug)]
pub struct NodeView {
    /// Its id, new at each start.
    pub id: Uuid,
    /// Its name: host and process.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// Whether it may answer requests. One that fell silent counts until it must have stopped answering from memory.
    pub is_live: bool,
    /// Whether it is the one that was asked.
    pub is_this: bool,
    /// The number of the last change that it has applied.
    pub applied: SequenceNumber,
    /// Whether there are changes that it has not reported to have applied. It reports with its next heartbeat.
    pub is_behind: bool,
    /// When it applied that.
    pub applied_at: Timestamp,
    /// When it was last heard of.
    pub heartbeat_at: Timestamp,
}

impl App {
    /// Every node of the list, with how far it has followed the log.
    pub async fn node_list(&self) -> Result<Vec<NodeView>> {
        let head = self.store.log_head().await?;
        let live = self.store.node_list_live(self.clock.now()).await?;
        let nodes = self.store.node_list().await?.into_iter().map(|node| NodeView {
            id: node.id,
            is_live: live.iter().any(|live| live.id == node.id),
            is_this: node.id == self.node,
            applied: node.applied,
            is_behind: node.applied < head,
            applied_at: node.applied_at,
            heartbeat_at: node.heartbeat_at,
            name: node.name,
            version: node.version,
        });
        Ok(nodes.collect())
    }
}
