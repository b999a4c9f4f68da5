//! Signatures made with the private key's own numbers, so that every wrong one can be made on purpose.

use aws_lc_rs::digest;
use num_bigint::BigUint;

use crate::conformance::jose::spki;

/// The order of P-256.
pub(super) const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// The prime of the field of P-256.
pub(super) const P256_PRIME: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";
/// The first coordinate of the base point of P-256.
const P256_BASE: &str = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
/// The order of the base point of Ed25519, in decimal.
const ED25519_ORDER: &[u8] = b"7237005577332262213973186563042994240857116359379907606001950938285454250989";

pub(super) fn hex(text: &str) -> BigUint {
    BigUint::parse_bytes(text.as_bytes(), 16).expect("hexadecimal digits")
}

pub(super) fn ed25519_order() -> BigUint {
    BigUint::parse_bytes(ED25519_ORDER, 10).expect("decimal digits")
}

/// Big-endian, with zeros in front up to this length; longer if it does not fit.
pub(super) fn big_endian(number: &BigUint, length: usize) -> Vec<u8> {
    let digits = number.to_bytes_be();
    [vec![0; length.saturating_sub(digits.len())], digits].concat()
}

fn little_endian(number: &BigUint, length: usize) -> Vec<u8> {
    let mut digits = number.to_bytes_le();
    digits.resize(length.max(digits.len()), 0);
    digits
}

fn sha256(message: &[u8]) -> BigUint {
    BigUint::from_bytes_be(digest::digest(&digest::SHA256, message).as_ref())
}

fn sha512(parts: &[&[u8]]) -> Vec<u8> {
    digest::digest(&digest::SHA512, &parts.concat()).as_ref().to_vec()
}

/// What follows these bytes.
fn behind<'b>(bytes: &'b [u8], marker: &[u8]) -> &'b [u8] {
    let at = bytes.windows(marker.len()).position(|window| window == marker).expect("the key has this part");
    &bytes[at + marker.len()..]
}

/// The private number of a P-256 key (PKCS #8).
pub(super) fn p256_private(pkcs8: &[u8]) -> BigUint {
    BigUint::from_bytes_be(&behind(pkcs8, &[2, 1, 1, 4, 32])[..32])
}

/// The signature by the nonce 1: right, as far as ECDSA is concerned.
pub(super) fn ecdsa(private: &BigUint, message: &[u8]) -> (BigUint, BigUint) {
    let order = hex(P256_ORDER);
    let r = hex(P256_BASE) % &order;
    let s = (sha256(message) + &r * private) % &order;
    (r, s)
}

/// The `r` with which a verifier arrives at the point at infinity, whatever `s` is: e + r·d = 0.
pub(super) fn r_of_infinity(private: &BigUint, message: &[u8]) -> BigUint {
    let order = hex(P256_ORDER);
    let inverse = private.modpow(&(&order - 2u8), &order);
    (&order - sha256(message) % &order) * inverse % &order
}

/// An Ed25519 key: its private number and its public bytes.
pub(super) struct Ed25519 {
    private: BigUint,
    pub(super) public: Vec<u8>,
}

impl Ed25519 {
    pub(super) fn of(pkcs8: &[u8], jwk: &serde_json::Value) -> Self {
        let seed = &behind(pkcs8, &[4, 34, 4, 32])[..32];
        let mut half = sha512(&[seed])[..32].to_vec();
        (half[0], half[31]) = (half[0] & 248, (half[31] & 127) | 64);
        let spki = spki(jwk);
        Self { private: BigUint::from_bytes_le(&half), public: spki[spki.len() - 32..].to_vec() }
    }

    /// The signature by the nonce 0, with its first half written like this and with this in front of what is hashed.
    pub(super) fn sign(&self, first_half: &[u8], domain: &[u8], message: &[u8]) -> Vec<u8> {
        let challenge = BigUint::from_bytes_le(&sha512(&[domain, first_half, &self.public, message]));
        let s = challenge * &self.private % ed25519_order();
        [first_half, &little_endian(&s, 32)].concat()
    }
}

/// The same signature with the order added to its second half this many times.
pub(super) fn beyond_the_order(signature: &[u8], times: u8) -> Vec<u8> {
    let s = BigUint::from_bytes_le(&signature[32..]) + ed25519_order() * times;
    [&signature[..32], &little_endian(&s, 32)].concat()
}

/// An RSA key: the modulus and the private exponent.
pub(super) struct Rsa {
    pub(super) modulus: BigUint,
    private: BigUint,
}

impl Rsa {
    /// Of an `RSAPrivateKey` (RFC 8017 appendix A.1.2) in PKCS #8.
    pub(super) fn of(pkcs8: &[u8]) -> Self {
        // The version is followed by the modulus, the public and the private exponent.
        let rest = behind(pkcs8, &[2, 1, 0, 2, 0x82, 1, 1]);
        let modulus = BigUint::from_bytes_be(&rest[..257]);
        let exponent = &rest[257..];
        assert_eq!(exponent[..2], [2, 3], "65537 has three bytes");
        let private = &exponent[5..];
        assert_eq!(private[..2], [2, 0x82]);
        let length = usize::from(u16::from_be_bytes([private[2], private[3]]));
        Self { modulus, private: BigUint::from_bytes_be(&private[4..4 + length]) }
    }

    /// The private operation on any block.
    pub(super) fn raw(&self, block: &[u8]) -> Vec<u8> {
        big_endian(&BigUint::from_bytes_be(block).modpow(&self.private, &self.modulus), 256)
    }
}

/// A block of type 1 (RFC 8017 §9.2) with this behind the padding; the padding fills what is left of 256 bytes.
pub(super) fn block(digest_info: &[u8]) -> Vec<u8> {
    [vec![0, 1], vec![0xFF; 256 - 3 - digest_info.len()], vec![0], digest_info.to_vec()].concat()
}

/// The DigestInfo of SHA-256 in front of a hash.
pub(super) const SHA256_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

pub(super) fn hash_of(message: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, message).as_ref().to_vec()
}
