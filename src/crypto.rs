//! Base64url, random bytes, SHA-2 and constant-time comparison.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Base64url without padding (RFC 7515 §2).
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url strictly: no padding, no other alphabet, no stray bits at the end.
pub fn from_base64url(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Cryptographically secure random bytes.
///
/// # Panics
/// When the operating system provides no randomness; a token server cannot run without.
pub fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    fill_with_random(&mut bytes);
    bytes
}

/// Fills a buffer with random bytes in place, so that a key leaves no copy behind.
///
/// # Panics
/// When the operating system provides no randomness.
pub fn fill_with_random(bytes: &mut [u8]) {
    SystemRandom::new().fill(bytes).expect("the operating system provides randomness");
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    hash
}

/// SHA-512.
pub fn sha512(bytes: &[u8]) -> [u8; 64] {
    let mut hash = [0; 64];
    hash.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, bytes).as_ref());
    hash
}

/// Compares two byte strings without revealing by its timing where they differ.
pub fn equal_in_constant_time(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}
