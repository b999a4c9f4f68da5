//! Opaque access tokens: claims sealed with AES-256-GCM-SIV (RFC 8452) under a token key that the token names.
//!
//! `jat_<environment>_`, then base64url of: version (1 byte), key id (6), nonce (12), sealed claims and tag. The clear part
//! is authenticated too.

use aws_lc_rs::aead::{Aad, Nonce};

use crate::crypto::{base64url, from_base64url};
use crate::keys::keyring::{KeyRing, ReadyTokenKey};
use crate::keys::token_key::{KEY_ID_LENGTH, KeyId};
use crate::protocol::claims::AccessClaims;
use crate::tokens::environment::{ACCESS_TOKEN_PREFIX, Environment};
use crate::tokens::error::VerifyError;

const VERSION: u8 = 1;
const NONCE_LENGTH: usize = 12;
const CLEAR_LENGTH: usize = 1 + KEY_ID_LENGTH;
const TAG_LENGTH: usize = 16;
/// The length of every token is a multiple of this, in bytes.
const STEP: usize = 48;
/// The length of every body is a multiple of this, in characters, so that a truncated token is recognised without a
/// key.
pub const LENGTHS: usize = STEP / 3 * 4;

/// Seals the claims.
pub fn write(claims: &AccessClaims, environment: &Environment, key: &ReadyTokenKey) -> String {
    let mut clear = vec![VERSION];
    clear.extend_from_slice(&key.id);
    let mut sealed = serde_json::to_vec(claims).expect("claims are JSON");
    // White space after JSON is harmless padding.
    let length = CLEAR_LENGTH + NONCE_LENGTH + sealed.len() + TAG_LENGTH;
    sealed.resize(sealed.len() + length.next_multiple_of(STEP) - length, b' ');
    let nonce = key
        .key
        .sealing
        .seal_in_place_append_tag(Aad::from(authenticated(environment, &clear)), &mut sealed)
        .expect("a short text can be sealed");
    let bytes = [clear.as_slice(), nonce.as_ref(), &sealed].concat();
    environment.write(ACCESS_TOKEN_PREFIX, &bytes)
}

/// Opens a token of this environment, whatever issuer it names; `body` is what follows the environment.
pub fn read(body: &str, environment: &Environment, ring: &KeyRing) -> Result<AccessClaims, VerifyError> {
    let bytes = from_base64url(body).ok_or(VerifyError::NotOurs)?;
    let (clear, rest) = bytes.split_at_checked(CLEAR_LENGTH).ok_or(VerifyError::NotOurs)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_LENGTH).ok_or(VerifyError::NotOurs)?;
    if clear[0] != VERSION {
        return Err(VerifyError::NotOurs);
    }
    let id: KeyId = clear[1..].try_into().map_err(|_| VerifyError::NotOurs)?;
    let key = ring.token_key(id).ok_or_else(|| VerifyError::without_key(ring, &base64url(id)))?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VerifyError::NotOurs)?;
    let mut sealed = sealed.to_vec();
    let opened = key
        .key
        .sealing
        .open_in_place(nonce, Aad::from(authenticated(environment, clear)), &mut sealed)
        .map_err(|_| VerifyError::NotOurs)?;
    serde_json::from_slice(opened).map_err(|_| VerifyError::NotOurs)
}

fn authenticated(environment: &Environment, clear: &[u8]) -> Vec<u8> {
    [ACCESS_TOKEN_PREFIX.as_bytes(), environment.to_string().as_bytes(), b"_", clear].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jose::algorithm::SigningAlgorithm;
    use crate::keys::master::MasterKey;
    use crate::keys::record::{KeyRecord, KeyUse};
    use crate::protocol::time::Timestamp;

    const ISSUER: &str = "https://auth.example";

    fn ring() -> KeyRing {
        let master = MasterKey::parse(&MasterKey::generate()).unwrap();
        let start = Timestamp::from_seconds(0);
        let record = KeyRecord::generate(KeyUse::Token, SigningAlgorithm::Es256, &master, start, start);
        KeyRing::open(&[record], &master.into()).unwrap()
    }

    fn claims() -> AccessClaims {
        serde_json::from_value(serde_json::json!({
            "iss": ISSUER, "sub": "c", "aud": ["a", "b"], "client_id": "c", "iat": 1, "exp": 2,
            "jti": uuid::Uuid::from_u128(1), "log": 3,
        }))
        .unwrap()
    }

    fn environment(name: &str) -> Environment {
        name.parse().unwrap()
    }

    fn body(ring: &KeyRing) -> String {
        let key = ring.active_token_key(Timestamp::from_seconds(1)).unwrap();
        let token = write(&claims(), &environment("live"), key);
        token.strip_prefix("jat_live_").unwrap().to_owned()
    }

    #[test]
    fn what_is_written_reads_back_and_shows_nothing() {
        let ring = ring();
        let body = body(&ring);
        assert_eq!(read(&body, &environment("live"), &ring), Ok(claims()));
        assert_eq!(body.len() % LENGTHS, 0);
        assert!(!String::from_utf8_lossy(&from_base64url(&body).unwrap()).contains("auth.example"));
    }

    #[test]
    fn the_environment_and_the_key_are_authenticated() {
        let one = ring();
        let body = body(&one);
        assert_eq!(read(&body, &environment("test"), &one), Err(VerifyError::NotOurs));
        assert_eq!(read(&body, &environment("live"), &ring()), Err(VerifyError::UnknownKey));
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused(position in 0usize..1000, flip in 1u8..=255) {
            let ring = ring();
            let mut bytes = from_base64url(body(&ring)).unwrap();
            let position = position % bytes.len();
            bytes[position] ^= flip;
            let changed = base64url(bytes);
            prop_assert!(read(&changed, &environment("live"), &ring).is_err());
        }

        #[test]
        fn any_text_is_judged_without_a_panic(text in "[-A-Za-z0-9_]{0,100}") {
            prop_assert!(read(&text, &environment("live"), &KeyRing::default()).is_err());
        }
    }
}
