//! Receipts: which nodes have applied a revocation.

use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::Result;
use crate::admin::revocations::RevocationView;
use crate::app::App;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::time::Timestamp;
use crate::store::NodeRecord;

/// The pause before the second look at the nodes. Each further one is twice as long, up to the longest: the live nodes
/// have applied a revocation long before, and waiting for a dead one must not keep the database busy.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How far a node is with a revocation.
#[derive(Clone, Debug, Serialize, ToSchema)]
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
    #[schema(value_type = Timestamp, required = false)]
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

impl App {
    /// Waits until every live node has applied a revocation, or the time is up; the answer says which have.
    pub async fn revocation_wait(&self, revocation: RevocationView, limit: Duration) -> Result<RevocationView> {
        let started = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let receipt = self.with_receipt(revocation.clone()).await?;
            if receipt.applied_everywhere == Some(true) || started.elapsed() >= limit {
                return Ok(receipt);
            }
            tokio::time::sleep(pause.min(limit.saturating_sub(started.elapsed()))).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The receipt waits for every node that may still answer from outdated state.
    pub(super) async fn with_receipt(&self, revocation: RevocationView) -> Result<RevocationView> {
        let nodes = self.store.node_list_live(self.clock.now()).await?.into_iter();
        let applied_by: Vec<AppliedBy> = nodes.map(|node| AppliedBy::new(node, revocation.number)).collect();
        let everywhere = applied_by.iter().all(|node| node.applied);
        Ok(RevocationView { applied_by: Some(applied_by), applied_everywhere: Some(everywhere), ..revocation })
    }
}
