//! What this server's keys prove about a text.

pub mod repair;
pub(super) mod signature;
