//! Argon2id (RFC 9106): 19 MiB, two passes, one lane, as OWASP recommends. Each thread allocates its memory once.

use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::crypto::{equal_in_constant_time, random};

const OUTPUT_LENGTH: usize = 32;
/// The only parameters in use, so that every hash takes the same time and memory.
const PARAMETERS: Params = Params::DEFAULT;

/// The memory of one hashing thread. It is not cleared between hashes, which would cost 5 % of the rate. Therefore
/// someone who can read this process's memory can cheaply check guesses at the last password of each thread.
#[derive(Default)]
pub(super) struct Hasher {
    blocks: Vec<Block>,
}

/// The salt and the output of a stored hash.
struct Stored {
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Stored {
    /// None if the hash is damaged or was made with other parameters.
    fn read(hash: &str) -> Option<Self> {
        let hash = PasswordHash::new(hash).ok()?;
        let is_ours = hash.algorithm == Ident::new("argon2id").ok()?
            && hash.version == Some(Version::V0x13.into())
            && hash.params == ParamsString::try_from(&PARAMETERS).ok()?;
        let stored = Self { salt: hash.salt?.as_ref().to_vec(), output: hash.hash?.as_bytes().to_vec() };
        is_ours.then_some(stored)
    }
}

impl Hasher {
    /// Hashes a password with a new salt; returns a PHC string.
    pub(super) fn hash(&mut self, password: &[u8]) -> String {
        let salt = random::<16>();
        let output = self.compute(password, &salt).expect("the parameters are valid");
        let hash = PasswordHash {
            algorithm: Ident::new("argon2id").expect("a valid name"),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&PARAMETERS).expect("the parameters can be written"),
            salt: Some(Salt::new(&salt).expect("a valid length")),
            hash: Some(Output::new(&output).expect("a valid length")),
        };
        hash.to_string()
    }

    /// Whether a password matches a PHC string. Without one, or with one that cannot be read, it does not, after the
    /// same work.
    pub(super) fn verify(&mut self, password: &[u8], hash: Option<&str>) -> bool {
        let stored = hash.and_then(Stored::read);
        if hash.is_some() && stored.is_none() {
            tracing::error!("a password hash in the database was not made by Jeton: no password matches it");
        }
        let salt = stored.as_ref().map_or(&b"nobody's salt..."[..], |stored| &stored.salt);
        let output = self.compute(password, salt);
        output.zip(stored).is_some_and(|(output, stored)| equal_in_constant_time(&output, &stored.output))
    }

    fn compute(&mut self, password: &[u8], salt: &[u8]) -> Option<[u8; OUTPUT_LENGTH]> {
        self.blocks.resize(PARAMETERS.block_count(), Block::default());
        let mut output = [0; OUTPUT_LENGTH];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMETERS)
            .hash_password_into_with_memory(password, salt, &mut output, &mut self.blocks)
            .ok()?;
        Some(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_only_its_own_hash() {
        let mut hasher = Hasher::default();
        let hash = hasher.hash("pässword ".as_bytes());
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(hasher.verify("pässword ".as_bytes(), Some(&hash)));
        for other in ["pässword", "PÄSSWORD ", "pässword  ", "pässword \0", ""] {
            assert!(!hasher.verify(other.as_bytes(), Some(&hash)), "{other:?}");
        }
        assert!(!hasher.verify("pässword ".as_bytes(), None));
    }

    #[test]
    fn an_imported_hash_with_other_parameters_never_matches_and_costs_the_same() {
        let ours = Hasher::default().hash(b"x");
        let with = |from: &str, to: &str| {
            assert!(ours.contains(from));
            ours.replacen(from, to, 1)
        };
        let half = ours.rsplit_once('$').unwrap().0;
        for hash in [
            with("m=19456", "m=4194304"),
            with("m=19456", "m=8"),
            with("t=2", "t=4000000000"),
            with("p=1", "p=2"),
            with("argon2id", "argon2i"),
            with("v=19", "v=16"),
            half.to_owned(),
            "no hash at all".to_owned(),
            String::new(),
        ] {
            let mut hasher = Hasher::default();
            assert!(!hasher.verify(b"x", Some(&hash)), "{hash}");
            assert_eq!(hasher.blocks.len(), PARAMETERS.block_count(), "{hash}");
            // Memory that is no longer all zeros shows that a hash was computed.
            assert!(hasher.blocks.iter().any(|block| block.as_ref().iter().any(|word| *word != 0)), "{hash}");
        }
    }
}
