//! The introspection endpoint (RFC 7662).

use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::endpoints::introspect::{self, Answered, Introspection, SIGNED};
use crate::http::endpoints::about_token::AboutToken;
use crate::http::request::EndpointRequest;
use crate::protocol::schema::describe;

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
    responses((status = 200, description = "The token is active, or it is not.", content(
        (Introspection = "application/json"),
        (SignedIntrospection = "application/token-introspection+jwt")
    )))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    match request.ask(introspect::answer).await {
        Ok(Answered::Plain(said)) => request.answer_json(Ok(said)),
        Ok(Answered::Signed(text)) => {
            let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(SIGNED));
            request.answer(Ok(([content_type], text)))
        }
        Err(failure) => request.answer_json(Err::<Introspection, _>(failure)),
    }
}

pub(crate) struct SignedIntrospection;

describe!(SignedIntrospection {
    "type": "string",
    "description": "A JWT (RFC 9701 §5) with the `typ` `token-introspection+jwt`: `iss`, `aud` (the client that asks), `iat`, and \
        `token_introspection` with what is known about the token.",
});
