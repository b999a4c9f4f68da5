//! Rate limits by caller.

use std::num::NonZeroU32;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::clock::Clock;

/// Explanations per second for one caller, and its burst.
const EXPLANATIONS: NonZeroU32 = NonZeroU32::new(20).expect("not zero");
const EXPLANATIONS_BURST: NonZeroU32 = NonZeroU32::new(300).expect("not zero");
/// Audit records per hour about one kind of throttled attempt.
const AUDITS: NonZeroU32 = NonZeroU32::new(30).expect("not zero");
/// Access tokens of one session that may be revoked per hour, and at once.
const TOKEN_REVOCATIONS: NonZeroU32 = NonZeroU32::new(100).expect("not zero");
/// After as many seconds one more may be.
pub(super) const SECONDS_PER_TOKEN_REVOCATION: i64 = 36;
/// Authorization requests that a client may push from one network per second, and its burst.
const PUSHED_REQUESTS: NonZeroU32 = NonZeroU32::new(50).expect("not zero");
const PUSHED_REQUESTS_BURST: NonZeroU32 = NonZeroU32::new(500).expect("not zero");
/// Clients that may register or change their registration from one network per hour, and at once.
const REGISTRATIONS: NonZeroU32 = NonZeroU32::new(60).expect("not zero");
/// After as many seconds one more may be.
pub(super) const SECONDS_PER_REGISTRATION: i64 = 60;
/// Metadata documents of unknown clients that are fetched for one network per minute, and at once.
const DOCUMENTS_OF_NETWORK: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
const DOCUMENTS_OF_NETWORK_BURST: NonZeroU32 = NonZeroU32::new(30).expect("not zero");
/// The same that are fetched from one host, for whomever.
const DOCUMENTS_OF_HOST: NonZeroU32 = NonZeroU32::new(60).expect("not zero");
/// After as many seconds one more may be.
pub(super) const SECONDS_PER_DOCUMENT: i64 = 6;
/// Beyond this many callers, the idle ones are forgotten.
const MAX_CALLERS: usize = 10_000;

/// Our clock for governor.
#[derive(Clone, Debug)]
struct GovernorTime(Clock);

impl GovernorClock for GovernorTime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let millis = u64::try_from(self.0.now().millis()).unwrap_or(0);
        Nanos::new(millis.saturating_mul(1_000_000))
    }
}

/// Limits how often each caller may do something.
#[derive(Debug)]
pub(super) struct RateLimit(RateLimiter<String, DashMapStateStore<String>, GovernorTime, NoOpMiddleware<Nanos>>);

impl RateLimit {
    /// For `/auth/explain`.
    pub(super) fn of_explanations(clock: &Clock) -> Self {
        Self::new(Quota::per_second(EXPLANATIONS).allow_burst(EXPLANATIONS_BURST), clock)
    }

    /// For the audit records and warnings that unauthenticated callers can cause.
    pub(super) fn of_audits(clock: &Clock) -> Self {
        Self::new(Quota::per_hour(AUDITS), clock)
    }

    /// For access tokens that a client revokes one by one.
    pub(super) fn of_token_revocations(clock: &Clock) -> Self {
        Self::new(Quota::per_hour(TOKEN_REVOCATIONS), clock)
    }

    /// For clients that register themselves.
    pub(super) fn of_registrations(clock: &Clock) -> Self {
        Self::new(Quota::per_hour(REGISTRATIONS), clock)
    }

    /// For metadata documents that are fetched for a network.
    pub(super) fn of_documents_for_network(clock: &Clock) -> Self {
        Self::new(Quota::per_minute(DOCUMENTS_OF_NETWORK).allow_burst(DOCUMENTS_OF_NETWORK_BURST), clock)
    }

    /// For metadata documents that are fetched from a host.
    pub(super) fn of_documents_from_host(clock: &Clock) -> Self {
        Self::new(Quota::per_minute(DOCUMENTS_OF_HOST), clock)
    }

    /// For authorization requests that clients push.
    pub(super) fn of_pushed_requests(clock: &Clock) -> Self {
        Self::new(Quota::per_second(PUSHED_REQUESTS).allow_burst(PUSHED_REQUESTS_BURST), clock)
    }

    fn new(quota: Quota, clock: &Clock) -> Self {
        Self(RateLimiter::new(quota, DashMapStateStore::default(), GovernorTime(clock.clone())))
    }

    /// Counts one call; false if it is over the limit.
    pub(super) fn allows(&self, caller: &str) -> bool {
        if self.0.len() > MAX_CALLERS {
            self.0.retain_recent();
        }
        self.0.check_key(&caller.to_owned()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::time::Timestamp;

    #[test]
    fn a_caller_over_the_limit_waits_and_others_do_not() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000_000));
        let limit = RateLimit::of_explanations(&clock);
        assert_eq!((0..1000).filter(|_| limit.allows("a")).count(), 300);
        assert!(limit.allows("b"));
        clock.advance(Duration::from_millis(100));
        assert_eq!((0..1000).filter(|_| limit.allows("a")).count(), 2);
    }
}
