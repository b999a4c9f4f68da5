//! Public keys as JSON (RFC 7517).

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

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
