//! What operators see: metrics, and log lines about outages.

pub mod metrics;
pub mod outages;
