//! Unusual load and surroundings: floods of revocations, unknown names and logins, clocks that jump, things that do not
//! exist.

mod aborted;
mod clock;
mod nothing;
mod passwords;
mod revocations;
mod unknown;

use std::time::Duration;

/// The longest wait for an event.
const LIMIT: Duration = Duration::from_secs(60);
