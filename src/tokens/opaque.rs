//! Opaque access tokens: claims sealed with AES-256-GCM-SIV (RFC 8452) under a token key that the token names.
//!
//! `jat_<environment>_`, then base64url of: version (1 byte), key id (6), nonce (12), sealed claims and tag. The clear part
//! is authenticated too. The nonce is the beginning of the `jti`, 96 random bits; with this cipher, two tokens that shared
//! one would reveal only whether they are equal.

use aws_lc_rs::aead::{Aad, Nonce};

use crate::crypto::{base64url, from_base64url};
use crate::keys::keyring::{KeyRing, ReadyTokenKey};
use crate::keys::token_key::{KEY_ID_LENGTH, KeyId};
use crate::protocol::claims::AccessClaims;
use crate::tokens::context::TokenContext;
use crate::tokens::environment::{ACCESS_TOKEN_PREFIX, Environment};
use crate::tokens::error::VerifyError;
use crate::tokens::packed::{self, NONCE_LENGTH};

const VERSION: u8 = 1;
const CLEAR_LENGTH: usize = 1 + KEY_ID_LENGTH;
const TAG_LENGTH: usize = 16;
/// The length of every token is a multiple of this, in bytes.
const STEP: usize = 36;
/// The length of every body is a multiple of this, in characters, so that a truncated token is recognised without a
/// key.
pub const LENGTHS: usize = STEP / 3 * 4;

/// Seals the claims.
pub fn write(claims: &AccessClaims, environment: &Environment, key: &ReadyTokenKey) -> String {
    let mut sealed = packed::pack(claims);
    let length = CLEAR_LENGTH + NONCE_LENGTH + sealed.len() + TAG_LENGTH;
    sealed.resize(sealed.len() + body_length(sealed.len()) - length, packed::END);
    let mut nonce = [0; NONCE_LENGTH];
    nonce.copy_from_slice(&claims.jti.bytes()[..NONCE_LENGTH]);
    let clear = [&[VERSION], key.id.as_slice()].concat();
    key.key
        .sealing
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(authenticated(environment, &clear)),
            &mut sealed,
        )
        .expect("a short text can be sealed");
    environment.write(ACCESS_TOKEN_PREFIX, &[clear.as_slice(), &nonce, &sealed].concat())
}

/// The length of a body with so many bytes of claims, in bytes.
const fn body_length(packed: usize) -> usize {
    (CLEAR_LENGTH + NONCE_LENGTH + packed + TAG_LENGTH).next_multiple_of(STEP)
}

/// The length of what [`write()`] makes of the claims, in bytes.
pub fn length(claims: &AccessClaims, environment: &Environment) -> usize {
    environment.write(ACCESS_TOKEN_PREFIX, &vec![0; body_length(packed::pack(claims).len())]).len()
}

/// Opens a token of this environment; `body` is what follows the environment.
pub fn read(body: &str, context: TokenContext<'_>) -> Result<AccessClaims, VerifyError> {
    let (issuer, mut claims) = open(body, context.environment, context.ring)?;
    let names = |url: &&str| packed::digest(url) == issuer;
    if names(&context.issuer) {
        context.issuer.clone_into(&mut claims.iss);
        return Ok(claims);
    }
    let sibling = context.siblings.iter().map(|sibling| sibling.issuer.as_str()).find(names);
    sibling.unwrap_or_default().clone_into(&mut claims.iss);
    Err(VerifyError::OtherIssuer(Box::new(claims)))
}

/// The id of the key that a token names; `body` is what follows the environment.
pub(super) fn key_of(body: &str) -> Option<String> {
    from_base64url(body)?.get(1..CLEAR_LENGTH).map(base64url)
}

fn open(
    body: &str,
    environment: &Environment,
    ring: &KeyRing,
) -> Result<(packed::IssuerDigest, AccessClaims), VerifyError> {
    let bytes = from_base64url(body).ok_or(VerifyError::NotOurs)?;
    let (clear, rest) = bytes.split_at_checked(CLEAR_LENGTH).ok_or(VerifyError::NotOurs)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or(VerifyError::NotOurs)?;
    if clear[0] != VERSION {
        return Err(VerifyError::NotOurs);
    }
    let id: KeyId = clear[1..].try_into().map_err(|_| VerifyError::NotOurs)?;
    let key = ring.token_key(id).ok_or_else(|| VerifyError::without_key(ring, &base64url(id)))?;
    let mut sealed = sealed.to_vec();
    let authenticated = Aad::from(authenticated(environment, clear));
    let opened = key
        .key
        .sealing
        .open_in_place(Nonce::assume_unique_for_key(*nonce), authenticated, &mut sealed)
        .map_err(|_| VerifyError::NotOurs)?;
    packed::unpack(opened, *nonce).ok_or(VerifyError::NotOurs)
}

fn authenticated(environment: &Environment, clear: &[u8]) -> Vec<u8> {
    [ACCESS_TOKEN_PREFIX.as_bytes(), environment.to_string().as_bytes(), b"_", clear].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::time::Timestamp;
    use crate::protocol::token_id::TokenId;
    use crate::tokens::environment::KnownIssuer;

    const ISSUER: &str = "https://auth.example";

    fn claims() -> AccessClaims {
        serde_json::from_value(serde_json::json!({
            "iss": ISSUER, "sub": "c", "aud": ["a", "b"], "client_id": "c", "iat": 1, "exp": 2,
            "jti": TokenId::new([1; 16]), "log": 3,
        }))
        .unwrap()
    }

    /// A login of the demo client: a user, a session, one audience and two scopes.
    fn login() -> AccessClaims {
        serde_json::from_value(serde_json::json!({
            "iss": "https://auth.example.com", "sub": "019c1d3e-5a4b-7c6d-8e9f-0a1b2c3d4e5f",
            "aud": "https://api.example.com", "client_id": "demo-login",
            "scope": "read:conversations write:conversations", "iat": 1_795_327_251, "exp": 1_795_328_151,
            "jti": TokenId::new([0xAB; 16]), "sid": "019c1d3e-6b5c-7d8e-9f0a-1b2c3d4e5f60",
            "log": 1_795_327_251_123_i64,
        }))
        .unwrap()
    }

    fn environment(name: &str) -> Environment {
        name.parse().unwrap()
    }

    fn opened(body: &str, name: &str, ring: &KeyRing) -> Result<AccessClaims, VerifyError> {
        let environment = environment(name);
        read(body, TokenContext { issuer: ISSUER, environment: &environment, siblings: &[], ring })
    }

    fn body(ring: &KeyRing) -> String {
        let key = ring.active_token_key(Timestamp::from_seconds(1)).unwrap();
        let token = write(&claims(), &environment("live"), key);
        token.strip_prefix("jat_live_").unwrap().to_owned()
    }

    #[test]
    fn what_is_written_reads_back_and_shows_nothing() {
        let ring = KeyRing::with_token_key();
        let body = body(&ring);
        let key = ring.active_token_key(Timestamp::from_seconds(1)).unwrap();
        assert_eq!(key_of(&body), Some(base64url(key.id)));
        assert_eq!(opened(&body, "live", &ring), Ok(claims()));
        assert_eq!(body.len() % LENGTHS, 0);
        assert!(!String::from_utf8_lossy(&from_base64url(&body).unwrap()).contains("auth.example"));
    }

    #[test]
    fn a_login_takes_at_most_256_bytes_and_a_token_without_a_session_less() {
        let ring = KeyRing::with_token_key();
        let key = ring.active_token_key(Timestamp::from_seconds(1)).unwrap();
        let length = |claims: &AccessClaims| write(claims, &environment("live"), key).len();
        assert_eq!(length(&login()), 249);
        assert_eq!(length(&AccessClaims { sub: "demo-login".into(), sid: None, ..login() }), 201);
    }

    #[test]
    fn a_token_of_another_issuer_is_told_apart_and_named_if_it_is_a_sibling() {
        let ring = KeyRing::with_token_key();
        let key = ring.active_token_key(Timestamp::from_seconds(1)).unwrap();
        let live = environment("live");
        let siblings = [KnownIssuer { environment: environment("staging"), issuer: "https://s.example".into() }];
        for (issuer, named) in [("https://s.example", "https://s.example"), ("https://else.example", ""), ("", "")] {
            let token = write(&AccessClaims { iss: issuer.into(), ..claims() }, &live, key);
            let body = token.strip_prefix("jat_live_").unwrap();
            let context = TokenContext { issuer: ISSUER, environment: &live, siblings: &siblings, ring: &ring };
            let expected = AccessClaims { iss: named.into(), ..claims() };
            assert_eq!(read(body, context), Err(VerifyError::OtherIssuer(Box::new(expected))), "{issuer}");
        }
        let token = body(&ring);
        let nameless = TokenContext { issuer: "", environment: &live, siblings: &[], ring: &ring };
        assert!(read(&token, nameless).is_err(), "a command without an issuer takes none for its own");
    }

    #[test]
    fn the_environment_and_the_key_are_authenticated() {
        let one = KeyRing::with_token_key();
        let body = body(&one);
        assert_eq!(opened(&body, "test", &one), Err(VerifyError::NotOurs));
        assert_eq!(opened(&body, "live", &KeyRing::with_token_key()), Err(VerifyError::UnknownKey));
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_refused(position in 0usize..1000, flip in 1u8..=255) {
            let ring = KeyRing::with_token_key();
            let mut bytes = from_base64url(body(&ring)).unwrap();
            let position = position % bytes.len();
            bytes[position] ^= flip;
            let changed = base64url(bytes);
            prop_assert!(opened(&changed, "live", &ring).is_err());
        }

        #[test]
        fn any_text_is_judged_without_a_panic(text in "[-A-Za-z0-9_]{0,100}") {
            prop_assert!(opened(&text, "live", &KeyRing::default()).is_err());
        }
    }
}
