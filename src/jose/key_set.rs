//! Sets of the public keys of others (RFC 7517 §5), and which of them verifies a token.

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::jwk::Jwk;
use crate::jose::jws::{self, ExpectedType, Header};
use crate::jose::verification::{KeyError, VerificationKey};

/// The most keys that a client may register, and the most that are tried for one token.
pub const MOST_KEYS: usize = 8;
/// The most keys that may be registered for an issuer: while it changes its keys, it has more than one of each kind.
const MOST_ISSUER_KEYS: usize = 32;
/// The most keys that are kept of a set that was fetched.
const MOST_FETCHED: usize = 64;
/// The `use` of keys that verify JWT-SVIDs (SPIFFE Trust Domain and Bundle §4.2.2).
const FOR_JWT_SVIDS: &str = "jwt-svid";
/// The `use` of keys that verify certificates there.
const FOR_X509_SVIDS: &str = "x509-svid";
/// The longest `kid` of a key that is registered, in bytes.
const LONGEST_KID: usize = 255;

#[derive(Debug)]
struct Member {
    kid: Option<String>,
    thumbprint: [u8; 32],
    key: VerificationKey,
}

impl Member {
    fn of(jwk: Jwk) -> Result<Self, KeyError> {
        let key = VerificationKey::from_jwk(&jwk, &SigningAlgorithm::ALL)?;
        Ok(Self { thumbprint: jwk.thumbprint(), kid: jwk.kid, key })
    }
}

/// Why no key of a set verified a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// None has the `kid` and the algorithm of its header.
    NoSuchKey,
    /// Those that have did not make its signature. A key without a `kid` has only the `kid` of a header without one.
    BadSignature,
}

/// The keys of somebody else.
#[derive(Debug, Default)]
pub struct KeySet {
    members: Vec<Member>,
}

impl KeySet {
    /// Reads a set of which every key must be good.
    ///
    /// # Errors
    /// The first thing that is wrong, without any value.
    pub fn check(set: &Map<String, Value>) -> Result<Self, String> {
        Self::checked(set, MOST_KEYS, |_| true)
    }

    /// The same for the set of an issuer, which may be the bundle of a SPIFFE trust domain: that has keys for certificates as well, which
    /// are left out.
    ///
    /// # Errors
    /// The first thing that is wrong, without any value.
    pub fn check_bundle(set: &Map<String, Value>) -> Result<Self, String> {
        let is_for_tokens = |jwk: &mut Jwk| {
            if jwk.key_use.as_deref() == Some(FOR_JWT_SVIDS) {
                jwk.key_use = None;
            }
            jwk.key_use.as_deref() != Some(FOR_X509_SVIDS)
        };
        let set = Self::checked(set, MOST_ISSUER_KEYS, is_for_tokens)?;
        if set.members.is_empty() { Err("it has no key for tokens".into()) } else { Ok(set) }
    }

    fn checked(set: &Map<String, Value>, most: usize, is_wanted: impl Fn(&mut Jwk) -> bool) -> Result<Self, String> {
        let Some(Value::Array(keys)) = set.get("keys") else { return Err("it has no list of keys".into()) };
        if keys.is_empty() || keys.len() > most {
            return Err(format!("keys has {} entries, and must have 1 to {most}", keys.len()));
        }
        let mut members: Vec<Member> = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let wrong = |problem: &str| Err(format!("keys[{index}]: {problem}"));
            let Some(mut jwk) = Jwk::deserialize_object(key) else {
                return wrong("it is not a key whose members have the right types");
            };
            if !is_wanted(&mut jwk) {
                continue;
            }
            let member = match Member::of(jwk) {
                Ok(member) => member,
                Err(problem) => return wrong(&problem.to_string()),
            };
            if member.kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > LONGEST_KID) {
                return wrong("kid is empty or has more than 255 bytes");
            }
            if member.kid.is_some() && members.iter().any(|other| other.kid == member.kid) {
                return wrong("another key has the same kid");
            }
            members.push(member);
        }
        Ok(Self { members })
    }

    /// Takes the keys out of a set that can be used here, and leaves out others (RFC 7517 §5). In the bundle of a SPIFFE trust
    /// domain, the keys of JWT-SVIDs have a `use` of their own.
    pub fn usable(set: &Map<String, Value>) -> Option<Self> {
        let keys = set.get("keys")?.as_array()?;
        let read = |key: &Value| {
            let mut jwk = Jwk::deserialize_object(key)?;
            if jwk.key_use.as_deref() == Some(FOR_JWT_SVIDS) {
                jwk.key_use = None;
            }
            Member::of(jwk).ok()
        };
        let members = keys.iter().filter_map(read);
        Some(Self { members: members.take(MOST_FETCHED).collect() })
    }

    /// The same for a set in a document, if that is one.
    pub fn in_document(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok().and_then(|set| Self::usable(&set))
    }

    /// Verifies a token, whose header was read before, with the keys that fit it; returns the thumbprint of the one that did. A key
    /// without a `kid` fits every one.
    ///
    /// # Errors
    /// [`Unverified`].
    pub fn verify(&self, token: &str, header: &Header, expected: ExpectedType<'_>) -> Result<[u8; 32], Unverified> {
        let algorithm = SigningAlgorithm::to_verify(&header.alg);
        let has_name = |member: &&Member| header.kid.is_none() || member.kid.is_none() || member.kid == header.kid;
        let fits = |member: &&Member| algorithm.is_some_and(|algorithm| member.key.allows(algorithm));
        let mut why = Unverified::NoSuchKey;
        for member in self.members.iter().filter(has_name).filter(fits).take(MOST_KEYS) {
            if jws::verify_with_header::<IgnoredAny>(token, header, expected, &member.key).is_ok() {
                return Ok(member.thumbprint);
            }
            // A key that fits every name may not be the one that is named: that may be new, and looked for.
            if header.kid.is_none() || member.kid == header.kid {
                why = Unverified::BadSignature;
            }
        }
        Err(why)
    }

    /// Whether it has the key with this thumbprint.
    pub fn has(&self, thumbprint: &[u8; 32]) -> bool {
        self.members.iter().any(|member| member.thumbprint == *thumbprint)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::base64url;
    use crate::jose::signing::SigningKey;

    fn new_key(algorithm: SigningAlgorithm) -> SigningKey {
        SigningKey::parse(algorithm, &SigningKey::generate(algorithm)).unwrap()
    }

    /// The public half, with members replaced or, by null, removed.
    fn public(key: &SigningKey, kid: &str, changes: Value) -> Value {
        let mut jwk = serde_json::to_value(key.public_jwk(kid)).unwrap();
        let members = jwk.as_object_mut().unwrap();
        members.extend(changes.as_object().cloned().unwrap());
        members.retain(|_, value| !value.is_null());
        jwk
    }

    fn set(keys: Value) -> Map<String, Value> {
        Map::from_iter([("keys".to_owned(), keys)])
    }

    fn signed(key: &SigningKey, header: Value) -> String {
        jws::sign(&base64url(header.to_string()), &json!({"sub": "c"}), key)
    }

    fn verified(keys: &KeySet, token: &str) -> Result<[u8; 32], Unverified> {
        keys.verify(token, &jws::header(token).unwrap(), ExpectedType::AbsentOr(&["JWT"]))
    }

    #[test]
    fn each_rule_for_registered_keys_refuses_what_breaks_it() {
        let key = new_key(SigningAlgorithm::Es256);
        let good = public(&key, "a", json!({}));
        assert!(KeySet::check(&set(json!([good.clone()]))).is_ok());
        let long = "x".repeat(256);
        for (keys, expected) in [
            (json!(null), "no list of keys"),
            (json!({}), "no list of keys"),
            (json!([]), "keys has 0 entries"),
            (json!(vec![good.clone(); 9]), "keys has 9 entries"),
            (json!(["x"]), "keys[0]: it is not a key"),
            (json!([{"kty": 1}]), "keys[0]: it is not a key"),
            (json!([["EC"]]), "keys[0]: it is not a key"),
            (json!([good.clone(), good.clone()]), "keys[1]: another key has the same kid"),
            (json!([public(&key, "", json!({}))]), "keys[0]: kid is empty"),
            (json!([public(&key, &long, json!({}))]), "keys[0]: kid is empty or has more"),
            (json!([public(&key, "a", json!({"d": "AAAA"}))]), "keys[0]: the key is not public"),
            (json!([{"kty": "oct", "k": "c2VjcmV0"}]), "keys[0]: the key is not public"),
            (json!([public(&key, "a", json!({"use": "enc"}))]), "keys[0]: the key is not for verifying"),
            (json!([public(&key, "a", json!({"crv": "P-521"}))]), "keys[0]: only P-256"),
            (json!([public(&key, "a", json!({"alg": "HS256"}))]), "keys[0]: the key is for an algorithm"),
            (json!([public(&key, "a", json!({"x": null}))]), "keys[0]: the parameters"),
        ] {
            let problem = KeySet::check(&set(keys.clone())).unwrap_err();
            assert!(problem.contains(expected), "{keys}: {problem}");
            assert!(!problem.contains("c2VjcmV0"), "{problem}");
        }
        assert!(KeySet::check(&Map::new()).is_err());
        // Of a set that was fetched, the good ones are taken.
        let mixed = json!({"keys": [{"kty": "oct", "k": "x"}, {"kty": "EC", "crv": "P-521"}, 1, good]});
        let keys = KeySet::in_document(mixed.to_string().as_bytes()).unwrap();
        assert_eq!(keys.members.len(), 1);
        for document in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
            assert!(KeySet::in_document(document.as_bytes()).is_none(), "{document}");
        }
        assert!(KeySet::in_document(br#"{"keys":[]}"#).is_some_and(|keys| keys.members.is_empty()));
    }

    #[test]
    fn of_a_bundle_the_keys_for_tokens_are_taken() {
        let (for_tokens, for_certificates) = (new_key(SigningAlgorithm::Es256), new_key(SigningAlgorithm::Es256));
        let bundle = set(json!([
            public(&for_certificates, "x", json!({"use": "x509-svid", "alg": null, "kid": null, "x5c": ["AAAA"]})),
            public(&for_tokens, "t", json!({"use": "jwt-svid", "alg": null})),
        ]));
        for keys in [KeySet::check_bundle(&bundle).unwrap(), KeySet::usable(&bundle).unwrap()] {
            assert!(verified(&keys, &signed(&for_tokens, json!({"alg": "ES256", "kid": "t"}))).is_ok());
            assert_eq!(keys.members.len(), 1);
        }
        assert!(KeySet::check(&bundle).is_err(), "a client has no such keys");
        let secret = set(json!([{"kty": "oct", "k": "c2VjcmV0", "use": "jwt-svid"}]));
        assert!(KeySet::check_bundle(&secret).unwrap_err().contains("not public"));
        let only = public(&for_certificates, "x", json!({"use": "x509-svid"}));
        assert!(KeySet::check_bundle(&set(json!([only]))).unwrap_err().contains("no key for tokens"));
    }

    #[test]
    fn pkj_010_pkj_011_only_the_keys_that_fit_the_header_are_tried() {
        let [first, second, rsa, other] =
            [SigningAlgorithm::Es256, SigningAlgorithm::Es256, SigningAlgorithm::Rs256, SigningAlgorithm::Es256]
                .map(new_key);
        let keys = json!([
            public(&first, "first", json!({})),
            public(&second, "second", json!({})),
            public(&rsa, "rsa", json!({})),
        ]);
        let keys = KeySet::check(&set(keys)).unwrap();
        let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid});
        let print = first.public_jwk("any").thumbprint();
        assert_eq!(verified(&keys, &signed(&first, header("ES256", "first"))), Ok(print));
        assert_eq!(verified(&keys, &signed(&first, json!({"alg": "ES256"}))), Ok(print));
        assert!(keys.has(&print) && !keys.has(&other.public_jwk("first").thumbprint()));
        for (token, expected) in [
            (signed(&first, header("ES256", "second")), Unverified::BadSignature),
            (signed(&first, header("ES256", "third")), Unverified::NoSuchKey),
            (signed(&first, header("ES256", "rsa")), Unverified::NoSuchKey),
            (signed(&first, header("EdDSA", "first")), Unverified::NoSuchKey),
            (signed(&first, header("HS256", "first")), Unverified::NoSuchKey),
            (signed(&first, header("none", "first")), Unverified::NoSuchKey),
            (signed(&rsa, header("PS256", "rsa")), Unverified::NoSuchKey),
            (signed(&other, json!({"alg": "ES256"})), Unverified::BadSignature),
            (
                signed(&other, json!({"alg": "ES256", "kid": "first", "jwk": other.public_jwk("first")})),
                Unverified::BadSignature,
            ),
        ] {
            assert_eq!(verified(&keys, &token), Err(expected), "{token}");
        }
    }

    #[test]
    fn a_key_without_a_name_fits_every_name_and_at_most_eight_are_tried() {
        let key = new_key(SigningAlgorithm::EdDsa);
        let nameless = public(&key, "a", json!({"kid": null}));
        let keys = KeySet::check(&set(json!([nameless]))).unwrap();
        assert!(verified(&keys, &signed(&key, json!({"alg": "EdDSA", "kid": "b"}))).is_ok());
        let other = new_key(SigningAlgorithm::EdDsa);
        let by_other = |header: Value| verified(&keys, &signed(&other, header)).unwrap_err();
        assert_eq!(by_other(json!({"alg": "EdDSA", "kid": "b"})), Unverified::NoSuchKey, "b may be a new key");
        assert_eq!(by_other(json!({"alg": "EdDSA"})), Unverified::BadSignature);
        let others = |count: usize| {
            let others =
                (0..count).map(|index| public(&new_key(SigningAlgorithm::EdDsa), &index.to_string(), json!({})));
            let all: Vec<Value> = others.chain([public(&key, "own", json!({}))]).collect();
            KeySet::usable(&set(json!(all))).unwrap()
        };
        let without = signed(&key, json!({"alg": "EdDSA"}));
        assert!(verified(&others(7), &without).is_ok());
        assert_eq!(verified(&others(8), &without), Err(Unverified::BadSignature));
        assert!(verified(&others(8), &signed(&key, json!({"alg": "EdDSA", "kid": "own"}))).is_ok());
    }
}
