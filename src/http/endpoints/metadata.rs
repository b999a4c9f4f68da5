//! Server metadata (RFC 8414, OpenID Connect Discovery).

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::app::document::Document;
use crate::endpoints::metadata;
use crate::http::docs::openapi::answers::{MetadataDocument, NotModified, Unavailable};
use crate::http::request::EndpointRequest;
use crate::keys::lifecycle::JWKS_MAX_AGE;
use crate::protocol::client::{AuthMethod, GrantType, IdTokenAlgorithm};
use crate::protocol::schema::describe;

/// Where the metadata stands; for an issuer with a path also in front of that path (RFC 8414 §3.1).
pub(crate) const PATH: &str = "/.well-known/oauth-authorization-server";
/// Where OpenID Connect has the same document (Discovery §4).
pub(crate) const OPENID_PATH: &str = "/.well-known/openid-configuration";

pub(crate) struct Metadata;

describe!(Metadata, [GrantType, AuthMethod, IdTokenAlgorithm] {
    "description": "Authorization server metadata (RFC 8414 §2), which is that of an OpenID provider as well (OpenID Connect \
        Discovery §3).",
    "type": "object",
    "required": [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "introspection_endpoint",
        "end_session_endpoint",
        "response_types_supported",
        "response_modes_supported",
        "grant_types_supported",
        "scopes_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
        "claims_supported",
        "claims_parameter_supported",
        "code_challenge_methods_supported",
        "prompt_values_supported",
        "authorization_response_iss_parameter_supported",
        "request_parameter_supported",
        "request_uri_parameter_supported",
        "token_endpoint_auth_methods_supported",
        "revocation_endpoint_auth_methods_supported",
        "introspection_endpoint_auth_methods_supported",
        "ui_locales_supported",
        "service_documentation",
    ],
    "properties": {
        "issuer": {"type": "string", "format": "uri"},
        "authorization_endpoint": {"type": "string", "format": "uri"},
        "token_endpoint": {"type": "string", "format": "uri"},
        "userinfo_endpoint": {"type": "string", "format": "uri"},
        "jwks_uri": {"type": "string", "format": "uri"},
        "revocation_endpoint": {"type": "string", "format": "uri"},
        "introspection_endpoint": {"type": "string", "format": "uri"},
        "end_session_endpoint": {"type": "string", "format": "uri"},
        "response_types_supported": {"type": "array", "items": {"type": "string", "const": "code"}},
        "response_modes_supported": {"type": "array", "items": {"type": "string", "enum": ["query", "form_post"]}},
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
            "description": "The scopes of OpenID Connect, and what the enabled clients may have, except the `jeton:` scopes.",
            "type": "array",
            "items": {"type": "string"},
        },
        "subject_types_supported": {"type": "array", "items": {"type": "string", "const": "public"}},
        "id_token_signing_alg_values_supported": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/IdTokenAlgorithm"},
        },
        "claims_supported": {"type": "array", "items": {"type": "string"}},
        "claims_parameter_supported": {"type": "boolean", "const": true},
        "code_challenge_methods_supported": {"type": "array", "items": {"type": "string", "const": "S256"}},
        "prompt_values_supported": {"type": "array", "items": {"type": "string"}},
        "authorization_response_iss_parameter_supported": {"type": "boolean", "const": true},
        "request_parameter_supported": {"type": "boolean", "const": false},
        "request_uri_parameter_supported": {
            "description": "Only a `request_uri` that this server gave out is accepted (RFC 9126).",
            "type": "boolean",
            "const": false,
        },
        "ui_locales_supported": {"type": "array", "items": {"type": "string"}},
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
    responses(
        (status = 200, response = MetadataDocument),
        (status = 304, response = NotModified),
        (status = 503, response = Unavailable)
    )
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    let document = metadata::document(&request.app, &request.app.issuer).await;
    request.answer(document.map(|document| cacheable(&request.head.headers, document)))
}

#[utoipa::path(
    get,
    path = OPENID_PATH,
    operation_id = "openidMetadata",
    tag = "Metadata",
    description = include_str!("../../../docs/openapi/openid_metadata.md"),
    responses(
        (status = 200, response = MetadataDocument),
        (status = 304, response = NotModified),
        (status = 503, response = Unavailable)
    )
)]
pub(crate) async fn answer_openid(request: EndpointRequest) -> Response {
    answer(request).await
}

/// A document that everybody may keep for as long as the published keys; or, for who has it, that it is still the same
/// (RFC 9110 §13.1.2).
pub(crate) fn cacheable(asked: &HeaderMap, document: Document) -> Response {
    let Document { text, etag } = document;
    let is_same = |value: &HeaderValue| {
        let mut tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    };
    let mut response = Response::new(Body::empty());
    if asked.get_all(header::IF_NONE_MATCH).iter().any(is_same) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        *response.body_mut() = text.into();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    for (name, value) in [(header::CACHE_CONTROL, format!("public, max-age={JWKS_MAX_AGE}")), (header::ETAG, etag)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
