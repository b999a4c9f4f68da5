//! Verifies that a text is a token of this server. The diagnosis says why a text is not.

use crate::jose::jws;
use crate::protocol::claims::AccessClaims;
use crate::tokens::context::TokenContext;
use crate::tokens::environment::{ACCESS_TOKEN_PREFIX, REFRESH_TOKEN_PREFIX, split};
use crate::tokens::refresh::RefreshToken;
use crate::tokens::{jwt, opaque};

pub use crate::tokens::error::VerifyError;

/// An authentic token of this server.
#[derive(Debug, PartialEq)]
pub enum Verified {
    /// An access token, JWT or opaque.
    Access(Box<AccessClaims>),
    /// A refresh token.
    Refresh(RefreshToken),
}

/// Verifies and reads a text with at most one key operation. Expiry and revocation are checked elsewhere.
pub fn verify(token: &str, context: TokenContext<'_>) -> Result<Verified, VerifyError> {
    if token.len() > jwt::LONGEST {
        return Err(VerifyError::NotOurs);
    }
    if let Some(rest) = token.strip_prefix(REFRESH_TOKEN_PREFIX) {
        let body = body_of_ours(rest, context)?;
        return RefreshToken::read(body, context.environment, context.ring).map(Verified::Refresh);
    }
    let claims = match token.strip_prefix(ACCESS_TOKEN_PREFIX) {
        Some(rest) => opaque::read(body_of_ours(rest, context)?, context)?,
        None => jwt::read(token, context)?,
    };
    Ok(Verified::Access(Box::new(claims)))
}

/// The id of the key that made an access token of this server, which was verified before.
pub fn key_of(token: &str) -> Option<String> {
    match token.strip_prefix(ACCESS_TOKEN_PREFIX) {
        Some(rest) => split(rest).and_then(|(_, body)| opaque::key_of(body)),
        None => jws::header(token).ok()?.kid,
    }
}

/// What follows the environment, if the environment is ours.
fn body_of_ours<'t>(after_prefix: &'t str, context: TokenContext<'_>) -> Result<&'t str, VerifyError> {
    let (environment, body) = split(after_prefix).ok_or(VerifyError::NotOurs)?;
    if environment == *context.environment { Ok(body) } else { Err(VerifyError::NotOurs) }
}
