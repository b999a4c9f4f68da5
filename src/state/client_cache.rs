//! Clients in memory: a bounded cache that the log keeps up to date.

use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;

use crate::protocol::client::Client;
use crate::protocol::revocation::SequenceNumber;

/// The most clients that are remembered.
const MOST: usize = 10_000;

#[derive(Clone)]
struct Cached {
    client: Arc<Client>,
    as_of: SequenceNumber,
}

/// Remembered clients. A client that was read from the database is kept only if the read included everything that is
/// applied by now; otherwise a change that was applied in between would be missed for ever.
pub(super) struct ClientCache {
    clients: Cache<String, Cached>,
    applied: Mutex<SequenceNumber>,
}

impl Default for ClientCache {
    fn default() -> Self {
        Self { clients: Cache::new(MOST), applied: Mutex::default() }
    }
}

impl ClientCache {
    pub(super) fn get(&self, client_id: &str) -> Option<Arc<Client>> {
        self.clients.get(client_id).map(|cached| cached.client)
    }

    /// Keeps a client as the database showed it when the log head was `as_of`.
    pub(super) fn put(&self, client: Arc<Client>, as_of: SequenceNumber) {
        let applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        if as_of >= *applied {
            self.clients.insert(client.client_id.clone(), Cached { client, as_of });
        }
    }

    /// Drops a client that the entry `number` of the log changed, unless it was read after that.
    pub(super) fn drop_older(&self, client_id: &str, number: SequenceNumber) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        *applied = number.max(*applied);
        if self.clients.get(client_id).is_some_and(|cached| cached.as_of < number) {
            self.clients.remove(client_id);
        }
    }

    /// Records up to which number the log is applied.
    pub(super) fn applied(&self, number: SequenceNumber) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        *applied = number.max(*applied);
    }

    /// Forgets everything: the log begins anew at `head`.
    pub(super) fn clear(&self, head: SequenceNumber) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        *applied = head;
        self.clients.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::Timestamp;

    fn client(id: &str) -> Arc<Client> {
        Arc::new(Client {
            client_id: id.into(),
            settings: serde_json::from_str("{}").unwrap(),
            secrets: vec![],
            created_at: Timestamp::from_millis(0),
            version: 1,
        })
    }

    #[test]
    fn a_client_that_was_read_before_its_change_is_not_kept() {
        let cache = ClientCache::default();
        cache.put(client("a"), 5);
        cache.drop_older("a", 6);
        assert!(cache.get("a").is_none());
        // A query that began before the change returns after it.
        cache.put(client("a"), 5);
        assert!(cache.get("a").is_none());
        cache.put(client("a"), 6);
        assert!(cache.get("a").is_some());
        cache.drop_older("a", 6);
        assert!(cache.get("a").is_some());
    }
}
