//! The published keys (RFC 7517 §5).

use axum::response::Response;

use crate::endpoints::metadata;
use crate::http::docs::answers::{NotModified, PublishedKeys, Unavailable};
use crate::http::endpoints::metadata::cacheable;
use crate::http::request::EndpointRequest;

#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks",
    responses(
        (status = 200, response = PublishedKeys),
        (status = 304, response = NotModified),
        (status = 503, response = Unavailable)
    )
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    let document = metadata::key_set(&request.app, &request.app.issuer);
    request.answer(document.map(|document| cacheable(&request.head.headers, document)))
}
