//! Polling the log, and applying its entries.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::state::{NodeState, Unavailable, within_limit};
use crate::store::{LogEntry, LogEvent, Pace};

/// Entries of the log that are read at a time.
const PAGE: i64 = 1000;

impl NodeState {
    /// Polls the log; afterwards memory holds everything that was committed before the call.
    pub async fn catch_up(&self) -> Result<(), Unavailable> {
        self.catch_up_in_turn(None).await
    }

    pub(super) async fn catch_up_in_turn(&self, pace: Option<&Pace>) -> Result<(), Unavailable> {
        let before = self.polls_begun.load(Ordering::Acquire);
        let _polling = self.polling.lock().await;
        if self.last_good_poll.load(Ordering::Acquire) > before {
            // A poll that began after this call has succeeded meanwhile.
            return Ok(());
        }
        if let Some(pace) = pace {
            pace.turn().await;
        }
        let begun = self.watch.now();
        let this_poll = self.polls_begun.fetch_add(1, Ordering::AcqRel) + 1;
        let outcome = self.poll().await;
        *self.poll_error.lock().unwrap_or_else(PoisonError::into_inner) =
            outcome.as_ref().err().map(|Unavailable(reason)| reason.clone());
        outcome?;
        self.last_good_poll.store(this_poll, Ordering::Release);
        self.polled_at.set(begun);
        Ok(())
    }

    async fn poll(&self) -> Result<(), Unavailable> {
        if self.membership.has_lapsed(self.watch.now()) {
            // Before the log is read, because receipts wait for this node again from here on.
            self.heartbeat().await?;
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
            let page = within_limit(async { Ok(self.store.log_after(applied, PAGE).await?) }).await?;
            if page.head < applied {
                let head = page.head;
                tracing::warn!(
                    applied,
                    head,
                    "the change log went back: the database was restored; loading everything anew"
                );
                self.store.log_continue_above(applied, self.clock.now()).await?;
                self.heartbeat().await?;
                return self.load_all().await;
            }
            if page.is_broken {
                let head = page.head;
                tracing::warn!(
                    applied,
                    head,
                    "the change log does not go on where this node left it: the database was restored, or this node was away \
                     too long; loading everything anew"
                );
                self.heartbeat().await?;
                return self.load_all().await;
            }
            let keys_changed = page.entries.iter().any(|entry| entry.event.changes_keys());
            if keys_changed {
                self.load_keys().await?;
            }
            let resources: Vec<&str> = page.entries.iter().filter_map(|entry| entry.event.changed_resource()).collect();
            if !resources.is_empty() {
                self.reload_resources(&resources).await?;
            }
            if page.entries.iter().any(|entry| entry.event.changes_issuers()) {
                self.load_trusted_issuers().await?;
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
            self.in_use.change(client_id, entry.number);
        }
        if let Some(user) = event.changed_user() {
            self.users.remove(user);
        }
    }
}
