//! Signed tokens in compact form (RFC 7515 §3.1): one signer and one verifier for every type of token and every key.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use crate::crypto::{base64url, from_base64url};
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::signing::SigningKey;
use crate::jose::verification::VerificationKey;

/// What a header says. Keys or their addresses (`jwk`, `jku`, `x5c`, `x5u`) are never read: the caller chooses the key.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Header {
    /// The type of the token, such as `at+jwt`.
    pub typ: Option<String>,
    /// The algorithm.
    pub alg: String,
    /// The id of the key.
    pub kid: Option<String>,
    /// Whether it has `crit`, with any value.
    #[serde(default, rename = "crit", deserialize_with = "is_present")]
    requires_extension: bool,
}

fn is_present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Which `typ` a token must have, so that no token is taken for one of another type (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug)]
pub enum ExpectedType<'a> {
    /// One of these.
    OneOf(&'a [&'a str]),
    /// One of these or none: for assertions, which were never given a type of their own.
    AbsentOr(&'a [&'a str]),
}

impl ExpectedType<'_> {
    /// Whether a token may have this `typ`, or none.
    pub fn includes(self, typ: Option<&str>) -> bool {
        match (self, typ) {
            (Self::OneOf(types) | Self::AbsentOr(types), Some(typ)) => {
                types.iter().any(|expected| is_type(typ, expected))
            }
            (Self::OneOf(_), None) => false,
            (Self::AbsentOr(_), None) => true,
        }
    }
}

/// Why a token was not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// It is not three segments of base64url that begin with a JSON object.
    #[error("it is not a signed token in compact form")]
    Malformed,
    /// It requires an extension (`crit`, RFC 7515 §4.1.11); there are none here.
    #[error("it requires an extension that is not supported")]
    Critical,
    /// Its `typ` is not one of those expected here.
    #[error("it is a token of another type")]
    WrongType,
    /// Its `alg` is not one that the key is for.
    #[error("its algorithm does not fit the key")]
    WrongAlgorithm,
    /// Its signature was not made with this key over this content.
    #[error("the signature does not match")]
    BadSignature,
    /// Its signature is right, but its claims do not have the expected form.
    #[error("the claims are malformed")]
    BadClaims,
}

/// The header of the tokens of one type that a key signs, encoded once.
pub fn header_segment(typ: &str, algorithm: SigningAlgorithm, kid: &str) -> String {
    base64url(format!(r#"{{"typ":"{typ}","alg":"{algorithm}","kid":"{kid}"}}"#))
}

/// Signs claims; `header_segment` is one that [`header_segment`] made for this key.
///
/// # Panics
/// When the claims cannot be written as JSON.
pub fn sign(header_segment: &str, claims: &impl Serialize, key: &SigningKey) -> String {
    let payload = serde_json::to_vec(claims).expect("claims are JSON");
    let mut token = String::with_capacity(header_segment.len() + payload.len() * 4 / 3 + 400);
    token.push_str(header_segment);
    token.push('.');
    token.push_str(&base64url(payload));
    let signature = key.sign(token.as_bytes());
    token.push('.');
    token.push_str(&base64url(signature));
    token
}

/// The length of what [`sign`] makes of these, in bytes.
///
/// # Panics
/// When the claims cannot be written as JSON.
pub fn signed_length(header_segment: &str, claims: &impl Serialize, key: &SigningKey) -> usize {
    let payload = serde_json::to_vec(claims).expect("claims are JSON");
    let encoded = |bytes: usize| (bytes * 4).div_ceil(3);
    header_segment.len() + 1 + encoded(payload.len()) + 1 + encoded(key.signature_length())
}

/// Reads the header to choose a key by it. Nothing is proved yet.
pub fn header(token: &str) -> Result<Header, JwsError> {
    header_with_json(token).map(|(header, _)| header)
}

/// The same, with its JSON: for a caller that reads more of it.
pub(crate) fn header_with_json(token: &str) -> Result<(Header, Vec<u8>), JwsError> {
    let (segment, _) = token.split_once('.').ok_or(JwsError::Malformed)?;
    let json = from_base64url(segment).filter(|json| json.starts_with(b"{")).ok_or(JwsError::Malformed)?;
    let header: Header = serde_json::from_slice(&json).map_err(|_| JwsError::Malformed)?;
    if header.requires_extension { Err(JwsError::Critical) } else { Ok((header, json)) }
}

/// Verifies a token with a key and returns its header and claims. Time, issuer and audience are the caller's to judge.
pub fn verify<C: DeserializeOwned>(
    token: &str,
    expected: ExpectedType<'_>,
    key: &VerificationKey,
) -> Result<(Header, C), JwsError> {
    let header = header(token)?;
    let claims = verify_with_header(token, &header, expected, key)?;
    Ok((header, claims))
}

/// The same with `header`, which must be what [`header`] read from this very token: it is not read again. Returns the claims.
pub(crate) fn verify_with_header<C: DeserializeOwned>(
    token: &str,
    header: &Header,
    expected: ExpectedType<'_>,
    key: &VerificationKey,
) -> Result<C, JwsError> {
    let (input, signature) = token.rsplit_once('.').ok_or(JwsError::Malformed)?;
    let (_, payload) = input.split_once('.').ok_or(JwsError::Malformed)?;
    if !expected.includes(header.typ.as_deref()) {
        return Err(JwsError::WrongType);
    }
    let algorithm = SigningAlgorithm::to_verify(&header.alg).filter(|algorithm| key.allows(*algorithm));
    let algorithm = algorithm.ok_or(JwsError::WrongAlgorithm)?;
    let payload = from_base64url(payload).ok_or(JwsError::Malformed)?;
    from_base64url(signature).ok_or(JwsError::Malformed)?;
    if !key.verify(algorithm, input.as_bytes(), signature) {
        return Err(JwsError::BadSignature);
    }
    serde_json::from_slice(&payload).map_err(|_| JwsError::BadClaims)
}

/// Media types are compared without case, and `application/` may be left out (RFC 7515 §4.1.9).
fn is_type(typ: &str, expected: &str) -> bool {
    let name = match typ.split_at_checked("application/".len()) {
        Some((prefix, name)) if prefix.eq_ignore_ascii_case("application/") => name,
        _ => typ,
    };
    name.eq_ignore_ascii_case(expected)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    struct Party {
        key: SigningKey,
        public: VerificationKey,
    }

    fn party(algorithm: SigningAlgorithm) -> Party {
        let key = SigningKey::parse(algorithm, &SigningKey::generate(algorithm)).unwrap();
        let public = VerificationKey::from_jwk(&key.public_jwk("a"), &[algorithm]).unwrap();
        Party { key, public }
    }

    /// A token with any header at all.
    fn token(header: &Value, party: &Party) -> String {
        sign(&base64url(header.to_string()), &json!({"sub": "c"}), &party.key)
    }

    fn outcome(token: &str, party: &Party) -> Result<Value, JwsError> {
        verify(token, ExpectedType::OneOf(&["jwt"]), &party.public).map(|(_, claims)| claims)
    }

    #[test]
    fn a_token_of_each_algorithm_verifies_with_its_own_key_only() {
        let parties = SigningAlgorithm::ALL.map(party);
        for signer in &parties {
            let token = sign(&header_segment("JWT", signer.key.algorithm(), "a"), &json!({"sub": "c"}), &signer.key);
            let (header, claims) = verify::<Value>(&token, ExpectedType::OneOf(&["jwt"]), &signer.public).unwrap();
            assert_eq!((header.kid.as_deref(), claims), (Some("a"), json!({"sub": "c"})));
            assert_eq!(outcome(&token, &party(signer.key.algorithm())), Err(JwsError::BadSignature));
            for other in parties.iter().filter(|other| other.key.algorithm() != signer.key.algorithm()) {
                assert_eq!(outcome(&token, other), Err(JwsError::WrongAlgorithm));
            }
        }
    }

    #[test]
    fn each_rule_for_tokens_refuses_what_breaks_it() {
        let party = party(SigningAlgorithm::Es256);
        let good = token(&json!({"typ": "JWT", "alg": "ES256"}), &party);
        assert!(outcome(&good, &party).is_ok());
        let rows = [
            (json!({"typ": "JWT", "alg": "ES256", "crit": ["b64"]}), JwsError::Critical),
            (json!({"typ": "JWT", "alg": "ES256", "crit": null}), JwsError::Critical),
            (json!({"typ": "at+jwt", "alg": "ES256"}), JwsError::WrongType),
            (json!({"alg": "ES256"}), JwsError::WrongType),
            (json!({"typ": "JWT", "alg": "none"}), JwsError::WrongAlgorithm),
            (json!({"typ": "JWT", "alg": "HS256"}), JwsError::WrongAlgorithm),
            (json!({"typ": "JWT", "alg": "RS256"}), JwsError::WrongAlgorithm),
            (json!({"typ": "JWT"}), JwsError::Malformed),
            (json!({"typ": "JWT", "alg": "ES256", "kid": 7}), JwsError::Malformed),
            (json!(["JWT", "ES256", null, null]), JwsError::Malformed),
        ];
        for (header, expected) in rows {
            assert_eq!(outcome(&token(&header, &party), &party), Err(expected), "{header}");
        }
        let (input, signature) = good.rsplit_once('.').unwrap();
        let (header, payload) = input.split_once('.').unwrap();
        let rows = [
            (format!("{input}."), JwsError::BadSignature),
            (format!("{header}.{}.{signature}", base64url(r#"{"sub":"d"}"#)), JwsError::BadSignature),
            (input.to_owned(), JwsError::Malformed),
            (format!("{good}="), JwsError::Malformed),
            (format!("{header}.{payload}.{payload}.{signature}"), JwsError::Malformed),
            (format!("{header}.{payload}={}", &good[input.len()..]), JwsError::Malformed),
        ];
        for (text, expected) in rows {
            assert_eq!(outcome(&text, &party), Err(expected), "{text}");
        }
        assert_eq!(
            verify::<Vec<u8>>(&good, ExpectedType::OneOf(&["jwt"]), &party.public).err(),
            Some(JwsError::BadClaims)
        );
    }

    #[test]
    fn a_key_inside_the_token_is_never_used() {
        let (ours, theirs) = (party(SigningAlgorithm::Es256), party(SigningAlgorithm::Es256));
        let jwk = theirs.key.public_jwk("a");
        let header =
            json!({"typ": "JWT", "alg": "ES256", "jwk": jwk, "jku": "https://e.example", "x5u": "https://e.example"});
        assert_eq!(outcome(&token(&header, &theirs), &ours), Err(JwsError::BadSignature));
        assert!(outcome(&token(&header, &ours), &ours).is_ok());
    }

    #[test]
    fn ed25519_is_another_name_of_eddsa_and_of_nothing_else() {
        let (ed, ec) = (party(SigningAlgorithm::EdDsa), party(SigningAlgorithm::Es256));
        let header = json!({"typ": "JWT", "alg": "Ed25519"});
        assert!(outcome(&token(&header, &ed), &ed).is_ok());
        assert_eq!(outcome(&token(&header, &ec), &ec), Err(JwsError::WrongAlgorithm));
        assert_eq!(outcome(&token(&header, &party(SigningAlgorithm::EdDsa)), &ed), Err(JwsError::BadSignature));
    }

    #[test]
    fn types_are_media_types() {
        let party = party(SigningAlgorithm::EdDsa);
        for typ in ["JWT", "jwt", "application/jwt", "Application/JWT"] {
            assert!(outcome(&token(&json!({"typ": typ, "alg": "EdDSA"}), &party), &party).is_ok(), "{typ}");
        }
        let as_assertion = |header: Value| {
            let expected = ExpectedType::AbsentOr(&["jwt"]);
            verify::<Value>(&token(&header, &party), expected, &party.public).err()
        };
        assert_eq!(as_assertion(json!({"alg": "EdDSA"})), None);
        assert_eq!(as_assertion(json!({"typ": "JWT", "alg": "EdDSA"})), None);
        assert_eq!(as_assertion(json!({"typ": "at+jwt", "alg": "EdDSA"})), Some(JwsError::WrongType));
    }
}
