//! Makes what utoipa gives as strict and as plain as what this server reads and writes.

use serde_json::{Map, Value, json};

/// The member of a schema whose own members are to take its place (`protocol/schema.rs`).
const KEYWORDS: &str = "x-keywords";

/// Brings each part of a description into the form in which it is published.
pub(super) fn tidy(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(members) => {
            if let Some(Value::Object(mut keywords)) = members.remove(KEYWORDS) {
                keywords.append(members);
                *members = keywords;
            }
            members.values_mut().for_each(tidy);
            tidy_members(members);
        }
        _ => {}
    }
}

fn tidy_members(members: &mut Map<String, Value>) {
    // JSON knows one kind of integer.
    if members.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("int")) {
        members.shift_remove("format");
    }
    // What may be null is told first by what else it may be.
    if let Some(Value::Array(alternatives)) = members.get_mut("oneOf") {
        alternatives.sort_by_key(|alternative| alternative["type"] == "null");
        let first = alternatives.first_mut().filter(|first| first["$ref"].is_string()).and_then(Value::as_object_mut);
        if let Some(description) = first.and_then(|first| first.shift_remove("description")) {
            members.insert("description".to_owned(), description);
        }
    }
    if members.get("required") == Some(&Value::Bool(false)) {
        members.shift_remove("required");
    }
    // What is always there needs no default.
    let required = members.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(Value::Object(properties)) = members.get_mut("properties") {
        for property in required.iter().filter_map(Value::as_str) {
            if let Some(Value::Object(property)) = properties.get_mut(property) {
                property.shift_remove("default");
            }
        }
    }
    // What it is comes first. Members that are themselves called so have schemas, not texts.
    for name in ["type", "description"] {
        if members.get(name).is_some_and(|value| !value.is_object())
            && let Some(value) = members.shift_remove(name)
        {
            members.shift_insert(0, name.to_owned(), value);
        }
    }
}

/// Makes one object of a type and the types that are flattened into it.
pub(super) fn merge_flattened(schemas: &mut Value) {
    let Value::Object(schemas) = schemas else { return };
    let all = schemas.clone();
    let resolve = |part: &Value| {
        let name = part["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        name.map_or_else(|| part.clone(), |name| all[name].clone())
    };
    for schema in schemas.values_mut() {
        let parts: Vec<Value> = schema["allOf"].as_array().into_iter().flatten().map(resolve).collect();
        if parts.is_empty() || parts.iter().any(|part| part["properties"].is_null()) {
            continue;
        }
        let (mut required, mut properties) = (Vec::new(), Map::new());
        // The own members come last in what utoipa gives.
        for mut part in parts.into_iter().rev() {
            if let (Value::Object(mut members), names) = (part["properties"].take(), part["required"].take()) {
                properties.append(&mut members);
                required.extend(names.as_array().into_iter().flatten().cloned());
            }
        }
        let mut whole = Map::from_iter([
            ("description".to_owned(), schema["description"].take()),
            ("type".to_owned(), "object".into()),
            ("required".to_owned(), required.into()),
            ("properties".to_owned(), properties.into()),
        ]);
        whole.retain(|_, member| *member != json!([]));
        *schema = whole.into();
    }
}

/// Excludes further members from every object that does not say that it may have some.
pub(super) fn close(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Object(members) => {
            members.values_mut().for_each(close);
            let is_object = members.get("type").is_some_and(|kind| kind == "object");
            if is_object && members.contains_key("properties") {
                members.entry("additionalProperties").or_insert(false.into());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_one_closed_object_with_what_is_flattened_into_it() {
        let mut schemas = json!({
            "Inner": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "format": "int64"}}},
            "Outer": {
                "allOf": [
                    {"$ref": "#/components/schemas/Inner"},
                    {"type": "object", "properties": {"b": {"oneOf": [{"type": "null"}, {"$ref": "#/x", "description": "B"}]}}},
                ],
                "description": "Both",
            },
            "Open": {"x-keywords": {"type": "object", "properties": {}, "additionalProperties": true}},
        });
        tidy(&mut schemas);
        merge_flattened(&mut schemas);
        close(&mut schemas);
        let b = json!({"description": "B", "oneOf": [{"$ref": "#/x"}, {"type": "null"}]});
        assert_eq!(
            schemas["Outer"],
            json!({
                "description": "Both",
                "type": "object",
                "properties": {"b": b, "a": {"type": "integer"}},
                "required": ["a"],
                "additionalProperties": false,
            })
        );
        assert_eq!(schemas["Open"]["additionalProperties"], true);
    }
}
