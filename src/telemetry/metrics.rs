//! The counters at `/metrics`.

use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::current_request;
use crate::passwords::pool::PasswordPool;
use crate::protocol::dpop;
use crate::protocol::figures::Figures;
use crate::protocol::time::Timestamp;
use crate::state::Measures;
use crate::telemetry::recent::{self, Marks, Recent};
use crate::telemetry::refused_clients::{FailingClient, RefusedClients, RefusedOfClient};

/// Upper bounds of the time that an answer takes, in seconds.
const ANSWER_BOUNDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

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

/// Labels of rows that cleanup removed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Removed {
    kind: &'static str,
}

/// Labels of a throttled attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Waits {
    failures: &'static str,
}

/// Labels of a repeated refresh.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Repeated {
    network: &'static str,
}

/// Labels of a forwarding header that was ignored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ignored {
    peer: &'static str,
}

/// What became of an attempt to tell somebody: a client of a logout, or a webhook of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeOutcome {
    /// It was taken.
    Delivered,
    /// It is sent again later.
    Postponed,
    /// It was given up.
    Dropped,
}

impl NoticeOutcome {
    const ALL: [Self; 3] = [Self::Delivered, Self::Postponed, Self::Dropped];

    const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Postponed => "postponed",
            Self::Dropped => "dropped",
        }
    }
}

/// Labels of an attempt to tell somebody.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Notice {
    outcome: &'static str,
}

/// What became of a span of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanOutcome {
    /// The collector took it.
    Exported,
    /// There was no room for it, or the collector did not take it.
    Dropped,
}

impl SpanOutcome {
    const ALL: [Self; 2] = [Self::Exported, Self::Dropped];

    const fn name(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Dropped => "dropped",
        }
    }
}

/// Labels of spans.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SpanLabels {
    outcome: &'static str,
}

/// What became of an attempt to fetch the metadata document of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentOutcome {
    /// It is good, and new or changed.
    Fetched,
    /// It is the same as before.
    Unchanged,
    /// It came, but cannot be used.
    Refused,
    /// It did not come.
    Failed,
    /// It was not fetched, because others were fetched too often.
    Throttled,
}

impl DocumentOutcome {
    const ALL: [Self; 5] = [Self::Fetched, Self::Unchanged, Self::Refused, Self::Failed, Self::Throttled];

    const fn name(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Throttled => "throttled",
        }
    }
}

/// How a token was exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeKind {
    /// The new token names who acts.
    Delegation,
    /// The client is not named as the actor.
    Impersonation,
    /// The new token is an identity assertion for another server.
    IdentityAssertion,
}

impl ExchangeKind {
    const ALL: [Self; 3] = [Self::Delegation, Self::Impersonation, Self::IdentityAssertion];

    /// The value of the label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Delegation => "delegation",
            Self::Impersonation => "impersonation",
            Self::IdentityAssertion => "identity_assertion",
        }
    }
}

/// Labels of an exchanged token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Exchanged {
    kind: &'static str,
}

/// Labels of an attempt to fetch the metadata document of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DocumentFetch {
    outcome: &'static str,
}

/// Labels of a DPoP proof that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusedProof {
    fault: &'static str,
}

/// Labels of answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answered {
    endpoint: &'static str,
}

/// Labels of introspections.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Introspected {
    outcome: &'static str,
}

/// The counters of a node. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    refusals: Family<Refused, Counter>,
    issued: Family<Issued, Counter>,
    removed: Family<Removed, Counter>,
    /// Seconds since the epoch.
    upkeep_ended: Gauge,
    throttled: Family<Waits, Counter>,
    refresh_repeats: Family<Repeated, Counter>,
    forwarding_ignored: Family<Ignored, Counter>,
    logout_notices: Family<Notice, Counter>,
    client_documents: Family<DocumentFetch, Counter>,
    token_exchanges: Family<Exchanged, Counter>,
    refused_proofs: Family<RefusedProof, Counter>,
    marks: Arc<Marks>,
    refused_clients: Arc<RefusedClients>,
    webhook_messages: Family<Notice, Counter>,
    spans: Family<SpanLabels, Counter>,
    answered: Family<Answered, Histogram>,
    introspections: Family<Introspected, Counter>,
    /// Those of inactive tokens, and of active ones: at hand, because they are counted so often.
    introspected: [Counter; 2],
}

impl Default for Metrics {
    fn default() -> Self {
        let removed = Family::<Removed, Counter>::default();
        // Shown as 0 from the start: a rate needs a first value.
        for kind in crate::store::swept_kinds().chain(["registrations", "client_documents"]) {
            drop(removed.get_or_create(&Removed { kind }));
        }
        let refresh_repeats = Family::<Repeated, Counter>::default();
        for network in ["same", "other"] {
            drop(refresh_repeats.get_or_create(&Repeated { network }));
        }
        let forwarding_ignored = Family::<Ignored, Counter>::default();
        for peer in ["private", "public"] {
            drop(forwarding_ignored.get_or_create(&Ignored { peer }));
        }
        let (logout_notices, webhook_messages) =
            (Family::<Notice, Counter>::default(), Family::<Notice, Counter>::default());
        for outcome in NoticeOutcome::ALL {
            drop(logout_notices.get_or_create(&Notice { outcome: outcome.name() }));
            drop(webhook_messages.get_or_create(&Notice { outcome: outcome.name() }));
        }
        let spans = Family::<SpanLabels, Counter>::default();
        for outcome in SpanOutcome::ALL {
            drop(spans.get_or_create(&SpanLabels { outcome: outcome.name() }));
        }
        let client_documents = Family::<DocumentFetch, Counter>::default();
        for outcome in DocumentOutcome::ALL {
            drop(client_documents.get_or_create(&DocumentFetch { outcome: outcome.name() }));
        }
        let token_exchanges = Family::<Exchanged, Counter>::default();
        for kind in ExchangeKind::ALL {
            drop(token_exchanges.get_or_create(&Exchanged { kind: kind.name() }));
        }
        let refused_proofs = Family::<RefusedProof, Counter>::default();
        for fault in dpop::Fault::ALL {
            drop(refused_proofs.get_or_create(&RefusedProof { fault: fault.name() }));
        }
        let introspections = Family::<Introspected, Counter>::default();
        let introspected =
            ["inactive", "active"].map(|outcome| introspections.get_or_create_owned(&Introspected { outcome }));
        Self {
            refusals: Family::default(),
            issued: Family::default(),
            removed,
            upkeep_ended: Gauge::default(),
            throttled: Family::default(),
            refresh_repeats,
            forwarding_ignored,
            logout_notices,
            client_documents,
            token_exchanges,
            refused_proofs,
            marks: Arc::default(),
            refused_clients: Arc::default(),
            webhook_messages,
            spans,
            answered: Family::<Answered, Histogram>::new_with_constructor(|| Histogram::new(ANSWER_BOUNDS)),
            introspections,
            introspected,
        }
    }
}

impl Metrics {
    /// Counts rows that cleanup removed.
    pub fn removed(&self, kind: &'static str, rows: usize) {
        self.removed.get_or_create(&Removed { kind }).inc_by(rows as u64);
    }

    /// Sets when the last complete round of cleanup ended.
    pub fn upkeep_ended(&self, at: Timestamp) {
        self.upkeep_ended.set(at.millis() / 1000);
    }

    /// Counts a refusal, and names its cause in the trace of the current request.
    pub fn refused(&self, endpoint: &'static str, cause: &'static str) {
        current_request::with(|request| {
            if let Some(trace) = &request.trace {
                trace.refused(cause);
            }
        });
        self.refusals.get_or_create(&Refused { endpoint, cause }).inc();
    }

    /// Counts a refusal of a client that exists, if it is known which one it concerns.
    pub(crate) fn client_refused(
        &self,
        client_id: Option<&str>,
        endpoint: &'static str,
        cause: &'static str,
        now: Timestamp,
    ) {
        if let Some(client_id) = client_id {
            self.refused_clients.add(client_id, endpoint, cause, now);
        }
    }

    /// What was refused of a client within the last hour.
    pub fn refused_of_client(&self, client_id: &str, now: Timestamp) -> RefusedOfClient {
        self.refused_clients.of(client_id, now)
    }

    /// The clients that are refused more than usual.
    pub fn failing_clients(&self, now: Timestamp) -> Vec<FailingClient> {
        self.refused_clients.failing(now)
    }

    /// How many refusals were counted.
    #[cfg(test)]
    pub(crate) fn refusals(&self, endpoint: &'static str, cause: &'static str) -> u64 {
        self.refusals.get_or_create(&Refused { endpoint, cause }).get()
    }

    /// Counts a throttled attempt by the failures that caused the wait.
    pub(crate) fn throttled(&self, failures: &'static str) {
        self.throttled.get_or_create(&Waits { failures }).inc();
    }

    /// Counts a repeated refresh.
    pub(crate) fn refresh_repeated(&self, is_same_network: bool) {
        let network = if is_same_network { "same" } else { "other" };
        self.refresh_repeats.get_or_create(&Repeated { network }).inc();
    }

    /// Counts a forwarding header of a peer that is not a trusted proxy.
    pub(crate) fn forwarding_ignored(&self, is_private: bool) {
        let peer = if is_private { "private" } else { "public" };
        self.forwarding_ignored.get_or_create(&Ignored { peer }).inc();
    }

    /// Counts an attempt to tell a client of a logout.
    pub(crate) fn logout_notice(&self, outcome: NoticeOutcome) {
        self.logout_notices.get_or_create(&Notice { outcome: outcome.name() }).inc();
    }

    /// Counts attempts to tell a webhook of an event.
    pub(crate) fn webhook_messages(&self, outcome: NoticeOutcome, count: usize) {
        self.webhook_messages.get_or_create(&Notice { outcome: outcome.name() }).inc_by(count as u64);
    }

    /// Counts spans of traces.
    pub(crate) fn spans(&self, outcome: SpanOutcome, count: usize) {
        self.span_counter(outcome).inc_by(count as u64);
    }

    /// What counts the spans of traces.
    pub(crate) fn span_counter(&self, outcome: SpanOutcome) -> Counter {
        self.spans.get_or_create_owned(&SpanLabels { outcome: outcome.name() })
    }

    /// Counts an attempt to fetch the metadata document of a client.
    pub(crate) fn client_document(&self, outcome: DocumentOutcome) {
        self.client_documents.get_or_create(&DocumentFetch { outcome: outcome.name() }).inc();
    }

    /// Counts an exchanged token.
    pub(crate) fn exchanged(&self, kind: ExchangeKind) {
        self.token_exchanges.get_or_create(&Exchanged { kind: kind.name() }).inc();
    }

    /// Counts a DPoP proof that was refused.
    pub(crate) fn proof_refused(&self, fault: dpop::Fault) {
        self.refused_proofs.get_or_create(&RefusedProof { fault: fault.name() }).inc();
    }

    /// Counts an issued access token.
    pub fn issued(&self, grant: &'static str) {
        self.issued.get_or_create(&Issued { grant }).inc();
    }

    /// How many requests had forwarding headers of a peer that is no trusted proxy: of private networks, and of public ones.
    pub fn forwarding_ignored_so_far(&self) -> [u64; 2] {
        ["private", "public"].map(|peer| self.forwarding_ignored.get_or_create(&Ignored { peer }).get())
    }

    /// The times of the answers of an endpoint.
    pub(crate) fn answered(&self, endpoint: &'static str) -> Histogram {
        self.answered.get_or_create_owned(&Answered { endpoint })
    }

    /// Counts an introspection.
    pub(crate) fn introspected(&self, is_active: bool) {
        self.introspected[usize::from(is_active)].inc();
    }

    /// Sets the mark of this moment, once a minute.
    pub(crate) fn mark(&self, now: Timestamp, figures: Figures, most_waiting: i64) {
        self.marks.set(now, figures, most_waiting);
    }

    /// What was counted in the last quarter of an hour, given what was counted until now.
    pub(crate) fn recent(&self, now: Timestamp, figures: &Figures, most_waiting: i64) -> Recent {
        self.marks.since(now, figures, most_waiting)
    }

    /// What was counted since the start of this node.
    pub(crate) fn figures(&self, view: &Measures, passwords: &PasswordPool) -> Figures {
        let mut registry = Registry::default();
        view.register(&mut registry);
        passwords.register(&mut registry);
        registry.register("refusals", "", self.refusals.clone());
        registry.register("tokens_issued", "", self.issued.clone());
        registry.register("answer_seconds", "", self.answered.clone());
        registry.register("introspections", "", self.introspections.clone());
        let mut text = String::new();
        match text::encode(&mut text, &registry) {
            Ok(()) => recent::read(&text),
            Err(_) => Figures::default(),
        }
    }

    /// The text of `/metrics`, including what the node state and the password pool measure, and current values.
    pub fn text(
        &self,
        view: &Measures,
        passwords: &PasswordPool,
        gauges: &[(&'static str, &'static str, f64)],
    ) -> String {
        let mut registry = Registry::with_prefix("jeton");
        view.register(&mut registry);
        passwords.register(&mut registry);
        registry.register("refusals", "Refused requests, by endpoint and cause", self.refusals.clone());
        registry.register("tokens_issued", "Issued access tokens, by grant", self.issued.clone());
        let removed = "Expired rows that cleanup removed, by kind";
        registry.register("upkeep_removed", removed, self.removed.clone());
        let ended = "When the last complete cleanup ended on any node, in seconds since the epoch; 0 if none has yet";
        registry.register("upkeep_last_round_timestamp_seconds", ended, self.upkeep_ended.clone());
        let help = "Attempts that had to wait, by the failures that caused the wait";
        registry.register("throttled", help, self.throttled.clone());
        let help = "Refreshes that were repeated because the answer seemed lost, by whether from the same network";
        registry.register("refresh_repeats", help, self.refresh_repeats.clone());
        let help = "Requests with X-Forwarded-For from a peer that is not a trusted proxy, by the network of the peer";
        registry.register("forwarding_ignored", help, self.forwarding_ignored.clone());
        let help = "Attempts to tell a client of a logout, by outcome";
        registry.register("logout_notices", help, self.logout_notices.clone());
        let help = "Attempts to fetch the metadata document of a client, by outcome";
        registry.register("client_documents", help, self.client_documents.clone());
        let help = "Tokens that were issued in exchange for others, by kind";
        registry.register("token_exchanges", help, self.token_exchanges.clone());
        let help = "DPoP proofs that were refused, by what was wrong";
        registry.register("dpop_proofs_refused", help, self.refused_proofs.clone());
        let help = "Attempts to tell a webhook of an event, by outcome";
        registry.register("webhook_messages", help, self.webhook_messages.clone());
        let help = "Spans of traces, by outcome";
        registry.register("trace_spans", help, self.spans.clone());
        let help = "Time from the head of a request to that of its answer, by endpoint";
        registry.register("answer_seconds", help, self.answered.clone());
        let help = "Introspections, by whether the token was active";
        registry.register("introspections", help, self.introspections.clone());
        for (name, help, value) in gauges {
            let gauge = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
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
