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
    ];
    schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}
