//! How long ago something was, whatever the clocks do meanwhile.
//!
//! The monotonic clock stands still while a machine sleeps or a virtual machine is paused, and the wall clock can be
//! set back. The longer of the two times counts, so that nothing seems younger than it is.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Clock;

/// A moment by both clocks, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    monotonic: u64,
    wall: i64,
}

/// Reads both clocks.
#[derive(Debug)]
pub(super) struct Watch {
    started: Instant,
    clock: Clock,
}

impl Watch {
    pub(super) fn new(clock: Clock) -> Self {
        Self { started: Instant::now(), clock }
    }

    pub(super) fn now(&self) -> Moment {
        let monotonic = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Moment { monotonic, wall: self.clock.read().millis() }
    }
}

/// The last time at which something happened.
#[derive(Debug)]
pub(super) struct LastTime {
    monotonic: AtomicU64,
    wall: AtomicI64,
}

impl LastTime {
    pub(super) fn new(at: Moment) -> Self {
        Self { monotonic: AtomicU64::new(at.monotonic), wall: AtomicI64::new(at.wall) }
    }

    /// It happened again, at this moment.
    pub(super) fn set(&self, at: Moment) {
        self.monotonic.store(at.monotonic, Ordering::Release);
        self.wall.store(at.wall, Ordering::Release);
    }

    /// How long ago it was at this moment.
    pub(super) fn elapsed(&self, now: Moment) -> Duration {
        let monotonic = now.monotonic.saturating_sub(self.monotonic.load(Ordering::Acquire));
        let wall = now.wall.saturating_sub(self.wall.load(Ordering::Acquire));
        Duration::from_millis(monotonic.max(u64::try_from(wall).unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_of_the_two_clocks_counts() {
        let last = LastTime::new(Moment { monotonic: 100, wall: 5000 });
        let after = |monotonic, wall| last.elapsed(Moment { monotonic, wall }).as_millis();
        assert_eq!(after(150, 5050), 50);
        assert_eq!(after(150, 9000), 4000, "the machine slept");
        assert_eq!(after(900, 4000), 800, "the clock was set back");
        last.set(Moment { monotonic: 900, wall: 4000 });
        assert_eq!(after(950, 4050), 50);
    }
}
