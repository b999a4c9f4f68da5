//! Remembers as keyed digests which chosen client secrets passed the slow check, so that each is checked once.

use aws_lc_rs::hmac;
use quick_cache::sync::Cache;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::random;

/// The most secrets that a node remembers.
const CAPACITY: usize = 10_000;

/// Secrets that were verified.
pub struct RememberedSecrets {
    key: hmac::Key,
    verified: Cache<Uuid, hmac::Tag>,
}

impl std::fmt::Debug for RememberedSecrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("RememberedSecrets")
    }
}

impl Default for RememberedSecrets {
    fn default() -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, Zeroizing::new(random::<32>()).as_slice()),
            verified: Cache::new(CAPACITY),
        }
    }
}

impl RememberedSecrets {
    /// Whether this secret was verified against this hash before.
    pub(crate) fn knows(&self, id: Uuid, hash: &str, secret: &str) -> bool {
        self.verified.get(&id).is_some_and(|tag| hmac::verify(&self.key, &message(hash, secret), tag.as_ref()).is_ok())
    }

    /// Remembers a verified secret. Another secret, or another hash under the same id, does not match it.
    pub(crate) fn remember(&self, id: Uuid, hash: &str, secret: &str) {
        self.verified.insert(id, hmac::sign(&self.key, &message(hash, secret)));
    }
}

fn message(hash: &str, secret: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([hash.as_bytes(), b"\0", secret.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_under_the_same_hash_is_known() {
        let remembered = RememberedSecrets::default();
        let id = Uuid::from_u128(1);
        remembered.remember(id, "hash", "secret");
        assert!(remembered.knows(id, "hash", "secret"));
        assert!(!remembered.knows(id, "hash", "Secret"));
        assert!(!remembered.knows(id, "other hash", "secret"));
        assert!(!remembered.knows(Uuid::from_u128(2), "hash", "secret"));
    }
}
