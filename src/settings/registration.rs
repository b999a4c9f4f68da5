//! Whether clients may register themselves (RFC 7591 §3).

use crate::crypto::{equal_in_constant_time, sha256};
use crate::settings::checker::Checker;

/// The fewest and the most bytes of an initial access token.
const LENGTHS: std::ops::RangeInclusive<usize> = 32..=1024;

/// Whether clients may register themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nobody may register a client.
    Off,
    /// Whoever presents the initial access token.
    WithToken(InitialAccessToken),
    /// Everybody.
    Open,
}

/// What callers present to register clients (RFC 7591 §1.2); only its hash is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct InitialAccessToken([u8; 32]);

impl std::fmt::Debug for InitialAccessToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("InitialAccessToken")
    }
}

impl InitialAccessToken {
    /// Whether a text is this token.
    pub fn is(&self, text: &str) -> bool {
        equal_in_constant_time(&self.0, &sha256(text.as_bytes()))
    }
}

impl Registration {
    pub(super) fn check(checker: &mut Checker<'_>) -> Self {
        let resolved = checker.resolved;
        let token = resolved.get("registration_token");
        match (resolved.get("registration").unwrap_or("off"), token) {
            ("token", Some(token)) => {
                // RFC 6750 §2.1.
                let is_legal = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
                if !is_legal || !LENGTHS.contains(&token.len()) {
                    let text = "is not 32 to 1024 letters, digits and characters of -._~+/=: make one with `openssl rand -hex 32`";
                    checker.problem("registration_token", text);
                }
                return Self::WithToken(InitialAccessToken(sha256(token.as_bytes())));
            }
            ("token", None) => {
                let text = "is not set, and JETON_REGISTRATION is token: make one with `openssl rand -hex 32`";
                checker.problem("registration_token", text);
            }
            ("off" | "open", Some(_)) => {
                checker.problem("registration_token", "is set, but JETON_REGISTRATION is not token");
            }
            ("open", None) => return Self::Open,
            ("off", None) => {}
            _ => checker.problem("registration", "is not off, token or open"),
        }
        Self::Off
    }
}
