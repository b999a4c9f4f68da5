//! Clients that got large access tokens: many servers refuse headers that hold such a token.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::protocol::time::Timestamp;

/// The size, in bytes, above which an access token is large.
const LARGE: usize = 4096;
/// The most clients that are remembered.
const MOST: usize = 20;
/// Seconds for which a client is remembered.
const REMEMBERED: i64 = 24 * 3600;

/// The clients that got large access tokens of this node lately, with the size and the moment of the last one.
#[derive(Debug, Default)]
pub(crate) struct LargeTokens(Mutex<BTreeMap<String, (usize, Timestamp)>>);

impl LargeTokens {
    /// Notes an issued token, if it is large.
    pub(crate) fn note(&self, client_id: &str, size: usize, now: Timestamp) {
        if size <= LARGE {
            return;
        }
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = clients.get_mut(client_id) {
            *last = (size, now);
            return;
        }
        if clients.len() >= MOST {
            clients.retain(|_, (_, at)| is_recent(*at, now));
        }
        if clients.len() < MOST {
            clients.insert(client_id.to_owned(), (size, now));
        }
    }

    /// The clients, by their ids, with the size of the last one.
    pub(crate) fn lately(&self, now: Timestamp) -> Vec<(String, usize)> {
        let clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = clients.iter().filter(|(_, (_, at))| is_recent(*at, now));
        recent.map(|(client, (size, _))| (client.clone(), *size)).collect()
    }
}

fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    now.seconds() - at.seconds() < REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_of_clients_is_remembered_for_a_day() {
        let (large, at) = (LargeTokens::default(), Timestamp::from_seconds);
        large.note("small", LARGE, at(0));
        assert_eq!(large.lately(at(0)), []);
        for number in 0..100 {
            large.note(&format!("client-{number:02}"), LARGE + 1, at(0));
        }
        large.note("client-00", 5000, at(10));
        let lately = large.lately(at(REMEMBERED - 1));
        assert_eq!((lately.len(), &lately[0]), (MOST, &("client-00".to_owned(), 5000)));
        assert_eq!(large.lately(at(REMEMBERED)), [("client-00".to_owned(), 5000)]);
        large.note("another", 6000, at(REMEMBERED));
        assert_eq!(large.lately(at(REMEMBERED)).len(), 2, "old ones make room");
    }
}
