//! More than a server is used to, and a world that is not as it should be: floods of revocations, of unknown names
//! and of logins, clocks that jump, what does not exist.

mod aborted;
mod clock;
mod nothing;
mod passwords;
mod revocations;
mod unknown;

use std::time::Duration;

/// The longest wait for what has to come.
const LIMIT: Duration = Duration::from_secs(60);
