//! The registration endpoint (RFC 7591), and the management of registrations (RFC 7592).

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use utoipa::IntoParams;

use crate::app::{App, Request};
use crate::endpoints::register;
use crate::http::docs::answers::{Done, NoRegistration};
use crate::http::oauth_error;
use crate::http::request::EndpointRequest;
use crate::protocol::client::{ApplicationType, AuthMethod, IdTokenAlgorithm};
use crate::protocol::schema::describe;
use crate::settings::Registration;

/// The client in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what is read by its name")]
pub(crate) struct RegisteredPath {
    /// The id of the client.
    #[param(min_length = 1)]
    client_id: String,
}

pub(crate) struct ClientMetadata;

describe!(ClientMetadata, [ApplicationType, IdTokenAlgorithm] {
    "description": "What a client says of itself (RFC 7591 §2). `null` counts as absent, and unknown members are ignored.",
    "type": "object",
    "properties": {
        "redirect_uris": {
            "description": "https, http of the person's own machine, or a private scheme with a dot. At least one with \
                `authorization_code`.",
            "type": "array", "maxItems": 50, "items": {"type": "string", "maxLength": 2048},
        },
        "client_name": {"description": "What people are shown.", "type": "string", "maxLength": 255},
        "token_endpoint_auth_method": {
            "description": "`client_secret_basic` by default.",
            "type": "string", "enum": ["client_secret_basic", "client_secret_post", "tls_client_auth", "none"],
        },
        "grant_types": {
            "description": "`authorization_code` (the default), `refresh_token` and \
                `urn:ietf:params:oauth:grant-type:device_code`; others are left out.",
            "type": "array", "items": {"type": "string"},
        },
        "response_types": {
            "description": "`code`; others are left out.",
            "type": "array", "items": {"type": "string"},
        },
        "scope": {
            "description": "Those that the client cannot have are left out. Everything that it can have by default.",
            "type": "string",
        },
        "application_type": {"$ref": "#/components/schemas/ApplicationType"},
        "id_token_signed_response_alg": {"$ref": "#/components/schemas/IdTokenAlgorithm"},
        "post_logout_redirect_uris": {"type": "array", "maxItems": 50, "items": {"type": "string", "maxLength": 2048}},
        "backchannel_logout_uri": {"type": "string", "maxLength": 2048},
        "require_pushed_authorization_requests": {"type": "boolean"},
        "tls_client_auth_subject_dn": {
            "description": "As RFC 4514 writes it. With `tls_client_auth`, exactly one of the five names of the certificate.",
            "type": "string", "maxLength": 1024,
        },
        "tls_client_auth_san_dns": {"type": "string", "maxLength": 1024},
        "tls_client_auth_san_uri": {"type": "string", "maxLength": 1024},
        "tls_client_auth_san_ip": {"type": "string", "maxLength": 1024},
        "tls_client_auth_san_email": {"type": "string", "maxLength": 1024},
        "tls_client_certificate_bound_access_tokens": {"type": "boolean"},
        "dpop_bound_access_tokens": {"type": "boolean"},
        "client_uri": {"type": "string", "maxLength": 2048},
        "logo_uri": {"description": "Kept, and never fetched.", "type": "string", "maxLength": 2048},
        "tos_uri": {"type": "string", "maxLength": 2048},
        "policy_uri": {"type": "string", "maxLength": 2048},
        "contacts": {"type": "array", "items": {"type": "string"}},
        "software_id": {"type": "string"},
        "software_version": {"type": "string"},
        "jwks": {"description": "Not beside `jwks_uri`.", "type": "object"},
        "jwks_uri": {"description": "Kept, and never fetched.", "type": "string", "maxLength": 2048},
    },
    "additionalProperties": true,
});

pub(crate) struct Registered;

describe!(Registered, [AuthMethod] {
    "description": "A client that registered itself (RFC 7591 §3.2.1, RFC 7592 §3), with the metadata as they are now.",
    "type": "object",
    "required": [
        "client_id",
        "client_id_issued_at",
        "registration_client_uri",
        "redirect_uris",
        "token_endpoint_auth_method",
        "grant_types",
        "response_types",
        "scope",
    ],
    "properties": {
        "client_id": {"type": "string"},
        "client_id_issued_at": {"type": "integer"},
        "client_secret": {"description": "When it is made only. Begins with `jcs_`.", "type": "string"},
        "client_secret_expires_at": {"description": "0: never. Present if the client has a secret.", "type": "integer"},
        "registration_client_uri": {"type": "string", "format": "uri"},
        "registration_access_token": {
            "description": "Manages the registration. When it is made only. Begins with `jrg_`.",
            "type": "string",
        },
        "redirect_uris": {"type": "array", "items": {"type": "string"}},
        "token_endpoint_auth_method": {"$ref": "#/components/schemas/AuthMethod"},
        "grant_types": {"type": "array", "items": {"type": "string"}},
        "response_types": {"type": "array", "items": {"type": "string"}},
        "scope": {"type": "string"},
    },
    "additionalProperties": true,
});

#[utoipa::path(
    post,
    path = "/auth/register",
    operation_id = "register",
    security(("initialAccessToken" = []), ()),
    request_body(content = ClientMetadata, example = json!({
        "client_name": "Chat", "redirect_uris": ["https://chat.example.com/callback"],
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
    })),
    responses(
        (status = 201, description = "The client, with its secrets.", body = Registered),
        (status = 404, response = NoRegistration)
    )
)]
pub(crate) async fn create(request: EndpointRequest) -> Response {
    if request.app.settings.registration == Registration::Off {
        let text = "Clients cannot register themselves here: an administrator registers them.";
        return oauth_error::document(&request.app, StatusCode::NOT_FOUND, "not_found", text);
    }
    let create = async |app: &App, asked: &Request<'_>| register::create(app, asked, &request.document).await;
    let outcome = request.ask(create).await;
    let status = if outcome.is_ok() { Some(StatusCode::CREATED) } else { None };
    let mut response = request.answer_json(outcome);
    *response.status_mut() = status.unwrap_or(response.status());
    response
}

#[utoipa::path(
    get,
    path = "/auth/register/{client_id}",
    operation_id = "showRegistration",
    security(("registrationToken" = [])),
    params(RegisteredPath),
    responses((status = 200, description = "The client, without its secrets.", body = Registered))
)]
pub(crate) async fn show(request: EndpointRequest) -> Response {
    request.answer_json(request.ask(register::show).await)
}

#[utoipa::path(
    put,
    path = "/auth/register/{client_id}",
    operation_id = "replaceRegistration",
    security(("registrationToken" = [])),
    params(RegisteredPath),
    request_body(content = ClientMetadata, example = json!({
        "client_id": "c_dGVzdA", "client_name": "Chat", "redirect_uris": ["https://chat.example.com/callback"],
        "token_endpoint_auth_method": "none",
    })),
    responses((status = 200, description = "The client as it is now, without its secrets.", body = Registered))
)]
pub(crate) async fn replace(request: EndpointRequest) -> Response {
    let replace = async |app: &App, asked: &Request<'_>| register::replace(app, asked, &request.document).await;
    request.answer_json(request.ask(replace).await)
}

#[utoipa::path(
    delete,
    path = "/auth/register/{client_id}",
    operation_id = "deleteRegistration",
    security(("registrationToken" = [])),
    params(RegisteredPath),
    responses((status = 204, response = Done))
)]
pub(crate) async fn delete(request: EndpointRequest) -> Response {
    request.answer(request.ask(register::delete).await.map(|()| StatusCode::NO_CONTENT.into_response()))
}
