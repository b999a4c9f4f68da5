//! Telling clients of a logout (OpenID Connect Back-Channel Logout 1.0): what is told, and how often it is tried.

use uuid::Uuid;

use crate::protocol::retries;

/// The member of `events` that makes a JWT a logout token (§2.4).
pub const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Seconds for which a logout token can be used (§4: short, preferably at most two minutes).
pub const LOGOUT_TOKEN_LIFE: i64 = 120;

/// How often a notice is sent at the most.
pub const MOST_ATTEMPTS: i64 = 8;

/// Seconds after which a notice that could not be delivered is given up, however often it was sent.
pub const NOTICE_LIFE: i64 = 6 * 3600;

/// The most sessions of one client of whose end it is told when one browser session ends: the newest.
pub const MOST_NOTICES: i64 = 100;

/// A client is to be told that a session of a person has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// The session, the `sid` of the ID token that the client got.
    pub session: Uuid,
    /// The client.
    pub client_id: String,
    /// The `sub` of the person.
    pub sub: String,
    /// How often it was sent, this time included.
    pub attempts: i64,
}

impl LogoutNotice {
    /// Seconds until it is sent again after this attempt failed; `None` if that was the last. Each pause is three times the one
    /// before: together they are three hours.
    pub fn pause(&self) -> Option<i64> {
        retries::pause(self.attempts, MOST_ATTEMPTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pause = |attempts| {
            LogoutNotice { session: Uuid::nil(), client_id: String::new(), sub: String::new(), attempts }.pause()
        };
        let pauses: Vec<_> = (1..=MOST_ATTEMPTS).map(pause).collect();
        assert_eq!(pauses, [Some(10), Some(30), Some(90), Some(270), Some(810), Some(2430), Some(7290), None]);
        assert!(pauses.iter().flatten().sum::<i64>() < NOTICE_LIFE, "each attempt is made");
        assert_eq!(pause(i64::MAX), None);
    }
}
