//! The introspection endpoint (RFC 7662).

use axum::response::Response;

use crate::endpoints::introspect;
use crate::http::request::EndpointRequest;

pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request.answer_json(request.ask(introspect::answer).await)
}
