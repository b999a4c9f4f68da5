//! Looking at the log, and what follows from it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use crate::issuer::CurrentKeys;
use crate::keys::keyring::KeyRing;
use crate::protocol::revocation::SequenceNumber;
use crate::state::revocations::Revocations;
use crate::state::{NodeState, Unavailable, within_limit};
use crate::store::{LogEntry, LogEvent, Pace};

/// Entries of the log that are read at a time.
const LOG_PAGE: i64 = 1000;
/// Revocations that are loaded at a time.
const LOAD_PAGE: i64 = 10_000;

impl NodeState {
    /// Looks at the log; afterwards the view holds everything that was committed before the call.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn catch_up(&self) -> Result<(), Unavailable> {
        self.catch_up_in_turn(None).await
    }

    pub(crate) async fn catch_up_in_turn(&self, pace: Option<&Pace>) -> Result<(), Unavailable> {
        let before = self.looks_begun.load(Ordering::Acquire);
        let _looking = self.looking.lock().await;
        if self.last_good_look.load(Ordering::Acquire) > before {
            // A look that began after this call has succeeded meanwhile.
            return Ok(());
        }
        if let Some(pace) = pace {
            pace.turn().await;
        }
        let begun = self.watch.now();
        let this_look = self.looks_begun.fetch_add(1, Ordering::AcqRel) + 1;
        let outcome = self.look().await;
        self.note_trouble(&outcome);
        outcome?;
        self.last_good_look.store(this_look, Ordering::Release);
        self.looked_at.set(begun);
        Ok(())
    }

    pub(crate) async fn load_all(&self) -> Result<(), Unavailable> {
        let head = self.store.log_head().await?;
        let now = self.forgotten_by();
        let mut fresh = Revocations::default();
        let mut last = (now, SequenceNumber::MAX);
        loop {
            let page = self.store.revocations_in_force(last.0, last.1, LOAD_PAGE).await?;
            for revocation in &page {
                last = (revocation.covers_until, revocation.number);
                fresh.add(revocation);
            }
            if i64::try_from(page.len()).unwrap_or(i64::MAX) < LOAD_PAGE {
                break;
            }
        }
        self.load_keys().await?;
        *self.revocations.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.clients.clear(head);
        self.usernames.clear();
        self.clients_in_use.store(Arc::default());
        self.applied.store(head, Ordering::Release);
        self.forgot_by.store(now.millis(), Ordering::Release);
        Ok(())
    }

    async fn load_keys(&self) -> Result<(), Unavailable> {
        let Some(masters) = self.masters.get() else { return Ok(()) };
        let records = self.store.key_list().await?;
        let retired = self.store.key_list_retired().await?;
        let held = self.issuer.keys();
        let mut incomplete = false;
        let ring = match KeyRing::open(&records, masters) {
            Ok(ring) => ring,
            Err(kid) if !held.ring.is_empty() => {
                tracing::error!(kid, "a key cannot be unwrapped: the master key was changed; restart with the new one");
                incomplete = true;
                let kids: Vec<String> = records.into_iter().map(|record| record.kid).collect();
                held.ring.only(&kids)
            }
            Err(kid) => return Err(Unavailable(format!("the key {kid} cannot be unwrapped with this master key"))),
        };
        let ring = ring.with_retired(retired);
        self.issuer.set_keys(CurrentKeys::new(ring, incomplete));
        Ok(())
    }

    async fn look(&self) -> Result<(), Unavailable> {
        if self.membership.has_lapsed(self.watch.now()) {
            // Before the log is read: from here on receipts wait for this node again.
            self.beat().await?;
        }
        if self.forgot_too_early() {
            tracing::warn!(
                "the clock went back; loading everything anew; check the time synchronisation of this machine and of the \
                 database"
            );
            return self.load_all().await;
        }
        loop {
            let applied = self.applied();
            let page = within_limit(async { Ok(self.store.log_after(applied, LOG_PAGE).await?) }).await?;
            if page.head < applied {
                let head = page.head;
                tracing::warn!(applied, head, "the log went back: the database was restored; loading everything anew");
                self.store.log_go_on_above(applied, self.clock.now()).await?;
                self.beat().await?;
                return self.load_all().await;
            }
            if page.is_broken {
                let head = page.head;
                tracing::warn!(
                    applied,
                    head,
                    "the log does not go on where this node left it: the database was restored, or this node was away \
                     too long; loading everything anew"
                );
                self.beat().await?;
                return self.load_all().await;
            }
            let keys_changed = page.entries.iter().any(|entry| entry.event.changes_keys());
            if keys_changed {
                self.load_keys().await?;
            }
            if !page.entries.is_empty() {
                self.changes.fetch_add(1, Ordering::AcqRel);
            }
            for entry in &page.entries {
                self.apply(entry);
            }
            self.clients.applied(page.complete_to);
            self.applied.store(page.complete_to, Ordering::Release);
            if page.complete_to >= page.head {
                return Ok(());
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a lag is small")]
    fn apply(&self, entry: &LogEntry) {
        let event = &entry.event;
        if let LogEvent::Revoked(revocation) = event {
            self.revocations.write().unwrap_or_else(PoisonError::into_inner).add(revocation);
            let lag = self.clock.now().millis() - entry.number;
            self.measures.lag.observe(lag.max(0) as f64 / 1000.0);
        }
        if let Some(client_id) = event.changed_client() {
            self.clients.drop_older(client_id, entry.number);
            self.clients_in_use.store(Arc::default());
        }
        if let Some(user) = event.changed_user() {
            self.usernames.remove(user);
        }
    }
}
