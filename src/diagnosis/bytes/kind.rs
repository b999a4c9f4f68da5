//! Tokens of the wrong kind: refresh tokens, ID tokens, codes, client secrets and registration access tokens sent as access tokens.

use crate::diagnosis::bytes::shape::{Prefixed, Shape};
use crate::diagnosis::bytes::unverified::UnverifiedJwt;
use crate::diagnosis::finding::Finding;
use crate::protocol::cause::Cause;

/// The finding against a text of the wrong kind, if it shows that it is one.
pub(in crate::diagnosis) fn finding(core: &str, shape: Shape, jwt: &UnverifiedJwt, issuer: &str) -> Option<Finding> {
    match shape {
        Shape::Prefixed(kind) => of_prefix(kind),
        Shape::Headless if core.starts_with("rt_") => of_prefix(Prefixed::RefreshToken),
        Shape::Headless if core.starts_with("ac_") => of_prefix(Prefixed::AuthorizationCode),
        Shape::Headless if core.starts_with("dc_") => of_prefix(Prefixed::DeviceCode),
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
        Prefixed::AuthorizationCode => (
            Cause::CodeAsToken,
            "The prefix `jac_` marks an authorization code, which the client exchanges for tokens at the token endpoint, once.",
        ),
        Prefixed::DeviceCode => (
            Cause::CodeAsToken,
            "The prefix `jdc_` marks a device code, with which the device asks the token endpoint for tokens.",
        ),
        Prefixed::ClientSecret => (Cause::ClientSecretAsToken, "The prefix `jcs_` marks a client secret."),
        Prefixed::RegistrationToken => (
            Cause::RegistrationTokenAsToken,
            "The prefix `jrg_` marks a registration access token, with which a client reads and changes its own registration.",
        ),
    };
    Some(Finding::from_bytes(cause, detail))
}
