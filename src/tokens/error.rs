//! Why a text is not proved to be a token of this server.

use crate::keys::keyring::KeyRing;
use crate::protocol::claims::AccessClaims;

/// Why a text is not a token of this server, as far as it matters for what happens next. The diagnosis finds the cause.
#[derive(Debug, PartialEq)]
pub enum VerifyError {
    /// It names a key that is unknown here: another node may just have made it.
    UnknownKey,
    /// A key of this server made it, but for another issuer.
    OtherIssuer(Box<AccessClaims>),
    /// No other key could prove it.
    NotOurs,
}

impl VerifyError {
    /// The error for a text that names a key that is not in the ring.
    pub(super) fn without_key(ring: &KeyRing, kid: &str) -> Self {
        if ring.retired(kid).is_some() { Self::NotOurs } else { Self::UnknownKey }
    }
}
