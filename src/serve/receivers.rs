//! How many messages of one purpose each host may get now, and what becomes of a message that was sent.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::calling_out::{Purpose, Refused};
use crate::telemetry::metrics::NoticeOutcome;

/// The pause after the first failure of a host; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Hosts that are remembered before those without a message under way are forgotten.
const MOST_HOSTS: usize = 1000;

/// What became of a message, as far as its host is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken.
    Taken,
    /// It was refused, or its answer was not understood; another one may be taken.
    Refused,
    /// The host does not work, or has no time.
    HostFailed,
    /// It was not sent.
    NotSent,
}

#[derive(Debug, Default)]
struct Receiver {
    under_way: usize,
    /// Failures of the host, one after the other.
    failures: u32,
    rests_until: Option<Instant>,
    /// Whether the last message was not taken.
    is_in_trouble: bool,
}

/// What becomes of a message that was sent: for its host, and for itself. `may_come_again`: it was not the last attempt.
pub(super) fn judge(refused: Option<&Refused>, may_come_again: bool) -> (Outcome, NoticeOutcome) {
    let Some(refused) = refused else { return (Outcome::Taken, NoticeOutcome::Delivered) };
    let of_host = if refused.is_about_the_host() { Outcome::HostFailed } else { Outcome::Refused };
    // What is wrong with the address stays wrong.
    let is_given_up = !may_come_again || matches!(refused, Refused::Url(_));
    (of_host, if is_given_up { NoticeOutcome::Dropped } else { NoticeOutcome::Postponed })
}

/// The hosts that get messages of one purpose from this node.
#[derive(Debug)]
pub(super) struct Receivers {
    purpose: Purpose,
    under_way: usize,
    hosts: HashMap<String, Receiver>,
}

impl Receivers {
    pub(super) fn of(purpose: Purpose) -> Self {
        Self { purpose, under_way: 0, hosts: HashMap::new() }
    }

    /// How many messages may be sent to a host now. One that failed gets one, when its pause is over.
    pub(super) fn free(&self, host: &str, now: Instant) -> i64 {
        let (all, each) = (self.purpose.at_once(), self.purpose.at_once_to_a_host());
        let of_all = all.saturating_sub(self.under_way);
        let of_host = match self.hosts.get(host) {
            None => each,
            Some(receiver) if receiver.rests_until.is_some_and(|until| now < until) => 0,
            Some(receiver) if receiver.failures > 0 => 1_usize.saturating_sub(receiver.under_way),
            Some(receiver) => each.saturating_sub(receiver.under_way),
        };
        i64::try_from(of_all.min(of_host)).unwrap_or(0)
    }

    pub(super) fn begun(&mut self, host: &str) {
        if self.hosts.len() >= MOST_HOSTS {
            self.hosts.retain(|_, receiver| receiver.under_way > 0);
        }
        self.under_way += 1;
        self.hosts.entry(host.to_owned()).or_default().under_way += 1;
    }

    /// Records the end of a message. Returns whether the trouble of its host begins with it.
    pub(super) fn ended(&mut self, host: &str, outcome: Outcome, now: Instant) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        let Some(receiver) = self.hosts.get_mut(host) else { return false };
        receiver.under_way = receiver.under_way.saturating_sub(1);
        let was_in_trouble = receiver.is_in_trouble;
        match outcome {
            Outcome::Taken => *receiver = Receiver { under_way: receiver.under_way, ..Receiver::default() },
            Outcome::Refused => {
                *receiver = Receiver { under_way: receiver.under_way, is_in_trouble: true, ..Receiver::default() };
            }
            Outcome::HostFailed => {
                let pause = FIRST_PAUSE.saturating_mul(1 << receiver.failures.min(10)).min(LONGEST_PAUSE);
                receiver.failures = receiver.failures.saturating_add(1);
                receiver.rests_until = Some(now + pause);
                receiver.is_in_trouble = true;
            }
            Outcome::NotSent => {}
        }
        let begins = receiver.is_in_trouble && !was_in_trouble;
        if receiver.under_way == 0 && !receiver.is_in_trouble {
            self.hosts.remove(host);
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_gets_few_at_a_time_and_all_together_not_too_many() {
        let (mut receivers, now) = (Receivers::of(Purpose::LogoutNotice), Instant::now());
        for left in (0..4).rev() {
            receivers.begun("a");
            assert_eq!(receivers.free("a", now), left);
        }
        assert_eq!(receivers.free("b", now), 4);
        assert!(!receivers.ended("a", Outcome::Taken, now));
        assert_eq!(receivers.free("a", now), 1);
        for host in 0..7 {
            for _ in 0..4 {
                receivers.begun(&format!("h{host}"));
            }
        }
        assert_eq!(receivers.free("b", now), 1, "32 at once");
        receivers.begun("b");
        assert_eq!((receivers.free("a", now), receivers.free("c", now)), (0, 0));
    }

    #[test]
    fn a_host_that_fails_gets_one_at_a_time_after_growing_pauses_until_it_works() {
        let (mut receivers, mut now) = (Receivers::of(Purpose::LogoutNotice), Instant::now());
        for (failures, pause) in [1, 2, 4, 8, 16, 32, 60, 60, 60].into_iter().enumerate() {
            receivers.begun("a");
            assert_eq!(receivers.ended("a", Outcome::HostFailed, now), failures == 0, "it is said once");
            assert_eq!(receivers.free("a", now + Duration::from_millis(pause * 1000 - 1)), 0, "{failures}");
            now += Duration::from_secs(pause);
            assert_eq!((receivers.free("a", now), receivers.free("b", now)), (1, 4));
        }
        receivers.begun("a");
        assert_eq!(receivers.free("a", now), 0, "only one finds out");
        assert!(!receivers.ended("a", Outcome::NotSent, now));
        receivers.begun("a");
        assert!(!receivers.ended("a", Outcome::Taken, now));
        assert_eq!(receivers.free("a", now), 4);
        assert!(receivers.hosts.is_empty(), "it is forgotten");
    }

    #[test]
    fn a_host_that_refuses_a_notice_may_take_another_one_at_once() {
        let (mut receivers, now) = (Receivers::of(Purpose::LogoutNotice), Instant::now());
        for first in [true, false] {
            receivers.begun("a");
            assert_eq!(receivers.ended("a", Outcome::Refused, now), first);
            assert_eq!(receivers.free("a", now), 4);
        }
    }

    #[test]
    fn a_message_is_given_up_after_the_last_attempt_and_when_its_address_is_wrong() {
        assert_eq!(judge(None, false), (Outcome::Taken, NoticeOutcome::Delivered));
        for (refused, of_host) in [(Refused::Status(500), Outcome::Refused), (Refused::TooSlow, Outcome::HostFailed)] {
            assert_eq!(judge(Some(&refused), true), (of_host, NoticeOutcome::Postponed));
            assert_eq!(judge(Some(&refused), false), (of_host, NoticeOutcome::Dropped));
        }
        assert_eq!(judge(Some(&Refused::Url("is wrong")), true), (Outcome::Refused, NoticeOutcome::Dropped));
    }

    #[test]
    fn idle_hosts_are_forgotten_before_there_are_too_many() {
        let (mut receivers, now) = (Receivers::of(Purpose::LogoutNotice), Instant::now());
        for host in 0..3 * MOST_HOSTS {
            receivers.begun(&host.to_string());
            receivers.ended(&host.to_string(), Outcome::HostFailed, now);
        }
        assert!(receivers.hosts.len() <= MOST_HOSTS);
    }
}
