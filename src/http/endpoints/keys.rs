//! The published keys (RFC 7517 §5).

use axum::Json;
use axum::response::Response;

use crate::http::endpoints::metadata::cacheable;
use crate::http::request::EndpointRequest;

pub(crate) async fn answer(request: EndpointRequest) -> Response {
    cacheable(Json(request.app.issuer.keys().ring.jwks()))
}
