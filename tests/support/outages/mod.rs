//! What clients, resource servers and administrators experience while a database fails: every [operation](operations)
//! runs on every node all the time, each answer is judged, and afterwards everything that was acknowledged is checked.

mod deck;
mod operations;
pub(crate) mod postgres_faults;
mod scene;
pub(crate) mod sqlite_faults;
mod survey;

use std::time::Duration;

pub(crate) use scene::Scene;
pub(crate) use survey::{Outcome, survey};

/// How soon after a fault everything is served again on an idle machine.
pub(crate) const RECOVERY: Duration = Duration::from_secs(5);
/// `JETON_MAX_STALENESS` of the servers.
pub(crate) const STALENESS: Duration = Duration::from_secs(1);
/// The longest that a request may take: the server's deadline and a little for the network.
pub(crate) const DEADLINE: Duration = Duration::from_secs(31);
