//! The schemas of what is not written by a type of its own.

use serde_json::{Map, Value, json};

/// The errors, and the documents of other standards, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let schemas = [
        (
            "BearerError",
            json!({
                "description": "An error of RFC 6750 §3.1.",
                "type": "object",
                "required": ["error_description", "error_uri"],
                "properties": {
                    "error": {
                        "description": "Absent if there was no Bearer token at all.",
                        "type": "string",
                        "enum": ["invalid_request", "invalid_token", "insufficient_scope"],
                    },
                    "error_description": {"type": "string", "description": "What is wrong. It repeats nothing of the token."},
                    "error_uri": {"type": "string", "format": "uri", "description": "The page that says what to do."},
                },
            }),
        ),
        (
            "KeySet",
            json!({
                "description": "A JSON Web Key Set (RFC 7517 §5).",
                "type": "object",
                "required": ["keys"],
                "properties": {
                    "keys": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["kty", "kid", "alg", "use"],
                            "properties": {
                                "kty": {"type": "string", "enum": ["EC", "OKP", "RSA"]},
                                "use": {"type": "string", "const": "sig"},
                                "alg": {"$ref": "#/components/schemas/SigningAlgorithm"},
                                "kid": {"type": "string"},
                            },
                            "additionalProperties": true,
                        },
                    },
                },
                "additionalProperties": true,
            }),
        ),
        (
            "Metadata",
            json!({
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
                    "backchannel_logout_supported",
                    "backchannel_logout_session_supported",
                    "pushed_authorization_request_endpoint",
                    "require_pushed_authorization_requests",
                    "device_authorization_endpoint",
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
                    "token_endpoint_auth_signing_alg_values_supported",
                    "revocation_endpoint_auth_methods_supported",
                    "revocation_endpoint_auth_signing_alg_values_supported",
                    "introspection_endpoint_auth_methods_supported",
                    "introspection_endpoint_auth_signing_alg_values_supported",
                    "dpop_signing_alg_values_supported",
                    "introspection_signing_alg_values_supported",
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
                    "backchannel_logout_supported": {"type": "boolean", "const": true},
                    "backchannel_logout_session_supported": {"type": "boolean", "const": true},
                    "pushed_authorization_request_endpoint": {"type": "string", "format": "uri"},
                    "require_pushed_authorization_requests": {
                        "description": "False: single clients may be required to.",
                        "type": "boolean",
                    },
                    "device_authorization_endpoint": {"type": "string", "format": "uri"},
                    "registration_endpoint": {
                        "description": "Present if clients may register themselves.",
                        "type": "string",
                        "format": "uri",
                    },
                    "authorization_grant_profiles_supported": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Present if an issuer is trusted for identity assertions, and a client may use the JWT bearer grant.",
                    },
                    "identity_chaining_requested_token_types_supported": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Present if a client may get identity assertions for other authorization servers.",
                    },
                    "client_id_metadata_document_supported": {
                        "description": "Present if a `client_id` may be the URL of the client's metadata document.",
                        "type": "boolean",
                        "const": true,
                    },
                    "response_types_supported": {"type": "array", "items": {"type": "string", "const": "code"}},
                    "response_modes_supported": {"type": "array", "items": {"type": "string", "enum": ["query", "form_post"]}},
                    "grant_types_supported": {"type": "array", "items": {"$ref": "#/components/schemas/GrantType"}},
                    "token_endpoint_auth_methods_supported": {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/AuthMethod"},
                    },
                    "token_endpoint_auth_signing_alg_values_supported": {
                        "description": "The algorithms by which clients sign assertions.",
                        "type": "array",
                        "items": {"type": "string"},
                    },
                    "revocation_endpoint_auth_methods_supported": {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/AuthMethod"},
                    },
                    "revocation_endpoint_auth_signing_alg_values_supported": {"type": "array", "items": {"type": "string"}},
                    "introspection_endpoint_auth_methods_supported": {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/AuthMethod"},
                    },
                    "introspection_endpoint_auth_signing_alg_values_supported": {
                        "type": "array",
                        "items": {"type": "string"},
                    },
                    "scopes_supported": {
                        "description": "The scopes of OpenID Connect, and what the enabled clients may have.",
                        "type": "array",
                        "items": {"type": "string"},
                    },
                    "subject_types_supported": {"type": "array", "items": {"type": "string", "const": "public"}},
                    "id_token_signing_alg_values_supported": {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/IdTokenAlgorithm"},
                    },
                    "introspection_signing_alg_values_supported": {
                        "description": "The algorithms that sign answers of introspection (RFC 9701).",
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
                    "dpop_signing_alg_values_supported": {
                        "description": "The algorithms by which DPoP proofs are signed (RFC 9449 §5.1).",
                        "type": "array",
                        "items": {"type": "string"},
                    },
                    "tls_client_certificate_bound_access_tokens": {
                        "description": "Present where clients can show certificates (RFC 8705 §3.3).",
                        "type": "boolean",
                        "const": true,
                    },
                    "mtls_endpoint_aliases": {
                        "description": "Where clients with certificates find the endpoints (RFC 8705 §5).",
                        "type": "object",
                        "additionalProperties": {"type": "string", "format": "uri"},
                    },
                    "ui_locales_supported": {"type": "array", "items": {"type": "string"}},
                    "service_documentation": {"type": "string", "format": "uri"},
                },
                "additionalProperties": true,
            }),
        ),
        (
            "OAuthError",
            json!({
                "description": "An error of RFC 6749 §5.2.",
                "type": "object",
                "required": ["error", "error_description", "error_uri"],
                "properties": {
                    "error": {"$ref": "#/components/schemas/ErrorCode"},
                    "error_description": {"type": "string", "description": "A fixed sentence, which repeats nothing of the request."},
                    "error_uri": {"type": "string", "format": "uri", "description": "The page that says what to do."},
                },
            }),
        ),
        (
            "PlainError",
            json!({
                "description": "An error that any path can answer.",
                "type": "object",
                "required": ["error", "error_description"],
                "properties": {
                    "error": {"type": "string", "enum": ["invalid_request", "not_found", "server_error"]},
                    "error_description": {"type": "string"},
                    "error_uri": {"type": "string", "format": "uri", "description": "The page that says what to do."},
                },
            }),
        ),
        (
            "Problem",
            json!({
                "description": "An error of the admin API (RFC 9457).",
                "type": "object",
                "required": ["type", "title", "status", "detail", "request_id"],
                "properties": {
                    "type": {
                        "type": "string",
                        "format": "uri",
                        "description": "The page that says what to do; it ends with the code, such as `invalid_input`.",
                    },
                    "title": {"type": "string", "description": "The status in words."},
                    "status": {"type": "integer", "minimum": 400, "maximum": 599},
                    "detail": {"type": "string", "description": "What is wrong."},
                    "request_id": {"type": "string", "format": "uuid", "description": "The same as `X-Request-Id`."},
                },
            }),
        ),
        (
            "ResourceMetadata",
            json!({
                "description": "Protected resource metadata (RFC 9728 §2).",
                "type": "object",
                "required": ["resource", "authorization_servers", "bearer_methods_supported"],
                "properties": {
                    "resource": {"type": "string", "format": "uri", "description": "The URI of the resource, the `aud` of its tokens."},
                    "authorization_servers": {
                        "description": "The issuer of its tokens.",
                        "type": "array",
                        "items": {"type": "string", "format": "uri"},
                    },
                    "bearer_methods_supported": {"type": "array", "items": {"type": "string", "const": "header"}},
                    "scopes_supported": {
                        "description": "Its scopes; absent if it has none of its own.",
                        "type": "array",
                        "items": {"type": "string"},
                    },
                    "resource_name": {"type": "string", "description": "Its name for people, if it has one."},
                },
                "additionalProperties": true,
            }),
        ),
    ];
    schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
