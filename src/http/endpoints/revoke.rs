//! The revocation endpoint (RFC 7009).

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::endpoints::revoke;
use crate::http::endpoints::about_token::AboutToken;
use crate::http::request::EndpointRequest;

/// An empty object: clients ignore it (RFC 7009 §2.2), but some read every answer as JSON.
#[derive(Serialize, ToSchema)]
#[schema(as = Revoked, max_properties = 0)]
pub(crate) struct Revoked {}

#[utoipa::path(
    post,
    path = "/auth/revoke",
    operation_id = "revoke",
    security(("clientBasic" = []), ()),
    request_body(content(
        (AboutToken = "application/x-www-form-urlencoded", example = json!({
            "client_id": "demo-login",
            "token": "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl",
        })),
        (AboutToken = "application/json", example = json!({
            "client_id": "demo-login",
            "token": "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl",
        }))
    )),
    responses((status = 200, description = "The token no longer works, if it ever did.", body = Revoked))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request.answer_json(request.ask(revoke::answer).await.map(|()| Revoked {}))
}
