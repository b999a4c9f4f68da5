//! What this server knows about an authentic token: revocations, its session, the log, the time.

mod chain;
pub mod investigate;
pub mod judge;
