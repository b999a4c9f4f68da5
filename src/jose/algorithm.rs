//! Signature algorithms.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::protocol::client::IdTokenAlgorithm;
use crate::protocol::schema::describe;

/// A signature algorithm (RFC 7518 §3, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

describe!(SigningAlgorithm {
    "description": "An algorithm that the signing keys of this server can have.",
    "type": "string",
    "enum": SigningAlgorithm::ALL.map(SigningAlgorithm::name),
});

impl SigningAlgorithm {
    /// Every algorithm that can sign and verify.
    pub const ALL: [Self; 4] = [Self::Es256, Self::EdDsa, Self::Rs256, Self::Ps256];

    /// The algorithms that sign access tokens.
    pub const OF_ACCESS_TOKENS: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The value of `alg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    /// The algorithm of access tokens with this name.
    ///
    /// # Errors
    /// Which names there are.
    pub fn of_access_tokens(name: &str) -> Result<Self, String> {
        Self::from_name(name)
            .filter(|algorithm| Self::OF_ACCESS_TOKENS.contains(algorithm))
            .ok_or_else(|| "is not one of ES256, EdDSA, RS256".to_owned())
    }

    /// The names by which signatures are verified: each `alg`, and the one that RFC 9864 gives to Ed25519.
    pub const VERIFIED: [&str; 5] = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"];

    /// The algorithm to verify a signature by that has this `alg`. `Ed25519` (RFC 9864 §2.2) is `EdDSA` with the one curve that is
    /// supported here; nothing is signed under that name.
    pub fn to_verify(name: &str) -> Option<Self> {
        if name == "Ed25519" { Some(Self::EdDsa) } else { Self::from_name(name) }
    }

    /// The algorithm with this `alg`; names are case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl FromStr for SigningAlgorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::from_name(name).ok_or_else(|| "is not one of ES256, EdDSA, RS256, PS256".to_owned())
    }
}

impl From<IdTokenAlgorithm> for SigningAlgorithm {
    fn from(algorithm: IdTokenAlgorithm) -> Self {
        match algorithm {
            IdTokenAlgorithm::Rs256 => Self::Rs256,
            IdTokenAlgorithm::Ps256 => Self::Ps256,
            IdTokenAlgorithm::Es256 => Self::Es256,
            IdTokenAlgorithm::EdDsa => Self::EdDsa,
        }
    }
}

impl TryFrom<String> for SigningAlgorithm {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
