//! The published keys (RFC 7517 §5).

use axum::Json;
use axum::response::Response;

use crate::http::docs::answers::PublishedKeys;
use crate::http::endpoints::metadata::cacheable;
use crate::http::request::EndpointRequest;

#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks",
    responses((status = 200, response = PublishedKeys))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    cacheable(Json(request.app.issuer.keys().ring.jwks()))
}
