//! JSON Web Signatures: keys, signing and verifying (RFC 7515, 7517, 7518, 8037, 8725).

pub mod algorithm;
pub(crate) mod assertion;
pub mod jwk;
pub mod jws;
pub mod key_set;
pub mod signing;
pub mod verification;
