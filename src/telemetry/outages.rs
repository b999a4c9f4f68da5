//! The log of requests that could not be decided.
//!
//! While the database is down, nearly every request fails for the same reason. A line for each would bury what matters and fill
//! the disk. So a reason is logged at once, and again every ten seconds with the number of requests since; level `debug` has a
//! line for each request, and `/metrics` counts them all.

use std::time::Instant;

use crate::protocol::cause::Cause;
use crate::telemetry::sums::{Line, Sums};

/// The most reasons that are remembered.
const MOST: usize = 64;

/// The reasons that were logged.
#[derive(Debug)]
pub struct Outages(Sums<String>);

impl Default for Outages {
    fn default() -> Self {
        Self(Sums::new(1, MOST))
    }
}

impl Outages {
    /// Notes a request that could not be decided.
    pub fn note(&self, endpoint: &'static str, reason: &str) {
        match self.0.note(reason.to_owned(), Instant::now()) {
            Line::First => tracing::error!(
                endpoint,
                cause = Cause::CouldNotCheck.name(),
                reason,
                "a request could not be decided and was answered 503; repetitions are reported together"
            ),
            Line::Further(left_out) => {
                tracing::error!(
                    // Of many requests, not of this one.
                    parent: None,
                    endpoint,
                    cause = Cause::CouldNotCheck.name(),
                    reason,
                    others = left_out + 1,
                    "requests still cannot be decided"
                )
            }
            Line::LeftOut | Line::TooManyKinds => tracing::debug!(endpoint, reason, "could not be decided"),
        }
    }
}
