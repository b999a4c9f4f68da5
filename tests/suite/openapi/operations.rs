//! Completes the operations by what goes for all of their kind: order, scopes, answers and headers come from the table of
//! routes and from the code around the handlers.

use jeton::http::{Route, routes};
use serde_json::{Map, Value, json};

use super::answers::header;
use super::document::GROUPS;

/// The operations in the order of the table of routes.
pub(super) fn complete(described: Value) -> Map<String, Value> {
    let Value::Object(mut described) = described else { panic!("no paths") };
    let mut paths = Map::new();
    for route in routes() {
        let path = route.path.replace("{*", "{");
        let Some(Value::Object(mut item)) = described.remove(&path) else { continue };
        let ids: Vec<Value> = item.values().map(|operation| operation["operationId"].clone()).collect();
        let is_one_handler = ids.len() > 1 && ids.iter().all(|id| *id == ids[0]);
        let operation_of = |(index, method): (usize, &&str)| {
            let method = method.to_lowercase();
            let operation = item.remove(&method)?;
            Some((method, operation_of(&route, index, is_one_handler, operation)))
        };
        let mut operations: Map<String, Value> = route.methods.iter().enumerate().filter_map(operation_of).collect();
        // What the table does not have stays, so that a test finds it.
        operations.append(&mut item);
        paths.insert(path, operations.into());
    }
    paths.append(&mut described);
    paths
}

fn operation_of(route: &Route, index: usize, is_one_handler: bool, mut described: Value) -> Value {
    let mut id = described["operationId"].as_str().unwrap().to_owned();
    let (mut summary, mut description) = heading_and_prose(&id);
    let scopes = route.scopes_of(index);
    if index > 0 && is_one_handler {
        let (first, method) = (route.methods[0], route.methods[index]);
        id.extend([&method[..1], &method[1..].to_lowercase()]);
        (summary, description) = (format!("The same with {method}"), Some(format!("As {first}.")));
    }
    let security = match scopes {
        Some(scopes) => scopes.iter().map(|scope| json!({"adminToken": [scope]})).collect(),
        None if described["security"].is_null() => json!([]),
        None => described["security"].take(),
    };
    let answers = answers_of(route, route.methods[index], &mut described);
    let mut operation = json!({
        "operationId": id,
        "tags": [group_of(route.path)],
        "summary": summary,
        "description": description,
        "security": security,
        "parameters": described["parameters"].take(),
        "requestBody": body_of(described["requestBody"].take()),
        "responses": answers,
    });
    if let Value::Object(members) = &mut operation {
        members.retain(|_, member| !member.is_null());
    }
    operation
}

/// The group with the longest beginning of the path.
fn group_of(path: &str) -> &'static str {
    let beginnings =
        GROUPS.iter().flat_map(|(beginnings, name, _)| beginnings.iter().map(move |text| (text.len(), *text, *name)));
    let longest = beginnings.filter(|(_, beginning, _)| path.starts_with(beginning)).max();
    longest.unwrap_or_else(|| panic!("{path} is in no group")).2
}

/// The heading of the text about an operation, and what follows: that of `listUsers` is `docs/openapi/list_users.md`.
fn heading_and_prose(id: &str) -> (String, Option<String>) {
    let mut file = id.to_owned();
    while let Some(place) = file.find(char::is_uppercase) {
        let letter = file.remove(place).to_ascii_lowercase();
        file.insert_str(place, &format!("_{letter}"));
    }
    let markdown = super::read(&format!("docs/openapi/{file}.md"));
    let (heading, prose) = markdown.split_once('\n').unwrap_or((&markdown, ""));
    let prose = Some(prose.trim().to_owned()).filter(|prose| !prose.is_empty());
    (heading.trim_start_matches("# ").to_owned(), prose)
}

/// A body, the special forms before plain JSON.
fn body_of(mut described: Value) -> Value {
    let Value::Object(forms) = described["content"].take() else { return Value::Null };
    let forms = forms.into_iter().rev().map(|(media_type, mut form)| {
        // A body that is an `Option` may be left out; it cannot be `null`.
        if let Some(Value::Array(alternatives)) = form["schema"].get_mut("oneOf") {
            form["schema"] = alternatives[0].take();
        }
        (media_type, form)
    });
    let content: Map<String, Value> = forms.collect();
    json!({"required": described["required"] == true, "content": content})
}

/// The answers of a handler and of the code around it.
fn answers_of(route: &Route, method: &str, described: &mut Value) -> Map<String, Value> {
    let has_body = !described["requestBody"].is_null();
    let Value::Object(mut answers) = described["responses"].take() else { panic!("no answers") };
    if route.reads_parameters() {
        // RFC 6749 §5.1.
        for (_, answer) in answers.iter_mut().filter(|(_, answer)| !answer["content"].is_null()) {
            answer["headers"]["Pragma"] = header("Pragma");
        }
    }
    for (status, name) in answers_around(route, method, has_body) {
        answers.entry(status).or_insert_with(|| json!({"$ref": format!("#/components/responses/{name}")}));
    }
    answers.sort_keys();
    with_headers_of_every_answer(answers)
}

/// The answers of the code around a handler; an operation may have others for these cases.
fn answers_around(route: &Route, method: &str, has_body: bool) -> Vec<(&'static str, &'static str)> {
    let (foreign_host, fault) = match route {
        _ if route.is_page() => ("ForeignHostPage", "FaultPage"),
        _ if route.has_problems() => ("AdminForeignHost", "AdminFault"),
        _ => ("ForeignHost", "Fault"),
    };
    let mut answers = vec![("421", foreign_host), ("500", fault)];
    if route.is_of_admin_api() {
        answers.extend([
            ("400", "Invalid"),
            ("401", "Unauthorized"),
            ("403", "Forbidden"),
            ("503", "AdminUnavailable"),
        ]);
        if has_body {
            answers.extend([("408", "AdminBodyTooSlow"), ("413", "AdminBodyTooLarge"), ("415", "AdminBodyCompressed")]);
        }
    } else if route.is_at_browser() {
        answers.extend([("400", "PageRefused"), ("503", "PageUnavailable")]);
        if method == "POST" {
            answers.extend([
                ("403", "PageForeignForm"),
                ("408", "PageBodyTooSlow"),
                ("413", "PageBodyTooLarge"),
                ("415", "PageBodyCompressed"),
                ("429", "PageTooOften"),
            ]);
        }
    } else if route.reads_document() {
        answers.extend([("400", "RegistrationRefused"), ("401", "RegistrationUnauthorized"), ("503", "Unavailable")]);
        if has_body {
            answers.extend([
                ("408", "BodyTooSlow"),
                ("413", "BodyTooLarge"),
                ("415", "BodyCompressed"),
                ("429", "TooManyRegistrations"),
            ]);
        }
    } else if route.reads_parameters() {
        answers.extend([
            ("400", "OAuthRefused"),
            ("401", "InvalidClient"),
            ("408", "BodyTooSlow"),
            ("413", "BodyTooLarge"),
            ("415", "BodyCompressed"),
            ("429", "TooOften"),
            ("503", "Unavailable"),
        ]);
    }
    answers
}

/// Adds what the envelope adds to every answer.
pub(super) fn with_headers_of_every_answer(mut answers: Map<String, Value>) -> Map<String, Value> {
    for answer in answers.values_mut().filter_map(Value::as_object_mut) {
        if answer.contains_key("$ref") {
            continue;
        }
        let mut headers = Map::new();
        headers.insert("X-Request-Id".to_owned(), header("X-Request-Id"));
        headers.insert("Cache-Control".to_owned(), header("NoStore"));
        if let Some(Value::Object(mut own)) = answer.shift_remove("headers") {
            headers.append(&mut own);
        }
        // After the description.
        answer.shift_insert(1, "headers".to_owned(), headers.into());
    }
    answers
}
