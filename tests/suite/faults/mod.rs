//! Faults: nodes, their connections and their database are cut off, silenced, frozen, killed and restored, while an
//! [oracle](oracle) queries every node all the time. All servers are real processes; so is Postgres.

mod connection;
mod database;
mod fleet;
mod killed;
mod oracle;
mod order;
mod outages;
mod process;
mod restore;
mod start;

use std::time::Duration;

/// How soon a node serves again after a fault.
const RECOVERY: Duration = Duration::from_secs(5);
