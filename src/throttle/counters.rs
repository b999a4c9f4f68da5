//! Counts failures by key.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::protocol::backoff::{Backoff, Failures, Network};
use crate::protocol::time::Timestamp;

/// The most keys that are counted; the least recently used are forgotten.
const MAX_KEYS: usize = 50_000;

/// What failures are counted under. `docs/throttling.md` explains the rules to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CounterKey {
    /// Logins to one account from one network: guessing a password.
    AccountAndNetwork([u8; 32], Network),
    /// Logins to one account from all networks where it is not known: guessing from many addresses. All nodes count
    /// them together in the database; a node counts here what it has not reported yet.
    Account([u8; 32]),
    /// Logins from one network to accounts that are not known there: trying one password on many accounts.
    Network(Network),
    /// Authentications of one client from one network: guessing a secret. Never of the client alone, or anyone who
    /// knows its id could lock it out.
    ClientAndNetwork([u8; 32], Network),
    /// Authentications of all clients from one network: trying one secret on many clients.
    ClientsOfNetwork(Network),
    /// Second factors of one account, after a right password. They are counted in the database alone.
    SecondFactor,
    /// Codes of devices that one person types in: guessing the code of somebody else's device.
    UserCodesOfPerson(Uuid),
    /// The same from one network, whoever is logged in there.
    UserCodesOfNetwork(Network),
}

impl CounterKey {
    /// The value of the metric's label.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::AccountAndNetwork(..) => "account_and_network",
            Self::Account(_) => "account",
            Self::Network(_) => "network",
            Self::ClientAndNetwork(..) => "client_and_network",
            Self::ClientsOfNetwork(_) => "clients_of_network",
            Self::SecondFactor => "second_factor",
            Self::UserCodesOfPerson(_) => "user_codes_of_person",
            Self::UserCodesOfNetwork(_) => "user_codes_of_network",
        }
    }

    /// How the wait grows.
    pub(super) const fn backoff(self) -> Backoff {
        match self {
            Self::AccountAndNetwork(..) | Self::UserCodesOfPerson(_) => {
                Backoff { free: 10, forgiven_after: 60, longest: 60 }
            }
            Self::UserCodesOfNetwork(_) => Backoff { free: 15, forgiven_after: 10, longest: 60 },
            Self::Account(_) => Backoff { free: 100, forgiven_after: 600, longest: 900 },
            Self::ClientAndNetwork(..) => Backoff { free: 20, forgiven_after: 60, longest: 60 },
            // Three of a million codes are right at any moment.
            Self::SecondFactor => Backoff { free: 10, forgiven_after: 900, longest: 900 },
            Self::Network(_) | Self::ClientsOfNetwork(_) => Backoff { free: 300, forgiven_after: 10, longest: 60 },
        }
    }
}

/// Failures by key, in bounded memory.
#[derive(Debug)]
pub(super) struct Counters(Cache<CounterKey, Arc<Mutex<Failures>>>);

impl Default for Counters {
    fn default() -> Self {
        Self(Cache::new(MAX_KEYS))
    }
}

impl Counters {
    pub(super) fn get(&self, key: CounterKey) -> Option<Failures> {
        self.0.get(&key).map(|failures| *failures.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Seconds until the next attempt under this key is judged; 0 means at once.
    pub(super) fn wait(&self, key: CounterKey, now: Timestamp) -> i64 {
        self.get(key).map_or(0, |failures| key.backoff().wait(failures, now))
    }

    /// Counts failures. True if they used up the free ones, or a multiple of them: then someone should be told.
    pub(super) fn add(&self, key: CounterKey, more: i64, now: Timestamp) -> bool {
        let none = || Ok::<_, Infallible>(Arc::new(Mutex::new(Failures { count: 0, last: now })));
        let Ok(failures) = self.0.get_or_insert_with(&key, none);
        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        *failures = key.backoff().and(Some(*failures), more, now);
        key.backoff().is_used_up_by(more, failures.count)
    }

    /// Takes the failures out, once there are at least this many.
    pub(super) fn take(&self, key: CounterKey, at_least: i64, now: Timestamp) -> Option<i64> {
        let failures = self.0.get(&key)?;
        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        (failures.count >= at_least).then(|| std::mem::replace(&mut *failures, Failures { count: 0, last: now }).count)
    }

    pub(super) fn forget(&self, key: CounterKey) {
        self.0.remove(&key);
    }
}
