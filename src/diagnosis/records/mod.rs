//! What this server knows about an authentic token: revocations, its session, the log, the time.

pub mod investigate;
pub mod judge;
