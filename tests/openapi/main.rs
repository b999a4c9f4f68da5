//! Makes `openapi.yaml` from the types of the admin API and `base.yaml`, and holds the committed file to it.

use jeton::admin::{audit, clients, keys, revocations, sessions, users};
use jeton::protocol::claims::REGISTERED;
use jeton::protocol::error::ErrorCode;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

const BASE: &str = include_str!("base.yaml");
const HEADING: &str = "# Generated: JETON_WRITE_OPENAPI=1 cargo test --test openapi\n";

/// The types of the admin API; what they refer to comes along.
#[derive(OpenApi)]
#[openapi(components(schemas(
    clients::NewClient,
    clients::ClientPatch,
    clients::ClientView,
    clients::SecretView,
    clients::NewSecretView,
    users::NewUser,
    users::UserPatch,
    users::NewPassword,
    users::UserView,
    sessions::SessionView,
    revocations::RevocationRequest,
    revocations::RevocationView,
    keys::KeyView,
    audit::AuditRecord,
)))]
struct AdminTypes;

#[test]
fn openapi_yaml_is_what_the_code_gives() {
    let text = format!("{HEADING}{}", serde_yaml_ng::to_string(&description()).unwrap());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml");
    if std::env::var_os("JETON_WRITE_OPENAPI").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    let committed = std::fs::read_to_string(file).unwrap();
    assert!(committed == text, "openapi.yaml is out of date: JETON_WRITE_OPENAPI=1 cargo test --test openapi");
}

fn description() -> Value {
    let mut base: serde_yaml_ng::Value = serde_yaml_ng::from_str(BASE).unwrap();
    base.apply_merge().unwrap();
    let mut document = serde_json::to_value(base).unwrap();
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    schemas.extend(generated());
    schemas.insert(
        "ErrorCode".into(),
        json!({
            "description": "The errors of the OAuth endpoints.",
            "type": "string",
            "enum": ErrorCode::ALL.map(ErrorCode::name),
        }),
    );
    document
}

/// The schemas that come from types.
fn generated() -> Map<String, Value> {
    let types = serde_json::to_value(AdminTypes::openapi()).unwrap();
    let mut schemas = types["components"]["schemas"].as_object().unwrap().clone();
    for name in schemas.keys().cloned().collect::<Vec<_>>() {
        let mut schema = schemas[&name].clone();
        one_object(&schemas, &mut schema);
        tidy(&mut schema);
        schemas[&name] = schema;
    }
    schemas.remove("ClientSettings");
    // An answer has all its members, so a default would mean nothing.
    let client = schemas["Client"]["properties"].as_object_mut().unwrap();
    client.values_mut().filter_map(Value::as_object_mut).for_each(|member| drop(member.remove("default")));
    // What utoipa has no words for.
    schemas["Claims"]["propertyNames"] = json!({"minLength": 1, "not": {"enum": REGISTERED}});
    for name in ["NewUser", "UserPatch"] {
        let scope = &mut schemas[name]["properties"]["scope"];
        scope["not"] = json!({"type": "string", "pattern": "(^| )jeton:"});
    }
    let request = schemas.remove("RevocationRequest").unwrap();
    schemas.insert("NewRevocation".into(), exactly_one_target(&request["properties"]));
    schemas
}

/// A flattened member makes several objects of one, of which none could exclude further members.
fn one_object(schemas: &Map<String, Value>, schema: &mut Value) {
    let Some(parts) = schema["allOf"].as_array().cloned() else { return };
    let mut whole = json!({"type": "object", "required": [], "properties": {}});
    for part in &parts {
        let name = part["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let part = name.map_or(part, |name| &schemas[name]);
        let names = part["required"].as_array().into_iter().flatten().cloned();
        whole["required"].as_array_mut().unwrap().extend(names);
        whole["properties"].as_object_mut().unwrap().extend(part["properties"].as_object().unwrap().clone());
    }
    whole["description"] = schema["description"].clone();
    *schema = whole;
}

/// Objects have the members that are described and no others. `int64` says nothing to a reader.
fn tidy(value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        if members.contains_key("properties") {
            members.insert("additionalProperties".into(), false.into());
        }
        if members.get("format").is_some_and(|format| format == "int64") {
            members.remove("format");
        }
        if members.get("required").is_some_and(|required| required == &json!([])) {
            members.remove("required");
        }
        members.values_mut().for_each(tidy);
    } else if let Some(items) = value.as_array_mut() {
        items.iter_mut().for_each(tidy);
    }
}

fn exactly_one_target(members: &Value) -> Value {
    let titles = [
        ("token", "A token"),
        ("session", "A session"),
        ("user", "Everything issued to a user"),
        ("client", "Everything issued to a client"),
        ("all", "Everything"),
    ];
    let alternatives = titles.map(|(name, title)| {
        let description = &members[name]["description"];
        let member = match name {
            "all" => json!({"type": "boolean", "const": true, "description": description}),
            _ => json!({"type": "string", "description": description}),
        };
        json!({
            "title": title,
            "type": "object",
            "required": [name],
            "properties": {name: member, "reason": members["reason"]},
            "additionalProperties": false,
        })
    });
    json!({"description": "What to revoke, and why.", "oneOf": alternatives})
}
