//! The background tasks that follow the log: polling is the truth, a notification only wakes it early.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use super::{Unavailable, View};
use crate::oauth::revocation::Target;
use crate::store::{Listener, Location, LogEvent, NodeRecord};

/// The time between two heartbeats of a node.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// The time between two attempts to listen for notifications.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

impl LogEvent {
    /// Whether the keys must be loaded anew.
    pub(super) fn changes_keys(&self) -> bool {
        match self {
            Self::KeysChanged => true,
            Self::Revoked(revocation) => matches!(revocation.target, Target::Key(_)),
            Self::ClientChanged(_) | Self::UserChanged(_) => false,
        }
    }

    /// The client that is no longer what it was.
    pub(super) fn changed_client(&self) -> Option<&str> {
        match self {
            Self::ClientChanged(client_id) => Some(client_id),
            Self::Revoked(revocation) => match &revocation.target {
                Target::Client(client_id) => Some(client_id),
                _ => None,
            },
            Self::UserChanged(_) | Self::KeysChanged => None,
        }
    }

    /// The user that is no longer what it was.
    pub(super) fn changed_user(&self) -> Option<Uuid> {
        match self {
            Self::UserChanged(id) => Some(*id),
            Self::Revoked(revocation) => match revocation.target {
                Target::User(id) => Some(id),
                _ => None,
            },
            Self::ClientChanged(_) | Self::KeysChanged => None,
        }
    }
}

/// Keeps a view true until it is dropped.
#[derive(Debug)]
pub struct Feed {
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Feed {
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
    deaf: Notify,
}

impl Feed {
    /// Enters the list of nodes, then starts following the log. From here on receipts wait for this node, so it must
    /// not answer anything before.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn start(
        view: Arc<View>,
        location: Location,
        poll_interval: Duration,
        node: NodeRecord,
    ) -> Result<Self, Unavailable> {
        view.store.node_heartbeat(&node).await?;
        // What was revoked before the node was on the list did not wait for it.
        view.catch_up().await?;
        let signals = Arc::new(Signals::default());
        let mut tasks = vec![
            tokio::spawn(follow(Arc::clone(&view), Arc::clone(&signals), poll_interval)),
            tokio::spawn(beat(view, Arc::clone(&signals), node)),
        ];
        if location.file().is_none() {
            tasks.push(tokio::spawn(listen(location, signals)));
        }
        Ok(Self { tasks })
    }
}

async fn follow(view: Arc<View>, signals: Arc<Signals>, poll_interval: Duration) {
    let mut failing = false;
    loop {
        let was_told = tokio::time::timeout(poll_interval, signals.grown.notified()).await.is_ok();
        let before = view.applied();
        match view.catch_up().await {
            Ok(()) if failing => {
                failing = false;
                tracing::info!(applied = view.applied(), "the log is followed again");
            }
            Ok(()) => {}
            Err(error) if !failing => {
                failing = true;
                view.measures.feed_errors.inc();
                tracing::warn!(
                    error = error.0,
                    "the log cannot be read; answers come from memory while it is young enough"
                );
            }
            Err(_) => _ = view.measures.feed_errors.inc(),
        }
        if view.applied() != before {
            signals.applied.notify_one();
            if !was_told {
                signals.deaf.notify_one();
            }
        }
    }
}

/// Tells the others how far this node is; on this occasion does what is to be done now and then.
async fn beat(view: Arc<View>, signals: Arc<Signals>, mut node: NodeRecord) {
    let mut now_and_then = tokio::time::interval(HEARTBEAT);
    loop {
        let is_now_and_then = tokio::select! {
            _ = now_and_then.tick() => true,
            () = signals.applied.notified() => false,
        };
        let (applied, now) = (view.applied(), view.clock.now());
        if node.applied != applied {
            node.applied = applied;
            node.applied_at = now;
        }
        node.heartbeat_at = now;
        if let Err(error) = view.store.node_heartbeat(&node).await {
            tracing::debug!(%error, "the heartbeat of this node was not written");
        }
        if is_now_and_then {
            // Not after each look: it walks through all of them.
            view.forget_what_is_over();
            measure_clock(&view).await;
        }
    }
}

async fn measure_clock(view: &View) {
    let before = view.clock.read();
    if let Ok(Some(millis)) = view.store.database_clock().await {
        view.clock.measured(before, millis);
    }
}

async fn listen(location: Location, signals: Arc<Signals>) {
    let mut was_deaf = false;
    loop {
        match Listener::connect(&location).await {
            Ok(Some(mut listener)) => {
                // What was announced while nobody listened is found by this look.
                signals.grown.notify_one();
                loop {
                    tokio::select! {
                        told = listener.wait() => {
                            signals.grown.notify_one();
                            if told.is_err() {
                                break;
                            }
                        }
                        () = signals.deaf.notified() => {
                            if !was_deaf {
                                was_deaf = true;
                                tracing::warn!(
                                    "the log has grown without a notification of Postgres (a connection pooler in \
                                     transaction mode loses them, so does a broken connection): listening anew; until \
                                     then changes are found by polling"
                                );
                            }
                            break;
                        }
                    }
                }
            }
            Ok(None) => return,
            Err(error) => tracing::debug!(%error, "notifications of the database are not to be had; polling goes on"),
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}
