//! What all clients use, kept up to date by reading those that change. Reading all of them takes seconds where there are very many,
//! so it is done once, from the start on, and nobody else waits for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Mutex as AsyncMutex;

use crate::protocol::revocation::SequenceNumber;
use crate::state::{NodeState, Unavailable, within_limit};
use crate::store::{ClientUses, ClientsInUse, Store};

/// The most changed clients that are read one by one: beyond, reading all takes less time.
const MOST_CHANGED: usize = 10_000;

/// What all clients use.
#[derive(Default)]
pub(super) struct InUse {
    /// Empty until every client was read.
    known: ArcSwap<Option<ClientsInUse>>,
    /// What each client uses, as far as it was read.
    uses: AsyncMutex<ClientUses>,
    changed: Mutex<Changed>,
}

/// What was written since it was read.
#[derive(Clone, Default)]
struct Changed {
    /// Clients, with the entry of the log that says so.
    clients: HashMap<String, SequenceNumber>,
    /// Perhaps any client: the number grows each time.
    everything: u64,
    /// That number when reading everything began.
    read_since: u64,
}

impl Changed {
    fn has_everything(&self) -> bool {
        self.everything != self.read_since
    }
}

impl InUse {
    fn changed(&self) -> std::sync::MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client has changed.
    pub(super) fn change(&self, client_id: &str, number: SequenceNumber) {
        let mut changed = self.changed();
        changed.clients.insert(client_id.to_owned(), number);
        if changed.clients.len() > MOST_CHANGED {
            changed.clients.clear();
            changed.everything += 1;
        }
    }

    /// Any client may have changed.
    pub(super) fn change_everything(&self) {
        let mut changed = self.changed();
        changed.clients.clear();
        changed.everything += 1;
    }

    /// What is known, if nothing was written since it was read.
    fn current(&self) -> Option<Arc<Option<ClientsInUse>>> {
        let changed = self.changed();
        let known = self.known.load_full();
        (known.is_some() && changed.clients.is_empty() && !changed.has_everything()).then_some(known)
    }

    /// Reads what has changed. Whoever gives up in between leaves the rest to the next one.
    async fn renew(&self, store: &Store) -> Result<Arc<Option<ClientsInUse>>, Unavailable> {
        let mut uses = self.uses.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        {
            let mut changed = self.changed();
            if changed.has_everything() {
                *uses = ClientUses::default();
                changed.read_since = changed.everything;
            }
        }
        while !uses.is_whole() {
            store.client_uses_read(&mut uses).await?;
        }
        // After the rest: a client may have changed after it was read.
        let changed = self.changed().clone();
        let ids: Vec<String> = changed.clients.keys().cloned().collect();
        store.client_uses_renew(&mut uses, &ids).await?;
        let sum = uses.sum();
        let known = self.known.load_full();
        // What is made of it is kept by whether it is the same.
        let known = if known.as_ref().as_ref() == Some(&sum) { known } else { Arc::new(Some(sum)) };
        self.known.store(Arc::clone(&known));
        self.changed().clients.retain(|id, number| changed.clients.get(id) != Some(number));
        Ok(known)
    }
}

impl NodeState {
    /// What the enabled clients use.
    pub async fn clients_in_use(&self) -> Result<Arc<Option<ClientsInUse>>, Unavailable> {
        self.ensure_fresh().await?;
        match self.in_use.current() {
            Some(known) => Ok(known),
            None => within_limit(self.in_use.renew(&self.store)).await,
        }
    }
}
