//! Completes the operations by what goes for all of their kind: order, scopes, answers and headers come from the table of
//! routes and from the code around the handlers.

use serde_json::{Map, Value, json};
use utoipa::ToResponse;

use crate::http::docs::openapi::answers::{
    AdminBodyCompressed, AdminBodyTooLarge, AdminBodyTooSlow, AdminFault, AdminForeignHost, AdminUnavailable,
    BodyCompressed, BodyTooLarge, BodyTooSlow, Fault, FaultPage, Forbidden, ForeignHost, ForeignHostPage, Invalid,
    InvalidClient, OAuthRefused, PageBodyCompressed, PageBodyTooLarge, PageBodyTooSlow, PageForeignForm, PageRefused,
    PageTooOften, PageUnavailable, RegistrationRefused, RegistrationUnauthorized, TooManyRegistrations, TooOften,
    Unauthorized, Unavailable, header,
};
use crate::http::route::{BodyForm, Endpoint, ErrorForm, Route};
use crate::http::routes::routes;

/// The operations in the order of the table of routes.
pub(super) fn complete(described: Value) -> Map<String, Value> {
    let Value::Object(mut described) = described else { return Map::new() };
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
    let mut id = described["operationId"].as_str().unwrap_or_default().to_owned();
    let markdown = described["description"].take();
    let (mut summary, mut description) = heading_and_prose(markdown.as_str().unwrap_or_default());
    if index > 0 && is_one_handler {
        let (first, method) = (route.methods[0], route.methods[index]);
        id.extend([&method[..1], &method[1..].to_lowercase()]);
        (summary, description) = (format!("The same with {method}"), Some(format!("As {first}.")));
    }
    let security = match route.scopes.get(index) {
        Some(scopes) => scopes.iter().map(|scope| json!({"adminToken": [scope]})).collect(),
        None if described["security"].is_null() => json!([]),
        None => described["security"].take(),
    };
    let answers = answers_of(route.endpoint, route.methods[index], &mut described);
    let mut operation = json!({
        "operationId": id,
        "tags": described["tags"].take(),
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

/// The heading of a text in Markdown, and what follows.
fn heading_and_prose(markdown: &str) -> (String, Option<String>) {
    let (heading, prose) = markdown.split_once('\n').unwrap_or((markdown, ""));
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
fn answers_of(endpoint: Endpoint, method: &str, described: &mut Value) -> Map<String, Value> {
    let has_body = !described["requestBody"].is_null();
    let Value::Object(mut answers) = described["responses"].take() else { return Map::new() };
    if reads_parameters(endpoint) {
        // RFC 6749 §5.1.
        for (_, answer) in answers.iter_mut().filter(|(_, answer)| !answer["content"].is_null()) {
            answer["headers"]["Pragma"] = header("Pragma");
        }
    }
    for (status, name) in answers_around(endpoint, method, has_body) {
        answers.entry(status).or_insert_with(|| json!({"$ref": format!("#/components/responses/{name}")}));
    }
    answers.sort_keys();
    with_headers_of_every_answer(answers)
}

fn reads_parameters(endpoint: Endpoint) -> bool {
    matches!(endpoint.body, BodyForm::Parameters | BodyForm::AnyText)
}

/// The answers of the code around a handler; an operation may have others for these cases.
fn answers_around(endpoint: Endpoint, method: &str, has_body: bool) -> Vec<(&'static str, &'static str)> {
    let mut answers = match endpoint.errors {
        ErrorForm::Page => vec![("421", name::<ForeignHostPage>()), ("500", name::<FaultPage>())],
        ErrorForm::OAuth => vec![("421", name::<ForeignHost>()), ("500", name::<Fault>())],
        ErrorForm::Problem => vec![("421", name::<AdminForeignHost>()), ("500", name::<AdminFault>())],
    };
    if endpoint.errors == ErrorForm::Problem {
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
    } else if endpoint.body == BodyForm::AtBrowser {
        answers.extend([("400", name::<PageRefused>()), ("503", name::<PageUnavailable>())]);
        if method == "POST" {
            answers.extend([
                ("403", name::<PageForeignForm>()),
                ("408", name::<PageBodyTooSlow>()),
                ("413", name::<PageBodyTooLarge>()),
                ("415", name::<PageBodyCompressed>()),
                ("429", name::<PageTooOften>()),
            ]);
        }
    } else if endpoint.body == BodyForm::Document {
        answers.extend([
            ("400", name::<RegistrationRefused>()),
            ("401", name::<RegistrationUnauthorized>()),
            ("503", name::<Unavailable>()),
        ]);
        if has_body {
            answers.extend([
                ("408", name::<BodyTooSlow>()),
                ("413", name::<BodyTooLarge>()),
                ("415", name::<BodyCompressed>()),
                ("429", name::<TooManyRegistrations>()),
            ]);
        }
    } else if reads_parameters(endpoint) {
        answers.extend([
            ("400", name::<OAuthRefused>()),
            ("401", name::<InvalidClient>()),
            ("408", name::<BodyTooSlow>()),
            ("413", name::<BodyTooLarge>()),
            ("415", name::<BodyCompressed>()),
            ("429", name::<TooOften>()),
            ("503", name::<Unavailable>()),
        ]);
    }
    answers
}

fn name<A: ToResponse<'static>>() -> &'static str {
    A::response().0
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
