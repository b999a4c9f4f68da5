//! Receipts: which nodes have applied a revocation.

use std::time::{Duration, Instant};

use serde::Serialize;
use uuid::Uuid;

use crate::admin::revocations::RevocationView;
use crate::admin::{Administration, Result};
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::time::Timestamp;
use crate::state::SILENCE;
use crate::store::NodeRecord;

/// The pause between two looks at the nodes.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How far a node is with a revocation.
#[derive(Clone, Debug, Serialize)]
pub struct AppliedBy {
    /// The id of the node.
    pub node: Uuid,
    /// Its display name.
    pub name: String,
    /// Whether it has applied the revocation.
    pub applied: bool,
    /// When the node applied the newest number that it has applied. It honoured this revocation by then, perhaps long
    /// before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Timestamp>,
    /// When it was last heard of.
    pub heartbeat_at: Timestamp,
}

impl AppliedBy {
    fn new(node: NodeRecord, number: SequenceNumber) -> Self {
        let applied = node.applied >= number;
        Self {
            node: node.id,
            name: node.name,
            applied,
            applied_at: applied.then_some(node.applied_at),
            heartbeat_at: node.heartbeat_at,
        }
    }
}

impl Administration {
    /// Waits until every live node has applied a revocation, or the time is up; the answer says which have.
    pub async fn revocation_wait(&self, revocation: RevocationView, limit: Duration) -> Result<RevocationView> {
        let started = Instant::now();
        loop {
            let receipt = self.with_receipt(revocation.clone()).await?;
            if receipt.applied_everywhere == Some(true) || started.elapsed() >= limit {
                return Ok(receipt);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// A node that fell silent counts as live until it must have stopped answering from memory, and a little longer, so
    /// that a receipt never says "everywhere" while some node still answers from outdated state.
    pub(super) async fn with_receipt(&self, revocation: RevocationView) -> Result<RevocationView> {
        // Heartbeats are in database time, and so is the decision whether one is too old.
        let now = self.store.database_clock().await?.unwrap_or_else(|| self.clock.now().millis());
        let silence = i64::try_from(SILENCE.as_millis()).unwrap_or(i64::MAX);
        let is_live = |node: &NodeRecord| node.heartbeat_at.millis() + node.max_staleness + silence >= now;
        let nodes = self.store.node_list().await?.into_iter().filter(is_live);
        let applied_by: Vec<AppliedBy> = nodes.map(|node| AppliedBy::new(node, revocation.number)).collect();
        let everywhere = applied_by.iter().all(|node| node.applied);
        Ok(RevocationView { applied_by: Some(applied_by), applied_everywhere: Some(everywhere), ..revocation })
    }
}
