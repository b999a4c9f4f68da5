//! Writes a description as YAML for people: prose in blocks, references and short lists on one line. Parsers of YAML 1.1 read
//! the same as those of YAML 1.2, so a date stays a text.

use serde_json::{Map, Value};

/// The longest line with a list, a reference or prose.
const LONGEST_LINE: usize = 120;
/// Words that are no texts for some parsers.
const NOT_TEXTS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];

/// A document as YAML.
pub(super) fn write(document: &Map<String, Value>) -> String {
    let mut text = String::new();
    write_members(document, 0, &mut text);
    text
}

fn write_members(members: &Map<String, Value>, indent: usize, text: &mut String) {
    for (name, value) in members {
        text.push_str(&format!("{:indent$}{}:", "", string(name, false)));
        write_value(value, indent + 2, text);
    }
}

/// Writes what follows a name or a dash.
fn write_value(value: &Value, indent: usize, text: &mut String) {
    let line = one_line(value).filter(|line| indent + line.len() <= LONGEST_LINE || !can_be_split(value));
    match (line, value) {
        (Some(line), _) => text.push_str(&format!(" {line}\n")),
        (None, Value::Array(items)) => {
            text.push('\n');
            for item in items {
                let mut lines = String::new();
                match item {
                    Value::Object(members) if one_line(item).is_none() => {
                        write_members(members, indent + 2, &mut lines);
                        text.push_str(&format!("{:indent$}- {}", "", lines.trim_start()));
                    }
                    _ => {
                        write_value(item, indent + 2, &mut lines);
                        text.push_str(&format!("{:indent$}-{lines}", ""));
                    }
                }
            }
        }
        (None, Value::Object(members)) => {
            text.push('\n');
            write_members(members, indent, text);
        }
        (None, value) => {
            let prose = value.as_str().unwrap_or_default();
            let (style, lines) = match prose.contains('\n') {
                true => ("|-", prose.lines().map(str::to_owned).collect()),
                false => (">-", folded(prose, LONGEST_LINE.saturating_sub(indent))),
            };
            text.push_str(&format!(" {style}\n"));
            for line in lines {
                text.push_str(format!("{:indent$}{line}", "").trim_end());
                text.push('\n');
            }
        }
    }
}

/// The lines of one paragraph.
fn folded(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Whether a value that fits on one line may take several. Of the texts, only prose may.
fn can_be_split(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            let is_prose = |text: &str| text.split(' ').all(|word| !word.is_empty()) && text.contains(' ');
            is_prose(text) && !text.chars().any(char::is_control)
        }
        value => value.is_array() || value.is_object(),
    }
}

/// A value that can stand on one line.
fn one_line(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if is_block(text) => None,
        Value::String(text) => Some(string(text, false)),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(in_line).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Value::Object(members) => match members.iter().next() {
            None => Some("{}".to_owned()),
            Some((name, value)) if members.len() == 1 && name == "$ref" => {
                Some(format!("{{ $ref: {} }}", in_line(value)?))
            }
            Some(_) => None,
        },
        value => Some(value.to_string()),
    }
}

/// A value within a list on one line.
fn in_line(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if is_block(text) => None,
        Value::String(text) => Some(string(text, true)),
        Value::Array(items) if !items.is_empty() => None,
        value => one_line(value),
    }
}

/// Whether a text has several lines, none of which would lose anything in a block.
fn is_block(text: &str) -> bool {
    let is_kept = |line: &str| line.trim_end() == line && !line.chars().any(char::is_control);
    text.contains('\n') && !text.starts_with([' ', '\n']) && !text.ends_with('\n') && text.lines().all(is_kept)
}

/// A text on one line: plain where no parser can take it for anything else, or else in quotes.
fn string(text: &str, in_line: bool) -> String {
    let begins_plainly = text.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '/' | '$'));
    let has_syntax = text.ends_with([':', ' '])
        || text.contains(": ")
        || text.contains(" #")
        || text.chars().any(char::is_control)
        || (in_line && text.contains([',', '[', ']', '{', '}', ':']));
    let is_plain = begins_plainly && !has_syntax && !NOT_TEXTS.contains(&text.to_lowercase().as_str());
    if is_plain {
        text.to_owned()
    } else if text.chars().any(char::is_control) {
        Value::from(text).to_string()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let document = json!({
            "text": "plain, with [all] {kinds} of `marks`",
            "long": "word ".repeat(60).trim(),
            "wide": "x".repeat(200),
            "gaps": "a  b ".repeat(60),
            "odd": ["", " ", "~", "no", "NULL", "1", "2026-01-31T12:00:00Z", "a: b", "a #b", "'", "-", "a,b", "ü", "\u{7}"],
            "blocks": ["a\n\n  b\nc", "a\n", "\na", " a\nb", "a \nb", "a\tb\nc"],
            "values": [1, -1.5, true, null, {}, [], [[1], {"a": []}], {"$ref": "#/a"}, {"a": {"b": ["x", {"c": "d"}]}}],
            "'200'": {"$ref": "#/a b"},
            "200": {"description": "x", "$ref": "#/c"},
        });
        let text = write(document.as_object().unwrap());
        assert_eq!(serde_yaml_ng::from_str::<Value>(&text).unwrap(), document, "{text}");
        assert!(text.contains("'2026-01-31T12:00:00Z'") && text.contains("a\n\n"), "{text}");
    }
}
