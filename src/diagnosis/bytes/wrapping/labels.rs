//! Words and quotes around the token: `Bearer`, `Authorization:`, another scheme, quotation marks.

use crate::diagnosis::bytes::characters::is_white;
use crate::diagnosis::bytes::reader::Reader;
use crate::diagnosis::bytes::shape::{self, Shape};
use crate::diagnosis::bytes::wrapping::Layer;
use crate::diagnosis::finding::Damage;
use crate::protocol::bearer::{self, QUOTES};
use crate::protocol::cause::Cause;

const ONE_SPACE: &str = "Remove it; send the header `Authorization: Bearer`, one space and the token.";

/// `Bearer`, `Authorization:` or another scheme before something that looks like a token.
pub(super) fn word_in_front(reader: &Reader, text: &str) -> Layer {
    let rest = without_word(text, "authorization").map(|rest| rest.trim_start_matches([':', '=', ' ']));
    let had_name = rest.is_some();
    let after_name = rest.unwrap_or(text);
    if let Some(rest) = without_word(after_name, "bearer") {
        let mut core = rest.trim_start_matches(|character| is_white(character) || matches!(character, ':' | '=' | '+'));
        while let Some(after) = core.strip_prefix("%20") {
            core = after;
        }
        // `BearereyJ…` has the word in front; `bearer_of_news` does not.
        let is_separate = core.len() < rest.len() || rest.starts_with(['"', '\'']);
        if is_separate || shape::of(reader, core) != Shape::Nothing {
            let detail = "The word Bearer is part of the token.";
            let repair = "Remove the word and the space after it; add it once, when you write the header.";
            return Some((core.to_owned(), vec![Damage::new(Cause::BearerPrefixLeftIn, detail, repair)]));
        }
    }
    if had_name && shape::of(reader, after_name) != Shape::Nothing {
        let detail = "The name of the header, Authorization, is part of the token.";
        return Some((after_name.to_owned(), vec![Damage::new(Cause::BearerPrefixLeftIn, detail, ONE_SPACE)]));
    }
    let (word, rest) = after_name.split_once([' ', '\t'])?;
    let core = rest.trim_start_matches([' ', '\t']);
    if bearer::is_other_scheme(word) && shape::of(reader, core) != Shape::Nothing {
        let detail = "The token is preceded by a word other than Bearer, which makes it another scheme.";
        return Some((core.to_owned(), vec![Damage::new(Cause::WrongScheme, detail, ONE_SPACE)]));
    }
    None
}

fn without_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let head = text.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}

/// Quotes of any kind at either end, with the escapes before and the punctuation after them.
pub(super) fn quotes(reader: &Reader, text: &str) -> Layer {
    for entity in ["&quot;", "&#34;", "&#39;", "&apos;"] {
        if text.len() > entity.len() && (text.starts_with(entity) || text.ends_with(entity)) {
            let core = text.trim_start_matches(entity).trim_end_matches(entity);
            return Some((core.to_owned(), vec![quoted("HTML entities", "at the ends")]));
        }
    }
    if text.starts_with(['{', '[']) {
        // A JSON document that contains the token.
        return None;
    }
    let is_quote = |character: char| QUOTES.contains(&character);
    let starts = text.trim_start_matches('\\').starts_with(is_quote);
    let without_punctuation = text.trim_end_matches([',', ';', '}', ']', ' ']);
    let ends = without_punctuation.ends_with(is_quote);
    let around = |character: char| is_quote(character) || character == '\\';
    if starts || ends {
        let core = if ends { without_punctuation } else { text };
        let core = core.trim_matches(around);
        let place = match (starts, ends) {
            (true, true) => "at the start and at the end",
            (true, false) => "at the start",
            _ => "at the end",
        };
        let typographic = text.contains(|character: char| !character.is_ascii() && is_quote(character));
        return Some((core.to_owned(), vec![quoted(if typographic { "typographic" } else { "plain" }, place)]));
    }
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    if let Some(core) = inner.filter(|core| shape::of(reader, core) != Shape::Nothing) {
        return Some((core.to_owned(), vec![quoted("angle brackets", "at the start and at the end")]));
    }
    let core = text.trim_end_matches([',', ';']);
    if core.len() < text.len() && shape::of(reader, core) != Shape::Nothing {
        let detail = "The token is followed by punctuation, as if it had been copied from a list or from JSON.";
        let damage = Damage::new(Cause::Quoted, detail, "Remove the punctuation at the end.");
        return Some((core.to_owned(), vec![damage]));
    }
    None
}

pub(super) fn quoted(kind: &str, place: &str) -> Damage {
    Damage::new(
        Cause::Quoted,
        format!("There are quotes ({kind}) {place} of the token."),
        format!("Remove the quotes {place}; read JSON with a parser, for example `jq -r .access_token`."),
    )
}
