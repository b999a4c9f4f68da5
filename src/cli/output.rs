//! What commands print: for people, or as JSON with the field names of the API.

use std::io::Write;

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::{Failed, Format, Outcome};

/// Writes a line to standard output.
pub(super) fn line(text: &str) -> Outcome {
    writeln!(std::io::stdout(), "{text}").map_err(Failed::from)
}

/// Prints one thing: a name and a value per line, or an object.
pub(super) fn item(format: Format, value: &impl Serialize) -> Outcome {
    let value = to_value(value)?;
    match (format, &value) {
        (Format::Text, Value::Object(members)) => fields(members),
        _ => json(&value),
    }
}

/// Prints several things: a table with these columns, or an array.
pub(super) fn items(format: Format, items: &[impl Serialize], columns: &[&str]) -> Outcome {
    let values: Vec<Value> = items.iter().map(to_value).collect::<Result<_, _>>()?;
    if format == Format::Json {
        return json(&Value::Array(values));
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| column.to_uppercase()));
    for value in &values {
        table.add_row(columns.iter().map(|column| plain(value.get(column).unwrap_or(&Value::Null))));
    }
    line(&table.trim_fmt())
}

/// Says that something was done.
pub(super) fn done(format: Format, text: &str) -> Outcome {
    match format {
        Format::Text => line(text),
        Format::Json => json(&Value::Object(Map::from_iter([("done".to_owned(), text.into())]))),
    }
}

/// Adds something for people, on standard error, so that it does not mix with what was asked for.
pub(super) fn note(text: &str) -> Outcome {
    writeln!(std::io::stderr(), "{text}").map_err(Failed::from)
}

/// Says why a command failed.
pub(super) fn failure(format: Format, text: &str) {
    let text = match format {
        Format::Text => format!("jeton: {text}"),
        Format::Json => Value::Object(Map::from_iter([("error".to_owned(), text.into())])).to_string(),
    };
    // Nothing is left to do when even standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn fields(members: &Map<String, Value>) -> Outcome {
    let width = members.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in members {
        line(&format!("{name:width$}  {}", plain(value)))?;
    }
    Ok(())
}

/// Escapes everything that could move the cursor of a terminal.
pub(super) fn plain_text(text: &str) -> String {
    // Also what changes the writing direction or breaks a line.
    let moves = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().flat_map(|c| if moves(c) { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) if text.is_empty() => "-".into(),
        // A name may hold terminal control codes.
        Value::String(text) => plain_text(text),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            if items.is_empty() {
                "-".into()
            } else {
                items.iter().map(plain).collect::<Vec<_>>().join(" ")
            }
        }
        other => other.to_string(),
    }
}

fn to_value(value: &impl Serialize) -> Result<Value, Failed> {
    serde_json::to_value(value).map_err(|error| Failed(error.to_string()))
}

fn json(value: &Value) -> Outcome {
    line(&serde_json::to_string_pretty(value).map_err(|error| Failed(error.to_string()))?)
}
