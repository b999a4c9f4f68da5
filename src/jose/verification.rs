//! Public keys that verify signatures. Our own keys and those of clients and other issuers follow the same rules
//! (RFC 8725 §3.1–§3.5).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm};
use jsonwebtoken::DecodingKey;

use crate::crypto::from_base64url;
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::jwk::Jwk;

/// Bits of an RSA modulus; a larger one would only make verifying slow.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Why a public key is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has another `kty` or `crv`.
    #[error("only P-256, Ed25519 and RSA keys are supported")]
    UnsupportedType,
    /// It holds a private or symmetric key.
    #[error("the key is not public")]
    NotPublic,
    /// Its `use` or `key_ops` forbid verifying.
    #[error("the key is not for verifying signatures")]
    NotForVerifying,
    /// Its `alg` does not fit its type, or is not on the allow-list.
    #[error("the key is for an algorithm that is not allowed")]
    AlgorithmNotAllowed,
    /// Its RSA modulus is too short or too long.
    #[error("the RSA modulus does not have 2048 to 4096 bits")]
    ModulusLength,
    /// Its RSA exponent is even, small or huge (FIPS 186-5 §5.1).
    #[error("the RSA exponent is not an odd number between 65537 and 2^32")]
    Exponent,
    /// A parameter is missing or has the wrong form or length, or a point is not on its curve.
    #[error("the parameters of the key are invalid")]
    InvalidParameters,
}

/// A checked public key. It verifies only the algorithms that the key and the caller both allow: one, or RS256 and PS256 for
/// an RSA key without `alg`.
#[derive(Debug)]
pub struct VerificationKey {
    algorithms: Vec<SigningAlgorithm>,
    key: Parsed,
}

/// Keys on curves are parsed once, which also checks them; those of RSA when they are used.
#[derive(Debug)]
enum Parsed {
    Curve(ParsedPublicKey),
    Rsa(DecodingKey),
}

impl VerificationKey {
    /// Checks a public key for the algorithms on an allow-list.
    pub fn from_jwk(jwk: &Jwk, allowed: &[SigningAlgorithm]) -> Result<Self, KeyError> {
        if jwk.has_secret() {
            return Err(KeyError::NotPublic);
        }
        let for_verifying = jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|op| op == "verify"));
        if !for_verifying || jwk.key_use.as_deref().is_some_and(|key_use| key_use != "sig") {
            return Err(KeyError::NotForVerifying);
        }
        type Parse = fn(&Jwk) -> Result<Parsed, KeyError>;
        let (possible, parse): (&[SigningAlgorithm], Parse) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("EC", Some("P-256")) => (&[SigningAlgorithm::Es256], p256),
            ("OKP", Some("Ed25519")) => (&[SigningAlgorithm::EdDsa], ed25519),
            ("RSA", _) => (&[SigningAlgorithm::Rs256, SigningAlgorithm::Ps256], rsa),
            _ => return Err(KeyError::UnsupportedType),
        };
        let fits = |algorithm: &SigningAlgorithm| {
            jwk.alg.as_deref().is_none_or(|alg| SigningAlgorithm::to_verify(alg) == Some(*algorithm))
        };
        let algorithms = possible.iter().filter(|algorithm| allowed.contains(algorithm) && fits(algorithm));
        let algorithms: Vec<_> = algorithms.copied().collect();
        if algorithms.is_empty() {
            return Err(KeyError::AlgorithmNotAllowed);
        }
        Ok(Self { algorithms, key: parse(jwk)? })
    }

    /// Whether it verifies this algorithm.
    pub fn allows(&self, algorithm: SigningAlgorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether a signature, in base64url, was made with this algorithm by the private half of this key.
    pub fn verify(&self, algorithm: SigningAlgorithm, message: &[u8], signature: &str) -> bool {
        let by_rsa = |key, name| jsonwebtoken::crypto::verify(signature, message, key, name) == Ok(true);
        self.allows(algorithm)
            && match (&self.key, algorithm) {
                (Parsed::Curve(key), _) => {
                    from_base64url(signature).is_some_and(|signature| key.verify_sig(message, &signature).is_ok())
                }
                (Parsed::Rsa(key), SigningAlgorithm::Ps256) => by_rsa(key, jsonwebtoken::Algorithm::PS256),
                (Parsed::Rsa(key), _) => by_rsa(key, jsonwebtoken::Algorithm::RS256),
            }
    }
}

/// Whether the point is on the curve is checked as well.
fn p256(jwk: &Jwk) -> Result<Parsed, KeyError> {
    let point = [vec![4], coordinate(jwk.x.as_ref())?, coordinate(jwk.y.as_ref())?].concat();
    on_a_curve(&ECDSA_P256_SHA256_FIXED, &point)
}

fn ed25519(jwk: &Jwk) -> Result<Parsed, KeyError> {
    on_a_curve(&ED25519, &coordinate(jwk.x.as_ref())?)
}

fn on_a_curve(algorithm: &'static dyn VerificationAlgorithm, key: &[u8]) -> Result<Parsed, KeyError> {
    ParsedPublicKey::new(algorithm, key).map(Parsed::Curve).map_err(|_| KeyError::InvalidParameters)
}

fn rsa(jwk: &Jwk) -> Result<Parsed, KeyError> {
    let (n, e) = (bytes(jwk.n.as_ref())?, bytes(jwk.e.as_ref())?);
    let leading_zeros = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !RSA_BITS.contains(&(n.len() * 8).saturating_sub(leading_zeros)) {
        return Err(KeyError::ModulusLength);
    }
    let exponent = e.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    if e.len() > 4 || exponent < 65_537 || exponent % 2 == 0 {
        return Err(KeyError::Exponent);
    }
    // A modulus is odd and has no leading zeros (RFC 7518 §6.3.1.1).
    if n.first() == Some(&0) || n.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(KeyError::InvalidParameters);
    }
    Ok(Parsed::Rsa(DecodingKey::from_rsa_raw_components(&n, &e)))
}

fn coordinate(parameter: Option<&String>) -> Result<Vec<u8>, KeyError> {
    bytes(parameter).and_then(|bytes| if bytes.len() == 32 { Ok(bytes) } else { Err(KeyError::InvalidParameters) })
}

fn bytes(parameter: Option<&String>) -> Result<Vec<u8>, KeyError> {
    parameter.and_then(from_base64url).ok_or(KeyError::InvalidParameters)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::crypto::base64url;
    use crate::jose::signing::SigningKey;

    /// The public half of a new key.
    fn public(algorithm: SigningAlgorithm) -> Value {
        let key = SigningKey::parse(algorithm, &SigningKey::generate(algorithm)).unwrap();
        serde_json::to_value(key.public_jwk("a")).unwrap()
    }

    /// What becomes of a key whose members are changed; null removes one.
    fn accepted(key: &Value, changes: &Value, allowed: &[SigningAlgorithm]) -> Result<VerificationKey, KeyError> {
        let mut key = key.as_object().unwrap().clone();
        key.extend(changes.as_object().unwrap().clone());
        key.retain(|_, value| !value.is_null());
        VerificationKey::from_jwk(&serde_json::from_value(Value::Object(key)).unwrap(), allowed)
    }

    #[test]
    fn each_rule_for_public_keys_refuses_what_breaks_it() {
        let (ec, okp, rsa) =
            (public(SigningAlgorithm::Es256), public(SigningAlgorithm::EdDsa), public(SigningAlgorithm::Rs256));
        let modulus = from_base64url(rsa["n"].as_str().unwrap()).unwrap();
        let mut even = modulus.clone();
        *even.last_mut().unwrap() &= 0xfe;
        let long = |length: usize| base64url([&modulus[..], &vec![0x55; length - modulus.len()]].concat());
        let rows = [
            (&ec, json!({"kty": "oct", "crv": null}), KeyError::UnsupportedType),
            (&ec, json!({"crv": "P-384"}), KeyError::UnsupportedType),
            (&ec, json!({"crv": null}), KeyError::UnsupportedType),
            (&okp, json!({"crv": "Ed448"}), KeyError::UnsupportedType),
            (&ec, json!({"d": "AAAA"}), KeyError::NotPublic),
            (&rsa, json!({"k": "AAAA"}), KeyError::NotPublic),
            (&ec, json!({"use": "enc"}), KeyError::NotForVerifying),
            (&ec, json!({"key_ops": ["encrypt"]}), KeyError::NotForVerifying),
            (&ec, json!({"alg": "RS256"}), KeyError::AlgorithmNotAllowed),
            (&rsa, json!({"alg": "RS512"}), KeyError::AlgorithmNotAllowed),
            (&rsa, json!({"alg": "rs256"}), KeyError::AlgorithmNotAllowed),
            (&rsa, json!({"n": base64url(&modulus[1..])}), KeyError::ModulusLength),
            (&rsa, json!({"n": long(513)}), KeyError::ModulusLength),
            (&rsa, json!({"n": ""}), KeyError::ModulusLength),
            (&rsa, json!({"e": "AQ"}), KeyError::Exponent),
            (&rsa, json!({"e": "Aw"}), KeyError::Exponent),
            (&rsa, json!({"e": "AQAA"}), KeyError::Exponent),
            (&rsa, json!({"e": "AQAAAAE"}), KeyError::Exponent),
            (&rsa, json!({"e": null}), KeyError::InvalidParameters),
            (&rsa, json!({"n": base64url(even)}), KeyError::InvalidParameters),
            (&rsa, json!({"n": base64url([&[0], &modulus[..]].concat())}), KeyError::InvalidParameters),
            (&ec, json!({"x": ec["y"], "y": ec["x"]}), KeyError::InvalidParameters),
            (&ec, json!({"y": null}), KeyError::InvalidParameters),
            (&ec, json!({"x": format!("{}=", ec["x"].as_str().unwrap())}), KeyError::InvalidParameters),
            (&okp, json!({"x": base64url([7; 31])}), KeyError::InvalidParameters),
        ];
        for (key, changes, expected) in rows {
            assert_eq!(accepted(key, &changes, &SigningAlgorithm::ALL).err(), Some(expected), "{changes}");
        }
        for key in [&ec, &okp, &rsa] {
            let changes =
                json!({"use": null, "alg": null, "kid": null, "key_ops": ["verify"], "x5u": "https://e.example"});
            assert!(accepted(key, &changes, &SigningAlgorithm::ALL).is_ok(), "{key}");
        }
        assert!(accepted(&rsa, &json!({"n": long(512)}), &SigningAlgorithm::ALL).is_ok());
        assert!(accepted(&okp, &json!({"alg": "Ed25519"}), &[SigningAlgorithm::EdDsa]).is_ok());
        for (key, alg) in [(&okp, "ed25519"), (&okp, "Ed448"), (&ec, "Ed25519"), (&rsa, "Ed25519")] {
            let refused = accepted(key, &json!({"alg": alg}), &SigningAlgorithm::ALL).err();
            assert_eq!(refused, Some(KeyError::AlgorithmNotAllowed), "{alg}");
        }
    }

    #[test]
    fn a_key_verifies_only_what_both_its_owner_and_the_caller_allow() {
        let rsa = public(SigningAlgorithm::Rs256);
        let allows = |changes: Value, allowed: &[SigningAlgorithm]| {
            let key = accepted(&rsa, &changes, allowed).unwrap();
            SigningAlgorithm::ALL.map(|algorithm| key.allows(algorithm))
        };
        assert_eq!(allows(json!({}), &SigningAlgorithm::ALL), [false, false, true, false]);
        assert_eq!(allows(json!({"alg": null}), &SigningAlgorithm::ALL), [false, false, true, true]);
        assert_eq!(allows(json!({"alg": null}), &[SigningAlgorithm::Ps256]), [false, false, false, true]);
        let refused = accepted(&rsa, &json!({}), &[SigningAlgorithm::Es256, SigningAlgorithm::Ps256]);
        assert_eq!(refused.err(), Some(KeyError::AlgorithmNotAllowed));
    }
}
