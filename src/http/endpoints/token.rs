//! The token endpoint (RFC 6749 §3.2).

use axum::response::Response;

use crate::endpoints::token;
use crate::grants::TokenResponse;
use crate::http::request::EndpointRequest;
use crate::protocol::client::GrantType;
use crate::protocol::exchange;
use crate::protocol::schema::describe;

pub(crate) struct TokenRequest;

describe!(TokenRequest {
    "description": "The parameters of the token endpoint.",
    "properties": {
        "grant_type": {
            "description": "What the client presents.",
            "type": "string",
            "enum": GrantType::ALL,
        },
        "username": {"type": "string", "description": "For `password`: the name of the user."},
        "password": {"type": "string", "description": "For `password`: the password of the user."},
        "refresh_token": {
            "type": "string",
            "description": "For `refresh_token`: the newest refresh token of the session.",
        },
        "code": {"type": "string", "description": "For `authorization_code`: the code."},
        "redirect_uri": {
            "type": "string",
            "description": "For `authorization_code`: as in the authorization request, if that had one.",
        },
        "code_verifier": {
            "type": "string",
            "description": "For `authorization_code`: the text whose hash was the `code_challenge` (RFC 7636).",
        },
        "device_code": {"type": "string", "description": "For the device code grant: what `/auth/device` gave."},
        "subject_token": {
            "type": "string",
            "description":
                "For token exchange (RFC 8693): an access token of the client, or for a resource that it serves, or a token of a \
                 trusted issuer. For an identity assertion: an ID token of the client.",
        },
        "subject_token_type": {
            "type": "string",
            "enum": exchange::SUBJECT_TYPES,
            "description": "For token exchange: what `subject_token` is.",
        },
        "actor_token": {
            "type": "string",
            "description": "For token exchange: an access token of who acts for the subject; the client unless sent.",
        },
        "actor_token_type": {
            "type": "string",
            "enum": exchange::ACTOR_TYPES,
            "description": "For token exchange: what `actor_token` is.",
        },
        "requested_token_type": {
            "type": "string",
            "enum": exchange::REQUESTED_TYPES,
            "description":
                "For token exchange: what is wanted, an access token unless sent. `id-jag` is an identity assertion for another \
                 authorization server.",
        },
        "assertion": {
            "type": "string",
            "description": "For the JWT bearer grant: a token of a trusted issuer (RFC 7523 §2.1), or an identity assertion (ID-JAG).",
        },
        "scope": {
            "description":
                "Names separated by single spaces; what the client may have unless named. A refresh may ask for less.",
            "type": "string",
        },
        "resource": {
            "description":
                "For whom the token is (RFC 8707), one of the client's audiences; all of them unless named. May repeat.",
            "type": "array",
            "items": {"type": "string"},
        },
        "audience": {
            "type": "string",
            "description": "The same as `resource`, for libraries that know only this name. Of an identity assertion, the issuer of the \
                other authorization server.",
        },
    },
});

#[utoipa::path(
    post,
    path = "/auth/token",
    operation_id = "token",
    security(("clientBasic" = []), ()),
    request_body(content(
        (TokenRequest = "application/x-www-form-urlencoded", examples(
            ("password" = (
                summary = "A login by the default client",
                value = json!({"username": "demo", "password": "demo-password"})
            )),
            ("client_credentials" = (
                summary = "A client on its own behalf",
                value = json!({
                    "grant_type": "client_credentials",
                    "client_id": "demo-app",
                    "client_secret": "demo-app-secret",
                    "scope": "read:conversations",
                })
            ))
        )),
        (TokenRequest = "application/json", examples(
            ("password" = (
                summary = "A login",
                value = json!({
                    "grant_type": "password",
                    "client_id": "demo-login",
                    "username": "demo",
                    "password": "demo-password",
                })
            )),
            ("client_credentials" = (
                summary = "A client on its own behalf",
                value = json!({
                    "client_id": "demo-app",
                    "client_secret": "demo-app-secret",
                    "grant_type": "client_credentials",
                })
            ))
        ))
    )),
    responses((status = 200, description = "A token.", body = TokenResponse, links(
        ("introspect" = (
            operation_id = "introspect",
            description = "A resource server can ask whether the token is good.",
            request_body = json!({"token": "$response.body#/access_token"})
        )),
        ("revoke" = (
            operation_id = "revoke",
            description = "The client can give it back.",
            request_body = json!({"token": "$response.body#/access_token"})
        )),
        ("explain" = (
            operation_id = "explain",
            description = "The client can be told what a resource server must expect of it.",
            request_body = json!({"token": "$response.body#/access_token"})
        ))
    )))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request.answer_json(request.ask(token::answer).await)
}
