//! Moments in time, counted in integers so that no float ever reaches a token.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::protocol::schema::describe;

/// A moment: milliseconds since the Unix epoch, on the clock of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

describe!(Timestamp {
    "description": "A moment, with milliseconds, in UTC.",
    "type": "string",
    "format": "date-time",
    "examples": ["2026-01-31T12:00:00.000Z"],
});

impl Timestamp {
    /// The last moment that can be written as a date.
    const LAST: i64 = 253_402_300_799_999;

    /// From milliseconds since the epoch.
    pub const fn from_millis(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// From seconds since the epoch, the unit of `exp` and `iat` (RFC 7519 §2).
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This many seconds later.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Reads an RFC 3339 date or a number of seconds since the epoch.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(seconds) = text.parse::<i64>() {
            return (0..=Self::LAST / 1000).contains(&seconds).then(|| Self::from_seconds(seconds));
        }
        let moment = humantime::parse_rfc3339_weak(text).ok()?;
        let since = moment.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Self(i64::try_from(since.as_millis()).ok()?))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let within = self.0.clamp(0, Self::LAST).unsigned_abs();
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(within);
        write!(formatter, "{}", humantime::format_rfc3339_millis(moment))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_back_as_it_was_written() {
        let moment = Timestamp::from_millis(1_795_322_820_123);
        assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        assert_eq!(Timestamp::parse("1795322820"), Some(Timestamp::from_seconds(1_795_322_820)));
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp::parse("-5"), None);
    }

    #[test]
    fn a_moment_far_outside_the_calendar_is_still_printable() {
        for millis in [i64::MIN, -1, 0, i64::MAX] {
            assert!(Timestamp::from_millis(millis).to_string().ends_with('Z'));
        }
    }
}
