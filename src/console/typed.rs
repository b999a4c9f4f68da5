//! What was typed into a form: it stays there when something is wrong with it, and what is wrong stands beside its field.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::admin::{AdminError, Result};
use crate::console::page::{Block, Button, Cell, Field, Form, Page};
use crate::console::visit::{Outcome, Visit, sentence};
use crate::crypto::{base64url, sha256};

/// What the fields of a form hold, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Typed(BTreeMap<&'static str, String>);

impl Typed {
    /// Reads these fields of the form that was sent.
    pub(super) fn read(visit: &Visit<'_>, names: &[&'static str]) -> Outcome<Self> {
        let mut typed = Self::default();
        for name in names.iter().copied() {
            if let Some(value) = visit.raw(name)? {
                typed = typed.with(name, value);
            }
        }
        Ok(typed)
    }

    /// The same with a field that holds this.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.insert(name, value.into());
        self
    }

    /// Whether a yes or no is a yes.
    pub(super) fn is_set(&self, name: &str) -> bool {
        !self.get(name).is_empty()
    }

    /// What a field holds; empty if it holds nothing.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The same without white space around it; none if it is empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        Some(self.get(name).trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The lines of a field that are not empty.
    pub(super) fn lines(&self, name: &str) -> Vec<String> {
        self.get(name).lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// The whole number in a field, if there is something in it.
    pub(super) fn number(&self, name: &str) -> Result<Option<i64>> {
        let parse =
            |text: String| text.parse().map_err(|_| AdminError::Invalid(format!("{name}: it is no whole number")));
        self.text(name).map(parse).transpose()
    }

    /// The JSON object in a field, if there is something in it. What is wrong is said without the text.
    pub(super) fn object(&self, name: &str) -> Result<Option<Map<String, Value>>> {
        let parse = |text: String| match serde_json::from_str::<Value>(&text) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(AdminError::Invalid(format!("{name}: it is no JSON object, which begins with {{"))),
            Err(error) => {
                let (line, column) = (error.line(), error.column());
                Err(AdminError::Invalid(format!("{name}: it is no JSON: line {line}, column {column}")))
            }
        };
        self.text(name).map(parse).transpose()
    }
}

/// What tells one state of some settings from another. A form that changes them repeats it, so that nobody overwrites unseen what
/// somebody else has changed meanwhile.
pub(super) fn state_of(settings: &impl Serialize) -> String {
    base64url(sha256(serde_json::to_string(settings).unwrap_or_default().as_bytes()))
}

/// The refusal of a form that was filled in before somebody else changed what it is about.
pub(super) fn changed_meanwhile() -> AdminError {
    AdminError::Conflict(
        "somebody else has changed it since this form was shown; open it anew, and look at it first".into(),
    )
}

/// How a form is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// The status of the answer.
    pub(super) status: u16,
    /// What is wrong with no field in particular.
    pub(super) above: Option<String>,
}

impl Answered {
    /// Nothing is wrong with it.
    pub(super) const GOOD: Self = Self { status: 200, above: None };

    /// A page that begins like this.
    pub(super) fn page(self, title: impl Into<String>) -> Page {
        Page { status: self.status, ..Page::new(title) }.with(self.above.map(Block::problem))
    }
}

/// The page with a form for something new: its title, and what is said of it.
pub(super) fn page_of_new(answered: Answered, (title, text): (&str, &str), form: Form) -> Page {
    answered.page(title).with(Block::text(text)).with(Block::Form(form))
}

/// The page with a form that changes something, which is sent here, and where that has its own page.
pub(super) fn page_of_change(answered: Answered, name: &str, path: &str, fields: Vec<Field>, back: String) -> Page {
    let form = Form::post("change", path, fields, vec![Button::new("save", "Save")]);
    let page = answered.page(format!("Change {name}"));
    page.with(Block::Form(form)).with(Block::Text(vec![Cell::link("Cancel", back)]))
}

/// Puts an error beside the field that it names first, or else beside this one. If there is none, it stands above the form.
///
/// # Errors
/// What is no matter of the form.
pub(super) fn put_beside(error: AdminError, fields: &mut [Field], otherwise: &str) -> Outcome<Answered> {
    let status = match &error {
        AdminError::Unavailable(_) | AdminError::Overloaded => return Err(error.into()),
        AdminError::NeedsAdmin(_) => 403,
        AdminError::Conflict(_) => 409,
        AdminError::Invalid(_) | AdminError::NotFound(_) => 400,
    };
    let text = error.to_string();
    let named = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
    let place = |name: &str| fields.iter().position(|field| field.name == name && !field.is_hidden());
    let (index, problem) = match place(named) {
        Some(index) => (Some(index), without_name(&text, named)),
        None => (place(otherwise), sentence(&text)),
    };
    match index.and_then(|index| fields.get_mut(index)) {
        Some(field) => {
            field.problem = Some(problem);
            Ok(Answered { status, above: None })
        }
        None => Ok(Answered { status, above: Some(problem) }),
    }
}

/// A problem without the name that it begins with, since it stands beside the field of that name: `name: it must be …`,
/// `names[1]: it must be …` or `name is at most …`.
fn without_name(text: &str, name: &str) -> String {
    let rest = text.strip_prefix(name).unwrap_or(text);
    let entry = rest.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    let entry = entry.and_then(|(index, problem)| Some((index.parse::<usize>().ok()?, problem)));
    match (entry, rest.strip_prefix(": ")) {
        (Some((index, problem)), _) => format!("Line {}: {}", index + 1, sentence(problem)),
        (None, Some(problem)) => sentence(problem),
        (None, None) if rest.starts_with(' ') => sentence(&format!("this{rest}")),
        (None, None) => sentence(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn beside(error: AdminError) -> (u16, Vec<(&'static str, Option<String>)>) {
        let mut fields = vec![
            Field::hidden("scope", "x"),
            Field::new("name", "Name", ""),
            Field::new("scopes", "Scopes", ""),
            Field::new("uri", "URI", ""),
        ];
        let answered = put_beside(error, &mut fields, "uri").ok().unwrap();
        assert_eq!(answered.above, None);
        let problems = fields.into_iter().filter(|field| field.problem.is_some());
        (answered.status, problems.map(|field| (field.name, field.problem)).collect())
    }

    #[test]
    fn an_error_stands_beside_the_field_that_it_names() {
        for (error, status, name, text) in [
            (AdminError::Invalid("name is at most 9 bytes".into()), 400, "name", "This is at most 9 bytes."),
            (AdminError::Invalid("scopes: \"a b\" is no name".into()), 400, "scopes", "\"a b\" is no name."),
            (AdminError::Invalid("scopes[0]: expected a string".into()), 400, "scopes", "Line 1: Expected a string."),
            (AdminError::Invalid("scope: hidden".into()), 400, "uri", "Scope: hidden."),
            (
                AdminError::Conflict("there is a resource x already".into()),
                409,
                "uri",
                "There is a resource x already.",
            ),
            (AdminError::NeedsAdmin("it takes more".into()), 403, "uri", "It takes more."),
        ] {
            assert_eq!(beside(error), (status, vec![(name, Some(text.to_owned()))]));
        }
        assert!(put_beside(AdminError::Overloaded, &mut [], "uri").is_err());
        let answered = put_beside(AdminError::Invalid("x".into()), &mut [], "uri").ok().unwrap();
        assert_eq!(answered, Answered { status: 400, above: Some("X.".to_owned()) }, "no problem is lost");
    }

    #[test]
    fn what_was_typed_is_read_as_text_lines_number_or_object() {
        let typed = Typed::default()
            .with("text", " a b ")
            .with("lines", "a\r\n\r\n b \r\n")
            .with("number", "60")
            .with("wrong", "secret")
            .with("object", "{\"a\": 1}");
        assert_eq!((typed.text("text").as_deref(), typed.text("none"), typed.get("none")), (Some("a b"), None, ""));
        assert_eq!(
            (typed.lines("lines"), typed.number("number")),
            (vec!["a".to_owned(), "b".to_owned()], Ok(Some(60)))
        );
        assert_eq!(typed.object("object").map(|object| json!(object)), Ok(json!({"a": 1})));
        assert_eq!((typed.number("none"), typed.object("none")), (Ok(None), Ok(None)));
        for error in [typed.number("wrong").unwrap_err(), typed.object("wrong").unwrap_err()] {
            assert!(error.to_string().starts_with("wrong: ") && !error.to_string().contains("secret"), "{error}");
        }
        assert!(typed.object("number").is_err());
    }

    #[test]
    fn another_state_is_told_from_the_one_that_was_shown() {
        assert_eq!(state_of(&json!({"a": 1})), state_of(&json!({"a": 1})));
        assert_ne!(state_of(&json!({"a": 1})), state_of(&json!({"a": 2})));
    }
}
