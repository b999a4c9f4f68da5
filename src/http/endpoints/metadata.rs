//! Server metadata (RFC 8414).

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::endpoints::metadata;
use crate::http::docs::openapi::answers::{MetadataDocument, Unavailable};
use crate::http::request::EndpointRequest;
use crate::keys::lifecycle::JWKS_MAX_AGE;
use crate::protocol::client::{AuthMethod, GrantType};
use crate::protocol::schema::describe;

/// Where the metadata stands; for an issuer with a path also in front of that path (RFC 8414 §3.1). There is none for
/// OpenID Connect: clients that find it expect what only a complete OpenID provider has.
pub(crate) const PATH: &str = "/.well-known/oauth-authorization-server";

pub(crate) struct Metadata;

describe!(Metadata, [GrantType, AuthMethod] {
    "description": "Authorization server metadata (RFC 8414 §2).",
    "type": "object",
    "required": [
        "issuer",
        "token_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "introspection_endpoint",
        "response_types_supported",
        "grant_types_supported",
        "token_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_methods_supported",
        "introspection_endpoint_auth_methods_supported",
        "service_documentation",
    ],
    "properties": {
        "issuer": {"type": "string", "format": "uri"},
        "token_endpoint": {"type": "string", "format": "uri"},
        "jwks_uri": {"type": "string", "format": "uri"},
        "revocation_endpoint": {"type": "string", "format": "uri"},
        "introspection_endpoint": {"type": "string", "format": "uri"},
        "registration_endpoint": {
            "description": "Present if clients may register themselves.",
            "type": "string",
            "format": "uri",
        },
        "response_types_supported": {
            "description": "Empty: there is no authorization endpoint.",
            "type": "array",
            "maxItems": 0,
        },
        "grant_types_supported": {"type": "array", "items": {"$ref": "#/components/schemas/GrantType"}},
        "token_endpoint_auth_methods_supported": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/AuthMethod"},
        },
        "revocation_endpoint_auth_methods_supported": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/AuthMethod"},
        },
        "introspection_endpoint_auth_methods_supported": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/AuthMethod"},
        },
        "scopes_supported": {
            "description": "What the enabled clients may have, except the `jeton:` scopes. Absent if nothing.",
            "type": "array",
            "items": {"type": "string"},
        },
        "service_documentation": {"type": "string", "format": "uri"},
    },
    "additionalProperties": true,
});

#[utoipa::path(
    get,
    path = PATH,
    operation_id = "metadata",
    tag = "Metadata",
    description = include_str!("../../../docs/openapi/metadata.md"),
    responses((status = 200, response = MetadataDocument), (status = 503, response = Unavailable))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request
        .answer(metadata::document(&request.app, &request.app.issuer).await.map(|document| cacheable(Json(document))))
}

/// An answer that everybody may keep for as long as the published keys.
pub(crate) fn cacheable(body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={JWKS_MAX_AGE}")) {
        response.headers_mut().insert(header::CACHE_CONTROL, value);
    }
    response
}
