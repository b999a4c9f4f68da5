//! The published keys (RFC 7517 §5).

use axum::Json;
use axum::response::Response;

use crate::http::docs::openapi::answers::PublishedKeys;
use crate::http::endpoints::metadata::cacheable;
use crate::http::request::EndpointRequest;
use crate::jose::algorithm::SigningAlgorithm;
use crate::protocol::schema::describe;

pub(crate) struct KeySet;

describe!(KeySet, [SigningAlgorithm] {
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
});

#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks",
    tag = "Metadata",
    description = include_str!("../../../docs/openapi/jwks.md"),
    responses((status = 200, response = PublishedKeys))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    cacheable(Json(request.app.issuer.keys().ring.jwks()))
}
