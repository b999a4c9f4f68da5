//! Tokens of the wrong kind: refresh tokens, ID tokens and client secrets sent as access tokens.

use crate::diagnosis::bytes::shape::{Prefixed, Shape};
use crate::diagnosis::bytes::unverified::UnverifiedJwt;
use crate::diagnosis::finding::Finding;
use crate::protocol::cause::Cause;

/// The finding against a text of the wrong kind, if it shows that it is one.
pub(in crate::diagnosis) fn finding(core: &str, shape: Shape, jwt: &UnverifiedJwt, issuer: &str) -> Option<Finding> {
    match shape {
        Shape::Prefixed(kind) => of_prefix(kind),
        Shape::Headless if core.starts_with("rt_") => of_prefix(Prefixed::RefreshToken),
        Shape::Jwt if jwt.is_id_token(issuer) => Some(Finding::from_bytes(
            Cause::IdTokenAsAccessToken,
            "This is an ID token. It tells a client who logged in, and grants no access.",
        )),
        _ => None,
    }
}

/// The finding against a text with this prefix, unless access tokens have it.
pub(in crate::diagnosis) fn of_prefix(kind: Prefixed) -> Option<Finding> {
    let (cause, detail) = match kind {
        Prefixed::AccessToken => return None,
        Prefixed::RefreshToken => (
            Cause::RefreshTokenAsAccessToken,
            "The prefix `jrt_` marks a refresh token, which only the token endpoint accepts.",
        ),
        Prefixed::ClientSecret => (Cause::ClientSecretAsToken, "The prefix `jcs_` marks a client secret."),
    };
    Some(Finding::from_bytes(cause, detail))
}
