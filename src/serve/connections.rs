//! Takes connections: as many as there are places for, and none any more once the server stops.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::serve::connection::{self, Accepted, Deadlines, Served};

/// How many connections there may be, and how long each may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most connections at a time. Others wait until the system has no room for them either.
    pub(crate) places: u32,
    /// What holds for a connection.
    pub(crate) deadlines: Deadlines,
    /// The longest that a connection may be idle which takes one of the last places. While these are taken, every
    /// connection ends with its next answer, too: who opens many connections and keeps them busy loses them as well, so
    /// places go round. There is no bound for one address: behind a proxy all clients have the same.
    pub(crate) idle_when_scarce: Duration,
}

impl Limits {
    /// The usual ones.
    pub(crate) const fn for_places(places: u32) -> Self {
        Self {
            places,
            deadlines: Deadlines {
                opening: Duration::from_secs(10),
                head: Duration::from_secs(30),
                stall: Duration::from_secs(30),
                unread_body: Duration::from_secs(2),
                drain: Duration::from_secs(20),
                farewell: Duration::from_secs(1),
                last_call: Duration::from_millis(250),
            },
            idle_when_scarce: Duration::from_secs(5),
        }
    }
}

/// The share of the places that are the last: one in ten.
const LAST: u32 = 10;

/// The places of a listener.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    last: usize,
}

impl Places {
    pub(crate) fn new(all: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(all as usize)), last: (all / LAST) as usize }
    }

    /// Whether some of the last places are taken.
    pub(crate) fn are_scarce(&self) -> bool {
        self.free.available_permits() < self.last
    }

    fn are_all_taken(&self) -> bool {
        self.free.available_permits() == 0
    }
}

/// When to say that every place is taken. Whoever lets some go and takes them again should not fill the log.
#[derive(Debug, Default)]
struct Warned {
    at: Option<Instant>,
}

impl Warned {
    /// The least time between two lines.
    const BETWEEN: Duration = Duration::from_secs(10);

    /// Whether it is to be said now, at a moment when every place is taken.
    fn again(&mut self, now: Instant) -> bool {
        let is_time = self.at.is_none_or(|at| now.duration_since(at) >= Self::BETWEEN);
        if is_time {
            self.at = Some(now);
        }
        is_time
    }
}

/// Serves a listener until the server stops and its requests in flight are finished.
pub(crate) async fn serve(listener: TcpListener, served: Served, limits: Limits) {
    let places = Places::new(limits.places);
    let mut stopped = served.stopped.clone();
    let start = |place: tokio::sync::OwnedSemaphorePermit, (stream, peer): (TcpStream, SocketAddr)| {
        let mut deadlines = limits.deadlines;
        if places.are_scarce() {
            deadlines.head = deadlines.head.min(limits.idle_when_scarce);
        }
        let (served, places) = (served.clone(), places.clone());
        let accepted = Accepted { peer, served, deadlines, places, at: Instant::now() };
        tokio::spawn(async move {
            if let Err(error) = connection::run(stream, accepted).await {
                tracing::debug!(error, %peer, "a connection ended early");
            }
            drop(place);
        });
    };
    let mut warned = Warned::default();
    loop {
        let next = async {
            let place = Arc::clone(&places.free).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match (place, accepted) {
            (Ok(place), Ok(accepted)) => {
                start(place, accepted);
                if places.are_all_taken() && warned.again(Instant::now()) {
                    tracing::warn!(places = limits.places, "every place is taken: further connections have to wait");
                }
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
    while let Ok(place) = Arc::clone(&places.free).try_acquire_owned()
        && let Ok(Ok(accepted)) = tokio::time::timeout_at(last_call, listener.accept()).await
    {
        start(place, accepted);
    }
    drop(listener);
    // Each connection bounds its own end.
    let all = places.free.acquire_many(limits.places);
    let longest = limits.deadlines.drain + Duration::from_secs(1);
    if tokio::time::timeout(longest, all).await.is_err() {
        tracing::warn!("requests were still in flight after {} s", longest.as_secs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_every_place_is_taken_is_said_at_once_and_then_now_and_then() {
        let (mut warned, begun) = (Warned::default(), Instant::now());
        let told = (0..=25_000_u64).step_by(10).filter(|millis| warned.again(begun + Duration::from_millis(*millis)));
        assert_eq!(told.collect::<Vec<_>>(), [0, 10_000, 20_000]);
    }

    #[test]
    fn places_are_scarce_once_the_last_tenth_is_begun() {
        let places = Places::new(100);
        let taken = places.free.try_acquire_many(90).unwrap();
        assert!(!places.are_scarce() && !places.are_all_taken());
        let more = places.free.try_acquire_many(1).unwrap();
        assert!(places.are_scarce() && !places.are_all_taken());
        let rest = places.free.try_acquire_many(9).unwrap();
        assert!(places.are_all_taken());
        drop((more, rest));
        assert!(!places.are_scarce());
        drop(taken);
    }
}
