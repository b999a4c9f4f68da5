//! Client certificates (RFC 8705): what one says, whom it may stand for, and who issued it. Whether a client has the key of one,
//! the handshake has proved. Besides, the certificate of this server.

pub(crate) mod authorities;
mod header;
mod name;
pub mod own;
mod subject;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::crypto::{base64url, sha256};
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::jwk::Jwk;
use crate::jose::verification::VerificationKey;
use crate::protocol::time::Timestamp;

pub use authorities::ClientAuthorities;
pub use header::{CHAIN_HEADER, HEADER, in_headers};
pub use name::DistinguishedName;
pub use subject::{ExpectedSubject, check_settings};

/// The largest certificate, in bytes of DER.
pub const LARGEST: usize = 16 * 1024;
/// The most certificates that may come with one, to lead to an authority.
pub const LONGEST_CHAIN: usize = 8;

/// A name in the extension for alternative names of the subject (RFC 5280 §4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
enum AlternativeName {
    Dns(String),
    Uri(String),
    Ip(IpAddr),
    Email(String),
}

impl AlternativeName {
    fn of(name: &GeneralName<'_>) -> Option<Self> {
        match name {
            GeneralName::DNSName(name) => Some(Self::Dns((*name).to_owned())),
            GeneralName::URI(uri) => Some(Self::Uri((*uri).to_owned())),
            GeneralName::RFC822Name(address) => Some(Self::Email((*address).to_owned())),
            GeneralName::IPAddress(bytes) => {
                let four = <[u8; 4]>::try_from(*bytes).map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
                let sixteen = <[u8; 16]>::try_from(*bytes).map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)));
                four.or(sixteen).ok().map(Self::Ip)
            }
            _ => None,
        }
    }
}

/// A certificate that a client showed, read once.
pub struct Certificate {
    der: Vec<u8>,
    /// The certificates that came with it, in DER.
    chain: Vec<Vec<u8>>,
    thumbprint: [u8; 32],
    subject: DistinguishedName,
    alternative_names: Vec<AlternativeName>,
    not_before: Timestamp,
    not_after: Timestamp,
    /// The thumbprint (RFC 7638) of its key, if that is one that clients may register.
    key: Option<[u8; 32]>,
    /// Whether its key may sign, which a handshake requires (RFC 5280 §4.2.1.3).
    may_sign: bool,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Certificate").field(&base64url(self.thumbprint)).finish()
    }
}

impl Certificate {
    /// Reads a certificate, and keeps what came with it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(der: &[u8], chain: Vec<Vec<u8>>) -> Result<Self, String> {
        if der.len() > LARGEST || chain.iter().any(|one| one.len() > LARGEST) {
            return Err(format!("a certificate has more than {LARGEST} bytes"));
        }
        if chain.len() > LONGEST_CHAIN {
            return Err(format!("more than {LONGEST_CHAIN} certificates came with it"));
        }
        let malformed = |what: &dyn fmt::Display| format!("it is no X.509 certificate: {what}");
        let Ok(([], parsed)) = X509Certificate::from_der(der) else { return Err(malformed(&"its DER is wrong")) };
        // Each of these is an error if the extension is there twice.
        let names = parsed.subject_alternative_name().map_err(|error| malformed(&error))?;
        let usage = parsed.key_usage().map_err(|error| malformed(&error))?;
        let names = names.iter().flat_map(|names| &names.value.general_names);
        let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_seconds(time.timestamp());
        Ok(Self {
            thumbprint: sha256(der),
            subject: DistinguishedName::of(parsed.subject()),
            alternative_names: names.filter_map(AlternativeName::of).collect(),
            not_before: moment(parsed.validity().not_before),
            not_after: moment(parsed.validity().not_after),
            key: key_of(parsed.public_key()).as_ref().map(Jwk::thumbprint),
            may_sign: usage.is_none_or(|usage| usage.value.digital_signature()),
            der: der.to_vec(),
            chain,
        })
    }

    /// The SHA-256 hash of its DER (RFC 8705 §3.1).
    pub const fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// The thumbprint (RFC 7638) of its key, if that is of a kind that clients register.
    pub const fn key(&self) -> Option<&[u8; 32]> {
        self.key.as_ref()
    }

    /// Whom it names.
    pub const fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// Checks that it may be used now, and for a handshake.
    ///
    /// # Errors
    /// Why not.
    pub fn check_use(&self, now: Timestamp) -> Result<(), String> {
        if now < self.not_before {
            return Err(format!("the certificate is not valid before {}", self.not_before));
        }
        if now > self.not_after {
            return Err(format!("the certificate expired at {}", self.not_after));
        }
        if !self.may_sign {
            return Err("the key usage of the certificate does not allow signatures (digitalSignature)".into());
        }
        Ok(())
    }
}

/// The key of a certificate as a client would register it, if it is of a supported kind.
fn key_of(info: &SubjectPublicKeyInfo<'_>) -> Option<Jwk> {
    let (algorithm, bits) = (&info.algorithm.algorithm, info.subject_public_key.data.as_ref());
    let jwk = if *algorithm == OID_SIG_ED25519 {
        json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(bits)})
    } else if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
        let point = bits.strip_prefix(&[4]).filter(|point| point.len() == 64 && curve == OID_EC_P256)?;
        json!({"kty": "EC", "crv": "P-256", "x": base64url(&point[..32]), "y": base64url(&point[32..])})
    } else if *algorithm == OID_PKCS1_RSAENCRYPTION {
        let x509_parser::public_key::PublicKey::RSA(key) = info.parsed().ok()? else { return None };
        let number = |bytes: &[u8]| base64url(&bytes[bytes.iter().take_while(|byte| **byte == 0).count()..]);
        json!({"kty": "RSA", "n": number(key.modulus), "e": number(key.exponent)})
    } else {
        return None;
    };
    let jwk = Jwk::deserialize_object(&jwk)?;
    VerificationKey::from_jwk(&jwk, &SigningAlgorithm::ALL).ok().map(|_| jwk)
}

/// Checks the certificates (`x5c`) in a set of keys: the first must have the key that it stands beside (RFC 7517 §4.7).
///
/// # Errors
/// The first thing that is wrong.
pub fn check_key_set(set: &Map<String, Value>) -> Result<(), String> {
    for (index, key) in set.get("keys").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let Some(certificates) = key.get("x5c") else { continue };
        let wrong = |problem: &str| Err(format!("keys[{index}]: x5c: {problem}"));
        let texts = certificates.as_array().map(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let Some(Some(texts)) = texts else { return wrong("it is no list of texts") };
        let mut keys = Vec::new();
        for text in texts {
            let Ok(der) = STANDARD.decode(text) else { return wrong("a certificate is not in base64 (not base64url)") };
            match Certificate::read(&der, Vec::new()) {
                Ok(certificate) => keys.push(certificate.key),
                Err(problem) => return wrong(&problem),
            }
        }
        let own = Jwk::deserialize_object(key).map(|jwk| jwk.thumbprint());
        match keys.first() {
            None => return wrong("it is empty"),
            Some(first) if *first != own => return wrong("the first certificate has another key"),
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
