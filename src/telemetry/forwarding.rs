//! Requests with `X-Forwarded-For` from a peer that is not a trusted proxy.
//!
//! Most likely a proxy in front is missing from `JETON_TRUSTED_PROXIES`, and all users share its address. It may also be
//! somebody who makes the header up, as often as they like: so it is logged at once, and then every hour with a number.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two lines.
const BETWEEN: Duration = Duration::from_secs(3600);

/// When it was logged last, and how many requests came since.
#[derive(Debug, Default)]
pub struct Forwarding(Mutex<Option<(Instant, u64)>>);

impl Forwarding {
    /// Notes such a request.
    pub fn note(&self, peer: IpAddr) {
        if let Some(others) = self.untold(Instant::now()) {
            tracing::warn!(
                // Of many requests, not of this one.
                parent: None,
                %peer,
                others,
                "X-Forwarded-For came from a peer that is not in JETON_TRUSTED_PROXIES and is ignored: if that peer is your \
                 proxy, all its users share one address and can lock each other out; add it"
            );
        }
    }

    /// How many requests were not logged; none when it is too early for the next line.
    fn untold(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *told {
            Some((at, others)) if now.duration_since(*at) < BETWEEN => {
                *others += 1;
                None
            }
            told => told.replace((now, 0)).map_or(Some(0), |(_, others)| Some(others)),
        }
    }
}

/// Whether an address is one of a private network or of this machine, where a proxy would be and a stranger is not.
pub fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            let is_shared = four.octets()[0] == 100 && four.octets()[1] & 0xC0 == 64;
            four.is_loopback() || four.is_private() || four.is_link_local() || is_shared
        }
        IpAddr::V6(six) => six.is_loopback() || six.is_unique_local() || six.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_logged_at_once_and_then_every_hour_with_a_count() {
        let (forwarding, now) = (Forwarding::default(), Instant::now());
        assert_eq!(forwarding.untold(now), Some(0));
        assert_eq!(forwarding.untold(now), None);
        assert_eq!(forwarding.untold(now + BETWEEN / 2), None);
        assert_eq!(forwarding.untold(now + BETWEEN), Some(2));
        assert_eq!(forwarding.untold(now + BETWEEN), None);
    }

    #[test]
    fn private_networks_are_told_from_public_ones() {
        for private in ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.0.1", "100.64.0.1", "::1", "fd00::1", "fe80::1"]
        {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["192.0.2.1", "172.32.0.1", "100.128.0.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
