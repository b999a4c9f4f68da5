//! The change log: revocations, and notices of what changed. The database assigns the sequence numbers at commit.

mod entries;
mod revocations;
mod transaction;

pub use entries::{LogEntry, LogEvent, LogPage};
pub use revocations::Revocable;
pub(in crate::store) use revocations::is_unrevoked;
pub use transaction::Logged;
pub(in crate::store) use transaction::{LogTransaction, Notice, Written};
