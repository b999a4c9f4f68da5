//! Keys that encrypt what the database keeps.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

/// Bytes of an AES-256-GCM-SIV nonce (RFC 8452).
const NONCE_LENGTH: usize = 12;
/// Bytes of an AES-256-GCM-SIV tag.
const TAG_LENGTH: usize = 16;

/// An AES-256-GCM-SIV key (RFC 8452). AWS-LC wipes it when it frees it.
pub struct WrappingKey(RandomizedNonceKey);

impl fmt::Debug for WrappingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WrappingKey")
    }
}

impl WrappingKey {
    /// Reads a key of 32 bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        RandomizedNonceKey::new(&AES_256_GCM_SIV, bytes).ok().map(Self)
    }

    /// Encrypts a secret. `name` is authenticated too, so that one wrapped secret cannot pass for another.
    pub fn wrap(&self, name: &str, secret: &[u8]) -> Vec<u8> {
        // With room for the tag, because a buffer that grows would leave a copy of the secret behind.
        let mut sealed = Vec::with_capacity(secret.len() + TAG_LENGTH);
        sealed.extend_from_slice(secret);
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed)
            .expect("a short text can be sealed");
        [nonce.as_ref().as_slice(), &sealed].concat()
    }

    /// Decrypts a secret, if this key wrapped it under this name.
    pub fn unwrap(&self, name: &str, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_LENGTH)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut secret = Zeroizing::new(sealed.to_vec());
        let length = self.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut secret).ok()?.len();
        secret.truncate(length);
        Some(secret)
    }
}
