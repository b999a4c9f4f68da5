//! The clock. Every node uses the database's time: it measures how far its own clock is off.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use uuid::{ContextV7, Uuid};

use crate::protocol::time::Timestamp;

/// The largest offset, in milliseconds, that is not reported.
pub const LARGEST_OFFSET: i64 = 5000;

/// The longest measurement, in milliseconds, that is precise enough to use.
const LONGEST_MEASUREMENT: i64 = 500;

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Milliseconds since the epoch, set by a test.
    Manual(Arc<AtomicI64>),
}

/// Reads the database's time.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    /// How far the database is ahead of this machine, in milliseconds.
    offset: Arc<AtomicI64>,
    is_measured: Arc<AtomicBool>,
    /// The order of the ids. Of this clock alone: another one may be ahead.
    ids: Arc<Mutex<ContextV7>>,
}

impl Clock {
    /// This machine's clock, until an offset is measured.
    pub fn system() -> Self {
        Self::of(Source::System)
    }

    /// A clock that stands still until [`advance`](Self::advance) moves it, for tests.
    pub fn manual(start: Timestamp) -> Self {
        Self::of(Source::Manual(Arc::new(AtomicI64::new(start.millis()))))
    }

    fn of(source: Source) -> Self {
        let ids = Arc::new(Mutex::new(ContextV7::new()));
        Self { source, offset: Arc::default(), is_measured: Arc::default(), ids }
    }

    /// The database's time, as far as it is known.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.own_millis() + self.offset.load(Ordering::Relaxed))
    }

    /// A new UUIDv7: it begins with the time, and later ids of one clock sort later.
    pub fn new_id(&self) -> Uuid {
        let millis = u64::try_from(self.now().millis()).unwrap_or(0);
        let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        Uuid::new_v7(uuid::Timestamp::from_unix(self.ids.as_ref(), millis / 1000, nanos))
    }

    /// Moves a manual clock; has no effect on the system's.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(millis) = &self.source {
            millis.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// How far the database is ahead of this machine, in milliseconds.
    pub fn offset_millis(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// Records what the database's clock showed after `before` was read and before now. A slow measurement is too imprecise
    /// and is ignored, unless it is the first.
    pub fn measured(&self, before: Reading, database_millis: i64) {
        if let Source::System = self.source {
            let after = self.own_millis();
            let is_first = !self.is_measured.swap(true, Ordering::Relaxed);
            if is_first || (0..=LONGEST_MEASUREMENT).contains(&(after - before.0)) {
                self.offset.store(database_millis - i64::midpoint(before.0, after), Ordering::Relaxed);
            }
        }
    }

    /// Reads this machine's clock, for [`measured`](Self::measured).
    pub fn read(&self) -> Reading {
        Reading(self.own_millis())
    }

    /// This machine's own time since the epoch, for what is compared with records of other machines, such as traces.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system's clock")]
    pub fn machine_time(&self) -> Duration {
        match &self.source {
            Source::Manual(millis) => Duration::from_millis(u64::try_from(millis.load(Ordering::Relaxed)).unwrap_or(0)),
            Source::System => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(),
        }
    }

    fn own_millis(&self) -> i64 {
        i64::try_from(self.machine_time().as_millis()).unwrap_or(i64::MAX)
    }
}

/// A reading of this machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct Reading(i64);

impl Reading {
    /// Milliseconds since the epoch, by this machine's clock.
    pub const fn millis(self) -> i64 {
        self.0
    }
}

/// Describes an offset in milliseconds as `20 ms behind` or `20 ms ahead of`.
pub fn offset_in_words(offset: i64) -> String {
    let side = if offset < 0 { "ahead of" } else { "behind" };
    format!("{} ms {side}", offset.unsigned_abs())
}
