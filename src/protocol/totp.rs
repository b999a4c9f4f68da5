//! Second factors: time-based one-time passwords (TOTP, RFC 6238) and recovery codes. The HMAC is computed elsewhere.

use form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use crate::protocol::time::Timestamp;

/// Bytes of a secret: those of the HMAC's hash (RFC 4226 §4, R6).
pub const SECRET_LENGTH: usize = 20;
/// Seconds of a time step (RFC 6238 §5.2).
const STEP: i64 = 30;
/// Steps before and after the present one whose codes are accepted (RFC 6238 §5.2).
const TOLERANCE: i64 = 1;
/// Digits of a code.
const DIGITS: usize = 6;
/// Characters of a recovery code, 5 bits each.
const RECOVERY_LENGTH: usize = 10;
/// How many recovery codes a user gets.
pub const RECOVERY_CODES: usize = 10;

/// The alphabet of base32 (RFC 4648 §6).
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What somebody entered as a second factor.
#[derive(Clone, PartialEq, Eq)]
pub enum Entered {
    /// A code of an authenticator: six digits.
    Totp(Zeroizing<String>),
    /// A recovery code, in the form in which it is hashed.
    Recovery(Zeroizing<String>),
}

impl Entered {
    /// Reads what was entered: without spaces and hyphens, in upper or lower case. `None` if it can be neither kind of
    /// code.
    pub fn read(text: &str) -> Option<Self> {
        // Nobody enters more, and the rest need not be copied.
        if text.len() > 64 {
            return None;
        }
        let code: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let code = Zeroizing::new(code.to_ascii_uppercase());
        let all = |legal: fn(u8) -> bool| code.bytes().all(legal);
        match code.len() {
            DIGITS if all(|byte| byte.is_ascii_digit()) => Some(Self::Totp(code)),
            RECOVERY_LENGTH if all(|byte| ALPHABET.contains(&byte)) => Some(Self::Recovery(code)),
            _ => None,
        }
    }
}

/// The number of the time step at a moment (RFC 6238 §4.2).
const fn step_at(now: Timestamp) -> i64 {
    now.seconds().div_euclid(STEP)
}

/// The steps whose codes are accepted at a moment, the newest first.
pub fn accepted_steps(now: Timestamp) -> impl Iterator<Item = i64> {
    let present = step_at(now);
    (present - TOLERANCE..=present + TOLERANCE).rev()
}

/// The code of a step, from the HMAC-SHA1 of the step (dynamic truncation, RFC 4226 §5.3).
pub fn code(hmac: &[u8; 20]) -> String {
    let offset = usize::from(hmac[19] & 0xF);
    let number = hmac[offset..offset + 4].iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    format!("{:06}", (number & 0x7FFF_FFFF) % 1_000_000)
}

/// Base32 without padding (RFC 4648 §6), the form in which authenticators take a secret.
pub fn base32(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(5) * 8));
    let (mut pending, mut bits) = (0_u16, 0);
    for byte in bytes {
        pending = (pending & 0x1F) << 8 | u16::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[usize::from(pending >> bits & 0x1F)]));
        }
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[usize::from(pending << (5 - bits) & 0x1F)]));
    }
    text
}

/// A recovery code from random bytes, in the form in which it is hashed.
pub fn recovery_code(random: &[u8; 7]) -> Zeroizing<String> {
    let mut code = base32(random);
    code.truncate(RECOVERY_LENGTH);
    code
}

/// A recovery code as people read it: in two groups.
pub fn grouped(recovery_code: &str) -> Zeroizing<String> {
    let (first, second) = recovery_code.split_at(recovery_code.len() / 2);
    Zeroizing::new(format!("{first}-{second}"))
}

/// The address that an authenticator reads as a QR code: whose code it will show, and the secret.
pub fn otpauth_uri(service: &str, username: &str, secret: &[u8; SECRET_LENGTH]) -> Zeroizing<String> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    let (service, username, secret) = (encoded(service), encoded(username), base32(secret));
    Zeroizing::new(format!(
        "otpauth://totp/{service}:{username}?secret={}&issuer={service}&algorithm=SHA1&digits={DIGITS}&period={STEP}",
        *secret
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_rfc_4648_without_padding() {
        let examples =
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB")];
        for (bytes, text) in examples.into_iter().chain([("foobar", "MZXW6YTBOI")]) {
            assert_eq!(base32(bytes.as_bytes()).as_str(), text);
        }
    }

    #[test]
    fn a_code_is_truncated_as_in_rfc_4226_section_5_4() {
        let hmac = [
            0x1f, 0x86, 0x98, 0x69, 0x0e, 0x02, 0xca, 0x16, 0x61, 0x85, 0x50, 0xef, 0x7f, 0x19, 0xda, 0x8e, 0x94, 0x5b,
            0x55, 0x5a,
        ];
        assert_eq!(code(&hmac), "872921");
    }

    #[test]
    fn the_present_step_and_one_on_each_side_are_accepted() {
        let steps = |seconds| accepted_steps(Timestamp::from_seconds(seconds)).collect::<Vec<_>>();
        assert_eq!(steps(59), [2, 1, 0]);
        assert_eq!(steps(60), [3, 2, 1]);
        assert_eq!(steps(89), [3, 2, 1]);
    }

    #[test]
    fn codes_are_read_however_people_write_them() {
        let totp = |text: &str| Entered::read(text) == Some(Entered::Totp(Zeroizing::new("012345".into())));
        assert!(totp("012345") && totp(" 012 345\n") && totp("012-345"));
        let recovery = |text: &str| Entered::read(text) == Some(Entered::Recovery(Zeroizing::new("ABCDE23456".into())));
        assert!(recovery("ABCDE-23456") && recovery("abcde 23456") && recovery("ABCDE23456"));
        for text in ["", "01234", "0123456", "01234a", "٠١٢٣٤٥", "ABCDE-23451", "ABCDE-2345", "é2345", &" ".repeat(65)]
        {
            assert!(Entered::read(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_recovery_code_has_50_bits_and_reads_back() {
        let code = recovery_code(&[0xFF; 7]);
        assert_eq!(code.as_str(), "7777777777");
        assert!(Entered::read(&grouped(&code)) == Some(Entered::Recovery(code)));
    }

    #[test]
    fn the_address_for_authenticators_is_escaped() {
        let uri = otpauth_uri("Café & Co", "a:b@example.com", b"12345678901234567890");
        assert_eq!(
            uri.as_str(),
            "otpauth://totp/Caf%C3%A9%20%26%20Co:a%3Ab%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Caf%C3%A9%20%26%20Co&algorithm=SHA1&digits=6&period=30"
        );
    }
}
