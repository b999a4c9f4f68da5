//! Token keys: a secret from which keys are derived, one to seal opaque access tokens, one to authenticate refresh tokens and
//! authorization codes, and one to seal what this server gives away to get it back.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

/// Bytes of a key id; its text form is base64url.
pub(crate) const KEY_ID_LENGTH: usize = 6;

/// The id of a token key, as tokens contain it.
pub type KeyId = [u8; KEY_ID_LENGTH];

/// A parsed token key.
pub struct TokenKey {
    pub(crate) sealing: LessSafeKey,
    pub(crate) sealing_forms: LessSafeKey,
    pub(crate) authenticating: hmac::Key,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenKey")
    }
}

struct Length32;

impl KeyType for Length32 {
    fn len(&self) -> usize {
        32
    }
}

impl TokenKey {
    /// Derives the keys (HKDF, RFC 5869) from 32 random bytes.
    pub fn parse(secret: &[u8]) -> Option<Self> {
        if secret.len() != 32 {
            return None;
        }
        let derive = |purpose: &str| -> Option<Zeroizing<[u8; 32]>> {
            let pseudorandom = Salt::new(HKDF_SHA256, b"jeton token key").extract(secret);
            let mut key = Zeroizing::new([0; 32]);
            pseudorandom.expand(&[purpose.as_bytes()], Length32).ok()?.fill(key.as_mut_slice()).ok()?;
            Some(key)
        };
        let sealing =
            |purpose| Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, derive(purpose)?.as_slice()).ok()?));
        Some(Self {
            sealing: sealing("opaque access token")?,
            sealing_forms: sealing("sealed form")?,
            authenticating: hmac::Key::new(hmac::HMAC_SHA256, derive("refresh token")?.as_slice()),
        })
    }
}
