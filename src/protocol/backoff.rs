//! How guessing of passwords and secrets is slowed down, as RFC 6749 §2.3.1 and §4.3.2 require.
//!
//! Failures are counted under keys such as "this account from that network". The first ones are free; then each failure
//! doubles the wait until the next attempt under that key. Failures are forgiven one by one as time passes. An attempt
//! that has to wait is not judged at all, so it does not count as a failure.

use core::net::{IpAddr, Ipv6Addr};

use crate::protocol::time::Timestamp;

/// The network of an address: an IPv4 address itself, or the first 64 bits of an IPv6 address, since one household has
/// all the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(six) => IpAddr::V6((u128::from(six) & (u128::MAX << 64)).into()),
            four => four,
        })
    }
}

impl Network {
    /// The network of one site, which has many of these: with IPv6, everybody can have a /48.
    pub fn site(self) -> String {
        match self.0 {
            IpAddr::V4(four) => four.to_string(),
            IpAddr::V6(six) => format!("{}/48", Ipv6Addr::from(u128::from(six) & (u128::MAX << 80))),
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            IpAddr::V4(four) => four.fmt(formatter),
            IpAddr::V6(six) => write!(formatter, "{six}/64"),
        }
    }
}

/// By how many seconds the clocks of two nodes may differ.
const CLOCKS_DIFFER: i64 = 60;

/// The failures under one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// How many, when the last one was counted.
    pub count: i64,
    /// When the last one was counted.
    pub last: Timestamp,
}

/// How waits grow with the failures under one kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Failures that cost no wait.
    pub free: i64,
    /// Seconds after which one failure is forgiven.
    pub forgiven_after: i64,
    /// The longest wait, in seconds.
    pub longest: i64,
}

impl Backoff {
    /// How many failures are not forgiven yet.
    pub fn left(self, failures: Failures, now: Timestamp) -> i64 {
        let passed = (now.millis() - failures.last.millis()).max(0);
        (failures.count - passed / (self.forgiven_after * 1000)).max(0)
    }

    /// Counts more failures.
    #[must_use]
    pub fn and(self, failures: Option<Failures>, more: i64, now: Timestamp) -> Failures {
        let count = failures.map_or(0, |failures| self.left(failures, now)).saturating_add(more);
        Failures { count, last: now }
    }

    /// Whether the last `more` of `count` failures used up the free ones, or a multiple of them: then someone should be
    /// told.
    pub fn is_used_up_by(self, more: i64, count: i64) -> bool {
        count / self.free > (count - more) / self.free
    }

    /// Whole seconds until the next attempt is judged; 0: at once.
    pub fn wait(self, failures: Failures, now: Timestamp) -> i64 {
        let over = self.left(failures, now) - self.free;
        // If the clock was ahead when the failure was counted, the wait must not grow: better to allow one more guess.
        if over < 0 || failures.last > now.plus_seconds(CLOCKS_DIFFER) {
            return 0;
        }
        let seconds = 1_i64.checked_shl(u32::try_from(over).unwrap_or(u32::MAX)).unwrap_or(i64::MAX);
        let seconds = if (1..self.longest).contains(&seconds) { seconds } else { self.longest };
        let millis = failures.last.plus_seconds(seconds).millis() - now.millis();
        ((millis.max(0) + 999) / 1000).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff { free: 10, forgiven_after: 600, longest: 900 };

    fn after(failures: i64, seconds_between: i64) -> (Failures, Timestamp) {
        let (mut counted, mut now) = (None, Timestamp::from_seconds(1_000_000));
        for _ in 0..failures {
            now = now.plus_seconds(seconds_between);
            counted = Some(BACKOFF.and(counted, 1, now));
        }
        (counted.unwrap(), now)
    }

    #[test]
    fn the_first_failures_are_free_and_each_further_one_doubles_the_wait() {
        let waits = (9..=22).map(|failures| {
            let (counted, now) = after(failures, 0);
            BACKOFF.wait(counted, now)
        });
        let expected = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900];
        assert_eq!(waits.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_wait_ends_and_failures_are_forgiven_one_by_one() {
        let (counted, now) = after(12, 0);
        assert_eq!(BACKOFF.wait(counted, now.plus_seconds(3)), 1);
        assert_eq!(BACKOFF.wait(counted, Timestamp::from_millis(now.millis() + 3001)), 1);
        assert_eq!(BACKOFF.wait(counted, now.plus_seconds(4)), 0);
        for (seconds, left) in [(0, 12), (599, 12), (600, 11), (1200, 10), (7199, 1), (7200, 0), (999_999, 0)] {
            assert_eq!(BACKOFF.left(counted, now.plus_seconds(seconds)), left, "after {seconds} s");
        }
        let again = BACKOFF.and(Some(counted), 1, now.plus_seconds(1200));
        assert_eq!(again.count, 11);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_prolong_a_wait() {
        let (counted, now) = after(12, 0);
        assert_eq!(BACKOFF.wait(counted, now.plus_seconds(-86_400)), 0);
        let counted = BACKOFF.and(Some(counted), 1, now.plus_seconds(-86_400));
        assert_eq!(BACKOFF.wait(counted, now.plus_seconds(-86_400)), 8);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_and_a_mapped_address_is_ipv4() {
        let network = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("2001:db8:1:2:3::").to_string(), "2001:db8:1:2::/64");
        assert_eq!(network("192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(network("2001:db8:1:2:3::").site(), network("2001:db8:1:ffff::").site());
        assert_eq!(network("2001:db8:1:2:3::").site(), "2001:db8:1::/48");
        assert_ne!(network("2001:db8:1::").site(), network("2001:db8:2::").site());
        assert_eq!(network("::ffff:192.0.2.1").site(), "192.0.2.1");
    }

    proptest! {
        #[test]
        fn an_attempt_after_the_wait_is_judged_and_no_wait_exceeds_the_longest(
            count in 0..1_000_000_i64, last in 0..4_000_000_000_000_i64, later in -1_000_000_000..1_000_000_000_i64
        ) {
            let failures = Failures { count, last: Timestamp::from_millis(last) };
            let now = Timestamp::from_millis(last + later);
            let wait = BACKOFF.wait(failures, now);
            prop_assert!((0..=BACKOFF.longest).contains(&wait));
            if later >= 0 {
                prop_assert_eq!(BACKOFF.wait(failures, now.plus_seconds(wait)), 0);
            }
        }

        #[test]
        fn the_guesses_of_a_patient_attacker_are_bounded(days in 1..30_i64) {
            let (mut counted, mut now, mut guesses) = (None, Timestamp::from_seconds(0), 0);
            while now < Timestamp::from_seconds(days * 86_400) {
                counted = Some(BACKOFF.and(counted, 1, now));
                guesses += 1;
                now = now.plus_seconds(BACKOFF.wait(counted.unwrap(), now));
            }
            // The free ones, those while the wait grows, and then one for each failure that is forgiven.
            prop_assert!(guesses <= BACKOFF.free + 11 + days * 86_400 / BACKOFF.forgiven_after, "{} in {} days", guesses, days);
        }
    }
}
