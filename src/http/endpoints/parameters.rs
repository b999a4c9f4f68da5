//! How OAuth parameters are described (OpenAPI): as a form, and as a flat JSON object.

use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};

use crate::protocol::schema::with_keywords;

/// Makes the types that stand for the parameters of an endpoint, as a form and as a flat JSON object.
macro_rules! parameters {
    ($form:ident, $json:ident { $($keywords:tt)+ }) => {
        pub(crate) struct $form;
        pub(crate) struct $json;

        impl utoipa::PartialSchema for $form {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::http::endpoints::parameters::form(serde_json::json!({ $($keywords)+ }))
            }
        }

        impl utoipa::PartialSchema for $json {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::http::endpoints::parameters::json(serde_json::json!({ $($keywords)+ }))
            }
        }

        impl utoipa::ToSchema for $form {}
        impl utoipa::ToSchema for $json {}
    };
}

pub(crate) use parameters;

/// A form: further parameters are ignored (RFC 6749 §3.2).
pub(crate) fn form(parameters: Value) -> RefOr<Schema> {
    with_keywords(complete(parameters, true.into()))
}

/// The same as JSON. What is not required may be `null`, and every value is a string, that of an unknown member, too.
pub(crate) fn json(parameters: Value) -> RefOr<Schema> {
    let mut schema = complete(parameters, json!({"type": ["string", "null"]}));
    let required = schema["required"].clone();
    let is_required = |name: &str| required.as_array().is_some_and(|required| required.iter().any(|own| own == name));
    for (name, member) in schema["properties"].as_object_mut().into_iter().flatten() {
        if !is_required(name) {
            let kinds =
                if member["type"] == "array" { json!(["string", "array", "null"]) } else { json!(["string", "null"]) };
            member["type"] = kinds;
            if let Some(Value::Array(values)) = member.get_mut("enum") {
                values.push(Value::Null);
            }
        }
    }
    schema["description"] = "The same as a flat object of strings; `null` counts as absent.".into();
    with_keywords(schema)
}

/// Adds what every endpoint reads that authenticates a client.
fn complete(mut parameters: Value, further: Value) -> Value {
    parameters["type"] = "object".into();
    parameters["properties"]["client_id"] =
        json!({"type": "string", "description": "The client. Not needed beside HTTP Basic."});
    parameters["properties"]["client_secret"] =
        json!({"type": "string", "description": "Its secret. Not allowed beside HTTP Basic."});
    parameters["additionalProperties"] = further;
    parameters
}

parameters!(AboutToken, AboutTokenJson {
    "description": "The token that a request is about.",
    "required": ["token"],
    "properties": {
        "token": {"type": "string", "minLength": 1, "description": "An access token, or a refresh token."},
        "token_type_hint": {"type": "string", "description": "Allowed and not needed."},
    },
});
