//! Server metadata (RFC 8414).

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::endpoints::metadata;
use crate::http::docs::answers::{MetadataDocument, Unavailable};
use crate::http::request::EndpointRequest;
use crate::keys::lifecycle::JWKS_MAX_AGE;

/// The path of the metadata; for an issuer with a path also in front of that path (RFC 8414 §3.1). There is none for
/// OpenID Connect: clients that find it expect what only a complete OpenID provider has.
pub(crate) const PATH: &str = "/.well-known/oauth-authorization-server";

#[utoipa::path(
    get,
    path = PATH,
    operation_id = "metadata",
    responses((status = 200, response = MetadataDocument), (status = 503, response = Unavailable))
)]
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
