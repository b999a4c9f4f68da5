//! The published keys (RFC 7517 §5).

use axum::response::Response;

use crate::endpoints::metadata;
use crate::http::docs::openapi::answers::{NotModified, PublishedKeys, Unavailable};
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
    responses(
        (status = 200, response = PublishedKeys),
        (status = 304, response = NotModified),
        (status = 503, response = Unavailable)
    )
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    let document = metadata::key_set(&request.app, &request.app.issuer);
    request.answer(document.map(|document| cacheable(&request.head.headers, document)))
}
