//! The master key: it wraps the data keys that are kept in the database, and does nothing else.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::{base64url, from_base64url, random};

/// What the check value holds; it fits only the master key that wrapped it.
const CHECK: &[u8] = b"jeton master key";
/// Bytes of a nonce of AES-256-GCM-SIV (RFC 8452).
const NONCE_LENGTH: usize = 12;

/// 32 random bytes that never reach the database.
pub struct MasterKey(RandomizedNonceKey);

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey")
    }
}

impl MasterKey {
    /// Reads 32 bytes in base64url.
    ///
    /// # Errors
    /// A sentence that says what is wrong; it holds nothing of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = Zeroizing::new(from_base64url(text.trim().trim_end_matches('=')).unwrap_or_default());
        if bytes.len() != 32 || bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err("is not 32 random bytes in base64url; `jeton key generate-master` prints one".into());
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, &bytes).map_err(|_| "is not usable as a key".to_owned())?;
        Ok(Self(key))
    }

    /// A new master key, as text.
    pub fn generate() -> Zeroizing<String> {
        Zeroizing::new(base64url(Zeroizing::new(random::<32>()).as_slice()))
    }

    /// Wraps a data key; `name` is authenticated with it, so that a wrapped key cannot pass for another.
    pub fn wrap(&self, name: &str, key: &[u8]) -> Vec<u8> {
        let mut sealed = key.to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(name.as_bytes()), &mut sealed)
            .expect("a short text can be sealed");
        [nonce.as_ref().as_slice(), &sealed].concat()
    }

    /// Unwraps what [`wrap`](Self::wrap) made; none when the master key or the name is another.
    pub fn unwrap(&self, name: &str, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = wrapped.split_at_checked(NONCE_LENGTH)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut key = Zeroizing::new(sealed.to_vec());
        let length = self.0.open_in_place(nonce, Aad::from(name.as_bytes()), &mut key).ok()?.len();
        key.truncate(length);
        Some(key)
    }

    /// A value by which this master key is recognised later.
    pub fn check_value(&self) -> Vec<u8> {
        self.wrap("check", CHECK)
    }

    /// Whether a check value was made by this master key.
    pub fn fits(&self, check_value: &[u8]) -> bool {
        self.unwrap("check", check_value).is_some_and(|text| text.as_slice() == CHECK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MasterKey {
        MasterKey::parse(&MasterKey::generate()).unwrap()
    }

    #[test]
    fn a_wrapped_key_opens_only_with_the_same_master_key_and_name() {
        let master = key();
        let wrapped = master.wrap("signing a", b"secret");
        assert_eq!(master.unwrap("signing a", &wrapped).unwrap().as_slice(), b"secret");
        assert!(master.unwrap("signing b", &wrapped).is_none());
        assert!(key().unwrap("signing a", &wrapped).is_none());
        assert!(master.unwrap("signing a", b"short").is_none());
    }

    #[test]
    fn the_check_value_fits_only_its_master_key() {
        let master = key();
        assert!(master.fits(&master.check_value()));
        assert!(!key().fits(&master.check_value()));
    }

    #[test]
    fn anything_but_32_random_bytes_is_refused() {
        for text in ["", "secret", &"A".repeat(43), &base64url([7; 31]), &base64url([7; 33]), &base64url([7; 32])] {
            assert!(MasterKey::parse(text).is_err(), "{text}");
        }
    }
}
