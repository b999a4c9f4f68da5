//! What operators see: metrics, and the log of outages.

pub mod metrics;
pub mod outages;
