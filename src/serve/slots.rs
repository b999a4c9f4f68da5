//! The connections that a listener may hold at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Slots run short when fewer than one in this many is free.
const SHORT_BELOW: u32 = 10;

/// The slots of a listener.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    all: u32,
}

impl Slots {
    pub(super) fn new(all: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// Waits for a free slot. It is free again when the permit is dropped.
    pub(super) async fn take(&self) -> OwnedSemaphorePermit {
        let free = Arc::clone(&self.free);
        free.acquire_owned().await.expect("the semaphore is never closed")
    }

    /// A slot, if one is free.
    pub(super) fn try_take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Waits until every slot is free.
    pub(super) async fn all_free(&self) {
        let _permits = self.free.acquire_many(self.all).await;
    }

    /// Whether slots run short, so that connections should end soon.
    pub(super) fn run_short(&self) -> bool {
        self.free.available_permits() < (self.all / SHORT_BELOW) as usize
    }

    pub(super) fn are_all_taken(&self) -> bool {
        self.free.available_permits() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_run_short_when_only_a_tenth_is_left() {
        let slots = Slots::new(100);
        let mut taken: Vec<_> = std::iter::from_fn(|| slots.try_take()).take(90).collect();
        assert!(!slots.run_short() && !slots.are_all_taken());
        taken.extend(slots.try_take());
        assert!(slots.run_short() && !slots.are_all_taken());
        taken.extend(std::iter::from_fn(|| slots.try_take()));
        assert!(slots.are_all_taken() && taken.len() == 100);
        taken.truncate(90);
        assert!(!slots.run_short());
    }
}
