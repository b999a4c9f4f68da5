//! How often something may be asked for.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::clock::Clock;

/// Explanations a second that one caller gets in the long run.
const EXPLANATIONS: NonZeroU32 = NonZeroU32::new(20).expect("it is not zero");
/// Explanations that one caller gets at once.
const EXPLANATIONS_AT_ONCE: NonZeroU32 = NonZeroU32::new(300).expect("it is not zero");
/// Times that a node tells of slowed down guesses, of each kind, at once; and in the long run one each so long.
const AUDITS_AT_ONCE: NonZeroU32 = NonZeroU32::new(30).expect("it is not zero");
const AUDIT_EACH: Duration = Duration::from_secs(120);
/// Callers beyond which those who have not asked for a while are forgotten.
const MANY: usize = 10_000;

/// The clock of this server in the terms of the library.
#[derive(Clone, Debug)]
struct Ticks(Clock);

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let millis = u64::try_from(self.0.now().millis()).unwrap_or(0);
        Nanos::new(millis.saturating_mul(1_000_000))
    }
}

/// Counts what each caller asks for.
#[derive(Debug)]
pub(crate) struct Limit(RateLimiter<String, DashMapStateStore<String>, Ticks, NoOpMiddleware<Nanos>>);

impl Limit {
    /// The limit of explanations.
    pub(crate) fn of_explanations(clock: &Clock) -> Self {
        let quota = Quota::per_second(EXPLANATIONS).allow_burst(EXPLANATIONS_AT_ONCE);
        Self(RateLimiter::new(quota, DashMapStateStore::default(), Ticks(clock.clone())))
    }

    /// The limit of what is written to the audit trail and to the log at the instance of strangers.
    pub(crate) fn of_audits(clock: &Clock) -> Self {
        let quota = Quota::with_period(AUDIT_EACH).map(|quota| quota.allow_burst(AUDITS_AT_ONCE));
        let quota = quota.unwrap_or(Quota::per_hour(AUDITS_AT_ONCE));
        Self(RateLimiter::new(quota, DashMapStateStore::default(), Ticks(clock.clone())))
    }

    /// Whether the caller may ask once more.
    pub(crate) fn allows(&self, caller: &str) -> bool {
        if self.0.len() > MANY {
            self.0.retain_recent();
        }
        self.0.check_key(&caller.to_owned()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::Timestamp;

    #[test]
    fn a_caller_who_asks_too_often_waits_and_the_others_do_not() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000_000));
        let limit = Limit::of_explanations(&clock);
        assert_eq!((0..1000).filter(|_| limit.allows("a")).count(), 300);
        assert!(limit.allows("b"));
        clock.advance(Duration::from_millis(100));
        assert_eq!((0..1000).filter(|_| limit.allows("a")).count(), 2);
    }
}
