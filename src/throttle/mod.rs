//! Slows down guessing of passwords and client secrets, and what a caller could do without end. `docs/throttling.md` has
//! the rules.
//!
//! An attempt that has to wait is not judged at all, so the answer does not reveal whether it was right. The wait is
//! checked again after hashing, so guessing in parallel gains nothing; without failures, parallel attempts never wait.
//! Disconnecting counts as a failure: the hash has been paid for.
//!
//! A correct generated secret never comes here, since 256 bits cannot be guessed.

mod audit;
mod client;
mod counters;
mod login;
mod rate_limit;
mod second_factor;
mod user_code;

use std::sync::Arc;

use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::clock::Clock;
use crate::protocol::backoff::Network;
use crate::protocol::identity::Identity;
use crate::protocol::time::Timestamp;
use crate::store::Store;
use crate::telemetry::metrics::Metrics;
use counters::{CounterKey, Counters};
use rate_limit::{RateLimit, SECONDS_PER_DOCUMENT, SECONDS_PER_REGISTRATION, SECONDS_PER_TOKEN_REVOCATION};

pub(crate) use audit::Source;
pub(crate) use login::LoginAttempt;

/// How many logins from a throttled network may look up at the same time whether their user is known.
const CONCURRENT_LOOKUPS: usize = 4;
/// The most users and networks whose last login is remembered.
const MAX_KNOWN: usize = 50_000;

/// There were too many attempts.
#[derive(Clone, Debug)]
pub struct Throttled {
    /// Seconds until the next attempt is judged.
    pub seconds: i64,
    /// Why, for the log.
    pub reason: &'static str,
    /// Whom it concerns, for the log.
    pub about: Identity,
}

/// The failures that a node knows of, and its rate limits.
#[derive(Debug)]
pub(crate) struct Throttle {
    enabled: bool,
    clock: Clock,
    store: Store,
    metrics: Metrics,
    logins: Arc<Counters>,
    /// Of clients and devices; separate from the logins, because failing here is cheap and must not evict them.
    clients: Counters,
    /// When a login of a user from a network was last recorded.
    recorded: Arc<Cache<(Uuid, Network), Timestamp>>,
    lookups: Semaphore,
    audits: RateLimit,
    explanations: RateLimit,
    token_revocations: RateLimit,
    pushed_requests: RateLimit,
    registrations: RateLimit,
    documents_for_network: RateLimit,
    documents_from_host: RateLimit,
}

impl Throttle {
    pub(crate) fn new(enabled: bool, clock: Clock, store: Store, metrics: Metrics) -> Self {
        Self {
            enabled,
            store,
            metrics,
            logins: Arc::default(),
            clients: Counters::default(),
            recorded: Arc::new(Cache::new(MAX_KNOWN)),
            lookups: Semaphore::new(CONCURRENT_LOOKUPS),
            audits: RateLimit::of_audits(&clock),
            explanations: RateLimit::of_explanations(&clock),
            token_revocations: RateLimit::of_token_revocations(&clock),
            pushed_requests: RateLimit::of_pushed_requests(&clock),
            registrations: RateLimit::of_registrations(&clock),
            documents_for_network: RateLimit::of_documents_for_network(&clock),
            documents_from_host: RateLimit::of_documents_from_host(&clock),
            clock,
        }
    }

    /// Counts an explanation for this caller.
    pub(crate) fn explanation(&self, caller: &str) -> Result<(), Throttled> {
        if !self.enabled || self.explanations.allows(caller) {
            return Ok(());
        }
        Err(Throttled { seconds: 1, reason: "too many explanations", about: Identity::default() })
    }

    /// Counts an authorization request that this client pushes.
    pub(crate) fn pushed_request(&self, client_id: &str, source: Source) -> Result<(), Throttled> {
        if !self.enabled || self.pushed_requests.allows(&format!("{} {client_id}", source.network())) {
            return Ok(());
        }
        let reason = "the client pushes too many authorization requests from this network";
        Err(Throttled { seconds: 1, reason, about: Identity::of_client(client_id) })
    }

    /// Counts an access token that is revoked alone, of this session and client. A user could make as many by refreshing as the
    /// log and the memory of all nodes would have to hold. The session itself can always be revoked. Clients to which tokens of the
    /// session came by exchange do not use up what the others have.
    pub(crate) fn token_revocation(&self, session: Uuid, client_id: &str) -> Result<(), Throttled> {
        if !self.enabled || self.token_revocations.allows(&format!("{session} {client_id}")) {
            return Ok(());
        }
        let reason = "too many access tokens of one session were revoked";
        Err(Throttled { seconds: SECONDS_PER_TOKEN_REVOCATION, reason, about: Identity::of_session(session) })
    }

    /// Counts a client that registers or changes its registration from this network, which costs a row or an audit record.
    pub(crate) fn registration(&self, network: Network) -> Result<(), Throttled> {
        if !self.enabled || self.registrations.allows(&network.to_string()) {
            return Ok(());
        }
        let reason = "too many clients were registered or changed from one network";
        Err(Throttled { seconds: SECONDS_PER_REGISTRATION, reason, about: Identity::default() })
    }

    /// Counts a client's metadata document that is fetched from this host, because somebody in this network asks for the client.
    pub(crate) fn client_document(&self, network: Network, host: &str) -> Result<(), Throttled> {
        let reason = if !self.enabled {
            return Ok(());
        } else if !self.documents_for_network.allows(&network.site()) {
            "too many metadata documents of clients were fetched for one network"
        } else if !self.documents_from_host.allows(host) {
            "too many metadata documents of clients were fetched from one host"
        } else {
            return Ok(());
        };
        Err(Throttled { seconds: SECONDS_PER_DOCUMENT, reason, about: Identity::default() })
    }

    /// Refuses with the longest of these waits, if there is one.
    fn check(&self, waits: &[(CounterKey, i64)], reason: &'static str) -> Result<(), Throttled> {
        match waits.iter().max_by_key(|(_, seconds)| *seconds) {
            Some((key, seconds)) if self.enabled && *seconds > 0 => Err(self.refuse(*key, *seconds, reason)),
            _ => Ok(()),
        }
    }

    /// Refuses an attempt of a client or a device while it has to wait because of one of these counters.
    fn check_attempt(&self, keys: impl IntoIterator<Item = CounterKey>, reason: &'static str) -> Result<(), Throttled> {
        let now = self.clock.now();
        let waits: Vec<_> = keys.into_iter().map(|key| (key, self.clients.wait(key, now))).collect();
        self.check(&waits, reason)
    }

    /// Counts a failed attempt of a client or a device. The audit trail tells with which one throttling begins, of whom and of `what`.
    fn count_failure(
        &self,
        keys: impl IntoIterator<Item = CounterKey>,
        (action, what): (&'static str, &str),
        target: impl Fn(CounterKey) -> String,
        source: Source,
    ) {
        if !self.enabled {
            return;
        }
        let now = self.clock.now();
        for key in keys {
            if self.clients.add(key, 1, now) {
                self.audit(action, target(key), format!("{what} from {}", source.network()), source);
            }
        }
    }

    /// The refusal because of these failures.
    fn refuse(&self, key: CounterKey, seconds: i64, reason: &'static str) -> Throttled {
        self.metrics.throttled(key.label());
        Throttled { seconds, reason, about: Identity::default() }
    }
}

/// An attempt to log in or to authenticate a client.
pub(crate) trait Attempt {
    /// Whether it may be judged now.
    fn check(&self) -> Result<(), Throttled>;

    /// Counts it as a failure.
    fn failed(&self);

    /// Judges it by something slow, such as a hash. The inner result is that of `verdict`.
    async fn judge<T, E>(&self, verdict: impl Future<Output = Result<T, E>>) -> Result<Result<T, E>, Throttled>
    where
        Self: Sized,
    {
        self.check()?;
        let mut dropped = FailsWhenDropped { attempt: self, armed: true };
        let outcome = verdict.await;
        dropped.armed = false;
        if outcome.is_ok() {
            // Others may have failed meanwhile.
            self.check()?;
        }
        Ok(outcome)
    }
}

/// Counts an attempt as failed if the client disconnects before the verdict.
struct FailsWhenDropped<'a, A: Attempt> {
    attempt: &'a A,
    armed: bool,
}

impl<A: Attempt> Drop for FailsWhenDropped<'_, A> {
    fn drop(&mut self) {
        if self.armed {
            self.attempt.failed();
        }
    }
}
