//! Server metadata (RFC 8414).

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::endpoints::metadata;
use crate::http::request::EndpointRequest;
use crate::keys::lifecycle::JWKS_MAX_AGE;

/// Where the metadata stands; for an issuer with a path also in front of that path (RFC 8414 §3.1).
pub(crate) const PATHS: [&str; 2] = [RFC_8414, OPENID];
pub(crate) const RFC_8414: &str = "/.well-known/oauth-authorization-server";
pub(crate) const OPENID: &str = "/.well-known/openid-configuration";

pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request
        .answer(metadata::document(&request.app, &request.app.issuer).await.map(|document| cacheable(Json(document))))
}

/// An answer that everybody may keep for as long as the published keys.
pub(crate) fn cacheable(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={JWKS_MAX_AGE}")) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}
