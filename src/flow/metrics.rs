//! What is counted and shown at `/metrics`.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::secret::pool::PasswordPool;
use crate::view::Measures;

/// Labels of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refused {
    endpoint: &'static str,
    cause: &'static str,
}

/// Labels of an issued token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Issued {
    grant: &'static str,
}

/// Labels of an attempt that has to wait.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Waits {
    failures: &'static str,
}

/// The counters of a node.
#[derive(Debug, Default)]
pub struct Metrics {
    refusals: Family<Refused, Counter>,
    issued: Family<Issued, Counter>,
    throttled: Family<Waits, Counter>,
}

impl Metrics {
    /// Counts a refusal.
    pub fn refused(&self, endpoint: &'static str, cause: &'static str) {
        self.refusals.get_or_create(&Refused { endpoint, cause }).inc();
    }

    /// Counts an attempt that has to wait, because of failures under a name of this kind.
    pub(super) fn throttled(&self, failures: &'static str) {
        self.throttled.get_or_create(&Waits { failures }).inc();
    }

    /// Counts an issued access token.
    pub fn issued(&self, grant: &'static str) {
        self.issued.get_or_create(&Issued { grant }).inc();
    }

    /// The text of `/metrics`, with what the view and the pool of passwords measure and with values of this
    /// moment.
    pub fn text(
        &self,
        view: &Measures,
        passwords: &PasswordPool,
        gauges: &[(&'static str, &'static str, f64)],
    ) -> String {
        let mut registry = Registry::with_prefix("jeton");
        view.register(&mut registry);
        passwords.register(&mut registry);
        registry.register("refusals", "Requests that were refused, by endpoint and cause", self.refusals.clone());
        registry.register("tokens_issued", "Access tokens that were issued, by grant", self.issued.clone());
        let help = "Attempts to guess that had to wait, by what there were too many failures of";
        registry.register("throttled", help, self.throttled.clone());
        for (name, help, value) in gauges {
            let gauge = prometheus_client::metrics::gauge::Gauge::<f64, std::sync::atomic::AtomicU64>::default();
            gauge.set(*value);
            registry.register(*name, *help, gauge);
        }
        let mut buffer = String::new();
        match text::encode(&mut buffer, &registry) {
            Ok(()) => buffer,
            Err(_) => String::new(),
        }
    }
}
