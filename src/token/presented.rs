//! Whether a presented text is a token of this server, proved by the keys. Why it is none is told by the diagnosis.

use super::environment::{ACCESS_TOKEN_PREFIX, REFRESH_TOKEN_PREFIX, split};
use super::jwt;
use super::keyring::KeyRing;
use super::opaque;
use super::origin::Origin;
use super::refresh::RefreshToken;
use crate::oauth::claims::AccessClaims;

/// An authentic token of this server.
#[derive(Debug, PartialEq)]
pub enum Authentic {
    /// An access token of either form.
    Access(Box<AccessClaims>),
    /// A refresh token.
    Refresh(RefreshToken),
}

/// A text that is no token of this server, as far as it matters for what is done next.
#[derive(Debug, PartialEq)]
pub enum Unread {
    /// It names a key that is not known here: perhaps another node has just made it.
    UnknownKey,
    /// A key of this server made it, for another issuer.
    OtherIssuer(Box<AccessClaims>),
    /// Nothing that another look at the keys could change.
    NotOurs,
}

impl Unread {
    /// The text names a key that is not in the ring.
    pub(super) fn without_key(ring: &KeyRing, kid: &str) -> Self {
        if ring.retired(kid).is_some() { Self::NotOurs } else { Self::UnknownKey }
    }
}

/// Reads a presented text and proves it against the keys, with one key operation. Nothing is said of expiry or revocation.
///
/// # Errors
/// When it is none of this server's tokens.
pub fn prove(token: &str, origin: Origin<'_>) -> Result<Authentic, Unread> {
    if token.len() > jwt::LONGEST {
        return Err(Unread::NotOurs);
    }
    if let Some(rest) = token.strip_prefix(REFRESH_TOKEN_PREFIX) {
        let body = body_of_ours(rest, origin)?;
        return RefreshToken::read(body, origin.environment, origin.ring).map(Authentic::Refresh);
    }
    let claims = match token.strip_prefix(ACCESS_TOKEN_PREFIX) {
        Some(rest) => opaque::read(body_of_ours(rest, origin)?, origin.environment, origin.ring)?,
        None => jwt::read(token, origin)?,
    };
    let claims = Box::new(claims);
    if claims.iss == origin.issuer { Ok(Authentic::Access(claims)) } else { Err(Unread::OtherIssuer(claims)) }
}

/// What follows the environment, if the environment is ours.
fn body_of_ours<'t>(after_prefix: &'t str, origin: Origin<'_>) -> Result<&'t str, Unread> {
    let (environment, body) = split(after_prefix).ok_or(Unread::NotOurs)?;
    if environment == *origin.environment { Ok(body) } else { Err(Unread::NotOurs) }
}
