//! Streams that are open on this node, of events or of pages of the console: how many, and what wakes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// The most streams on a node.
const MOST_STREAMS: usize = 64;
/// The most streams of one administrator on a node.
const MOST_OF_ONE: usize = 8;

/// What streams wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamState {
    /// The last number that this node knows of.
    pub(crate) head: i64,
    /// Whether the server stops.
    pub(crate) is_closed: bool,
}

/// The streams of this node.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    state: watch::Sender<StreamState>,
    /// How many each administrator has.
    open: Mutex<HashMap<String, usize>>,
}

/// A stream that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream {
    streams: Arc<Streams>,
    administrator: String,
}

impl Streams {
    /// Opens a stream of an administrator, unless there are too many.
    pub(crate) fn open(self: &Arc<Self>, administrator: &str) -> Option<OpenStream> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.get(administrator).copied().unwrap_or_default();
        if all >= MOST_STREAMS || own >= MOST_OF_ONE || self.state.borrow().is_closed {
            return None;
        }
        open.insert(administrator.to_owned(), own + 1);
        Some(OpenStream { streams: Arc::clone(self), administrator: administrator.to_owned() })
    }

    /// How many streams are open.
    pub(crate) fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// What a stream waits for.
    pub(crate) fn follow(&self) -> watch::Receiver<StreamState> {
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

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.administrator) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.administrator);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_bounded_in_all_and_for_each_administrator() {
        let streams = Arc::new(Streams::default());
        let mut open: Vec<OpenStream> = std::iter::from_fn(|| streams.open("one")).collect();
        assert_eq!(open.len(), MOST_OF_ONE);
        for other in 0..MOST_STREAMS {
            open.extend(streams.open(&other.to_string()));
        }
        assert_eq!((open.len(), streams.count()), (MOST_STREAMS, MOST_STREAMS));
        assert!(streams.open("another").is_none());
        drop(open.pop());
        assert!(streams.open("one").is_none());
        assert!(streams.open("another").is_some());
        open.clear();
        assert_eq!(streams.count(), 0);
        assert!(streams.open.lock().unwrap().is_empty(), "nobody is remembered");
    }

    #[tokio::test]
    async fn a_stream_wakes_for_new_events_and_for_the_stop() {
        let streams = Arc::new(Streams::default());
        let mut follower = streams.follow();
        streams.moved(0);
        assert!(!follower.has_changed().unwrap(), "nothing new");
        streams.moved(7);
        assert_eq!(*follower.borrow_and_update(), StreamState { head: 7, is_closed: false });
        streams.close();
        follower.changed().await.unwrap();
        assert!(follower.borrow().is_closed && streams.open("one").is_none());
    }
}
