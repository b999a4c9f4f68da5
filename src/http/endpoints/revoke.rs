//! The revocation endpoint (RFC 7009).

use axum::response::Response;

use crate::endpoints::revoke;
use crate::http::request::EndpointRequest;

pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request.answer(request.ask(revoke::answer).await)
}
