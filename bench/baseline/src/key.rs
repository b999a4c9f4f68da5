//! Keys as clients and servers have them, with AWS-LC, as in Jeton.

use std::error::Error;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A private key. RSA keys have 2048 bits.
pub enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Key {
    /// Generates a private key (PKCS #8) for an algorithm, by its name in JWS.
    pub fn generate(alg: &str) -> Result<Vec<u8>, Box<dyn Error>> {
        let random = SystemRandom::new();
        Ok(match alg {
            "ES256" => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?.as_ref().to_vec(),
            "EdDSA" => Ed25519KeyPair::generate_pkcs8(&random)?.as_ref().to_vec(),
            "RS256" => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
                let der: Pkcs8V1Der<'_> = pair.as_der()?;
                der.as_ref().to_vec()
            }
            _ => return Err(format!("{alg} is none of ES256, EdDSA, RS256").into()),
        })
    }

    pub fn parse(alg: &str, pkcs8: &[u8]) -> Result<Self, Box<dyn Error>> {
        Ok(match alg {
            "ES256" => Self::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)?),
            "EdDSA" => Self::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8)?),
            "RS256" => Self::Rs256(RsaKeyPair::from_pkcs8(pkcs8)?),
            _ => return Err(format!("{alg} is none of ES256, EdDSA, RS256").into()),
        })
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => pair.sign(&random, message).expect("P-256 keys can sign").as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("RSA keys can sign");
                signature
            }
        }
    }

    /// The public half, which verifies.
    pub fn public(&self) -> Result<ParsedPublicKey, Box<dyn Error>> {
        Ok(match self {
            Self::Es256(pair) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key())?,
            Self::EdDsa(pair) => ParsedPublicKey::new(&ED25519, pair.public_key())?,
            Self::Rs256(pair) => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key())?,
        })
    }

    /// The public half as a JSON Web Key; clients have no RSA keys here.
    pub fn jwk(&self) -> Result<String, Box<dyn Error>> {
        match self {
            Self::Es256(pair) => {
                // An uncompressed point: 0x04, x, y.
                let point = pair.public_key().as_ref();
                let (x, y) = (base64url(&point[1..33]), base64url(&point[33..65]));
                Ok(format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#))
            }
            Self::EdDsa(pair) => {
                Ok(format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, base64url(pair.public_key().as_ref())))
            }
            Self::Rs256(_) => Err("clients have no RSA keys here".into()),
        }
    }
}

pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
