//! The introspection endpoint (RFC 7662).

use axum::response::Response;

use crate::endpoints::introspect::{self, Introspection};
use crate::http::endpoints::about_token::AboutToken;
use crate::http::request::EndpointRequest;

#[utoipa::path(
    post,
    path = "/auth/introspect",
    operation_id = "introspect",
    security(("clientBasic" = []), ()),
    request_body(content(
        (AboutToken = "application/x-www-form-urlencoded", example = json!({
            "token": "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl",
        })),
        (AboutToken = "application/json", example = json!({
            "client_id": "demo-api",
            "client_secret": "demo-api-secret",
            "token": "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl",
        }))
    )),
    responses((status = 200, description = "The token is active, or it is not.", body = Introspection))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request.answer_json(request.ask(introspect::answer).await)
}
