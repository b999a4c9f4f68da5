//! Makes the page of the API reference from `openapi.yaml`.

use askama::Template;
use serde_yaml_ng::Value;

use crate::http::docs::prose::Prose;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// Where an error of this kind is answered to everything, it is said once and not at each operation.
const EVERYWHERE: [&str; 2] = ["421", "500"];

/// The page.
#[derive(Template)]
#[template(path = "reference.html")]
pub(crate) struct Reference {
    root: &'static str,
    style: &'static str,
    title: String,
    version: String,
    description: Vec<Prose>,
    schemes: Vec<Entry>,
    groups: Vec<Group>,
    everywhere: Vec<Entry>,
    schemas: Vec<Schema>,
}

/// What belongs together.
struct Group {
    name: String,
    description: Vec<Prose>,
    operations: Vec<Operation>,
}

/// A method of a path.
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: Vec<Prose>,
    scopes: Vec<String>,
    parameters: Vec<Entry>,
    bodies: Vec<Body>,
    answers: Vec<Answer>,
}

/// A name and its description.
#[derive(Default)]
struct Entry {
    name: String,
    place: String,
    required: bool,
    kind: Vec<Part>,
    limits: String,
    text: Vec<Prose>,
}

/// A form of a body.
struct Body {
    media: String,
    kind: Vec<Part>,
    examples: Vec<Example>,
}

struct Example {
    summary: String,
    text: String,
}

struct Answer {
    status: String,
    text: Vec<Prose>,
    headers: Vec<String>,
    bodies: Vec<Body>,
}

struct Schema {
    name: String,
    description: Vec<Prose>,
    kind: Vec<Part>,
    limits: String,
    members: Vec<Entry>,
    examples: Vec<Example>,
}

/// A piece of the name of a type, which may lead to a schema.
struct Part {
    text: String,
    schema: Option<String>,
}

impl Reference {
    /// Reads a description of an API.
    pub(crate) fn read(openapi: &str, style: &'static str) -> Result<Self, serde_yaml_ng::Error> {
        let document: Value = serde_yaml_ng::from_str(openapi)?;
        let reader = Reader { document: &document };
        let info = &document["info"];
        Ok(Self {
            root: "",
            style,
            title: text(&info["title"]),
            version: text(&info["version"]),
            description: Prose::paragraphs(&text(&info["description"])),
            schemes: reader.schemes(),
            groups: items(&document["tags"]).map(|tag| reader.group(tag)).collect(),
            everywhere: reader.everywhere(),
            schemas: members(&document["components"]["schemas"])
                .map(|(name, schema)| reader.schema(name, schema))
                .collect(),
        })
    }
}

struct Reader<'a> {
    document: &'a Value,
}

impl<'a> Reader<'a> {
    /// What a reference leads to; anything else is itself.
    fn resolve(&self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str().and_then(|path| path.strip_prefix("#/")) {
            Some(path) => path.split('/').fold(self.document, |value, name| &value[name]),
            None => value,
        }
    }

    fn schemes(&self) -> Vec<Entry> {
        let schemes = members(&self.document["components"]["securitySchemes"]);
        schemes
            .map(|(name, scheme)| Entry {
                name,
                place: format!("{} {}", text(&scheme["type"]), text(&scheme["scheme"])),
                text: Prose::paragraphs(&text(&scheme["description"])),
                ..Entry::default()
            })
            .collect()
    }

    /// The answers that any operation may give.
    fn everywhere(&self) -> Vec<Entry> {
        let first = members(&self.document["paths"]).take(1).flat_map(|(_, item)| members(item)).take(1);
        first
            .flat_map(|(_, operation)| members(&operation["responses"]))
            .filter(|(status, _)| EVERYWHERE.contains(&status.as_str()))
            .map(|(status, answer)| Entry {
                name: status,
                text: Prose::paragraphs(&text(&self.resolve(answer)["description"])),
                ..Entry::default()
            })
            .collect()
    }

    fn group(&self, tag: &'a Value) -> Group {
        let name = text(&tag["name"]);
        let mut operations = Vec::new();
        for (path, item) in members(&self.document["paths"]) {
            for method in METHODS {
                let operation = &item[method];
                if items(&operation["tags"]).any(|tag| tag.as_str() == Some(&name)) {
                    operations.push(self.operation(method, &path, item, operation));
                }
            }
        }
        Group { name, description: Prose::paragraphs(&text(&tag["description"])), operations }
    }

    fn operation(&self, method: &str, path: &str, item: &'a Value, operation: &'a Value) -> Operation {
        let parameters = items(&item["parameters"]).chain(items(&operation["parameters"]));
        let answers = members(&operation["responses"]);
        let scopes = items(&operation["security"]).flat_map(members).flat_map(|(_, scopes)| items(scopes));
        Operation {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            description: Prose::paragraphs(&text(&operation["description"])),
            scopes: scopes.map(text).collect(),
            parameters: parameters.map(|parameter| self.parameter(self.resolve(parameter))).collect(),
            bodies: self.bodies(&self.resolve(&operation["requestBody"])["content"]),
            answers: answers
                .filter(|(status, _)| !EVERYWHERE.contains(&status.as_str()))
                .map(|(status, answer)| self.answer(status, self.resolve(answer)))
                .collect(),
        }
    }

    fn parameter(&self, parameter: &'a Value) -> Entry {
        Entry {
            name: text(&parameter["name"]),
            place: text(&parameter["in"]),
            required: parameter["required"].as_bool().unwrap_or_default(),
            kind: self.kind(&parameter["schema"]),
            limits: limits(self.resolve(&parameter["schema"])),
            text: Prose::paragraphs(&text(&parameter["description"])),
        }
    }

    fn bodies(&self, content: &'a Value) -> Vec<Body> {
        members(content)
            .map(|(media, body)| {
                let examples = self.examples(&media, body);
                Body { kind: self.kind(&body["schema"]), examples, media }
            })
            .collect()
    }

    fn answer(&self, status: String, answer: &'a Value) -> Answer {
        Answer {
            status,
            text: Prose::paragraphs(&text(&answer["description"])),
            headers: members(&answer["headers"]).map(|(name, _)| name).filter(|name| name != "X-Request-Id").collect(),
            bodies: self.bodies(&answer["content"]),
        }
    }

    fn examples(&self, media: &str, holder: &'a Value) -> Vec<Example> {
        let one = (!holder["example"].is_null()).then(|| (String::new(), &holder["example"]));
        let listed = items(&holder["examples"]).map(|value| (String::new(), value));
        let named = members(&holder["examples"]).map(|(_, example)| (text(&example["summary"]), &example["value"]));
        one.into_iter()
            .chain(listed)
            .chain(named)
            .map(|(summary, value)| Example { summary, text: written(media, value) })
            .collect()
    }

    fn schema(&self, name: String, schema: &'a Value) -> Schema {
        let required: Vec<&str> = items(&schema["required"]).filter_map(Value::as_str).collect();
        let entries = members(&schema["properties"]).map(|(name, member)| {
            let target = self.resolve(member);
            // A reference to a whole schema is a link: only what is beside it is shown here.
            let own = if self.name_of(member).is_some() { member } else { target };
            Entry {
                required: required.contains(&name.as_str()),
                kind: self.kind(member),
                limits: limits(own),
                text: Prose::paragraphs(&text(&own["description"])),
                name,
                ..Entry::default()
            }
        });
        Schema {
            description: Prose::paragraphs(&text(&schema["description"])),
            members: entries.collect(),
            kind: self.kind(schema),
            limits: limits(schema),
            examples: self.examples("application/json", schema),
            name,
        }
    }

    /// The name of the schema that a reference leads to.
    fn name_of(&self, value: &Value) -> Option<String> {
        let path = value["$ref"].as_str()?.strip_prefix("#/components/schemas/")?;
        (!path.contains('/')).then(|| path.to_owned())
    }

    /// The type in words.
    fn kind(&self, schema: &'a Value) -> Vec<Part> {
        if let Some(name) = self.name_of(schema) {
            return vec![Part { text: name.clone(), schema: Some(name) }];
        }
        let schema = self.resolve(schema);
        let alternatives: Vec<&Value> = items(&schema["oneOf"]).chain(items(&schema["anyOf"])).collect();
        if !alternatives.is_empty() {
            return joined(alternatives.into_iter().map(|schema| self.kind(schema)));
        }
        if let Some(whole) = items(&schema["allOf"]).next() {
            return self.kind(whole);
        }
        if !schema["const"].is_null() {
            return vec![plain(written("application/json", &schema["const"]))];
        }
        if schema["enum"].is_sequence() {
            let values = items(&schema["enum"]).map(|value| vec![plain(written("application/json", value))]);
            return joined(values);
        }
        let names: Vec<&str> = match &schema["type"] {
            Value::String(name) => vec![name],
            Value::Sequence(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => vec!["anything"],
        };
        joined(names.into_iter().map(|name| match name {
            "array" => {
                let mut parts = vec![plain("list of ".to_owned())];
                parts.extend(self.kind(&schema["items"]));
                parts
            }
            "object" if !schema["properties"].is_null() => {
                let names: Vec<String> = members(&schema["properties"]).map(|(name, _)| name).collect();
                let names = names.join(", ");
                vec![plain(if schema["title"].is_null() {
                    format!("object ({names})")
                } else {
                    format!("{{{names}}}")
                })]
            }
            other => vec![plain(other.to_owned())],
        }))
    }
}

fn plain(text: String) -> Part {
    Part { text, schema: None }
}

fn joined(alternatives: impl Iterator<Item = Vec<Part>>) -> Vec<Part> {
    let mut parts = Vec::new();
    for alternative in alternatives {
        if !parts.is_empty() {
            parts.push(plain(" or ".to_owned()));
        }
        parts.extend(alternative);
    }
    parts
}

/// What a schema allows, in words.
fn limits(schema: &Value) -> String {
    let mut words = Vec::new();
    for (name, label) in [
        ("format", ""),
        ("minimum", "at least "),
        ("maximum", "at most "),
        ("minLength", "at least this long: "),
        ("maxLength", "at most this long: "),
        ("maxItems", "at most this many: "),
        ("default", "unless set: "),
        ("pattern", "pattern "),
    ] {
        // That something is not empty goes without saying.
        let says_nothing = schema[name].is_null() || (name == "minLength" && schema[name].as_i64() == Some(1));
        if !says_nothing {
            words.push(format!("{label}{}", text(&schema[name])));
        }
    }
    words.join("; ")
}

/// An example as it is sent.
fn written(media: &str, value: &Value) -> String {
    if media.ends_with("form-urlencoded") {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in members(value) {
            form.append_pair(&name, &text(value));
        }
        return form.finish();
    }
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        _ => String::new(),
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_sequence().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (String, &Value)> {
    value.as_mapping().into_iter().flatten().map(|(name, value)| (text(name), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> Reference {
        Reference::read(crate::http::docs::OPENAPI, "").unwrap()
    }

    #[test]
    fn every_operation_of_the_description_is_in_the_reference() {
        let document: Value = serde_yaml_ng::from_str(crate::http::docs::OPENAPI).unwrap();
        let described: usize = members(&document["paths"])
            .map(|(_, item)| METHODS.iter().filter(|method| !item[**method].is_null()).count())
            .sum();
        let shown: usize = reference().groups.iter().map(|group| group.operations.len()).sum();
        assert_eq!(shown, described);
    }

    #[test]
    fn everything_has_a_description_and_a_type() {
        for group in reference().groups {
            assert!(!group.description.is_empty() && !group.operations.is_empty(), "{}", group.name);
            for operation in group.operations {
                assert!(!operation.summary.is_empty() && !operation.answers.is_empty(), "{}", operation.id);
                assert!(operation.parameters.iter().all(|parameter| !parameter.text.is_empty()), "{}", operation.id);
                assert!(operation.answers.iter().all(|answer| !answer.text.is_empty()), "{}", operation.id);
            }
        }
        for schema in reference().schemas {
            assert!(!schema.description.is_empty(), "{}", schema.name);
            assert!(schema.members.iter().all(|member| !member.kind.is_empty()), "{}", schema.name);
        }
    }

    #[test]
    fn markup_in_the_description_is_shown_as_text() {
        let page = Reference::read("info: {title: '<script>x', description: 'a <b> `<i>`'}", "").unwrap();
        let html = page.render().unwrap();
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("<i>"), "{html}");
        assert!(html.contains("<code>&#60;i&#62;</code>"), "{html}");
    }
}
