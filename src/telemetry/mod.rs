//! What operators see: metrics, and the log.

pub mod forwarding;
pub mod log;
pub mod metrics;
mod otlp;
pub mod outages;
pub mod recent;
mod refusals;
pub mod refused_clients;
mod sums;
pub mod trace_export;
