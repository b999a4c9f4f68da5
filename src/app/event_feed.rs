//! Streams that are open on this node, of events or of pages of the console: how many, and what wakes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// The most streams on a node.
const MOST_STREAMS: usize = 64;
/// The most streams of one holder on a node.
const MOST_OF_ONE: usize = 8;

/// What streams wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeedState {
    /// The last number that this node knows of.
    pub(crate) head: i64,
    /// Whether the server stops.
    pub(crate) is_closed: bool,
}

/// The streams of this node.
#[derive(Debug, Default)]
pub(crate) struct EventFeed {
    state: watch::Sender<FeedState>,
    /// How many each administrator has.
    open: Mutex<HashMap<String, usize>>,
}

/// The place of a stream; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    feed: Arc<EventFeed>,
    holder: String,
}

impl EventFeed {
    /// A place for a stream of an administrator, if there is one.
    pub(crate) fn place(self: &Arc<Self>, holder: &str) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.get(holder).copied().unwrap_or_default();
        if all >= MOST_STREAMS || own >= MOST_OF_ONE || self.state.borrow().is_closed {
            return None;
        }
        open.insert(holder.to_owned(), own + 1);
        Some(Place { feed: Arc::clone(self), holder: holder.to_owned() })
    }

    /// How many streams are open.
    pub(crate) fn streams(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// What a stream waits for.
    pub(crate) fn follow(&self) -> watch::Receiver<FeedState> {
        self.state.subscribe()
    }

    /// Events have numbers up to this one.
    pub(crate) fn moved(&self, head: i64) {
        self.state.send_if_modified(|state| {
            let is_new = state.head != head;
            state.head = head;
            is_new
        });
    }

    /// Ends all streams, because the server stops.
    pub(crate) fn close(&self) {
        self.state.send_modify(|state| state.is_closed = true);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.feed.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_bounded_in_all_and_for_each_administrator() {
        let feed = Arc::new(EventFeed::default());
        let mut places: Vec<Place> = std::iter::from_fn(|| feed.place("one")).collect();
        assert_eq!(places.len(), MOST_OF_ONE);
        for other in 0..MOST_STREAMS {
            places.extend(feed.place(&other.to_string()));
        }
        assert_eq!((places.len(), feed.streams()), (MOST_STREAMS, MOST_STREAMS));
        assert!(feed.place("another").is_none());
        drop(places.pop());
        assert!(feed.place("one").is_none());
        assert!(feed.place("another").is_some());
        places.clear();
        assert_eq!(feed.streams(), 0);
        assert!(feed.open.lock().unwrap().is_empty(), "nobody is remembered");
    }

    #[tokio::test]
    async fn a_stream_wakes_for_new_events_and_for_the_stop() {
        let feed = Arc::new(EventFeed::default());
        let mut follower = feed.follow();
        feed.moved(0);
        assert!(!follower.has_changed().unwrap(), "nothing new");
        feed.moved(7);
        assert_eq!(*follower.borrow_and_update(), FeedState { head: 7, is_closed: false });
        feed.close();
        follower.changed().await.unwrap();
        assert!(follower.borrow().is_closed && feed.place("one").is_none());
    }
}
