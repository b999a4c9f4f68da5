//! Private keys: generated, parsed once, and then used for every token.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::crypto::base64url;
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::jwk::Jwk;

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
}

/// A parsed private key. It signs with one algorithm only.
pub struct SigningKey {
    algorithm: SigningAlgorithm,
    pair: Pair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.algorithm)
    }
}

impl SigningKey {
    /// Generates a private key (PKCS #8); RSA keys have 2048 bits.
    ///
    /// # Panics
    /// When the operating system provides no randomness.
    pub fn generate(algorithm: SigningAlgorithm) -> Zeroizing<Vec<u8>> {
        let random = SystemRandom::new();
        let bytes = match algorithm {
            SigningAlgorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .expect("P-256 keys can be generated")
                .as_ref()
                .to_vec(),
            SigningAlgorithm::EdDsa => {
                Ed25519KeyPair::generate_pkcs8(&random).expect("Ed25519 keys can be generated").as_ref().to_vec()
            }
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("RSA keys can be generated");
                let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().expect("RSA keys can be encoded");
                der.as_ref().to_vec()
            }
        };
        Zeroizing::new(bytes)
    }

    /// Parses a private key (PKCS #8) of this algorithm.
    pub fn parse(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Option<Self> {
        let rsa = |padding| Some(Pair::Rsa(RsaKeyPair::from_pkcs8(pkcs8).ok()?, padding));
        let pair = match algorithm {
            SigningAlgorithm::Es256 => {
                Pair::P256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?)
            }
            SigningAlgorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).ok()?),
            SigningAlgorithm::Rs256 => rsa(&RSA_PKCS1_SHA256)?,
            SigningAlgorithm::Ps256 => rsa(&RSA_PSS_SHA256)?,
        };
        Some(Self { algorithm, pair })
    }

    /// The algorithm that it signs with.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Signs a message; the signature has the form that JWS prescribes (RFC 7518 §3).
    ///
    /// # Panics
    /// When the operating system provides no randomness.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) => pair.sign(&random, message).expect("P-256 keys can sign").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair, padding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*padding, &random, message, &mut signature).expect("RSA keys can sign");
                signature
            }
        }
    }

    /// The length of each of its signatures, in bytes.
    pub fn signature_length(&self) -> usize {
        match &self.pair {
            Pair::P256(_) | Pair::Ed25519(_) => 64,
            Pair::Rsa(pair, _) => pair.public_modulus_len(),
        }
    }

    /// The public half as it is published.
    pub fn public_jwk(&self, kid: &str) -> Jwk {
        let jwk = |kty| Jwk::for_signatures(kty, self.algorithm, kid);
        match &self.pair {
            Pair::P256(pair) => {
                // An uncompressed point: 0x04, x, y.
                let point = pair.public_key().as_ref();
                let (x, y) = (base64url(&point[1..33]), base64url(&point[33..65]));
                Jwk { crv: Some("P-256".to_owned()), x: Some(x), y: Some(y), ..jwk("EC") }
            }
            Pair::Ed25519(pair) => {
                Jwk { crv: Some("Ed25519".to_owned()), x: Some(base64url(pair.public_key())), ..jwk("OKP") }
            }
            Pair::Rsa(pair, _) => {
                let public = pair.public_key();
                let n = base64url(public.modulus().big_endian_without_leading_zero());
                let e = base64url(public.exponent().big_endian_without_leading_zero());
                Jwk { n: Some(n), e: Some(e), ..jwk("RSA") }
            }
        }
    }

    /// The public half as a `SubjectPublicKeyInfo` (RFC 5280 §4.1) in PEM (RFC 7468 §13), with a final line break.
    ///
    /// # Panics
    /// When memory runs out.
    pub fn public_pem(&self) -> String {
        let der: Result<PublicKeyX509Der<'_>, _> = match &self.pair {
            Pair::P256(pair) => pair.public_key().as_der(),
            Pair::Ed25519(pair) => pair.public_key().as_der(),
            Pair::Rsa(pair, _) => pair.public_key().as_der(),
        };
        let text = STANDARD.encode(der.expect("public keys can be encoded").as_ref());
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            pem.extend([line, "\n"]);
            rest = after;
        }
        pem + "-----END PUBLIC KEY-----\n"
    }
}
