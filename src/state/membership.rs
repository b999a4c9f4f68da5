//! This node on the list of nodes, from which receipts know which nodes to wait for.
//!
//! A receipt leaves a node out once it must have stopped answering from memory: when its own limit and [`SILENCE`] have
//! passed since its last heartbeat, by the clock of the database. A node whose heartbeats did not arrive for that long
//! does stop. Before it answers again, it enters the list and then polls the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::protocol::time::Timestamp;
use crate::state::age::{LastTime, Moment};
use crate::state::{NodeState, Unavailable, within_limit};
use crate::store::{Dialect, NodeRecord, SILENCE};

/// How long joining is tried: another transaction may have locked the list of nodes.
const JOIN_LIMIT: Duration = Duration::from_secs(15);
/// The pause between two attempts to join.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// The node that a state belongs to.
#[derive(Debug)]
pub(super) struct Membership {
    /// As it stands on the list; none on the command line.
    node: Mutex<Option<NodeRecord>>,
    /// When the last heartbeat that arrived was begun.
    heartbeat: LastTime,
    /// Milliseconds after that for which receipts wait for this node at least.
    life: AtomicU64,
}

impl Membership {
    pub(super) fn new(now: Moment) -> Self {
        Self { node: Mutex::default(), heartbeat: LastTime::new(now), life: AtomicU64::new(u64::MAX) }
    }

    /// Whether receipts may have stopped waiting for this node.
    pub(super) fn has_lapsed(&self, now: Moment) -> bool {
        let life = self.life.load(Ordering::Acquire);
        life < u64::MAX && self.heartbeat.elapsed(now) >= Duration::from_millis(life)
    }
}

impl NodeState {
    /// Enters the list of nodes, then polls the log, because earlier revocations did not wait for this node.
    pub(super) async fn join(&self, node: NodeRecord) -> Result<(), Unavailable> {
        *self.membership.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
        let begun = Instant::now();
        while let Err(error) = self.heartbeat().await {
            if begun.elapsed() > JOIN_LIMIT {
                return Err(error);
            }
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
        self.catch_up().await
    }

    /// Reports to the others how far this node is, and measures how far its clock is off. Does nothing on the command line.
    pub(super) async fn heartbeat(&self) -> Result<(), Unavailable> {
        let node = self.membership.node.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(mut node) = node else { return Ok(()) };
        let begun = self.watch.now();
        let before = self.clock.read();
        let database_time = within_limit(async { Ok(self.store.database_clock().await?) }).await?;
        if let Some(millis) = database_time {
            self.clock.measured(before, millis);
        }
        node.heartbeat_at = database_time.map_or_else(|| self.clock.now(), Timestamp::from_millis);
        let applied = self.applied();
        if node.applied != applied {
            node.applied = applied;
            node.applied_at = node.heartbeat_at;
        }
        if !within_limit(async { Ok(self.store.node_heartbeat(&node).await?) }).await? {
            // It has lapsed, whenever its last heartbeat was.
            self.membership.life.store(0, Ordering::Release);
            return Err(Unavailable(format!(
                "clients use features that this version of Jeton, {}, does not know: upgrade this node",
                node.version
            )));
        }
        let life = match self.store.dialect() {
            // There is only one server, which writes every revocation itself.
            Dialect::Sqlite => u64::MAX,
            Dialect::Postgres => {
                let silence = u64::try_from(SILENCE.as_millis()).unwrap_or(0);
                u64::try_from(node.max_staleness).unwrap_or(0) + silence
            }
        };
        self.membership.heartbeat.set(begun);
        self.membership.life.store(life, Ordering::Release);
        *self.membership.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
        Ok(())
    }
}
