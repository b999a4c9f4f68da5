//! What this server gives away to get it back unread and unchanged: requests in forms, pushed requests, proofs of a form.
//!
//! base64url of: version (1 byte), key id (6), nonce (12), sealed JSON and tag (AES-256-GCM-SIV, RFC 8452). The purpose, the
//! environment and the clear part are authenticated, so nothing sealed for one purpose opens for another.

use aws_lc_rs::aead::{Aad, Nonce};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::crypto::{base64url, from_base64url, random};
use crate::keys::keyring::{KeyRing, ReadyTokenKey};
use crate::keys::token_key::{KEY_ID_LENGTH, KeyId};
use crate::tokens::environment::Environment;

const VERSION: u8 = 1;
const CLEAR_LENGTH: usize = 1 + KEY_ID_LENGTH;
const NONCE_LENGTH: usize = 12;

/// What something is sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An authorization request in the form of a page.
    AuthorizationRequest,
    /// An authorization request that a client pushed (RFC 9126).
    PushedRequest,
    /// Proof that this server showed a form to this browser.
    Form,
    /// The code of a device, while the person who typed it in logs in.
    UserCode,
    /// An address of the console, while the person who asked for it logs in.
    Console,
    /// What the demonstration of a login has to know when the browser comes back.
    Demo,
    /// Proof that a password was right, until the second factor follows.
    Password,
    /// The secret of a second factor that is being set up.
    SecondFactor,
    /// A verdict of the token doctor, for the person who may keep it.
    Verdict,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationRequest => "authorization request",
            Self::PushedRequest => "pushed request",
            Self::Form => "form",
            Self::UserCode => "user code",
            Self::Console => "console",
            Self::Demo => "demo",
            Self::Password => "password",
            Self::SecondFactor => "second factor",
            Self::Verdict => "verdict",
        }
    }
}

/// Seals a value.
///
/// # Panics
/// Never: what is sealed is short and can be written as JSON.
pub fn seal<T: Serialize>(purpose: Purpose, value: &T, environment: &Environment, key: &ReadyTokenKey) -> String {
    let mut sealed = serde_json::to_vec(value).expect("it can be written as JSON");
    let clear = [&[VERSION], key.id.as_slice()].concat();
    let nonce: [u8; NONCE_LENGTH] = random();
    let authenticated = Aad::from(authenticated(purpose, environment, &clear));
    key.key
        .sealing_forms
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), authenticated, &mut sealed)
        .expect("a short text can be sealed");
    base64url([clear.as_slice(), &nonce, &sealed].concat())
}

/// Opens what was sealed for this purpose in this environment; `None` for everything else.
pub fn open<T: DeserializeOwned>(purpose: Purpose, text: &str, environment: &Environment, ring: &KeyRing) -> Option<T> {
    let bytes = from_base64url(text)?;
    let (clear, rest) = bytes.split_at_checked(CLEAR_LENGTH)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LENGTH>()?;
    if clear[0] != VERSION {
        return None;
    }
    let id: KeyId = clear[1..].try_into().ok()?;
    let key = ring.token_key(id)?;
    let mut sealed = sealed.to_vec();
    let authenticated = Aad::from(authenticated(purpose, environment, clear));
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let opened = key.key.sealing_forms.open_in_place(nonce, authenticated, &mut sealed).ok()?;
    serde_json::from_slice(opened).ok()
}

/// Whether a text seems to be sealed with a key that is not on the ring.
pub fn is_of_unknown_key(text: &str, ring: &KeyRing) -> bool {
    let bytes = from_base64url(text).filter(|bytes| bytes.first() == Some(&VERSION));
    let id = bytes.and_then(|bytes| bytes.get(1..CLEAR_LENGTH)?.try_into().ok());
    id.is_some_and(|id: KeyId| ring.token_key(id).is_none())
}

fn authenticated(purpose: Purpose, environment: &Environment, clear: &[u8]) -> Vec<u8> {
    [purpose.name().as_bytes(), b"\0", environment.to_string().as_bytes(), b"\0", clear].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::Timestamp;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_and_environment_only_and_unchanged_only() {
        let start = Timestamp::from_seconds(0);
        let ring = KeyRing::with_token_key();
        let (live, test): (Environment, Environment) = ("live".parse().unwrap(), "test".parse().unwrap());
        let text = seal(Purpose::Form, &"hello", &live, ring.active_token_key(start).unwrap());
        let opened = |purpose, text: &str, environment| open::<String>(purpose, text, environment, &ring);
        assert_eq!(opened(Purpose::Form, &text, &live).as_deref(), Some("hello"));
        assert_eq!(opened(Purpose::PushedRequest, &text, &live), None);
        assert_eq!(opened(Purpose::Form, &text, &test), None);
        let bytes = from_base64url(&text).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert_eq!(opened(Purpose::Form, &base64url(changed), &live), None, "byte {index}");
        }
        for text in ["", "AQ", "%", &text[..text.len() - 4]] {
            assert_eq!(opened(Purpose::Form, text, &live), None);
        }
    }
}
