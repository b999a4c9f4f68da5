//! Keys as the database stores them: generated, wrapped with the master key.

use zeroize::Zeroizing;

use crate::crypto::{base64url, fill_with_random, random};
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::signing::SigningKey;
use crate::keys::master::{MasterKey, MasterKeys};
use crate::keys::token_key::KEY_ID_LENGTH;
use crate::protocol::names::names;
use crate::protocol::time::Timestamp;

names! {
    /// What a key is for: `signing` signs JWTs, `token` seals opaque tokens and authenticates refresh tokens, `data` encrypts
    /// the secrets of second factors and webhooks.
    KeyUse {
        /// Signs JWTs.
        Signing "signing",
        /// Seals opaque access tokens and authenticates refresh tokens.
        Token "token",
        /// Encrypts secrets in the database that this server must read again: those of second factors and webhooks. There is one, made
        /// when it is first needed, and it is never rotated or retired.
        Data "data",
    }
}

/// A key as the database stores it.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Its id: 6 random bytes in base64url.
    pub kid: String,
    /// Its use.
    pub key_use: KeyUse,
    /// The algorithm, for a signing key.
    pub algorithm: Option<SigningAlgorithm>,
    /// The key, wrapped by the master key.
    pub wrapped: Vec<u8>,
    /// When it was created and first published.
    pub created_at: Timestamp,
    /// When it comes into use.
    pub activates_at: Timestamp,
}

impl KeyRecord {
    /// Generates a key; `algorithm` matters for signing keys only.
    pub fn generate(
        key_use: KeyUse,
        algorithm: SigningAlgorithm,
        master: &MasterKey,
        created_at: Timestamp,
        activates_at: Timestamp,
    ) -> Self {
        let kid = base64url(random::<KEY_ID_LENGTH>());
        let secret = match key_use {
            KeyUse::Signing => SigningKey::generate(algorithm),
            KeyUse::Token | KeyUse::Data => {
                let mut secret = Zeroizing::new(vec![0; 32]);
                fill_with_random(&mut secret);
                secret
            }
        };
        let wrapped = master.wrap(&wrapping_name(key_use, &kid), &secret);
        let algorithm = (key_use == KeyUse::Signing).then_some(algorithm);
        Self { kid, key_use, algorithm, wrapped, created_at, activates_at }
    }

    /// The same key wrapped with another master key, or none if neither of `from` unwraps it.
    pub fn rewrap(&self, from: &MasterKeys, to: &MasterKey) -> Option<Self> {
        let name = wrapping_name(self.key_use, &self.kid);
        let secret = from.unwrap(&name, &self.wrapped)?;
        Some(Self { wrapped: to.wrap(&name, &secret), ..self.clone() })
    }

    /// Whether this master key wrapped it.
    pub fn is_wrapped_by(&self, master: &MasterKey) -> bool {
        master.unwrap(&wrapping_name(self.key_use, &self.kid), &self.wrapped).is_some()
    }
}

/// What is authenticated with a wrapped key, so that no key passes for another.
pub(super) fn wrapping_name(key_use: KeyUse, kid: &str) -> String {
    format!("{} {kid}", key_use.name())
}
