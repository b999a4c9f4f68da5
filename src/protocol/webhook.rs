//! Webhooks: who is told of events, and how often it is tried. What is sent follows Standard Webhooks 1.0.

use uuid::Uuid;

use crate::protocol::event::EventTypes;
use crate::protocol::redirect;
use crate::protocol::retries;
use crate::protocol::time::Timestamp;

/// The most webhooks: each event may be a message to each of them.
pub const MOST_WEBHOOKS: i64 = 20;

/// The most secrets of a webhook: the second while one is replaced.
pub const MOST_SECRETS: usize = 2;

/// The most messages that wait for one webhook; the events after them are not sent to it.
pub const MOST_WAITING: i64 = 10_000;

/// How often a message is sent at the most.
pub const MOST_ATTEMPTS: i64 = 10;

/// Seconds after which a message that could not be delivered is given up, however often it was sent.
pub const MESSAGE_LIFE: i64 = 36 * 3600;

/// Who is told of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The id.
    pub id: Uuid,
    /// Where it is told.
    pub url: String,
    /// Of which events.
    pub types: EventTypes,
    /// For people.
    pub description: Option<String>,
    /// Whether it is told.
    pub enabled: bool,
    /// What its messages are signed with.
    pub secrets: Vec<SealedSecret>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
    /// What became of the last messages.
    pub deliveries: Deliveries,
}

/// A secret of a webhook as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// The id.
    pub id: Uuid,
    /// The secret, encrypted with the data key.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What became of the last messages to a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// How many messages wait.
    pub waiting: i64,
    /// When the last one was taken.
    pub delivered_at: Option<Timestamp>,
    /// When an attempt failed for the last time.
    pub failed_at: Option<Timestamp>,
    /// Why it failed.
    pub failure: Option<String>,
}

/// A webhook is to be told of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookMessage {
    /// The webhook.
    pub webhook: Uuid,
    /// The event, by the id of its audit record.
    pub event: Uuid,
    /// How often it was sent, this time included.
    pub attempts: i64,
}

impl WebhookMessage {
    /// Seconds until it is sent again after this attempt failed; `None` if that was the last. Together they are 27 hours.
    pub fn pause(&self) -> Option<i64> {
        retries::pause(self.attempts, MOST_ATTEMPTS)
    }
}

/// Checks where a webhook is told.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(url: &str) -> Result<(), String> {
    redirect::check(url)?;
    if !url.starts_with("https://") {
        return Err("its scheme must be https".into());
    }
    Ok(())
}

/// Checks a description.
///
/// # Errors
/// What is wrong with it.
pub fn check_description(text: &str) -> Result<(), String> {
    if text.len() > 255 || text.chars().any(char::is_control) {
        return Err("it is at most 255 bytes without control characters".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_every_attempt_is_made_before_the_message_is_given_up() {
        let pause = |attempts| WebhookMessage { webhook: Uuid::nil(), event: Uuid::nil(), attempts }.pause();
        let pauses: Vec<_> = (1..=MOST_ATTEMPTS).map_while(pause).collect();
        assert_eq!(pauses.len(), 9);
        assert_eq!(pauses[..3], [10, 30, 90]);
        assert!(pauses.iter().sum::<i64>() < MESSAGE_LIFE);
        assert_eq!(pause(i64::MAX), None);
    }

    #[test]
    fn a_webhook_is_told_by_https_only() {
        assert_eq!(check_url("https://siem.example/hooks?x=y"), Ok(()));
        for url in ["http://127.0.0.1/", "https://a:b@siem.example/", "ftp://a.example/", "https://a.example/#x", "a"] {
            assert!(check_url(url).is_err(), "{url}");
        }
        assert!(check_url(&format!("https://a.example/{}", "x".repeat(2048))).is_err());
    }
}
