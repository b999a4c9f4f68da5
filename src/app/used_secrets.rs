//! When client secrets were last used: noted in memory and written at intervals.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::protocol::time::Timestamp;

/// The most secrets that are noted between two writes.
const MOST: usize = 10_000;

/// Secrets that were used since the last write.
#[derive(Debug, Default)]
pub(crate) struct UsedSecrets(Mutex<HashMap<Uuid, Timestamp>>);

impl UsedSecrets {
    pub(crate) fn note(&self, id: Uuid, at: Timestamp) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() < MOST || used.contains_key(&id) {
            used.insert(id, at);
        }
    }

    pub(crate) fn take(&self) -> Vec<(Uuid, Timestamp)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
    }
}
