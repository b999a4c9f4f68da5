//! What this server's keys prove about a text.

pub(super) mod repair;
pub(super) mod signature;
