//! The metrics of a node state.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the lag, in seconds.
const LAG_BOUNDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// The metrics of a node state.
#[derive(Debug)]
pub struct Measures {
    pub(super) lag: Histogram,
    pub(super) fallbacks: Counter,
    pub(super) poll_errors: Counter,
}

impl Default for Measures {
    fn default() -> Self {
        Self { lag: Histogram::new(LAG_BOUNDS), fallbacks: Counter::default(), poll_errors: Counter::default() }
    }
}

impl Measures {
    /// Registers them.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let lag = "Time from the write of a revocation until this node applied it";
        registry.register("revocation_lag_seconds", lag, self.lag.clone());
        let fallbacks = "Requests that had to wait for a read of the change log, because the node state was too old";
        registry.register("view_fallbacks", fallbacks, self.fallbacks.clone());
        registry.register("view_feed_errors", "Failed reads of the change log", self.poll_errors.clone());
    }
}
