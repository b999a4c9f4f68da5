//! The keys of a node: which one signs now, and which ones still verify.
//!
//! A key's life is told by its times alone: it is *announced* (published, not used), *active* from `activates_at` until
//! the next one becomes active, then *retired* (verifies, does not sign) until the last token that it made is over.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::crypto::{base64url, fill_with_random, from_base64url, random};
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::jwk::{Jwk, JwkSet};
use crate::jose::jws;
use crate::jose::signing::SigningKey;
use crate::jose::verification::VerificationKey;
use crate::keys::master::{MasterKey, MasterKeys};
use crate::keys::token_key::{KEY_ID_LENGTH, KeyId, TokenKey};
use crate::protocol::time::Timestamp;

/// Seconds for which a new key is published before it is used. Longer than [`JWKS_MAX_AGE`], so that every resource
/// server has seen it.
pub const ANNOUNCEMENT: i64 = 600;
/// Seconds for which the published key set may be cached.
pub const JWKS_MAX_AGE: i64 = 300;
/// The `typ` of access tokens (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// Signs JWTs.
    Signing,
    /// Seals opaque access tokens and authenticates refresh tokens.
    Token,
}

impl KeyUse {
    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Token => "token",
        }
    }

    /// Reads what [`name`](Self::name) wrote.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Signing, Self::Token].into_iter().find(|key_use| key_use.name() == name)
    }
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, not yet used.
    Announced,
    /// Makes the tokens of now.
    Active,
    /// Verifies what it made, makes nothing new.
    Retired,
}

/// A key as it is kept.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// Its id: 6 random bytes in base64url.
    pub kid: String,
    /// What it is for.
    pub key_use: KeyUse,
    /// The algorithm, for a signing key.
    pub algorithm: Option<SigningAlgorithm>,
    /// The key, wrapped by the master key.
    pub wrapped: Vec<u8>,
    /// When it was made, which is when it was first published.
    pub created_at: Timestamp,
    /// From when on it is used.
    pub activates_at: Timestamp,
}

impl KeyRecord {
    /// Makes a new key.
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
            KeyUse::Token => {
                let mut secret = Zeroizing::new(vec![0; 32]);
                fill_with_random(&mut secret);
                secret
            }
        };
        let wrapped = master.wrap(&wrapping_name(key_use, &kid), &secret);
        let algorithm = (key_use == KeyUse::Signing).then_some(algorithm);
        Self { kid, key_use, algorithm, wrapped, created_at, activates_at }
    }

    /// The same key, wrapped by another master key; none when it was wrapped by neither of `from`.
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

fn wrapping_name(key_use: KeyUse, kid: &str) -> String {
    format!("{} {kid}", key_use.name())
}

/// A signing key that is ready for use.
#[derive(Debug)]
pub struct ReadySigningKey {
    /// Its id.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: SigningAlgorithm,
    /// When it was first published.
    pub created_at: Timestamp,
    /// From when on it is used.
    pub activates_at: Timestamp,
    /// The first segment of every JWT that it signs.
    pub header_segment: String,
    /// Signs.
    pub key: SigningKey,
    /// Verifies.
    pub verification: VerificationKey,
    /// What is published.
    pub jwk: Jwk,
}

/// A token key that is ready for use.
#[derive(Debug)]
pub struct ReadyTokenKey {
    /// Its id.
    pub id: KeyId,
    /// From when on it is used.
    pub activates_at: Timestamp,
    /// Seals and authenticates.
    pub key: TokenKey,
}

/// All keys that are good for something.
#[derive(Debug, Default)]
pub struct KeyRing {
    signing: Vec<Arc<ReadySigningKey>>,
    signing_by_header: HashMap<String, Arc<ReadySigningKey>>,
    token: Vec<Arc<ReadyTokenKey>>,
    retired: HashMap<String, Timestamp>,
}

impl KeyRing {
    /// Unwraps and parses the keys.
    ///
    /// # Errors
    /// The id of a key that cannot be unwrapped with this master key.
    pub fn open(records: &[KeyRecord], master: &MasterKeys) -> Result<Self, String> {
        let mut ring = Self::default();
        for record in records {
            let unusable = || record.kid.clone();
            let secret =
                master.unwrap(&wrapping_name(record.key_use, &record.kid), &record.wrapped).ok_or_else(unusable)?;
            match (record.key_use, record.algorithm) {
                (KeyUse::Signing, Some(algorithm)) => {
                    let ready = Arc::new(ready_signing_key(record, algorithm, &secret).ok_or_else(unusable)?);
                    ring.signing_by_header.insert(ready.header_segment.clone(), Arc::clone(&ready));
                    ring.signing.push(ready);
                }
                (KeyUse::Token, _) => {
                    let id = from_base64url(&record.kid).and_then(|id| id.try_into().ok()).ok_or_else(unusable)?;
                    let key = TokenKey::parse(&secret).ok_or_else(unusable)?;
                    ring.token.push(Arc::new(ReadyTokenKey { id, activates_at: record.activates_at, key }));
                }
                (KeyUse::Signing, None) => return Err(unusable()),
            }
        }
        ring.signing.sort_by_key(|key| key.activates_at);
        ring.token.sort_by_key(|key| key.activates_at);
        Ok(ring)
    }

    /// The key that signs now: the last one that has become active, else the first that will.
    pub fn active_signing_key(&self, now: Timestamp) -> Option<&Arc<ReadySigningKey>> {
        self.signing.iter().rev().find(|key| key.activates_at <= now).or_else(|| self.signing.first())
    }

    /// The token key that is used now.
    pub fn active_token_key(&self, now: Timestamp) -> Option<&Arc<ReadyTokenKey>> {
        self.token.iter().rev().find(|key| key.activates_at <= now).or_else(|| self.token.first())
    }

    /// The key whose JWTs begin with this segment.
    pub fn signing_key_of(&self, header_segment: &str) -> Option<&Arc<ReadySigningKey>> {
        self.signing_by_header.get(header_segment)
    }

    /// The token key with this id.
    pub fn token_key(&self, id: KeyId) -> Option<&Arc<ReadyTokenKey>> {
        self.token.iter().find(|key| key.id == id)
    }

    /// The same keys without those that are not among these ids.
    #[must_use]
    pub fn only(&self, kids: &[String]) -> Self {
        let mut ring = Self::default();
        for key in self.signing.iter().filter(|key| kids.contains(&key.kid)) {
            ring.signing_by_header.insert(key.header_segment.clone(), Arc::clone(key));
            ring.signing.push(Arc::clone(key));
        }
        ring.token = self.token.iter().filter(|key| kids.contains(&base64url(key.id))).cloned().collect();
        ring
    }

    /// The signing key of this id.
    pub fn signing_key(&self, kid: &str) -> Option<&Arc<ReadySigningKey>> {
        self.signing.iter().find(|key| key.kid == kid)
    }

    /// The same keys, with what is known of those that were withdrawn: their ids, and since when.
    #[must_use]
    pub fn with_retired(self, retired: HashMap<String, Timestamp>) -> Self {
        Self { retired, ..self }
    }

    /// Since when a key that was once held is withdrawn.
    pub fn retired(&self, kid: &str) -> Option<Timestamp> {
        self.retired.get(kid).copied()
    }

    /// The published keys (RFC 7517 §5): announced, active and retired ones.
    pub fn jwks(&self) -> JwkSet<'_> {
        JwkSet { keys: self.signing.iter().map(|key| &key.jwk).collect() }
    }
}

fn ready_signing_key(record: &KeyRecord, algorithm: SigningAlgorithm, secret: &[u8]) -> Option<ReadySigningKey> {
    let key = SigningKey::parse(algorithm, secret)?;
    let jwk = key.public_jwk(&record.kid);
    Some(ReadySigningKey {
        kid: record.kid.clone(),
        algorithm,
        created_at: record.created_at,
        activates_at: record.activates_at,
        header_segment: jws::header_segment(ACCESS_TOKEN_TYPE, algorithm, &record.kid),
        verification: VerificationKey::from_jwk(&jwk, &[algorithm]).ok()?,
        key,
        jwk,
    })
}

/// Tells the state of every key of one use and when the retired ones are over. A key is over when the key that
/// followed it has been active for `longest` seconds: as long as anything lives that it made.
pub fn states(records: &[KeyRecord], now: Timestamp, longest: i64) -> Vec<(KeyState, Option<Timestamp>)> {
    let successor = |record: &KeyRecord| {
        records
            .iter()
            .filter(|other| other.key_use == record.key_use)
            .filter(|other| (other.activates_at, &other.kid) > (record.activates_at, &record.kid))
            .map(|other| other.activates_at)
            .min()
    };
    records
        .iter()
        .map(|record| match successor(record) {
            Some(moment) if moment <= now => (KeyState::Retired, Some(moment.plus_seconds(longest))),
            _ if record.activates_at <= now => (KeyState::Active, None),
            _ => (KeyState::Announced, None),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kid: &str, activates_at: i64) -> KeyRecord {
        KeyRecord {
            kid: kid.into(),
            key_use: KeyUse::Signing,
            algorithm: Some(SigningAlgorithm::Es256),
            wrapped: vec![],
            created_at: Timestamp::from_seconds(0),
            activates_at: Timestamp::from_seconds(activates_at),
        }
    }

    #[test]
    fn jwk_010_and_jwk_011_a_key_is_announced_then_active_then_retired_until_its_tokens_are_over() {
        let records = [record("a", 0), record("b", 1000)];
        let at = |now| states(&records, Timestamp::from_seconds(now), 900);
        assert_eq!(at(999), [(KeyState::Active, None), (KeyState::Announced, None)]);
        let over = Timestamp::from_seconds(1900);
        assert_eq!(at(1000), [(KeyState::Retired, Some(over)), (KeyState::Active, None)]);
    }

    #[test]
    fn the_announced_key_is_published_and_does_not_sign() {
        let master = MasterKey::parse(&MasterKey::generate()).unwrap();
        let at = Timestamp::from_seconds;
        let make = |moment| KeyRecord::generate(KeyUse::Signing, SigningAlgorithm::EdDsa, &master, at(0), at(moment));
        let (first, second) = (make(0), make(600));
        let ring = KeyRing::open(&[second.clone(), first.clone()], &master.into()).unwrap();
        assert_eq!(ring.jwks().keys.len(), 2);
        assert_eq!(ring.active_signing_key(at(599)).unwrap().kid, first.kid);
        assert_eq!(ring.active_signing_key(at(600)).unwrap().kid, second.kid);
        assert!(KeyRing::open(&[first], &MasterKey::parse(&MasterKey::generate()).unwrap().into()).is_err());
    }
}
