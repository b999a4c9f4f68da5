//! Calls of one purpose take turns: few at a time, and fewer to one host.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::calling_out::{Purpose, Refused, Resolver};

/// Names being resolved, as a multiple of the calls: a name whose servers are silent is given up by its call long before the
/// operating system gives it up.
const LOOKUPS: usize = 4;
/// The most of them for one purpose: each holds a thread.
const MOST_LOOKUPS: usize = 128;
/// Hosts that are remembered before those that nobody calls are forgotten.
const HOSTS: usize = 256;

/// The turns of one purpose.
pub(super) struct Turns {
    all: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    at_once_to_a_host: usize,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A turn; dropping it ends it.
pub(super) struct Turn {
    _of_host: Option<OwnedSemaphorePermit>,
    _of_all: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub(super) fn of(purpose: Purpose) -> Self {
        Self {
            all: Arc::new(Semaphore::new(purpose.at_once())),
            lookups: Arc::new(Semaphore::new((purpose.at_once() * LOOKUPS).min(MOST_LOOKUPS))),
            at_once_to_a_host: purpose.at_once_to_a_host(),
            hosts: Mutex::default(),
        }
    }

    /// Waits for a turn, and for leave to resolve a name if there is one. Who waits for a slow host takes no turn from others.
    pub(super) async fn take(&self, authority: &str, has_name: bool) -> (Turn, Option<OwnedSemaphorePermit>) {
        // The semaphores are never closed.
        let of_host = self.host(authority).acquire_owned().await.ok();
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok();
        let lookup = if has_name { Arc::clone(&self.lookups).acquire_owned().await.ok() } else { None };
        (Turn { _of_host: of_host, _of_all: of_all }, lookup)
    }

    fn host(&self, authority: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(authority).and_then(Weak::upgrade) {
            return known;
        }
        if hosts.len() >= HOSTS {
            hosts.retain(|_, host| host.strong_count() > 0);
        }
        let host = Arc::new(Semaphore::new(self.at_once_to_a_host));
        hosts.insert(authority.to_owned(), Arc::downgrade(&host));
        host
    }
}

/// Resolves a name in a task of its own, which lasts as long as the operating system takes, also if nobody waits any more.
pub(super) async fn resolve(
    resolver: &Resolver,
    host: String,
    permit: Option<OwnedSemaphorePermit>,
) -> Result<Vec<IpAddr>, Refused> {
    let lookup = resolver(host);
    let task = tokio::spawn(async move {
        let found = lookup.await;
        drop(permit);
        found
    });
    let found = task.await.map_err(|error| Refused::Unresolved(error.to_string()))?;
    found.map_err(|error| Refused::Unresolved(error.to_string()))
}
