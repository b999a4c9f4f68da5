//! Describes OAuth parameters as they are read: as a form, and as a flat JSON object.

use serde_json::{Map, Value, json};

use super::tidy::tidy;

const FORM: &str = "/requestBody/content/application~1x-www-form-urlencoded/schema/$ref";
const JSON: &str = "/requestBody/content/application~1json/schema/$ref";

/// Completes the schemas of the forms, and adds those of the same parameters as JSON.
pub(super) fn complete_all(paths: &mut Map<String, Value>, schemas: &mut Map<String, Value>) {
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        let Some(reference) = operation.pointer(FORM).and_then(Value::as_str).map(str::to_owned) else { continue };
        // UserInfo reads a form alone, and authenticates no client.
        if operation.pointer(JSON).is_none() {
            continue;
        }
        let name = reference.rsplit('/').next().unwrap();
        let as_json = format!("{name}Json");
        if !schemas.contains_key(&as_json) {
            let parameters = schemas[name].take();
            schemas.insert(as_json, flat_object(parameters.clone()));
            schemas[name] = form(parameters);
        }
        *operation.pointer_mut(JSON).unwrap() = format!("{reference}Json").into();
    }
}

/// A form: further parameters are ignored (RFC 6749 §3.2).
fn form(parameters: Value) -> Value {
    complete(parameters, true.into())
}

/// The same as JSON. What is not required may be `null`, and every value is a string, that of an unknown member, too.
fn flat_object(parameters: Value) -> Value {
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
    schema
}

/// Adds what every endpoint reads that authenticates a client.
fn complete(mut parameters: Value, further: Value) -> Value {
    parameters["type"] = "object".into();
    parameters["properties"]["client_id"] =
        json!({"type": "string", "description": "The client. Not needed beside HTTP Basic."});
    parameters["properties"]["client_secret"] =
        json!({"type": "string", "description": "Its secret. Not allowed beside HTTP Basic."});
    parameters["properties"]["client_assertion"] = json!({
        "type": "string",
        "description": "For `private_key_jwt` (RFC 7523): a JWT that the client signed, instead of a secret.",
    });
    parameters["properties"]["client_assertion_type"] = json!({
        "type": "string",
        "enum": ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"],
        "description": "Beside `client_assertion`.",
    });
    parameters["additionalProperties"] = further;
    tidy(&mut parameters);
    parameters
}
