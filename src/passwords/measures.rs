//! The metrics of the password pool.

use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the time that a hash takes, in seconds.
const HASH_BOUNDS: [f64; 10] = [0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

#[derive(Debug)]
pub(super) struct Measures {
    pub(super) waiting: Gauge,
    pub(super) refused: Counter,
    pub(super) hashes: Histogram,
    /// The most that waited at a time, since that was last asked.
    most_waiting: AtomicI64,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            waiting: Gauge::default(),
            refused: Counter::default(),
            hashes: Histogram::new(HASH_BOUNDS),
            most_waiting: AtomicI64::default(),
        }
    }
}

impl Measures {
    pub(super) fn set_waiting(&self, count: i64) {
        self.waiting.set(count);
        self.most_waiting.fetch_max(count, Ordering::Relaxed);
    }

    /// The most that waited at a time; from then on that is counted anew.
    pub(super) fn take_most_waiting(&self) -> i64 {
        self.most_waiting.swap(self.waiting.get(), Ordering::Relaxed)
    }

    /// The most that waited at a time, so far.
    pub(super) fn most_waiting(&self) -> i64 {
        self.most_waiting.load(Ordering::Relaxed)
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("password_queue", "Passwords waiting to be hashed", self.waiting.clone());
        registry.register(
            "password_refusals",
            "Passwords that were not hashed, because they waited too long",
            self.refused.clone(),
        );
        registry.register("password_hash_seconds", "Time that a thread took to hash a password", self.hashes.clone());
    }
}
