//! Server metadata (RFC 8414, OpenID Connect Discovery).

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::app::document::Document;
use crate::endpoints::metadata;
use crate::http::docs::answers::{MetadataDocument, NotModified, Unavailable};
use crate::http::request::EndpointRequest;
use crate::keys::lifecycle::JWKS_MAX_AGE;

/// Where the metadata stands; for an issuer with a path also in front of that path (RFC 8414 §3.1).
pub(crate) const PATH: &str = "/.well-known/oauth-authorization-server";
/// Where OpenID Connect has the same document (Discovery §4).
pub(crate) const OPENID_PATH: &str = "/.well-known/openid-configuration";

#[utoipa::path(
    get,
    path = PATH,
    operation_id = "metadata",
    responses(
        (status = 200, response = MetadataDocument),
        (status = 304, response = NotModified),
        (status = 503, response = Unavailable)
    )
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    let document = metadata::document(&request.app, &request.app.issuer).await;
    request.answer(document.map(|document| cacheable(&request.head.headers, document)))
}

#[utoipa::path(
    get,
    path = OPENID_PATH,
    operation_id = "openidMetadata",
    responses(
        (status = 200, response = MetadataDocument),
        (status = 304, response = NotModified),
        (status = 503, response = Unavailable)
    )
)]
pub(crate) async fn answer_openid(request: EndpointRequest) -> Response {
    answer(request).await
}

/// A document that everybody may keep for as long as the published keys; or, for who has it, that it is still the same
/// (RFC 9110 §13.1.2).
pub(crate) fn cacheable(asked: &HeaderMap, document: Document) -> Response {
    let Document { text, etag } = document;
    let is_same = |value: &HeaderValue| {
        let mut tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    };
    let mut response = Response::new(Body::empty());
    if asked.get_all(header::IF_NONE_MATCH).iter().any(is_same) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = text.into();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in [(header::CACHE_CONTROL, format!("public, max-age={JWKS_MAX_AGE}")), (header::ETAG, etag)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
