//! Accepts connections while there are free slots, until the server stops.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::serve::accepted::{Accepted, Deadlines, Served};
use crate::serve::connection;
use crate::serve::slots::Slots;

/// How many connections there may be, and how long each may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most connections at a time. Others wait in the listen queue of the operating system.
    pub(super) slots: u32,
    pub(super) deadlines: Deadlines,
    /// How long a connection accepted while slots run short may be idle. Meanwhile every connection ends after its next
    /// answer, so that slots are shared even if one client holds most of them with busy connections. A limit per
    /// address would not help: behind a proxy, all clients have the same one.
    pub(super) idle_when_short: Duration,
}

impl Limits {
    /// The usual deadlines. Even a client on a slow line reacts within seconds. Proxies keep idle connections for
    /// longer than 30 s, but open a new one when theirs has ended.
    pub(super) const fn for_slots(slots: u32) -> Self {
        Self {
            slots,
            deadlines: Deadlines {
                opening: Duration::from_secs(10),
                head: Duration::from_secs(30),
                stall: Duration::from_secs(30),
                unread_body: Duration::from_secs(2),
                drain: Duration::from_secs(20),
                farewell: Duration::from_secs(1),
                last_call: Duration::from_millis(250),
            },
            idle_when_short: Duration::from_secs(5),
        }
    }
}

/// Limits the warnings that every slot is taken: a client that drops and reopens connections must not fill the log.
#[derive(Debug, Default)]
struct Warned {
    at: Option<Instant>,
}

impl Warned {
    /// The least time between two warnings.
    const BETWEEN: Duration = Duration::from_secs(10);

    /// Whether to warn at this moment, when every slot is taken.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_time = self.at.is_none_or(|at| now.duration_since(at) >= Self::BETWEEN);
        if is_time {
            self.at = Some(now);
        }
        is_time
    }
}

/// Serves a listener until the server stops and its requests in flight are finished.
pub(super) async fn serve(listener: TcpListener, served: Served, limits: Limits) {
    let slots = Slots::new(limits.slots);
    let mut stopped = served.stopped.clone();
    let start = |slot: OwnedSemaphorePermit, (stream, address): (TcpStream, SocketAddr)| {
        let mut deadlines = limits.deadlines;
        if slots.run_short() {
            deadlines.head = deadlines.head.min(limits.idle_when_short);
        }
        let (served, slots) = (served.clone(), slots.clone());
        let accepted = Accepted { peer: address.into(), served, deadlines, slots, at: Instant::now() };
        tokio::spawn(async move {
            if let Err(error) = connection::run(stream, accepted).await {
                tracing::debug!(error, peer = %address, "a connection ended early");
            }
            drop(slot);
        });
    };
    let mut warned = Warned::default();
    loop {
        let next = async {
            let slot = slots.take().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            next = next => next,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match accepted {
            Ok(accepted) => {
                start(slot, accepted);
                if slots.are_all_taken() && warned.is_due(Instant::now()) {
                    tracing::warn!(connections = limits.slots, "every connection slot is taken: new connections wait");
                }
            }
            Err(error) => {
                // Most likely there are no file descriptors left: wait until some are closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // Clients that had already connected are still served.
    let last_call = Instant::now() + limits.deadlines.last_call;
    while let Some(slot) = slots.try_take()
        && let Ok(Ok(accepted)) = tokio::time::timeout_at(last_call, listener.accept()).await
    {
        start(slot, accepted);
    }
    drop(listener);
    // Each connection has its own deadline for this.
    let longest = limits.deadlines.drain + Duration::from_secs(1);
    if tokio::time::timeout(longest, slots.all_free()).await.is_err() {
        tracing::warn!("requests were still in flight after {} s", longest.as_secs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_comes_at_once_and_then_every_ten_seconds() {
        let (mut warned, begun) = (Warned::default(), Instant::now());
        let told = (0..=25_000_u64).step_by(10).filter(|millis| warned.is_due(begun + Duration::from_millis(*millis)));
        assert_eq!(told.collect::<Vec<_>>(), [0, 10_000, 20_000]);
    }
}
