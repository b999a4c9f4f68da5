//! Takes connections: as many as there are places for, and none any more once the server stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::connection::{self, Deadlines, Served};

/// How many connections there may be, and how long each may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most connections at a time. Others wait until the system has no room for them either.
    pub(super) places: u32,
    /// What holds for a connection.
    pub(super) deadlines: Deadlines,
    /// The longest that a connection may be idle which takes one of the last places. Who opens many connections then
    /// loses them soon, and whoever has something to ask finds a place. There is no bound for one address: behind a
    /// proxy all clients have the same.
    pub(super) idle_when_crowded: Duration,
}

impl Limits {
    /// The usual ones.
    pub(super) const fn for_places(places: u32) -> Self {
        Self {
            places,
            deadlines: Deadlines {
                opening: Duration::from_secs(10),
                head: Duration::from_secs(30),
                stall: Duration::from_secs(30),
                drain: Duration::from_secs(20),
                last_call: Duration::from_millis(250),
            },
            idle_when_crowded: Duration::from_secs(5),
        }
    }
}

/// The share of the places that are the last: one in ten.
const LAST: u32 = 10;

/// Serves a listener until the server stops and its requests in flight are finished.
pub(super) async fn serve(listener: TcpListener, served: Served, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.places as usize));
    let mut stopped = served.stopped.clone();
    let start = |place: tokio::sync::OwnedSemaphorePermit, (stream, peer): (TcpStream, SocketAddr)| {
        let mut deadlines = limits.deadlines;
        if places.available_permits() < (limits.places / LAST) as usize {
            deadlines.head = deadlines.head.min(limits.idle_when_crowded);
        }
        let connection = connection::run(stream, peer, served.clone(), deadlines);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, %peer, "a connection ended early");
            }
            drop(place);
        });
    };
    let mut full = false;
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match (place, accepted) {
            (Ok(place), Ok(accepted)) => {
                start(place, accepted);
                let is_full = places.available_permits() == 0;
                if is_full && !full {
                    tracing::warn!(places = limits.places, "every place is taken: further connections have to wait");
                }
                full = is_full;
            }
            (_, Err(error)) => {
                // Out of file descriptors, most likely: others will be closed.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            // Nobody closes it.
            (Err(_), _) => break,
        }
    }
    // Who had connected when the stop came is served, too.
    let last_call = Instant::now() + limits.deadlines.last_call;
    while let Ok(place) = Arc::clone(&places).try_acquire_owned()
        && let Ok(Ok(accepted)) = tokio::time::timeout_at(last_call, listener.accept()).await
    {
        start(place, accepted);
    }
    drop(listener);
    // Each connection bounds its own end.
    let all = places.acquire_many(limits.places);
    let longest = limits.deadlines.drain + Duration::from_secs(1);
    if tokio::time::timeout(longest, all).await.is_err() {
        tracing::warn!("requests were still in flight after {} s", longest.as_secs());
    }
}
