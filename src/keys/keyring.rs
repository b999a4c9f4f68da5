//! The keys of a node, unwrapped and parsed: which of them sign now, and which only verify.

use std::collections::HashMap;
use std::sync::Arc;

use crate::crypto::{base64url, from_base64url};
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::jwk::{Jwk, JwkSet};
use crate::jose::jws;
use crate::jose::signing::SigningKey;
use crate::jose::verification::VerificationKey;
use crate::keys::master::MasterKeys;
use crate::keys::record::{KeyRecord, KeyUse, wrapping_name};
use crate::keys::token_key::{KeyId, TokenKey};
use crate::keys::wrapping::WrappingKey;
use crate::protocol::client::AccessTokenTyp;
use crate::protocol::time::Timestamp;

/// A signing key, ready for use.
#[derive(Debug)]
pub struct ReadySigningKey {
    /// Its id.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: SigningAlgorithm,
    /// When it was first published.
    pub created_at: Timestamp,
    /// When it comes into use.
    pub activates_at: Timestamp,
    /// The first segment of the access tokens that it signs, for each `typ`. ID tokens may begin with one of these, too; they lack
    /// claims that every access token has.
    header_segments: Vec<(AccessTokenTyp, String)>,
    /// The private key.
    pub key: SigningKey,
    /// The public key.
    pub verification: VerificationKey,
    /// The public key as it is published.
    pub jwk: Jwk,
}

impl ReadySigningKey {
    /// The first segment of the access tokens with this `typ` that it signs.
    pub fn header_segment(&self, typ: AccessTokenTyp) -> &str {
        let found = self.header_segments.iter().find(|(known, _)| *known == typ);
        found.map_or("", |(_, segment)| segment)
    }

    fn is_for_access_tokens(&self) -> bool {
        SigningAlgorithm::OF_ACCESS_TOKENS.contains(&self.algorithm)
    }
}

/// A token key, ready for use.
#[derive(Debug)]
pub struct ReadyTokenKey {
    /// Its id.
    pub id: KeyId,
    /// When it comes into use.
    pub activates_at: Timestamp,
    /// The keys that seal and authenticate.
    pub key: TokenKey,
}

/// The data key, ready for use.
#[derive(Debug)]
pub struct ReadyDataKey {
    /// Its id.
    pub kid: String,
    /// The key that encrypts what the database keeps.
    pub key: WrappingKey,
}

/// Every key of an issuer.
#[derive(Debug, Default)]
pub struct KeyRing {
    signing: Vec<Arc<ReadySigningKey>>,
    signing_by_header: HashMap<String, Arc<ReadySigningKey>>,
    token: Vec<Arc<ReadyTokenKey>>,
    data: Option<Arc<ReadyDataKey>>,
    retired: HashMap<String, Timestamp>,
}

impl KeyRing {
    /// Unwraps and parses the keys. An error is the id of one for which that fails.
    pub fn open(records: &[KeyRecord], master: &MasterKeys) -> Result<Self, String> {
        let mut ring = Self::default();
        for record in records {
            let unusable = || record.kid.clone();
            let secret =
                master.unwrap(&wrapping_name(record.key_use, &record.kid), &record.wrapped).ok_or_else(unusable)?;
            match (record.key_use, record.algorithm) {
                (KeyUse::Signing, Some(algorithm)) => {
                    let ready = Arc::new(ready_signing_key(record, algorithm, &secret).ok_or_else(unusable)?);
                    ring.add(ready);
                }
                (KeyUse::Token, _) => {
                    let id = from_base64url(&record.kid).and_then(|id| id.try_into().ok()).ok_or_else(unusable)?;
                    let key = TokenKey::parse(&secret).ok_or_else(unusable)?;
                    ring.token.push(Arc::new(ReadyTokenKey { id, activates_at: record.activates_at, key }));
                }
                (KeyUse::Data, _) => {
                    let key = WrappingKey::parse(&secret).ok_or_else(unusable)?;
                    ring.data = Some(Arc::new(ReadyDataKey { kid: record.kid.clone(), key }));
                }
                (KeyUse::Signing, None) => return Err(unusable()),
            }
        }
        ring.signing.sort_by_key(|key| key.activates_at);
        ring.token.sort_by_key(|key| key.activates_at);
        Ok(ring)
    }

    fn add(&mut self, key: Arc<ReadySigningKey>) {
        for (_, segment) in &key.header_segments {
            self.signing_by_header.insert(segment.clone(), Arc::clone(&key));
        }
        self.signing.push(key);
    }

    /// The key that signs with this algorithm now, if one is active.
    fn active_signing_key(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Option<&Arc<ReadySigningKey>> {
        self.active_signing_keys(now).find(|key| key.algorithm == algorithm)
    }

    /// The key that signs access tokens now: the active one of the configured algorithm. Until there is one, the newest
    /// active key signs; after every active key was deleted, the first announced one.
    pub fn access_token_key(&self, configured: SigningAlgorithm, now: Timestamp) -> Option<&Arc<ReadySigningKey>> {
        self.active_signing_key(configured, now)
            .or_else(|| self.active_signing_keys(now).find(|key| key.is_for_access_tokens()))
            .or_else(|| self.signing.iter().find(|key| key.is_for_access_tokens()))
    }

    /// The key that signs with this algorithm now: the active one, else the first that is announced.
    pub fn signing_key_for(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Option<&Arc<ReadySigningKey>> {
        self.active_signing_key(algorithm, now).or_else(|| self.signing.iter().find(|key| key.algorithm == algorithm))
    }

    /// The keys that have become active, newest first.
    fn active_signing_keys(&self, now: Timestamp) -> impl Iterator<Item = &Arc<ReadySigningKey>> {
        self.signing.iter().rev().filter(move |key| key.activates_at <= now)
    }

    /// The token key that is used now.
    pub fn active_token_key(&self, now: Timestamp) -> Option<&Arc<ReadyTokenKey>> {
        self.token.iter().rev().find(|key| key.activates_at <= now).or_else(|| self.token.first())
    }

    /// The key whose JWTs begin with this segment.
    pub(crate) fn signing_key_of(&self, header_segment: &str) -> Option<&Arc<ReadySigningKey>> {
        self.signing_by_header.get(header_segment)
    }

    /// The token key with this id.
    pub fn token_key(&self, id: KeyId) -> Option<&Arc<ReadyTokenKey>> {
        self.token.iter().find(|key| key.id == id)
    }

    /// The data key, if one was needed yet.
    pub const fn data_key(&self) -> Option<&Arc<ReadyDataKey>> {
        self.data.as_ref()
    }

    /// Whether it has no keys, because nothing was loaded yet.
    pub fn is_empty(&self) -> bool {
        self.signing.is_empty() && self.token.is_empty()
    }

    /// Only the keys with these ids.
    #[must_use]
    pub fn only(&self, kids: &[String]) -> Self {
        let mut ring = Self::default();
        self.signing.iter().filter(|key| kids.contains(&key.kid)).cloned().for_each(|key| ring.add(key));
        ring.token = self.token.iter().filter(|key| kids.contains(&base64url(key.id))).cloned().collect();
        ring.data = self.data.clone().filter(|key| kids.contains(&key.kid));
        ring
    }

    /// The signing key with this id.
    pub fn signing_key(&self, kid: &str) -> Option<&Arc<ReadySigningKey>> {
        self.signing.iter().find(|key| key.kid == kid)
    }

    /// The same keys, with the time at which each deleted key was deleted.
    #[must_use]
    pub fn with_retired(self, retired: HashMap<String, Timestamp>) -> Self {
        Self { retired, ..self }
    }

    /// When a key was deleted, if it was.
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
        header_segments: AccessTokenTyp::ALL
            .iter()
            .map(|typ| (*typ, jws::header_segment(typ.name(), algorithm, &record.kid)))
            .collect(),
        verification: VerificationKey::from_jwk(&jwk, &[algorithm]).ok()?,
        key,
        jwk,
    })
}

#[cfg(test)]
impl KeyRing {
    /// A ring with one new key, which signs by this algorithm.
    pub(crate) fn with_signing_key(algorithm: SigningAlgorithm) -> Self {
        Self::with_key(KeyUse::Signing, algorithm)
    }

    /// A ring with one new key, for tokens of this server alone.
    pub(crate) fn with_token_key() -> Self {
        Self::with_key(KeyUse::Token, SigningAlgorithm::Es256)
    }

    fn with_key(key_use: KeyUse, algorithm: SigningAlgorithm) -> Self {
        use crate::keys::master::MasterKey;
        let (master, start) = (MasterKey::parse(&MasterKey::generate()).unwrap(), Timestamp::from_seconds(0));
        let record = KeyRecord::generate(key_use, algorithm, &master, start, start);
        Self::open(&[record], &master.into()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::master::MasterKey;

    #[test]
    fn the_announced_key_is_published_and_does_not_sign() {
        let master = MasterKey::parse(&MasterKey::generate()).unwrap();
        let at = Timestamp::from_seconds;
        let make = |algorithm, moment| KeyRecord::generate(KeyUse::Signing, algorithm, &master, at(0), at(moment));
        let (first, second) = (make(SigningAlgorithm::EdDsa, 0), make(SigningAlgorithm::EdDsa, 600));
        let ring = KeyRing::open(&[second.clone(), first.clone()], &master.into()).unwrap();
        assert_eq!(ring.jwks().keys.len(), 2);
        let signing = |now| ring.access_token_key(SigningAlgorithm::EdDsa, at(now)).unwrap().kid.clone();
        assert_eq!((signing(599), signing(600)), (first.kid.clone(), second.kid));
        assert!(KeyRing::open(&[first], &MasterKey::parse(&MasterKey::generate()).unwrap().into()).is_err());
    }

    #[test]
    fn each_algorithm_has_its_active_key_and_access_tokens_follow_the_configured_one() {
        let master = MasterKey::parse(&MasterKey::generate()).unwrap();
        let at = Timestamp::from_seconds;
        let make = |algorithm, moment| KeyRecord::generate(KeyUse::Signing, algorithm, &master, at(0), at(moment));
        let es256 = make(SigningAlgorithm::Es256, 0);
        let (old, new) = (make(SigningAlgorithm::EdDsa, 600), make(SigningAlgorithm::EdDsa, 1200));
        let ring = KeyRing::open(&[old.clone(), new.clone(), es256.clone()], &master.into()).unwrap();
        let active = |algorithm, now| ring.active_signing_key(algorithm, at(now)).map(|key| key.kid.clone());
        assert_eq!(active(SigningAlgorithm::EdDsa, 599), None);
        assert_eq!(active(SigningAlgorithm::EdDsa, 600), Some(old.kid.clone()));
        assert_eq!(active(SigningAlgorithm::EdDsa, 1200), Some(new.kid.clone()));
        assert_eq!(active(SigningAlgorithm::Es256, 1200), Some(es256.kid.clone()));
        let signs = |configured, now| ring.access_token_key(configured, at(now)).unwrap().kid.clone();
        assert_eq!(signs(SigningAlgorithm::Es256, 1200), es256.kid);
        assert_eq!(signs(SigningAlgorithm::EdDsa, 599), es256.kid, "announced keys do not sign");
        assert_eq!(signs(SigningAlgorithm::EdDsa, 600), old.kid);
        assert_eq!(signs(SigningAlgorithm::Rs256, 1200), new.kid, "there is no RS256 key: the newest active one signs");
        let left = ring.only(std::slice::from_ref(&new.kid));
        assert_eq!(left.access_token_key(SigningAlgorithm::Es256, at(0)).unwrap().kid, new.kid, "nothing else is left");
    }

    #[test]
    fn the_data_key_is_read_and_signs_nothing() {
        let master = MasterKey::parse(&MasterKey::generate()).unwrap();
        let at = Timestamp::from_seconds(0);
        let make = |key_use| KeyRecord::generate(key_use, SigningAlgorithm::EdDsa, &master, at, at);
        let records = [KeyUse::Signing, KeyUse::Token, KeyUse::Data].map(make);
        let kid = records[2].kid.clone();
        let ring = KeyRing::open(&records, &master.into()).unwrap();
        let sealed = ring.data_key().unwrap().key.wrap("name", b"secret");
        assert_eq!(ring.data_key().unwrap().key.unwrap("name", &sealed).unwrap().as_slice(), b"secret");
        assert!(ring.data_key().unwrap().key.unwrap("other name", &sealed).is_none());
        assert_eq!((ring.jwks().keys.len(), ring.signing_key(&kid).is_none()), (1, true));
        assert!(ring.only(std::slice::from_ref(&kid)).data_key().is_some());
        assert!(ring.only(&[records[0].kid.clone()]).data_key().is_none());
    }
}
