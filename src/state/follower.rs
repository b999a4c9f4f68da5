//! The background tasks that follow the log: polling is the truth, a notification only wakes it early.

use std::sync::Arc;
use std::time::Duration;

use crate::state::{NodeState, Unavailable};
use crate::store::{Listener, Location, NodeRecord};
use futures_util::FutureExt;
use tokio::sync::Notify;

/// The time between two heartbeats of a node.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The time between two searches for revocations that are over.
const FORGET: Duration = Duration::from_secs(10);
/// The time between two attempts to listen for notifications.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// Keeps a view true until it is dropped.
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
    /// The log had grown, and nobody was told.
    missed_notification: Notify,
}

impl Follower {
    /// Enters the list of nodes, then starts following the log. From here on receipts wait for this node, so it must
    /// not answer anything before.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn start(
        view: Arc<NodeState>,
        location: Location,
        poll_interval: Duration,
        node: NodeRecord,
    ) -> Result<Self, Unavailable> {
        view.join(node).await?;
        let signals = Arc::new(Signals::default());
        let mut tasks = vec![
            tokio::spawn(follow(Arc::clone(&view), Arc::clone(&signals), poll_interval)),
            tokio::spawn(beat(view, Arc::clone(&signals))),
        ];
        if location.file().is_none() {
            tasks.push(tokio::spawn(listen(location, signals)));
        }
        Ok(Self { tasks })
    }
}

async fn follow(view: Arc<NodeState>, signals: Arc<Signals>, poll_interval: Duration) {
    let (mut failing, mut told) = (false, view.applied());
    loop {
        let was_told = tokio::time::timeout(poll_interval, signals.grown.notified()).await.is_ok();
        let before = view.applied();
        match view.catch_up().await {
            Ok(()) if failing => {
                failing = false;
                tracing::info!(applied = view.applied(), "the log is followed again");
            }
            Ok(()) => {}
            Err(error) => {
                view.measures.feed_errors.inc();
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(
                        error = error.0,
                        "the log cannot be read: see whether the database answers; answers come from memory while it is \
                         young enough, then they are 503"
                    );
                }
            }
        }
        // A write of this node may have been applied before, outside of this loop.
        if std::mem::replace(&mut told, view.applied()) != view.applied() {
            signals.applied.notify_one();
        }
        if view.applied() != before && !was_told {
            signals.missed_notification.notify_one();
        }
    }
}

/// Tells the others how far this node is, and forgets what is over.
async fn beat(view: Arc<NodeState>, signals: Arc<Signals>) {
    let (mut now_and_then, mut seldom) = (tokio::time::interval(HEARTBEAT), tokio::time::interval(FORGET));
    let mut failing = false;
    loop {
        tokio::select! {
            _ = now_and_then.tick() => {}
            () = signals.applied.notified() => {}
            _ = seldom.tick() => {
                view.forget_what_is_over();
                continue;
            }
        }
        match view.beat().await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(error = error.0, "the heartbeat of this node was not written; receipts wait for it");
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
                // What was announced while nobody listened is found by this look.
                signals.grown.notify_one();
                _ = signals.missed_notification.notified().now_or_never();
                while hears(&mut listener, &signals, &mut has_warned).await {
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

/// Waits for the next notification. False: the connection is lost, or it seems so, because the log has grown and nobody was
/// told for a while after; that is said once, until the next notification.
async fn hears(listener: &mut Listener, signals: &Signals, has_warned: &mut bool) -> bool {
    tokio::select! {
        told = listener.wait() => return told.is_ok(),
        () = signals.missed_notification.notified() => {}
    }
    // A poll can be a little quicker than the notification.
    match tokio::time::timeout(LISTEN_AGAIN, listener.wait()).await {
        Ok(told) => told.is_ok(),
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
