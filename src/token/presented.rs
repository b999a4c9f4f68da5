//! What kind of thing was presented as a token, told by its form alone.

use super::environment::{ACCESS_TOKEN_PREFIX, CLIENT_SECRET_PREFIX, REFRESH_TOKEN_PREFIX, split};
use super::jwt;
use super::opaque;
use super::origin::Origin;
use super::refresh::RefreshToken;
use crate::oauth::cause::Cause;
use crate::oauth::claims::AccessClaims;

/// An authentic token of this server.
#[derive(Debug, PartialEq)]
pub enum Authentic {
    /// An access token of either form.
    Access(Box<AccessClaims>),
    /// A refresh token.
    Refresh(RefreshToken),
}

/// Reads a presented text and proves it against the keys. Nothing is said of expiry or revocation.
///
/// # Errors
/// The cause why it is none of this server's tokens.
pub fn read(token: &str, origin: Origin<'_>) -> Result<Authentic, Cause> {
    if token.len() > jwt::LONGEST {
        return Err(Cause::NotAToken);
    }
    if let Some(rest) = token.strip_prefix(ACCESS_TOKEN_PREFIX) {
        let body = body_of_ours(rest, origin)?;
        let claims = opaque::read(body, origin.environment, origin.issuer, origin.ring)?;
        return Ok(Authentic::Access(Box::new(claims)));
    }
    if let Some(rest) = token.strip_prefix(REFRESH_TOKEN_PREFIX) {
        let body = body_of_ours(rest, origin)?;
        return RefreshToken::read(body, origin.environment, origin.ring).map(Authentic::Refresh);
    }
    if token.starts_with(CLIENT_SECRET_PREFIX) {
        return Err(Cause::ClientSecretAsToken);
    }
    jwt::read(token, origin).map(|claims| Authentic::Access(Box::new(claims)))
}

/// What follows the environment, if the environment is ours.
fn body_of_ours<'t>(after_prefix: &'t str, origin: Origin<'_>) -> Result<&'t str, Cause> {
    let (environment, body) = split(after_prefix).ok_or(Cause::NotAToken)?;
    if environment == *origin.environment { Ok(body) } else { Err(origin.of_environment(&environment)) }
}
