//! The token endpoint (RFC 6749 §3.2).

use axum::response::Response;

use crate::endpoints::token;
use crate::http::request::EndpointRequest;

pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request.answer_json(request.ask(token::answer).await)
}
