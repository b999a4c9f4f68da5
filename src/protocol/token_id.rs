//! The id of an access token (`jti`).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, Serializer};

/// 128 random bits. Everywhere it is read or shown, it is 22 characters of base64url, as in the token, so that one text
/// finds it in tokens, answers, logs and the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct TokenId([u8; Self::LENGTH]);

impl TokenId {
    /// Its length in bytes.
    pub const LENGTH: usize = 16;

    /// The id with these bytes.
    pub const fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for TokenId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("is not the id of a token")
    }
}

impl TryFrom<String> for TokenId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Serialize for TokenId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling_of_22_characters() {
        let id = TokenId::new([0xFB; TokenId::LENGTH]);
        let text = id.to_string();
        assert_eq!((text.len(), text.parse()), (22, Ok(id)));
        for other in
            ["", "fbfbfbfb-fbfb-fbfb-fbfb-fbfbfbfbfbfb", &text[1..], &format!("{text}="), &text.replace('-', "+")]
        {
            assert!(other.parse::<TokenId>().is_err(), "{other}");
        }
        let stray = format!("{}x", &text[..21]);
        assert!(stray.parse::<TokenId>().is_err(), "stray bits at the end");
    }
}
