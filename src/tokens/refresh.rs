//! Refresh tokens: computed, never stored.
//!
//! `jrt_<environment>_`, then base64url of: version (1 byte), key id (6), session id (16), generation (4), session nonce
//! (16), MAC (32). The session's row stores only the generation and the hash of the nonce, so neither the database nor
//! the key alone is enough to forge one. The MAC is checked without the database, and the token determines its
//! successor.

use std::fmt;

use aws_lc_rs::hmac;
use uuid::Uuid;

use crate::crypto::{base64url, from_base64url, sha256};
use crate::keys::keyring::{KeyRing, ReadyTokenKey};
use crate::keys::token_key::{KEY_ID_LENGTH, KeyId};
use crate::tokens::environment::{Environment, REFRESH_TOKEN_PREFIX};
use crate::tokens::error::VerifyError;

const VERSION: u8 = 1;
const NONCE_LENGTH: usize = 16;
const MAC_LENGTH: usize = 32;
const CONTENT_LENGTH: usize = 1 + KEY_ID_LENGTH + 16 + 4 + NONCE_LENGTH;
/// Bytes of a refresh token after its prefix and environment.
pub const LENGTH: usize = CONTENT_LENGTH + MAC_LENGTH;

/// The content of a refresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Its session.
    pub session: Uuid,
    /// Its number among the session's refresh tokens, from zero.
    pub generation: u32,
    nonce: [u8; NONCE_LENGTH],
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RefreshToken(session {}, generation {})", self.session, self.generation)
    }
}

impl RefreshToken {
    /// The first refresh token of a new session.
    pub fn first(session: Uuid) -> Self {
        Self { session, generation: 0, nonce: crate::crypto::random() }
    }

    /// The next token of the session.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self { generation: self.generation + 1, ..self.clone() }
    }

    /// The hash of the nonce, which the session's row stores.
    pub fn nonce_hash(&self) -> [u8; 32] {
        sha256(&self.nonce)
    }

    /// Writes the token, authenticated with a key.
    pub fn write(&self, environment: &Environment, key: &ReadyTokenKey) -> String {
        self.write_as(REFRESH_TOKEN_PREFIX, environment, key)
    }

    pub(super) fn write_as(&self, prefix: &str, environment: &Environment, key: &ReadyTokenKey) -> String {
        let mut bytes = Vec::with_capacity(CONTENT_LENGTH + MAC_LENGTH);
        bytes.push(VERSION);
        bytes.extend_from_slice(&key.id);
        bytes.extend_from_slice(self.session.as_bytes());
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.nonce);
        let mac = hmac::sign(&key.key.authenticating, &authenticated(prefix, environment, &bytes));
        bytes.extend_from_slice(mac.as_ref());
        environment.write(prefix, &bytes)
    }

    /// Reads a token of this environment; `body` is what follows the environment.
    pub fn read(body: &str, environment: &Environment, ring: &KeyRing) -> Result<Self, VerifyError> {
        Self::read_as(REFRESH_TOKEN_PREFIX, body, environment, ring)
    }

    pub(super) fn read_as(
        prefix: &str,
        body: &str,
        environment: &Environment,
        ring: &KeyRing,
    ) -> Result<Self, VerifyError> {
        let bytes = from_base64url(body).filter(|bytes| bytes.len() == LENGTH).ok_or(VerifyError::NotOurs)?;
        let (content, mac) = bytes.split_at(CONTENT_LENGTH);
        if content[0] != VERSION {
            return Err(VerifyError::NotOurs);
        }
        let (id, rest) = content[1..].split_at(KEY_ID_LENGTH);
        let id: KeyId = id.try_into().map_err(|_| VerifyError::NotOurs)?;
        let key = ring.token_key(id).ok_or_else(|| VerifyError::without_key(ring, &base64url(id)))?;
        hmac::verify(&key.key.authenticating, &authenticated(prefix, environment, content), mac)
            .map_err(|_| VerifyError::NotOurs)?;
        let (session, rest) = rest.split_at(16);
        let (generation, nonce) = rest.split_at(4);
        Ok(Self {
            session: Uuid::from_slice(session).map_err(|_| VerifyError::NotOurs)?,
            generation: u32::from_be_bytes(generation.try_into().map_err(|_| VerifyError::NotOurs)?),
            nonce: nonce.try_into().map_err(|_| VerifyError::NotOurs)?,
        })
    }
}

fn authenticated(prefix: &str, environment: &Environment, content: &[u8]) -> Vec<u8> {
    [prefix.as_bytes(), environment.to_string().as_bytes(), b"_", content].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::time::Timestamp;
    use crate::tokens::code::{Code, CodeKind};

    fn environment(name: &str) -> Environment {
        name.parse().unwrap()
    }

    fn body(token: &RefreshToken, ring: &KeyRing) -> String {
        let key = ring.active_token_key(Timestamp::from_seconds(1)).unwrap();
        token.write(&environment("live"), key).strip_prefix("jrt_live_").unwrap().to_owned()
    }

    #[test]
    fn the_successor_follows_from_the_token_and_is_the_same_each_time() {
        let ring = KeyRing::with_token_key();
        let first = RefreshToken::first(Uuid::from_u128(9));
        let read = RefreshToken::read(&body(&first, &ring), &environment("live"), &ring).unwrap();
        assert_eq!(read, first);
        let successor = read.successor();
        assert_eq!(body(&successor, &ring), body(&first.successor(), &ring));
        assert_eq!(successor.generation, first.generation + 1);
        assert_eq!(successor.nonce_hash(), first.nonce_hash());
    }

    #[test]
    fn a_code_and_a_refresh_token_never_read_as_each_other() {
        let ring = KeyRing::with_token_key();
        let key = ring.active_token_key(Timestamp::from_seconds(1)).unwrap();
        let live = environment("live");
        let authorization_code =
            |text: &str, environment: &Environment| Code::read(CodeKind::Authorization, text, environment, &ring);
        let code = Code::new(CodeKind::Authorization, Uuid::from_u128(9));
        let text = code.write(&live, key);
        assert_eq!(authorization_code(&text, &live), Ok(code.clone()));
        assert!(authorization_code(&text, &environment("test")).is_err());
        assert!(RefreshToken::read(text.strip_prefix("jac_live_").unwrap(), &live, &ring).is_err());
        let token = code.credential().write(&live, key);
        assert!(authorization_code(&token.replacen("jrt_", "jac_", 1), &live).is_err());
        let later = code.credential().successor().write_as("jac_", &live, key);
        assert!(authorization_code(&later, &live).is_err(), "a code is of generation 0");
        let device = Code::new(CodeKind::Device, Uuid::from_u128(9)).write(&live, key);
        assert!(Code::read(CodeKind::Device, &device, &live, &ring).is_ok());
        assert!(authorization_code(&device.replacen("jdc_", "jac_", 1), &live).is_err());
        assert!(Code::read(CodeKind::Device, &text.replacen("jac_", "jdc_", 1), &live, &ring).is_err());
        assert!(RefreshToken::read(device.strip_prefix("jdc_live_").unwrap(), &live, &ring).is_err());
    }

    #[test]
    fn a_token_of_another_environment_or_key_is_refused() {
        let one = KeyRing::with_token_key();
        let body = body(&RefreshToken::first(Uuid::from_u128(9)), &one);
        assert_eq!(RefreshToken::read(&body, &environment("test"), &one), Err(VerifyError::NotOurs));
        assert_eq!(
            RefreshToken::read(&body, &environment("live"), &KeyRing::with_token_key()),
            Err(VerifyError::UnknownKey)
        );
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused(position in 0usize..CONTENT_LENGTH + MAC_LENGTH, flip in 1u8..=255) {
            let ring = KeyRing::with_token_key();
            let mut bytes = from_base64url(body(&RefreshToken::first(Uuid::from_u128(9)), &ring)).unwrap();
            bytes[position] ^= flip;
            let changed = base64url(bytes);
            prop_assert!(RefreshToken::read(&changed, &environment("live"), &ring).is_err());
        }
    }
}
