//! Device codes (RFC 8628 §3.2): the first credential of the session that a device waits for, computed and never stored. They differ
//! from authorization codes in their prefix, which the MAC covers.

use std::fmt;

use uuid::Uuid;

use crate::keys::keyring::{KeyRing, ReadyTokenKey};
use crate::tokens::code::read_first;
use crate::tokens::environment::{DEVICE_CODE_PREFIX, Environment};
use crate::tokens::error::VerifyError;
use crate::tokens::refresh::RefreshToken;

/// The content of a device code.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceCode(RefreshToken);

impl fmt::Debug for DeviceCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DeviceCode(session {})", self.0.session)
    }
}

impl DeviceCode {
    /// The code of a request, whose session will have this id.
    pub fn new(session: Uuid) -> Self {
        Self(RefreshToken::first(session))
    }

    /// Its request, and the session that it begins.
    pub const fn session(&self) -> Uuid {
        self.0.session
    }

    /// The credential that it stands for: generation 0 of its session, whose successor is the first refresh token.
    pub const fn credential(&self) -> &RefreshToken {
        &self.0
    }

    /// Writes the code, authenticated with a key.
    pub fn write(&self, environment: &Environment, key: &ReadyTokenKey) -> String {
        self.0.write_as(DEVICE_CODE_PREFIX, environment, key)
    }

    /// Reads a code of this environment.
    ///
    /// # Errors
    /// If it is no device code of this environment, or its key is unknown.
    pub fn read(text: &str, environment: &Environment, ring: &KeyRing) -> Result<Self, VerifyError> {
        read_first(DEVICE_CODE_PREFIX, text, environment, ring).map(Self)
    }
}
