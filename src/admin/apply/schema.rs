//! The schema of the files, for editors: what the admin API says of the same members.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::admin::apply::SetRole;
use crate::admin::client_blocks::NewClientBlock;
use crate::admin::clients::ClientPatch;
use crate::admin::issuers::NewIssuer;
use crate::admin::resources::NewResource;
use crate::protocol::object::Kind;
use crate::protocol::schema::KEYWORDS;

/// The member of a client that names the file with its secret.
pub(crate) const SECRET_FILE: &str = "client_secret_file";

/// The JSON Schema of a file.
pub fn file_schema() -> Value {
    let (mut lists, mut definitions) = (Map::new(), Map::new());
    for kind in Kind::ALL {
        let (schema, types) = of(*kind);
        definitions.extend(types.into_iter().map(|(name, schema)| (name, tidy(to_json(&schema)))));
        lists.insert(kind.list().to_owned(), json!({"type": ["array", "null"], "items": schema}));
    }
    definitions.sort_keys();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Files of jeton apply",
        "description": "What `jeton apply` brings a database to. Members that are not named have their defaults.",
        "type": "object",
        "properties": lists,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

/// The members that a file can have for an object of a kind.
pub(super) fn members(kind: Kind) -> Map<String, Value> {
    match of(kind).0 {
        Value::Object(mut schema) => match schema.remove("properties") {
            Some(Value::Object(members)) => members,
            _ => Map::new(),
        },
        _ => Map::new(),
    }
}

type Types = Vec<(String, RefOr<Schema>)>;

/// The schema of an object in a file, and those of the types that it names.
fn of(kind: Kind) -> (Value, Types) {
    let mut types = Types::new();
    let schema = match kind {
        Kind::Client => {
            let mut schema = described::<ClientPatch>(&mut types, "A client.");
            let id = json!({
                "description": "The id of the client.", "type": "string", "minLength": 1, "maxLength": 255,
                "pattern": "^[!-~]([ -~]*[!-~])?$",
            });
            let file = json!({
                "description": "The file with the secret with which the client is created, from the folder of this file. If there is no \
                    such file, a secret is generated and written there.",
                "type": ["string", "null"], "minLength": 1,
            });
            if let Some(Value::Object(members)) = schema.get_mut("properties") {
                members.shift_insert(0, kind.id_member().to_owned(), id);
                members.shift_insert(1, SECRET_FILE.to_owned(), file);
            }
            schema["required"] = json!([kind.id_member()]);
            schema
        }
        Kind::Resource => described::<NewResource>(&mut types, "A resource: an API that tokens are for."),
        Kind::Issuer => described::<NewIssuer>(&mut types, "An issuer to trust."),
        Kind::Role => described::<SetRole>(&mut types, "The role of a user."),
        Kind::Block => described::<NewClientBlock>(&mut types, "A block of clients that nobody registered."),
    };
    (schema, types)
}

fn described<T: ToSchema>(types: &mut Types, description: &str) -> Value {
    T::schemas(types);
    let mut schema = tidy(to_json(&T::schema()));
    schema["description"] = description.into();
    schema
}

fn to_json(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// Brings what utoipa gives into the form of JSON Schema.
fn tidy(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(tidy).collect(),
        Value::Object(mut members) => {
            if let Some(Value::Object(mut keywords)) = members.remove(KEYWORDS) {
                keywords.append(&mut members);
                members = keywords;
            }
            // JSON knows one kind of integer.
            if members.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("int")) {
                members.shift_remove("format");
            }
            if let Some(name) = members.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) {
                let path = format!("#/$defs/{name}");
                members.insert("$ref".to_owned(), path.into());
            }
            Value::Object(members.into_iter().map(|(name, value)| (name, tidy(value))).collect())
        }
        other => other,
    }
}
