//! The endpoint for pushed authorization requests (RFC 9126).

use axum::http::StatusCode;
use axum::response::Response;

use crate::endpoints::pushed_authorization::{self, Pushed};
use crate::http::request::EndpointRequest;
use crate::protocol::schema::describe;

pub(crate) struct PushedRequest;

describe!(PushedRequest {
    "description": "The parameters of the authorization endpoint, and how the client authenticates.",
    "properties": {
        "redirect_uri": {
            "type": "string",
            "description": "Where the answer goes: one of the client's, compared byte for byte.",
        },
        "response_type": {"type": "string", "description": "`code`."},
        "response_mode": {"type": "string", "description": "`query` (the default) or `form_post`."},
        "scope": {"type": "string", "description": "Names separated by single spaces."},
        "state": {"type": "string", "description": "Returned unchanged, at most 4096 bytes."},
        "code_challenge": {"type": "string", "description": "The PKCE challenge (RFC 7636)."},
        "code_challenge_method": {"type": "string", "description": "`S256`."},
        "dpop_jkt": {
            "description": "The thumbprint of the key that the code is bound to (RFC 9449 §10). A `DPoP` header does the same.",
            "type": "string",
        },
        "resource": {
            "description": "For whom the tokens are (RFC 8707). May repeat.",
            "type": "array",
            "items": {"type": "string"},
        },
    },
});

#[utoipa::path(
    post,
    path = "/auth/par",
    operation_id = "pushAuthorizationRequest",
    security(("clientBasic" = []), ()),
    request_body(content(
        (PushedRequest = "application/x-www-form-urlencoded", example = json!({
            "client_id": "demo-web",
            "redirect_uri": "http://127.0.0.1:8080/demo",
            "response_type": "code",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        })),
        (PushedRequest = "application/json", example = json!({
            "client_id": "demo-web",
            "redirect_uri": "http://127.0.0.1:8080/demo",
            "response_type": "code",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        }))
    )),
    responses((status = 201, description = "What stands for the request.", body = Pushed))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    let mut response = request.answer_json(request.ask(pushed_authorization::answer).await);
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::CREATED;
    }
    response
}
