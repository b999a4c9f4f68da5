//! Nonces for DPoP proofs (RFC 9449 §8): stateless, so that they hold on every node.
//!
//! base64url of: version (1 byte), key id (6), time (8, milliseconds), the beginning of a MAC (16). The environment is authenticated
//! as well.

use aws_lc_rs::hmac;

use crate::crypto::{base64url, equal_in_constant_time, from_base64url};
use crate::keys::keyring::{KeyRing, ReadyTokenKey};
use crate::keys::token_key::{KEY_ID_LENGTH, KeyId};
use crate::protocol::time::Timestamp;
use crate::tokens::environment::Environment;

const VERSION: u8 = 1;
const CONTENT_LENGTH: usize = 1 + KEY_ID_LENGTH + 8;
const MAC_LENGTH: usize = 16;
/// Seconds for which a nonce can be used.
pub const LIFE: i64 = 300;
/// Seconds by which the clock of the node that made it may be ahead.
const SKEW: i64 = 60;

/// A nonce of this moment.
pub fn write(now: Timestamp, environment: &Environment, key: &ReadyTokenKey) -> String {
    let mut bytes = Vec::with_capacity(CONTENT_LENGTH + MAC_LENGTH);
    bytes.push(VERSION);
    bytes.extend_from_slice(&key.id);
    bytes.extend_from_slice(&now.millis().to_be_bytes());
    let mac = hmac::sign(&key.key.authenticating, &authenticated(environment, &bytes));
    bytes.extend_from_slice(&mac.as_ref()[..MAC_LENGTH]);
    base64url(bytes)
}

/// Whether a text is a nonce of this server that can still be used.
pub fn is_good(text: &str, now: Timestamp, environment: &Environment, ring: &KeyRing) -> bool {
    let made_at = read(text, environment, ring);
    made_at.is_some_and(|made_at| (-SKEW * 1000..LIFE * 1000).contains(&now.millis().saturating_sub(made_at.millis())))
}

fn read(text: &str, environment: &Environment, ring: &KeyRing) -> Option<Timestamp> {
    let bytes = from_base64url(text).filter(|bytes| bytes.len() == CONTENT_LENGTH + MAC_LENGTH)?;
    let (content, mac) = bytes.split_at(CONTENT_LENGTH);
    let (id, time) = content[1..].split_at(KEY_ID_LENGTH);
    let id: KeyId = id.try_into().ok()?;
    let key = ring.token_key(id)?;
    let expected = hmac::sign(&key.key.authenticating, &authenticated(environment, content));
    let is_ours = content[0] == VERSION && equal_in_constant_time(&expected.as_ref()[..MAC_LENGTH], mac);
    is_ours.then_some(Timestamp::from_millis(i64::from_be_bytes(time.try_into().ok()?)))
}

/// What the MAC is over. No token begins like that, so no MAC of one is that of the other.
fn authenticated(environment: &Environment, content: &[u8]) -> Vec<u8> {
    [b"dpop nonce\0", environment.to_string().as_bytes(), b"\0", content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dpo_013_a_nonce_holds_for_a_while_and_only_unchanged() {
        let (ring, other) = (KeyRing::with_token_key(), KeyRing::with_token_key());
        let (live, test): (Environment, Environment) = ("live".parse().unwrap(), "test".parse().unwrap());
        let at = |seconds: i64| Timestamp::from_seconds(1_800_000_000 + seconds);
        let nonce = write(at(0), &live, ring.active_token_key(at(0)).unwrap());
        for (seconds, is_good_then) in
            [(0, true), (299, true), (300, false), (-60, true), (-61, false), (86_400, false)]
        {
            assert_eq!(is_good(&nonce, at(seconds), &live, &ring), is_good_then, "{seconds}");
        }
        assert!(!is_good(&nonce, at(0), &test, &ring) && !is_good(&nonce, at(0), &live, &other));
        let bytes = from_base64url(&nonce).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert!(!is_good(&base64url(changed), at(0), &live, &ring), "byte {index}");
        }
        for text in ["", "AQ", &nonce[1..], &format!("{nonce}=")] {
            assert!(!is_good(text, at(0), &live, &ring), "{text}");
        }
    }
}
