//! Authorization codes and device codes: the first credential of a session, computed and never stored.
//!
//! A code is like a refresh token of generation 0, with a prefix of its own, which its MAC covers: none reads as another. Redeeming it
//! moves the session to generation 1, with which its refresh tokens begin.

use std::fmt;

use uuid::Uuid;

use crate::crypto::{base64url, equal_in_constant_time, sha256};
use crate::keys::keyring::{KeyRing, ReadyTokenKey};
use crate::tokens::environment::{self, AUTHORIZATION_CODE_PREFIX, DEVICE_CODE_PREFIX, Environment};
use crate::tokens::error::VerifyError;
use crate::tokens::refresh::RefreshToken;

/// Whether a verifier belongs to a PKCE challenge (RFC 7636 §4.6, `S256`).
pub fn is_verified(challenge: &str, verifier: &str) -> bool {
    equal_in_constant_time(base64url(sha256(verifier.as_bytes())).as_bytes(), challenge.as_bytes())
}

/// What a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeKind {
    /// An authorization code (RFC 6749 §4.1.2).
    Authorization,
    /// A device code (RFC 8628 §3.2), of the session that a device waits for.
    Device,
}

impl CodeKind {
    /// What such codes begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Authorization => AUTHORIZATION_CODE_PREFIX,
            Self::Device => DEVICE_CODE_PREFIX,
        }
    }
}

/// The content of a code.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    kind: CodeKind,
    credential: RefreshToken,
}

impl fmt::Debug for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Code({:?}, session {})", self.kind, self.credential.session)
    }
}

impl Code {
    /// The code of a new session.
    pub fn new(kind: CodeKind, session: Uuid) -> Self {
        Self { kind, credential: RefreshToken::first(session) }
    }

    /// What it is.
    pub const fn kind(&self) -> CodeKind {
        self.kind
    }

    /// Its session; of a device code, also its request.
    pub const fn session(&self) -> Uuid {
        self.credential.session
    }

    /// The credential that it stands for: generation 0 of its session, whose successor is the first refresh token.
    pub const fn credential(&self) -> &RefreshToken {
        &self.credential
    }

    /// Writes the code, authenticated with a key.
    pub fn write(&self, environment: &Environment, key: &ReadyTokenKey) -> String {
        self.credential.write_as(self.kind.prefix(), environment, key)
    }

    /// Reads a code of this environment.
    ///
    /// # Errors
    /// If it is no such code of this environment, or its key is unknown.
    pub fn read(kind: CodeKind, text: &str, environment: &Environment, ring: &KeyRing) -> Result<Self, VerifyError> {
        let rest = text.strip_prefix(kind.prefix()).ok_or(VerifyError::NotOurs)?;
        let (own, body) = environment::split(rest).ok_or(VerifyError::NotOurs)?;
        if own != *environment {
            return Err(VerifyError::NotOurs);
        }
        let credential = RefreshToken::read_as(kind.prefix(), body, environment, ring)?;
        if credential.generation == 0 { Ok(Self { kind, credential }) } else { Err(VerifyError::NotOurs) }
    }
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
