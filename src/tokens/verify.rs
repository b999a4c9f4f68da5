//! Whether a presented text is a token of this server, proved by the keys. Why it is none is told by the diagnosis.

use crate::keys::keyring::KeyRing;
use crate::protocol::claims::AccessClaims;
use crate::tokens::context::TokenContext;
use crate::tokens::environment::{ACCESS_TOKEN_PREFIX, REFRESH_TOKEN_PREFIX, split};
use crate::tokens::jwt;
use crate::tokens::opaque;
use crate::tokens::refresh::RefreshToken;

/// An authentic token of this server.
#[derive(Debug, PartialEq)]
pub enum Verified {
    /// An access token of either form.
    Access(Box<AccessClaims>),
    /// A refresh token.
    Refresh(RefreshToken),
}

/// A text that is no token of this server, as far as it matters for what is done next.
#[derive(Debug, PartialEq)]
pub enum VerifyError {
    /// It names a key that is not known here: perhaps another node has just made it.
    UnknownKey,
    /// A key of this server made it, for another issuer.
    OtherIssuer(Box<AccessClaims>),
    /// Nothing that another look at the keys could change.
    NotOurs,
}

impl VerifyError {
    /// The text names a key that is not in the ring.
    pub(crate) fn without_key(ring: &KeyRing, kid: &str) -> Self {
        if ring.retired(kid).is_some() { Self::NotOurs } else { Self::UnknownKey }
    }
}

/// Reads a presented text and proves it against the keys, with one key operation. Nothing is said of expiry or revocation.
///
/// # Errors
/// When it is none of this server's tokens.
pub fn verify(token: &str, origin: TokenContext<'_>) -> Result<Verified, VerifyError> {
    if token.len() > jwt::LONGEST {
        return Err(VerifyError::NotOurs);
    }
    if let Some(rest) = token.strip_prefix(REFRESH_TOKEN_PREFIX) {
        let body = body_of_ours(rest, origin)?;
        return RefreshToken::read(body, origin.environment, origin.ring).map(Verified::Refresh);
    }
    let claims = match token.strip_prefix(ACCESS_TOKEN_PREFIX) {
        Some(rest) => opaque::read(body_of_ours(rest, origin)?, origin.environment, origin.ring)?,
        None => jwt::read(token, origin)?,
    };
    let claims = Box::new(claims);
    if claims.iss == origin.issuer { Ok(Verified::Access(claims)) } else { Err(VerifyError::OtherIssuer(claims)) }
}

/// What follows the environment, if the environment is ours.
fn body_of_ours<'t>(after_prefix: &'t str, origin: TokenContext<'_>) -> Result<&'t str, VerifyError> {
    let (environment, body) = split(after_prefix).ok_or(VerifyError::NotOurs)?;
    if environment == *origin.environment { Ok(body) } else { Err(VerifyError::NotOurs) }
}
