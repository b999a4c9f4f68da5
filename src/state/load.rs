//! Loading everything from the database: at the start, and when the log does not continue from what this node applied.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::issuer::CurrentKeys;
use crate::keys::keyring::KeyRing;
use crate::keys::master::MasterKeys;
use crate::protocol::revocation::SequenceNumber;
use crate::state::revocations::Revocations;
use crate::state::{NodeState, Unavailable};

/// Revocations that are read at a time.
const PAGE: i64 = 10_000;

impl NodeState {
    /// Loads everything from the database. Fails also if a key cannot be unwrapped with this master key.
    pub async fn load(&self, masters: Arc<MasterKeys>) -> Result<(), Unavailable> {
        let begun = self.watch.now();
        _ = self.masters.set(masters);
        self.load_all().await?;
        self.polled_at.set(begun);
        Ok(())
    }

    pub(super) async fn load_all(&self) -> Result<(), Unavailable> {
        let head = self.store.log_head().await?;
        let now = self.forgotten_by();
        let mut fresh = Revocations::default();
        let mut last = (now, SequenceNumber::MAX);
        loop {
            let page = self.store.revocations_in_force(last.0, last.1, PAGE).await?;
            for revocation in &page {
                last = (revocation.covers_until, revocation.number);
                fresh.add(revocation);
            }
            if i64::try_from(page.len()).unwrap_or(i64::MAX) < PAGE {
                break;
            }
        }
        self.load_keys().await?;
        self.load_resources().await?;
        self.load_trusted_issuers().await?;
        *self.revocations.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.clients.clear(head);
        self.users.clear();
        self.in_use.change_everything();
        self.applied.store(head, Ordering::Release);
        self.forgot_by.store(now.millis(), Ordering::Release);
        Ok(())
    }

    pub(super) async fn load_keys(&self) -> Result<(), Unavailable> {
        let Some(masters) = self.masters.get() else { return Ok(()) };
        let records = self.store.key_list().await?;
        let retired = self.store.key_list_retired().await?;
        let current = self.issuer.keys();
        let mut incomplete = false;
        let ring = match KeyRing::open(&records, masters) {
            Ok(ring) => ring,
            Err(kid) if !current.ring.is_empty() => {
                tracing::error!(kid, "a key cannot be unwrapped: the master key was changed; restart with the new one");
                incomplete = true;
                let kids: Vec<String> = records.into_iter().map(|record| record.kid).collect();
                current.ring.only(&kids)
            }
            Err(kid) => return Err(Unavailable(format!("the key {kid} cannot be unwrapped with this master key"))),
        };
        let ring = ring.with_retired(retired);
        self.issuer.set_keys(CurrentKeys::new(ring, incomplete));
        Ok(())
    }
}
