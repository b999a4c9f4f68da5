//! The background tasks that follow the log. Polling alone is correct; a notification makes it poll early.

use std::sync::Arc;
use std::time::Duration;

use crate::state::proofs::BETWEEN_EXCHANGES;
use crate::state::{NodeState, Unavailable};
use crate::store::{Listener, Location, NodeRecord};
use futures_util::FutureExt;
use tokio::sync::Notify;
use uuid::Uuid;

/// The time between two heartbeats of a node.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The time between two removals of revocations that no longer cover anything.
const FORGET: Duration = Duration::from_secs(10);
/// The time between two attempts to listen for notifications.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Keeps a node state up to date until it is dropped.
#[derive(Debug)]
pub struct Follower {
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What the background tasks tell each other.
#[derive(Debug, Default)]
struct Signals {
    /// The log may have grown.
    grown: Notify,
    /// This node has applied more of it.
    applied: Notify,
    /// A poll found new entries that no notification had announced.
    missed_notification: Notify,
}

impl Follower {
    /// Enters the list of nodes, then starts to follow the log. Receipts wait for this node from here on, so it must
    /// not answer anything before.
    pub async fn start(
        state: Arc<NodeState>,
        location: Location,
        poll_interval: Duration,
        node: NodeRecord,
    ) -> Result<Self, Unavailable> {
        let id = node.id;
        state.recall_proofs(&node).await?;
        state.join(node).await?;
        let signals = Arc::new(Signals::default());
        let mut tasks = vec![
            tokio::spawn(follow(Arc::clone(&state), Arc::clone(&signals), poll_interval)),
            tokio::spawn(exchange_proofs(Arc::clone(&state), id)),
            tokio::spawn(send_heartbeats(state, Arc::clone(&signals))),
        ];
        if location.file().is_none() {
            tasks.push(tokio::spawn(listen(location, signals)));
        }
        Ok(Self { tasks })
    }
}

async fn follow(state: Arc<NodeState>, signals: Arc<Signals>, poll_interval: Duration) {
    let (mut failing, mut announced) = (false, state.applied());
    loop {
        let was_notified = tokio::time::timeout(poll_interval, signals.grown.notified()).await.is_ok();
        let before = state.applied();
        match state.catch_up().await {
            Ok(()) if failing => {
                failing = false;
                tracing::info!(applied = state.applied(), "the change log is followed again");
            }
            Ok(()) => {}
            Err(error) => {
                state.measures.poll_errors.inc();
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(
                        error = error.0,
                        "the change log cannot be read: see whether the database answers; answers come from memory while \
                         it is young enough, then they are 503"
                    );
                }
            }
        }
        // A write of this node may have been applied outside of this loop.
        if std::mem::replace(&mut announced, state.applied()) != state.applied() {
            signals.applied.notify_one();
        }
        if state.applied() != before && !was_notified {
            signals.missed_notification.notify_one();
        }
    }
}

/// Reports to the others how far this node is, and forgets revocations that no longer cover anything.
async fn send_heartbeats(state: Arc<NodeState>, signals: Arc<Signals>) {
    let (mut heartbeat, mut forget) = (tokio::time::interval(HEARTBEAT), tokio::time::interval(FORGET));
    let mut failing = false;
    loop {
        tokio::select! {
            _ = heartbeat.tick() => {}
            () = signals.applied.notified() => {}
            _ = forget.tick() => {
                state.forget_what_is_over();
                continue;
            }
        }
        match state.heartbeat().await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(error = error.0, "the heartbeat of this node was not written; receipts wait for it");
            }
            Err(_) => {}
        }
    }
}

/// Tells the other nodes which DPoP proofs counted here, and learns which did there.
async fn exchange_proofs(state: Arc<NodeState>, node: Uuid) {
    let mut failing = false;
    loop {
        tokio::time::sleep(BETWEEN_EXCHANGES).await;
        match state.exchange_proofs(node).await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(
                    error = error.0,
                    "DPoP proofs are not exchanged with the other nodes: see whether the database answers; after a second, requests with \
                     proofs are answered 503"
                );
            }
            Err(_) => {}
        }
    }
}

async fn listen(location: Location, signals: Arc<Signals>) {
    let mut has_warned = false;
    loop {
        match Listener::connect(&location).await {
            Ok(Some(mut listener)) => {
                // A poll finds what was announced before this connection listened.
                signals.grown.notify_one();
                _ = signals.missed_notification.notified().now_or_never();
                while wait_for_notification(&mut listener, &signals, &mut has_warned).await {
                    has_warned = false;
                    signals.grown.notify_one();
                }
                signals.grown.notify_one();
            }
            Ok(None) => return,
            Err(error) => tracing::debug!(%error, "notifications of the database are not to be had; polling goes on"),
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}

/// Waits for the next notification. Returns false if the connection is lost, or seems to be: the log has grown and no
/// notification came within a second. The server's log says that once, until the next notification.
async fn wait_for_notification(listener: &mut Listener, signals: &Signals, has_warned: &mut bool) -> bool {
    tokio::select! {
        notified = listener.wait() => return notified.is_ok(),
        () = signals.missed_notification.notified() => {}
    }
    // A poll can be a little quicker than the notification.
    match tokio::time::timeout(LISTEN_AGAIN, listener.wait()).await {
        Ok(notified) => notified.is_ok(),
        Err(_) => {
            if !std::mem::replace(has_warned, true) {
                tracing::warn!(
                    "the log has grown without a notification of Postgres (a connection pooler in transaction mode loses \
                     them: connect directly or in session mode; so does a broken connection): listening anew; meanwhile \
                     changes are found by polling"
                );
            }
            false
        }
    }
}
