//! The one clock. Nodes use the time of the database: each measures how far its own clock is off.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use uuid::{ContextV7, Uuid};

use crate::protocol::time::Timestamp;

/// Milliseconds by which the clock of a node may be off before it is reported.
pub const LARGEST_OFFSET: i64 = 5000;

/// Milliseconds that a measurement of the offset may take.
const LONGEST_MEASUREMENT: i64 = 500;

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Milliseconds since the epoch, moved by hand.
    Manual(Arc<AtomicI64>),
}

/// Tells the time of the database.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    /// Milliseconds by which the database is ahead of this machine.
    offset: Arc<AtomicI64>,
    is_measured: Arc<AtomicBool>,
}

impl Clock {
    /// The clock of this machine, until an offset is measured.
    pub fn system() -> Self {
        Self { source: Source::System, offset: Arc::default(), is_measured: Arc::default() }
    }

    /// A clock that stands still until it is moved, for tests.
    pub fn manual(start: Timestamp) -> Self {
        Self {
            source: Source::Manual(Arc::new(AtomicI64::new(start.millis()))),
            offset: Arc::default(),
            is_measured: Arc::default(),
        }
    }

    /// The time of the database, as far as it is known.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.own_millis() + self.offset.load(Ordering::Relaxed))
    }

    /// A new id that begins with the time (UUIDv7); ids of one process are in order.
    pub fn new_id(&self) -> Uuid {
        static ORDER: Mutex<ContextV7> = Mutex::new(ContextV7::new());
        let millis = u64::try_from(self.now().millis()).unwrap_or(0);
        let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        Uuid::new_v7(uuid::Timestamp::from_unix(&ORDER, millis / 1000, nanos))
    }

    /// Moves a manual clock; does nothing to another.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(millis) = &self.source {
            millis.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// Milliseconds by which the database is ahead of this machine.
    pub fn offset_millis(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// Notes what the database's clock showed between two readings of this machine's clock. A reading that took long
    /// tells too little and is left out, unless it is the first.
    pub fn measured(&self, before: Reading, database_millis: i64) {
        if let Source::System = self.source {
            let after = self.own_millis();
            let is_first = !self.is_measured.swap(true, Ordering::Relaxed);
            if is_first || (0..=LONGEST_MEASUREMENT).contains(&(after - before.0)) {
                self.offset.store(database_millis - i64::midpoint(before.0, after), Ordering::Relaxed);
            }
        }
    }

    /// A reading of this machine's clock, for [`measured`](Self::measured).
    pub fn read(&self) -> Reading {
        Reading(self.own_millis())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
    fn own_millis(&self) -> i64 {
        match &self.source {
            Source::Manual(millis) => millis.load(Ordering::Relaxed),
            Source::System => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// What this machine's clock showed.
#[derive(Clone, Copy, Debug)]
pub struct Reading(i64);

impl Reading {
    /// Milliseconds since the epoch, as this machine has it.
    pub const fn millis(self) -> i64 {
        self.0
    }
}

/// How far this machine's clock is off, such as `20 ms behind` or `20 ms ahead of`, of an offset in milliseconds.
pub fn offset_in_words(offset: i64) -> String {
    let side = if offset < 0 { "ahead of" } else { "behind" };
    format!("{} ms {side}", offset.unsigned_abs())
}
