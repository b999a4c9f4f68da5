//! Public keys as JSON (RFC 7517).

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::crypto::sha256;
use crate::jose::algorithm::SigningAlgorithm;

/// A public key, ours or someone else's, as it is published. Nothing is checked yet:
/// [`VerificationKey::from_jwk`](crate::jose::verification::VerificationKey::from_jwk) does that.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Jwk {
    /// Key type: `EC`, `OKP` or `RSA`.
    pub kty: String,
    /// Key id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// Intended use: `sig` or `enc`.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub key_use: Option<String>,
    /// Permitted operations, such as `verify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<Vec<String>>,
    /// The only algorithm that the key is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// Curve, for `EC` and `OKP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// First coordinate (`EC`) or public key (`OKP`), in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Second coordinate (`EC`), in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// Modulus (`RSA`), in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// Exponent (`RSA`), in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Whether there is a private part; its value is not kept.
    #[serde(skip_serializing)]
    pub(super) d: Option<IgnoredAny>,
    /// Whether there is a symmetric key; its value is not kept.
    #[serde(skip_serializing)]
    pub(super) k: Option<IgnoredAny>,
}

impl Jwk {
    /// A public signing key of this type, without its parameters.
    pub(super) fn for_signatures(kty: &str, algorithm: SigningAlgorithm, kid: &str) -> Self {
        Self {
            kty: kty.to_owned(),
            kid: Some(kid.to_owned()),
            key_use: Some("sig".to_owned()),
            alg: Some(algorithm.name().to_owned()),
            ..Self::default()
        }
    }

    /// Reads a key that is an object; one of which a member has the wrong type is none.
    pub fn deserialize_object(value: &Value) -> Option<Self> {
        value.as_object().and_then(|_| Self::deserialize(value).ok())
    }

    /// Reads a key from the text of a JSON object; serde would also take an array.
    pub(crate) fn from_object(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok().filter(|_| json.starts_with('{'))
    }

    /// The thumbprint of a key that was checked (RFC 7638 §3): the same for the same key, whatever else is said of it.
    pub fn thumbprint(&self) -> [u8; 32] {
        fn of(member: &Option<String>) -> &str {
            member.as_deref().unwrap_or_default()
        }
        // What was checked is base64url, which needs no escapes.
        let canonical = match self.kty.as_str() {
            "RSA" => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, of(&self.e), of(&self.n)),
            "OKP" => format!(r#"{{"crv":"{}","kty":"OKP","x":"{}"}}"#, of(&self.crv), of(&self.x)),
            kty => {
                format!(r#"{{"crv":"{}","kty":"{kty}","x":"{}","y":"{}"}}"#, of(&self.crv), of(&self.x), of(&self.y))
            }
        };
        sha256(canonical.as_bytes())
    }

    /// Whether it gives away a private or symmetric key.
    pub(super) fn has_secret(&self) -> bool {
        self.d.is_some() || self.k.is_some()
    }
}

/// A set of public keys (RFC 7517 §5).
#[derive(Debug, Serialize)]
pub struct JwkSet<'a> {
    /// The keys.
    pub keys: Vec<&'a Jwk>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::base64url;

    #[test]
    fn the_thumbprint_is_that_of_the_standard_and_depends_on_the_key_alone() {
        // RFC 7638 §3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj\
                 hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5\
                 hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let print = |key: serde_json::Value| base64url(serde_json::from_value::<Jwk>(key).unwrap().thumbprint());
        let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(print(json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})), expected);
        assert_eq!(print(json!({"e": "AQAB", "n": n, "kty": "RSA", "use": "sig"})), expected);
        // RFC 8037 appendix A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        assert_eq!(
            print(json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "a"})),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        let ec = |y: &str| print(json!({"kty": "EC", "crv": "P-256", "x": x, "y": y}));
        assert_ne!(ec(x), ec("AAAA"));
    }
}
