//! Argon2id (RFC 9106): 19 MiB, two passes, one lane, as OWASP recommends. Memory is allocated once per thread.

use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::token::{equal_in_constant_time, random};

const OUTPUT_LENGTH: usize = 32;

/// The memory of one thread that hashes. It is kept and not cleared between passwords, which would cost a twentieth of the
/// work: whoever can read this process's memory can check guesses at the last password of each thread cheaply.
#[derive(Default)]
pub struct Hasher {
    blocks: Vec<Block>,
}

impl Hasher {
    /// Hashes a password with a new salt, as a PHC string.
    ///
    /// # Panics
    /// Never: the parameters are fixed and legal.
    pub fn hash(&mut self, password: &[u8]) -> String {
        let params = Params::default();
        let salt = random::<16>();
        let output = self.compute(&params, password, &salt).expect("the parameters are legal");
        let hash = PasswordHash {
            algorithm: Ident::new("argon2id").expect("a legal name"),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).expect("the parameters can be written"),
            salt: Some(Salt::new(&salt).expect("a legal length")),
            hash: Some(Output::new(&output).expect("a legal length")),
        };
        hash.to_string()
    }

    /// Whether a password fits a PHC string.
    pub fn verify(&mut self, password: &[u8], hash: &str) -> bool {
        let expected = || -> Option<(Params, Vec<u8>, Vec<u8>)> {
            let hash = PasswordHash::new(hash).ok()?;
            let params = Params::try_from(&hash).ok()?;
            Some((params, hash.salt?.as_ref().to_vec(), hash.hash?.as_bytes().to_vec()))
        };
        let Some((params, salt, expected)) = expected() else { return false };
        self.compute(&params, password, &salt).is_some_and(|output| equal_in_constant_time(&output, &expected))
    }

    fn compute(&mut self, params: &Params, password: &[u8], salt: &[u8]) -> Option<[u8; OUTPUT_LENGTH]> {
        if self.blocks.len() < params.block_count() {
            self.blocks.resize(params.block_count(), Block::default());
        }
        let mut output = [0; OUTPUT_LENGTH];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into_with_memory(password, salt, &mut output, &mut self.blocks)
            .ok()?;
        Some(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_only() {
        let mut hasher = Hasher::default();
        let hash = hasher.hash("pässword ".as_bytes());
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify("pässword ".as_bytes(), &hash));
        for other in ["pässword", "PÄSSWORD ", "pässword  ", "pässword \0", ""] {
            assert!(!hasher.verify(other.as_bytes(), &hash), "{other:?}");
        }
        assert!(!hasher.verify(b"x", "no hash at all"));
    }
}
