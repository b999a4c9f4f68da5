//! The revocation endpoint (RFC 7009).

use axum::response::Response;

use crate::endpoints::revoke;
use crate::http::endpoints::parameters::{AboutToken, AboutTokenJson};
use crate::http::request::EndpointRequest;

#[utoipa::path(
    post,
    path = "/auth/revoke",
    operation_id = "revoke",
    tag = "Tokens",
    description = include_str!("../../../docs/openapi/revoke.md"),
    security(("clientBasic" = []), ()),
    request_body(content(
        (AboutToken = "application/x-www-form-urlencoded", example = json!({
            "client_id": "demo-login",
            "token": "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl",
        })),
        (AboutTokenJson = "application/json", example = json!({
            "client_id": "demo-login",
            "token": "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl",
        }))
    )),
    responses((status = 200, description = "The token no longer works, if it ever did. The body is empty."))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request.answer(request.ask(revoke::answer).await)
}
