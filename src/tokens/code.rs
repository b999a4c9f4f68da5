//! Authorization codes: the first credential of a session, computed and never stored.
//!
//! A code is like a refresh token of generation 0, with a prefix of its own, which its MAC covers: neither reads as the
//! other. Redeeming it moves the session to generation 1, with which its refresh tokens begin.

use std::fmt;

use uuid::Uuid;

use crate::crypto::{base64url, equal_in_constant_time, sha256};
use crate::keys::keyring::{KeyRing, ReadyTokenKey};
use crate::tokens::environment::{self, AUTHORIZATION_CODE_PREFIX, Environment};
use crate::tokens::error::VerifyError;
use crate::tokens::refresh::RefreshToken;

/// Whether a verifier belongs to a PKCE challenge (RFC 7636 §4.6, `S256`).
pub fn is_verified(challenge: &str, verifier: &str) -> bool {
    equal_in_constant_time(base64url(sha256(verifier.as_bytes())).as_bytes(), challenge.as_bytes())
}

/// The content of an authorization code.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationCode(RefreshToken);

impl fmt::Debug for AuthorizationCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "AuthorizationCode(session {})", self.0.session)
    }
}

impl AuthorizationCode {
    /// The code of a new session.
    pub fn new(session: Uuid) -> Self {
        Self(RefreshToken::first(session))
    }

    /// Its session.
    pub const fn session(&self) -> Uuid {
        self.0.session
    }

    /// The credential that it stands for: generation 0 of its session, whose successor is the first refresh token.
    pub const fn credential(&self) -> &RefreshToken {
        &self.0
    }

    /// Writes the code, authenticated with a key.
    pub fn write(&self, environment: &Environment, key: &ReadyTokenKey) -> String {
        self.0.write_as(AUTHORIZATION_CODE_PREFIX, environment, key)
    }

    /// Reads a code of this environment.
    ///
    /// # Errors
    /// If it is no code of this environment, or its key is unknown.
    pub fn read(text: &str, environment: &Environment, ring: &KeyRing) -> Result<Self, VerifyError> {
        read_first(AUTHORIZATION_CODE_PREFIX, text, environment, ring).map(Self)
    }
}

/// Reads a credential of generation 0 with this prefix.
pub(super) fn read_first(
    prefix: &str,
    text: &str,
    environment: &Environment,
    ring: &KeyRing,
) -> Result<RefreshToken, VerifyError> {
    let rest = text.strip_prefix(prefix).ok_or(VerifyError::NotOurs)?;
    let (own, body) = environment::split(rest).ok_or(VerifyError::NotOurs)?;
    if own != *environment {
        return Err(VerifyError::NotOurs);
    }
    let credential = RefreshToken::read_as(prefix, body, environment, ring)?;
    if credential.generation == 0 { Ok(credential) } else { Err(VerifyError::NotOurs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aut_032_a_verifier_belongs_to_the_base64url_form_of_its_hash_only() {
        // RFC 7636 appendix B.
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(is_verified(challenge, verifier));
        for other in [format!("{challenge}="), challenge.replace('-', "+"), verifier.to_owned(), String::new()] {
            assert!(!is_verified(&other, verifier), "{other}");
        }
    }
}
