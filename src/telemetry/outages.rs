//! The log of requests that could not be decided.
//!
//! While the database is down, nearly every request fails for the same reason. A line for each would bury what matters
//! and fill the disk. So a reason is logged at once, and again every ten seconds with the number of requests since;
//! level
//! `debug` has a line for each request, and `/metrics` counts them all.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::protocol::cause::Cause;

/// The shortest time between two lines with the same reason.
const BETWEEN: Duration = Duration::from_secs(10);
/// The most reasons that are remembered.
const MOST: usize = 64;

/// Logged reasons: when, and how many requests failed for the same reason since.
#[derive(Debug, Default)]
pub struct Outages(Mutex<HashMap<String, (Instant, u64)>>);

impl Outages {
    /// Notes a request that could not be decided.
    pub fn note(&self, endpoint: &'static str, reason: &str) {
        match self.untold(reason, Instant::now()) {
            Some(0) => tracing::error!(
                endpoint,
                cause = Cause::CouldNotCheck.name(),
                reason,
                "a request could not be decided and was answered 503; repetitions are reported together"
            ),
            Some(others) => {
                tracing::error!(
                    // Of many requests, not of this one.
                    parent: None,
                    endpoint,
                    cause = Cause::CouldNotCheck.name(),
                    reason,
                    others,
                    "requests still cannot be decided"
                )
            }
            None => tracing::debug!(endpoint, reason, "could not be decided"),
        }
    }

    /// How many requests with this reason were not logged; none when it is too early for the next line.
    fn untold(&self, reason: &str, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, others)) = told.get_mut(reason) {
            *others += 1;
            if now.duration_since(*at) < BETWEEN {
                return None;
            }
            *at = now;
            return Some(std::mem::take(others));
        }
        if told.len() >= MOST {
            told.retain(|_, (at, _)| now.duration_since(*at) < BETWEEN);
        }
        if told.len() >= MOST {
            return None;
        }
        told.insert(reason.to_owned(), (now, 0));
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_logged_at_once_and_then_periodically_with_a_count() {
        let (outages, now) = (Outages::default(), Instant::now());
        assert_eq!(outages.untold("down", now), Some(0));
        assert_eq!(outages.untold("down", now + BETWEEN / 2), None);
        assert_eq!(outages.untold("full", now + BETWEEN / 2), Some(0));
        assert_eq!(outages.untold("down", now + BETWEEN), Some(2));
        assert_eq!(outages.untold("down", now + BETWEEN), None);
    }

    #[test]
    fn a_flood_of_reasons_takes_bounded_memory() {
        let (outages, now) = (Outages::default(), Instant::now());
        let told = (0..1000).filter(|number| outages.untold(&number.to_string(), now).is_some()).count();
        assert_eq!(told, MOST);
        assert_eq!(outages.untold("later", now + BETWEEN), Some(0));
    }
}
