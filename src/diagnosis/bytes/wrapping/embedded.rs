//! A token somewhere within a longer text: JSON, a log line, an address.

use serde_json::Value;

use crate::diagnosis::bytes::joined;
use crate::diagnosis::bytes::reader::{PARSING, Reader};
use crate::diagnosis::bytes::shape::{self, Shape};
use crate::diagnosis::bytes::wrapping::Layer;
use crate::diagnosis::bytes::wrapping::labels::quoted;
use crate::diagnosis::finding::Damage;
use crate::protocol::cause::Cause;

/// A JSON document that contains a token.
pub(super) fn json(reader: &Reader, text: &str) -> Layer {
    if text.starts_with('"') && text.contains('\\') {
        // JSON within a JSON string.
        let Ok(Value::String(inner)) = serde_json::from_str(text) else { return None };
        return Some((inner, vec![quoted("JSON", "at the start and at the end")]));
    }
    if !text.starts_with(['{', '[']) {
        return None;
    }
    if !reader.may_read(text, PARSING) {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let (path, core) = token_in(reader, &value)?;
    let detail = format!("A whole JSON document was sent instead of the token{path}.");
    let repair = format!("Take the token out of the JSON document{path}; send nothing else.");
    Some((core.to_owned(), vec![Damage::new(Cause::NotAToken, detail, repair)]))
}

fn token_in<'v>(reader: &Reader, value: &'v Value) -> Option<(String, &'v str)> {
    match value {
        Value::Object(members) => {
            let known = ["access_token", "token", "accessToken", "id_token", "refresh_token"];
            let named = known.iter().find_map(|name| Some((*name, members.get(*name)?.as_str()?)));
            if let Some((name, text)) = named {
                return Some((format!(", which is its member `{name}`"), text));
            }
            members.values().find_map(|value| token_in(reader, value))
        }
        Value::Array(items) => items.iter().find_map(|value| token_in(reader, value)),
        Value::String(text) if shape::of(reader, text) != Shape::Nothing => Some((String::new(), text)),
        _ => None,
    }
}

/// A token that a log shortened: what follows the ellipsis is useless. The examination of the content reports the ellipsis.
pub(super) fn shortened(reader: &Reader, text: &str) -> Layer {
    let at = joined::ellipsis(text)?;
    let head = &text[..at];
    let core = format!("{head}…");
    (core != text && shape::of(reader, head) != Shape::Nothing).then_some((core, vec![]))
}

/// A token within a longer text, such as `access_token=…`, a line of a settings file or a whole address. It must be whole,
/// and nothing else in the text may begin like a token.
pub(super) fn embedded(reader: &Reader, text: &str) -> Layer {
    let is_of_a_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let runs: Vec<&str> = text.split(|c| !is_of_a_token(c)).map(|run| run.trim_matches('.')).collect();
    let [run] = runs.iter().filter(|run| shape::is_whole(reader, run)).collect::<Vec<_>>()[..] else { return None };
    // If the text goes on in another base64 alphabet, that is part of the token.
    if text.split_once(run).is_some_and(|(_, after)| after.starts_with(['+', '/'])) {
        return None;
    }
    let is_padding = |rest: &str| rest.chars().all(|c| matches!(c, '=' | '+' | '/'));
    let (before, after) = text.split_once(run)?;
    if (before.is_empty() && (after.is_empty() || is_padding(after))) || shape::beginnings(&runs) > 1 {
        return None;
    }
    let is_bracket = |c: char| c.is_ascii_punctuation() && !matches!(c, '=' | ':' | '&' | '?' | '/' | '%' | '@' | '\\');
    if [before, after].iter().all(|part| part.chars().all(is_bracket)) {
        let detail = "There are brackets or other punctuation around the token.";
        let damage = Damage::new(Cause::Quoted, detail, "Remove everything before and after the token.");
        return Some(((*run).to_owned(), vec![damage]));
    }
    let (detail, repair) = match (before.is_empty(), after.is_empty()) {
        (false, true) => ("There is other text before the token.", "Remove what comes before it."),
        (true, false) => ("There is other text after the token.", "Remove what comes after it."),
        _ => ("The token is within a longer text.", "Take the token out of the text."),
    };
    let repair = format!("{repair} Send the token and nothing else.");
    Some(((*run).to_owned(), vec![Damage::new(Cause::NotAToken, detail, repair)]))
}
