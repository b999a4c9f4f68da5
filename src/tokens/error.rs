//! Why a text was not verified.

use crate::keys::keyring::KeyRing;
use crate::protocol::claims::AccessClaims;

/// Why a text did not verify as a token of this server. The diagnosis finds the exact cause.
#[derive(Clone, Debug, PartialEq)]
pub enum VerifyError {
    /// It names a key that is unknown here; another node may just have created it.
    UnknownKey,
    /// A key of this server made it, but for another issuer; `iss` is empty if that one's name is not known.
    OtherIssuer(Box<AccessClaims>),
    /// No key that is still unknown here could verify it.
    NotOurs,
}

impl VerifyError {
    /// The error for a text that names a key that is not in the ring.
    pub(super) fn without_key(ring: &KeyRing, kid: &str) -> Self {
        if ring.retired(kid).is_some() { Self::NotOurs } else { Self::UnknownKey }
    }
}
