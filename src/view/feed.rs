//! The background tasks that follow the log: polling is the truth, a notification only wakes it early.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use super::View;
use crate::oauth::revocation::{LogNumber, Target};
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

impl Feed {
    /// Starts following the log.
    pub fn start(view: Arc<View>, location: Location, poll_interval: Duration, node: NodeRecord) -> Self {
        let wake = Arc::new(Notify::new());
        let mut tasks = vec![tokio::spawn(follow(Arc::clone(&view), Arc::clone(&wake), poll_interval, node))];
        if location.file().is_none() {
            tasks.push(tokio::spawn(listen(location, wake)));
        }
        Self { tasks }
    }
}

async fn follow(view: Arc<View>, wake: Arc<Notify>, poll_interval: Duration, mut node: NodeRecord) {
    let mut told: Option<(LogNumber, Instant)> = None;
    let mut failing = false;
    loop {
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
        let applied = view.applied();
        if !failing && told.is_none_or(|(number, at)| number != applied || at.elapsed() >= HEARTBEAT) {
            let now = view.clock.now();
            if node.applied != applied {
                node.applied = applied;
                node.applied_at = now;
            }
            node.heartbeat_at = now;
            if let Err(error) = view.store.node_heartbeat(&node).await {
                tracing::debug!(%error, "the heartbeat of this node was not written");
            }
            // Not after each look: it walks through all of them.
            view.forget_what_is_over();
            measure_clock(&view).await;
            told = Some((applied, Instant::now()));
        }
        let _ = tokio::time::timeout(poll_interval, wake.notified()).await;
    }
}

async fn measure_clock(view: &View) {
    let before = view.clock.read();
    if let Ok(Some(millis)) = view.store.database_clock().await {
        view.clock.measured(before, millis);
    }
}

async fn listen(location: Location, wake: Arc<Notify>) {
    loop {
        match Listener::connect(&location).await {
            Ok(Some(mut listener)) => {
                // What was announced while nobody listened is found by this look.
                wake.notify_one();
                while listener.wait().await.is_ok() {
                    wake.notify_one();
                }
                wake.notify_one();
            }
            Ok(None) => return,
            Err(error) => tracing::debug!(%error, "notifications of the database are not to be had; polling goes on"),
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}
