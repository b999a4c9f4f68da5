//! The master key wraps the data keys in the database and does nothing else.

use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::{base64url, fill_with_random, from_base64url};
use crate::keys::wrapping::WrappingKey;

/// The content of the check value.
const CHECK: &[u8] = b"jeton master key";

/// 32 random bytes that never reach the database.
pub struct MasterKey(WrappingKey);

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey")
    }
}

impl MasterKey {
    /// Reads 32 bytes in base64url. An error says what is wrong, without any of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = Zeroizing::new(from_base64url(text.trim().trim_end_matches('=')).unwrap_or_default());
        if bytes.len() != 32 || bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err("is not 32 random bytes in base64url; `jeton key generate-master` prints one".into());
        }
        WrappingKey::parse(&bytes).map(Self).ok_or_else(|| "is not usable as a key".to_owned())
    }

    /// Generates a master key, as text.
    pub fn generate() -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill_with_random(bytes.as_mut_slice());
        Zeroizing::new(base64url(bytes.as_slice()))
    }

    /// Wraps a data key. `name` is authenticated too, so that one wrapped key cannot pass for another.
    pub(super) fn wrap(&self, name: &str, key: &[u8]) -> Vec<u8> {
        self.0.wrap(name, key)
    }

    /// Unwraps a data key, if this master key wrapped it under this name.
    pub fn unwrap(&self, name: &str, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.0.unwrap(name, wrapped)
    }

    /// A value by which a later start recognises the same master key.
    pub fn check_value(&self) -> Vec<u8> {
        self.wrap("check", CHECK)
    }

    /// Whether this master key made a check value.
    pub fn fits(&self, check_value: &[u8]) -> bool {
        self.unwrap("check", check_value).is_some_and(|text| text.as_slice() == CHECK)
    }
}

/// The master key, and the previous one while it is being changed. Either unwraps its own keys.
#[derive(Debug)]
pub struct MasterKeys {
    /// `JETON_MASTER_KEY`.
    pub current: MasterKey,
    /// `JETON_MASTER_KEY_OLD`.
    pub old: Option<MasterKey>,
}

impl From<MasterKey> for MasterKeys {
    fn from(current: MasterKey) -> Self {
        Self { current, old: None }
    }
}

impl MasterKeys {
    /// The one that made a check value; it wraps new data keys.
    pub fn of(&self, check_value: &[u8]) -> Option<&MasterKey> {
        self.each().find(|key| key.fits(check_value))
    }

    /// Unwraps a data key that either wrapped.
    pub fn unwrap(&self, name: &str, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.each().find_map(|key| key.unwrap(name, wrapped))
    }

    fn each(&self) -> impl Iterator<Item = &MasterKey> {
        std::iter::once(&self.current).chain(&self.old)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::*;
    use crate::jose::algorithm::SigningAlgorithm;
    use crate::jose::signing::SigningKey;

    #[test]
    fn buffers_with_plain_keys_are_cleared_on_drop() {
        // That this compiles is the check.
        fn is_cleared(_: &impl ZeroizeOnDrop) {}
        is_cleared(&MasterKey::generate());
        is_cleared(&key().unwrap("signing a", &[0; 40]).unwrap_or_default());
        is_cleared(&MasterKeys::from(key()).unwrap("signing a", &[0; 40]).unwrap_or_default());
        is_cleared(&SigningKey::generate(SigningAlgorithm::EdDsa));
    }

    #[test]
    fn keys_under_the_old_master_key_are_read_along_with_new_ones() {
        let (old, new) = (key(), key());
        let (by_old, by_new) = (old.wrap("token a", b"one"), new.wrap("token b", b"two"));
        let (old_check, new_check) = (old.check_value(), new.check_value());
        let keys = MasterKeys { current: new, old: Some(old) };
        assert_eq!(keys.unwrap("token a", &by_old).unwrap().as_slice(), b"one");
        assert_eq!(keys.unwrap("token b", &by_new).unwrap().as_slice(), b"two");
        assert!(keys.unwrap("token b", &by_old).is_none());
        assert!(std::ptr::eq(keys.of(&new_check).unwrap(), &keys.current));
        assert!(std::ptr::eq(keys.of(&old_check).unwrap(), keys.old.as_ref().unwrap()));
        assert!(keys.of(&key().check_value()).is_none());
    }

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
    fn the_check_value_matches_only_its_master_key() {
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
