//! `/auth/explain`: why a token is refused.

use axum::response::Response;

use crate::diagnosis::explanation::Explanation;
use crate::endpoints::explain;
use crate::http::docs::answers::{NoCaller, NoPower};
use crate::http::request::EndpointRequest;
use crate::protocol::schema::describe;
use crate::protocol::scope;

pub(crate) struct ToExplain;

describe!(ToExplain {
    "description": "What to explain.",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "description": "The text that was presented as a token, unchanged."},
        "scope": {
            "description": "The scopes that the resource server needs.",
            "type": "string",
            "pattern": scope::PATTERN,
            "maxLength": scope::LONGEST,
        },
        "audience": {"type": "string", "description": "The audience that the resource server expects."},
        "token_type_hint": {
            "type": "string",
            "description": "`refresh_token` if it should be a refresh token.",
        },
    },
});

#[utoipa::path(
    post,
    path = "/auth/explain",
    operation_id = "explain",
    security(("clientBasic" = []), ("adminToken" = []), ()),
    request_body(content(
        (ToExplain = "application/x-www-form-urlencoded", example = json!({
            "token": "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl",
            "audience": "https://api.example.com",
        })),
        (ToExplain = "application/json", example = json!({
            "client_id": "demo-api",
            "client_secret": "demo-api-secret",
            "token": "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl",
        }))
    )),
    responses(
        (status = 200, description = "The explanation.", body = Explanation),
        (status = 401, response = NoCaller),
        (status = 403, response = NoPower)
    )
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request.answer_json(request.ask(explain::answer).await)
}
