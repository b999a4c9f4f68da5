//! Generates `openapi.yaml` from the operations that stand beside their handlers, the types that are read and written, and
//! the table of routes, which adds what goes for every operation of its kind.

pub(crate) mod answers;
mod parameters;
mod tidy;
mod yaml;

use serde_json::{Map, Value, json};
use utoipa::{OpenApi, ToResponse};

use crate::admin::schema::{Moment, QueryText};
use crate::http::docs::openapi::answers::{
    AdminBodyCompressed, AdminBodyTooLarge, AdminBodyTooSlow, AdminUnavailable, BodyCompressed, BodyTooLarge,
    BodyTooSlow, Fault, Forbidden, ForeignHost, Invalid, InvalidClient, OAuthRefused, TooOften, Unauthorized,
    Unavailable,
};
use crate::http::route::{BodyForm, Endpoint, ErrorForm, Route};
use crate::http::routes::routes;
use crate::http::{admin, docs, endpoints};

/// Every operation.
#[derive(OpenApi)]
#[openapi(
    paths(
        endpoints::token::answer,
        endpoints::introspect::answer,
        endpoints::explain::answer,
        endpoints::revoke::answer,
        endpoints::verify::answer,
        endpoints::verify::answer_below,
        endpoints::metadata::answer,
        endpoints::metadata::answer_as_openid,
        endpoints::keys::answer,
        docs::show_openapi,
        docs::show_reference,
        docs::list_errors,
        docs::show_error,
        admin::clients::list,
        admin::clients::create,
        admin::clients::show,
        admin::clients::update,
        admin::clients::delete,
        admin::clients::add_secret,
        admin::clients::retire_secret,
        admin::users::list,
        admin::users::create,
        admin::users::show,
        admin::users::update,
        admin::users::delete,
        admin::users::set_password,
        admin::sessions::list,
        admin::sessions::show,
        admin::sessions::delete,
        admin::sessions::list_revocations,
        admin::sessions::revoke,
        admin::sessions::show_revocation,
        admin::keys::list,
        admin::keys::rotate,
        admin::keys::delete,
        admin::keys::audit,
    ),
    components(schemas(
        answers::OAuthError,
        answers::BearerError,
        answers::PlainError,
        answers::Problem,
        endpoints::metadata::Metadata,
        endpoints::keys::KeySet,
        QueryText,
        Moment,
    ))
)]
struct Operations;

/// The groups of operations.
const TAGS: [(&str, &str); 9] = [
    ("Tokens", "The OAuth endpoints. Parameters come in the body, never in the address."),
    ("Metadata", "What a client or a resource server can find out by itself."),
    ("Documentation", "This description, for machines and for people."),
    (
        "Clients",
        "Applications and resource servers. Whoever holds a `jeton:` scope is administered with `jeton:admin` only.",
    ),
    ("Users", "Those who log in by the password grant. `{user}` is an id or a username."),
    (
        "Sessions",
        "A session begins with a login of a client that may refresh. It has one row, however often it is refreshed.",
    ),
    (
        "Revocations",
        "A revocation is durable when it is acknowledged, and every node sees it within `JETON_MAX_STALENESS`.",
    ),
    ("Keys", "The keys that sign and seal tokens. The secret parts are never shown."),
    ("Audit", "Who did what, and when."),
];

/// The description of the API as the code gives it. `openapi.yaml` is a copy of it.
pub fn generated() -> String {
    document().as_object().map(yaml::write).unwrap_or_default()
}

fn document() -> Value {
    let mut described = serde_json::to_value(Operations::openapi()).unwrap_or_default();
    tidy::tidy(&mut described);
    let tags = TAGS.map(|(name, description)| json!({"name": name, "description": description}));
    let mut paths = paths(described["paths"].take());
    let parameters = parameters::share(&mut paths);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Jeton",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": include_str!("../../../docs/openapi/info.md").trim_end(),
        },
        "servers": [{
            "url": "/",
            "description": "This server. With an issuer that has a path, the same stands below that path, too.",
        }],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "parameters": parameters,
            "headers": answers::headers(),
            "responses": with_headers_of_every_answer(answers::answers()),
            "schemas": described["components"]["schemas"].take(),
        },
    });
    tidy::merge_flattened(&mut document["components"]["schemas"]);
    tidy::close(&mut document["components"]["schemas"]);
    // A type that was only flattened into another one is no longer named.
    let text = document.to_string();
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| text.contains(&format!("\"#/components/schemas/{name}\"")));
    }
    document
}

/// The operations in the order of the table of routes.
fn paths(described: Value) -> Map<String, Value> {
    let Value::Object(mut described) = described else { return Map::new() };
    let mut paths = Map::new();
    for route in routes() {
        let path = route.path.replace("{*", "{");
        let Some(Value::Object(mut item)) = described.remove(&path) else { continue };
        let methods = route.methods.iter().enumerate();
        let mut operations: Map<String, Value> = methods
            .filter_map(|(index, method)| {
                let method = method.to_lowercase();
                let operation = item.remove(&method)?;
                Some((method, operation_of(&route, index, operation)))
            })
            .collect();
        // What the table does not have stays, so that a test finds it.
        operations.append(&mut item);
        paths.insert(path, operations.into());
    }
    paths.append(&mut described);
    paths
}

/// An operation with what goes for every one of its kind.
fn operation_of(route: &Route, index: usize, mut operation: Value) -> Value {
    let text = operation["description"].take();
    let text = text.as_str().unwrap_or_default();
    let (mut summary, mut description) = match text.split_once("\n\n") {
        Some((heading, prose)) => (heading, prose.trim_end()),
        None => (text.trim_end(), ""),
    };
    summary = summary.trim_start_matches("# ");
    let mut id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    // A description of several methods stands for the first.
    let method = route.methods[index];
    let summary_of_method = format!("The same with {method}");
    if index > 0 && route.scopes.is_empty() {
        id = format!("{id}{}{}", &method[..1], method[1..].to_lowercase());
        (summary, description) = (&summary_of_method, "As GET.");
    }
    let mut complete = json!({"operationId": id, "tags": operation["tags"].take(), "summary": summary});
    if !description.is_empty() {
        complete["description"] = description.into();
    }
    let security = match route.scopes.get(index) {
        Some(scopes) => scopes.iter().map(|scope| json!({"adminToken": [scope]})).collect(),
        None => operation["security"].take(),
    };
    complete["security"] = if security.is_null() { json!([]) } else { security };
    if !operation["parameters"].is_null() {
        complete["parameters"] = operation["parameters"].take();
    }
    let has_body = !operation["requestBody"].is_null();
    if has_body {
        complete["requestBody"] = body_of(operation["requestBody"].take());
    }
    let Value::Object(mut answers) = operation["responses"].take() else { return complete };
    for (status, name) in answers_around(route.endpoint, has_body) {
        answers.entry(status).or_insert_with(|| json!({"$ref": format!("#/components/responses/{name}")}));
    }
    if matches!(route.endpoint.body, BodyForm::Parameters | BodyForm::AnyText) {
        // RFC 6749 §5.1.
        for (_, answer) in answers.iter_mut().filter(|(_, answer)| !answer["content"].is_null()) {
            answer["headers"]["Pragma"] = answers::header("Pragma");
        }
    }
    answers.sort_keys();
    complete["responses"] = with_headers_of_every_answer(answers).into();
    complete
}

/// A body with its special forms before plain JSON.
fn body_of(mut body: Value) -> Value {
    let forms = body["content"].take();
    let forms = forms.as_object().into_iter().flatten().rev();
    let content: Map<String, Value> = forms
        .map(|(media_type, form)| {
            let mut form = form.clone();
            // A body that is an `Option` may be left out. It cannot be `null`.
            if let Some(schema) = form["schema"]["oneOf"].get(0).cloned() {
                form["schema"] = schema;
            }
            (media_type.clone(), form)
        })
        .collect();
    json!({"required": body["required"] == true, "content": content})
}

/// The answers of the code around a handler; an operation may have others for these cases.
fn answers_around(endpoint: Endpoint, has_body: bool) -> Vec<(&'static str, &'static str)> {
    let mut answers = vec![("421", name::<ForeignHost>()), ("500", name::<Fault>())];
    match (endpoint.errors, endpoint.body) {
        (ErrorForm::OAuth, BodyForm::Unread | BodyForm::Object) => {}
        (ErrorForm::OAuth, BodyForm::Parameters | BodyForm::AnyText) => answers.extend([
            ("400", name::<OAuthRefused>()),
            ("401", name::<InvalidClient>()),
            ("408", name::<BodyTooSlow>()),
            ("413", name::<BodyTooLarge>()),
            ("415", name::<BodyCompressed>()),
            ("429", name::<TooOften>()),
            ("503", name::<Unavailable>()),
        ]),
        (ErrorForm::Problem, _) => {
            answers.extend([
                ("400", name::<Invalid>()),
                ("401", name::<Unauthorized>()),
                ("403", name::<Forbidden>()),
                ("503", name::<AdminUnavailable>()),
            ]);
            if has_body {
                answers.extend([
                    ("408", name::<AdminBodyTooSlow>()),
                    ("413", name::<AdminBodyTooLarge>()),
                    ("415", name::<AdminBodyCompressed>()),
                ]);
            }
        }
    }
    answers
}

fn name<A: ToResponse<'static>>() -> &'static str {
    A::response().0
}

/// Adds what the envelope adds to every answer.
fn with_headers_of_every_answer(mut answers: Map<String, Value>) -> Map<String, Value> {
    for (_, answer) in answers.iter_mut().filter(|(_, answer)| answer["$ref"].is_null()) {
        let Value::Object(answer) = answer else { continue };
        let own = answer.remove("headers").unwrap_or_default();
        let mut headers = json!({"X-Request-Id": answers::header("X-Request-Id")});
        headers["Cache-Control"] = answers::header("NoStore");
        for (name, header) in own.as_object().into_iter().flatten() {
            headers[name] = header.clone();
        }
        let position = usize::from(answer.contains_key("description"));
        answer.shift_insert(position, "headers".to_owned(), headers);
    }
    answers
}

fn security_schemes() -> Value {
    json!({
        "clientBasic": {
            "type": "http",
            "scheme": "basic",
            "description":
                "Client authentication by HTTP Basic (RFC 6749 §2.3.1): `client_id` and `client_secret`, each \
                 form-encoded. In its place, `client_id` and `client_secret` may stand in the body.",
        },
        "accessToken": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of this server, JWT or opaque.",
        },
        "adminToken": {
            "type": "http",
            "scheme": "bearer",
            "description":
                "A token of this server with a `jeton:` scope, got by `client_credentials`. The scopes are named at each \
                 operation; `jeton:admin` always suffices. Its audience is `<issuer>/admin/v1` alone.",
        },
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn tmp_write() {
        std::fs::write("/tmp/new-openapi.yaml", super::generated()).unwrap();
    }
}
