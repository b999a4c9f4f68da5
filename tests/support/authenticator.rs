//! An authenticator app (RFC 6238), written apart from the server.

use aws_lc_rs::hmac;

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// An authenticator with one secret.
#[derive(Clone)]
pub(crate) struct Authenticator(pub(crate) Vec<u8>);

impl Authenticator {
    /// With the secret that people type, in base32.
    pub(crate) fn with_key(base32: &str) -> Self {
        let bits: String = base32.chars().map(|c| format!("{:05b}", ALPHABET.find(c).unwrap())).collect();
        let byte = |bits: &[u8]| u8::from_str_radix(std::str::from_utf8(bits).unwrap(), 2).unwrap();
        Self(bits.as_bytes().chunks_exact(8).map(byte).collect())
    }

    /// With the secret that a page shows.
    #[track_caller]
    pub(crate) fn with_key_of(page: &str) -> Self {
        Self::with_key(&key_of(page))
    }

    /// What it shows at a moment, in seconds since the epoch.
    pub(crate) fn code_at(&self, seconds: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &(seconds / 30).to_be_bytes());
        let at = usize::from(tag.as_ref()[19] % 16);
        let word: [u8; 4] = tag.as_ref()[at..at + 4].try_into().unwrap();
        format!("{:06}", u32::from_be_bytes(word) % 0x8000_0000 % 1_000_000)
    }
}

/// The secret that a page shows, in base32.
#[track_caller]
pub(crate) fn key_of(page: &str) -> String {
    let (_, rest) = page.split_once("<code class=\"key\">").unwrap_or_else(|| panic!("no secret in {page}"));
    rest.split('<').next().unwrap().replace(' ', "")
}

/// The recovery codes that a page shows.
#[track_caller]
pub(crate) fn recovery_codes_of(page: &str) -> Vec<String> {
    let codes = page.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
    let codes: Vec<String> = codes.collect();
    assert_eq!(codes.len(), 10, "{page}");
    codes
}
