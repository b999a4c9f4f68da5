//! Whether memory is young enough to answer from. Answers come only after the methods here have made sure of it.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::protocol::revocation::SequenceNumber;
use crate::state::{NodeState, Unavailable, within_limit};
use crate::store::{self, Logged, StoreError};

impl NodeState {
    /// Runs a write and returns its outcome once this node has applied what the write appended to the log.
    ///
    /// # Errors
    /// Those of the write. If this node cannot read the log afterwards, the write stands all the same, and this node
    /// applies it within the bound that holds for every node.
    pub async fn honour<T>(&self, write: impl Future<Output = store::Result<Logged<T>>>) -> store::Result<T> {
        write.await?.once_applied(self.apply_log()).await
    }

    /// Applies the log up to now. The command line has nothing loaded and leaves that to the servers.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn apply_log(&self) -> store::Result<()> {
        match self.masters.get() {
            Some(_) => self.catch_up().await.map_err(|Unavailable(reason)| StoreError::Unavailable(reason)),
            None => Ok(()),
        }
    }

    /// The time since the last complete poll of the log began.
    pub fn age(&self) -> Duration {
        self.polled_at.elapsed(self.watch.now())
    }

    fn is_fresh(&self) -> bool {
        let now = self.watch.now();
        self.polled_at.elapsed(now) <= self.max_staleness
            && !self.membership.has_lapsed(now)
            && !self.forgot_too_early()
    }

    /// Why this node may not answer from memory, if it may not: one sentence for operators.
    pub(crate) fn why_stale(&self) -> Option<String> {
        if self.is_fresh() {
            return None;
        }
        let error = self.poll_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let why = error.unwrap_or_else(|| "the database does not answer".into());
        let (now, age) = (self.watch.now(), self.age());
        Some(if age > self.max_staleness {
            format!("the change log was last read {} ms ago: {why}", age.as_millis())
        } else if self.membership.has_lapsed(now) {
            format!("this node could not tell the others for too long that it is alive: {why}")
        } else {
            "the clock went back; everything is loaded anew".to_owned()
        })
    }

    /// Returns at once while memory is fresh; otherwise polls the log first, for at most a second.
    pub(super) async fn ensure_fresh(&self) -> Result<(), Unavailable> {
        if self.is_fresh() {
            return Ok(());
        }
        self.measures.fallbacks.inc();
        within_limit(self.catch_up()).await
    }

    /// Polls the log, for at most a second, before something is refused because memory lacks it. Concurrent callers
    /// share a poll, and only a bounded number of polls start each second.
    pub(crate) async fn ensure_current(&self) -> Result<(), Unavailable> {
        within_limit(self.catch_up_in_turn(Some(&self.pace))).await
    }

    /// The sequence number up to which a fresh node has applied the log. Every later revocation covers what the node
    /// issues with this number.
    pub(crate) async fn fresh_sequence_number(&self) -> Result<SequenceNumber, Unavailable> {
        self.ensure_fresh().await?;
        Ok(self.applied())
    }

    /// Whether the clock went back behind a moment by which revocations were forgotten: some may be in force again.
    pub(super) fn forgot_too_early(&self) -> bool {
        self.clock.now().millis() < self.forgot_by.load(Ordering::Acquire)
    }
}
