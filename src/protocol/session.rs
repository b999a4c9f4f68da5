//! Sessions, and the rules of a refresh: rotation, the idempotent retry, and reuse.

use uuid::Uuid;

use crate::protocol::authorization::Login;
use crate::protocol::cause::Cause;
use crate::protocol::client::Client;
use crate::protocol::confirmation::{Confirmation, KeyThumbprint, Sender};
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// How often one refresh may be repeated.
pub const MOST_RETRIES: i64 = 3;
/// How often the refreshes of a session may be repeated within an hour: someone who uses a stolen token beside its owner
/// looks like a client that loses its answers.
pub const MOST_REPEATS: i64 = 12;
/// Milliseconds from the first repeat that is counted to the last.
const REPEATS_COUNT_FOR: i64 = 3600 * 1000;

/// A session, which a login with the refresh grant begins. It is one row, however often it is refreshed.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id, the `sid` of its tokens.
    pub id: Uuid,
    /// The user that logged in.
    pub user_id: Uuid,
    /// The `sub` of that user.
    pub sub: String,
    /// The client that it belongs to.
    pub client_id: String,
    /// What was granted.
    pub scope: Scope,
    /// The audiences that were granted.
    pub audiences: Vec<String>,
    /// SHA-256 of the nonce that its refresh tokens carry.
    pub nonce_hash: [u8; 32],
    /// The generation of the newest refresh token.
    pub generation: i64,
    /// How often the refresh that led to this generation was repeated.
    pub retries: i64,
    /// How often refreshes were repeated since `repeats_since`.
    pub repeats: i64,
    /// When the first of these repeats came.
    pub repeats_since: Timestamp,
    /// The network from which the newest generation was first asked for.
    pub network: String,
    /// The sequence number at which it began.
    pub log: SequenceNumber,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last refreshed, or began.
    pub last_refreshed_at: Timestamp,
    /// When it ends unless it is refreshed before.
    pub idle_expires_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// What is known of the login at a browser that began it; none if a password grant did.
    pub login: Option<Box<Login>>,
    /// The browser session that it began in.
    pub browser_session: Option<Uuid>,
    /// Whether it goes on after that person logs out (`offline_access`, OpenID Connect Core §11).
    pub offline: bool,
    /// What its refresh tokens are bound to, if they are.
    pub confirmation: Option<Confirmation>,
    /// The first generation that is bound, if the session became so when its code was redeemed or it was refreshed; else 0.
    pub bound_from: i64,
    /// The key that its authorization code is bound to (`dpop_jkt`, RFC 9449 §10), if it is.
    pub code_key: Option<KeyThumbprint>,
}

/// What to do about a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshDecision {
    /// The token is the newest one: return its successor.
    Rotate,
    /// The token is the newest one and the client does not rotate: return the same token.
    Keep,
    /// The token was used a moment ago and its successor was never used: return the same successor again.
    Repeat,
    /// The token was used before: end the session.
    Reuse,
    /// The session has ended, or the token is newer than its row: refuse, and change nothing.
    Refuse(Cause),
}

impl Session {
    /// When the session ends unless it is refreshed.
    pub fn ends_at(&self) -> Timestamp {
        self.idle_expires_at.min(self.expires_at)
    }

    /// Whether it waits for its code to be redeemed: it has no tokens yet.
    pub fn is_unredeemed(&self) -> bool {
        self.generation == 0 && self.login.is_some()
    }

    /// Whether its code is bound to what this sender did not prove to hold.
    pub fn withholds_code_from(&self, sender: &Sender) -> bool {
        let is_other = |key: KeyThumbprint| sender.key != Some(key);
        let is_not_held = |confirmation: Confirmation| !sender.holds(&confirmation);
        self.code_key.is_some_and(is_other) || self.confirmation.is_some_and(is_not_held)
    }

    /// How often refreshes were repeated within the hour that began with the first of these repeats, and when that was, if
    /// there is one more now.
    pub fn repeats_with_one_more(&self, now: Timestamp) -> (i64, Timestamp) {
        // Of a clock that was ahead, the hour begins anew.
        let is_within = (0..REPEATS_COUNT_FOR).contains(&(now.millis() - self.repeats_since.millis()));
        if self.repeats > 0 && is_within { (self.repeats + 1, self.repeats_since) } else { (1, now) }
    }

    /// Decides what to do about a refresh token of this session whose nonce is right.
    pub fn decide(&self, client: &Client, generation: i64, now: Timestamp) -> RefreshDecision {
        if now >= self.ends_at() {
            return RefreshDecision::Refuse(Cause::Expired);
        }
        if generation > self.generation {
            // The row is older than the token: the database was restored. Ending the session would punish an honest
            // client.
            return RefreshDecision::Refuse(Cause::NeverIssued);
        }
        if generation == self.generation {
            return if client.rotates() { RefreshDecision::Rotate } else { RefreshDecision::Keep };
        }
        let since = now.millis() - self.last_refreshed_at.millis();
        let within = (0..client.retry_window_millis()).contains(&since.max(0));
        // While the successor is unused, the row has the successor's generation.
        let may_repeat = self.retries < MOST_RETRIES && self.repeats_with_one_more(now).0 <= MOST_REPEATS;
        if generation + 1 == self.generation && within && may_repeat {
            RefreshDecision::Repeat
        } else {
            RefreshDecision::Reuse
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::{AuthMethod, ClientSettings};

    fn client(method: &str, rotation: bool, window: Option<i64>) -> Client {
        let settings: ClientSettings = serde_json::from_value(serde_json::json!({
            "token_endpoint_auth_method": method, "refresh_token_rotation": rotation, "retry_window": window,
        }))
        .unwrap();
        Client { client_id: "c".into(), settings, secrets: vec![], created_at: at(0), version: 1 }
    }

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn session() -> Session {
        Session {
            id: Uuid::nil(),
            user_id: Uuid::nil(),
            sub: "u".into(),
            client_id: "c".into(),
            scope: Scope::default(),
            audiences: vec![],
            nonce_hash: [0; 32],
            generation: 5,
            retries: 0,
            repeats: 0,
            repeats_since: at(0),
            network: "192.0.2.1".into(),
            log: 0,
            created_at: at(0),
            last_refreshed_at: at(100),
            idle_expires_at: at(1000),
            expires_at: at(2000),
            login: None,
            browser_session: None,
            offline: false,
            confirmation: None,
            bound_from: 0,
            code_key: None,
        }
    }

    #[test]
    fn the_newest_token_rotates_unless_a_confidential_client_switched_rotation_off() {
        let basic = "client_secret_basic";
        assert_eq!(session().decide(&client(basic, true, None), 5, at(200)), RefreshDecision::Rotate);
        assert_eq!(session().decide(&client(basic, false, None), 5, at(200)), RefreshDecision::Keep);
        assert_eq!(session().decide(&client("none", false, None), 5, at(200)), RefreshDecision::Rotate);
    }

    #[test]
    fn a_repeat_within_the_window_gets_the_same_successor_at_most_three_times() {
        let client = client("client_secret_basic", true, None);
        let mut session = session();
        assert_eq!(session.decide(&client, 4, at(129)), RefreshDecision::Repeat);
        assert_eq!(session.decide(&client, 4, at(130)), RefreshDecision::Reuse);
        session.retries = MOST_RETRIES;
        assert_eq!(session.decide(&client, 4, at(101)), RefreshDecision::Reuse);
    }

    #[test]
    fn twelve_repeats_within_an_hour_are_the_last_that_are_taken_for_lost_answers() {
        let client = client("client_secret_basic", true, None);
        let mut session = session();
        for count in 1..=MOST_REPEATS {
            assert_eq!(session.decide(&client, 4, at(110)), RefreshDecision::Repeat, "{count}");
            (session.repeats, session.repeats_since) = session.repeats_with_one_more(at(110));
            assert_eq!((session.repeats, session.repeats_since), (count, at(110)));
        }
        assert_eq!(session.decide(&client, 4, at(111)), RefreshDecision::Reuse);
        let hour_later =
            Session { last_refreshed_at: at(110 + 3600), idle_expires_at: at(9000), expires_at: at(9000), ..session };
        assert_eq!(hour_later.decide(&client, 4, at(109 + 3600)), RefreshDecision::Reuse);
        assert_eq!(hour_later.decide(&client, 4, at(110 + 3600)), RefreshDecision::Repeat);
        assert_eq!(hour_later.repeats_with_one_more(at(110 + 3600)), (1, at(110 + 3600)));
    }

    #[test]
    fn the_window_is_ten_seconds_for_a_public_client_and_zero_switches_it_off() {
        assert_eq!(session().decide(&client("none", true, None), 4, at(109)), RefreshDecision::Repeat);
        assert_eq!(session().decide(&client("none", true, None), 4, at(110)), RefreshDecision::Reuse);
        assert_eq!(session().decide(&client("none", true, Some(0)), 4, at(100)), RefreshDecision::Reuse);
    }

    #[test]
    fn an_older_generation_is_reuse_and_a_future_one_changes_nothing() {
        let client = client("client_secret_basic", true, None);
        assert_eq!(session().decide(&client, 3, at(101)), RefreshDecision::Reuse);
        assert_eq!(session().decide(&client, 6, at(101)), RefreshDecision::Refuse(Cause::NeverIssued));
    }

    #[test]
    fn rfr_026_idle_and_absolute_lifetime_end_a_session() {
        let client = client("client_secret_basic", true, None);
        assert_eq!(session().decide(&client, 5, at(1000)), RefreshDecision::Refuse(Cause::Expired));
        let fresh = Session { idle_expires_at: at(5000), ..session() };
        assert_eq!(fresh.decide(&client, 5, at(2000)), RefreshDecision::Refuse(Cause::Expired));
        assert_eq!(client.settings.token_endpoint_auth_method, AuthMethod::ClientSecretBasic);
    }
}
