//! White space, line breaks and invisible characters, around the token or within it.

use crate::diagnosis::bytes::characters::{is_break, is_invisible, is_white, names, position, to_base64url};
use crate::diagnosis::bytes::reader::Reader;
use crate::diagnosis::bytes::shape::{self, Shape};
use crate::diagnosis::bytes::wrapping::Layer;
use crate::diagnosis::finding::Damage;
use crate::protocol::cause::Cause;

const UNESCAPE: &str = "Remove it: the text was escaped for JSON or a shell and never unescaped.";

/// White space at either end, also when escaped as `\n`.
pub(super) fn white_space(text: &str) -> Layer {
    let without = text.trim_matches(is_white);
    if without.len() == text.len() {
        let mut core = text;
        while let Some(shorter) = ["\\n", "\\r", "\\t"].iter().find_map(|escape| core.strip_suffix(escape)) {
            core = shorter;
        }
        return (core.len() < text.len() && !core.is_empty()).then(|| {
            let detail = "There is an escaped line break (a backslash and a letter) at the end of the token.";
            (core.to_owned(), vec![Damage::new(Cause::LineBreak, detail, UNESCAPE)])
        });
    }
    let start = text.len() - text.trim_start_matches(is_white).len();
    let end = text.len() - text.trim_end_matches(is_white).len();
    let place = match (start.min(text.len()), end) {
        (0, _) => "at the end",
        (_, 0) => "at the start",
        _ => "at the start and at the end",
    };
    let edges = [&text[..start], &text[text.len() - end..]].concat();
    let what = names(&edges);
    let mut damage = vec![Damage::new(
        Cause::SurroundingWhitespace,
        format!("There is whitespace ({what}) {place} of the token."),
        format!("Remove the whitespace {place}. Files and shells often add a line break; `printf %s` does not."),
    )];
    if edges.contains(is_break) && !without.is_empty() {
        let detail = format!("There is a line break {place} of the token.");
        damage.push(Damage::new(Cause::LineBreak, detail, "Keep the token on one line, with nothing after it."));
    }
    Some((without.to_owned(), damage))
}

/// Escaped line breaks within the token: the two characters `\n`, or a backslash at the end of a line.
pub(super) fn escaped_breaks(reader: &Reader, text: &str) -> Layer {
    if !text.contains('\\') {
        return None;
    }
    let core =
        ["\\\r\n", "\\\n", "\\r\\n", "\\n"].iter().fold(text.to_owned(), |text, escape| text.replace(escape, ""));
    let detail = "There is an escaped line break (a backslash and what follows it) within the token.";
    (core.len() < text.len() && shape::is_whole(reader, &core))
        .then(|| (core, vec![Damage::new(Cause::LineBreak, detail, UNESCAPE)]))
}

pub(super) fn invisible(sent: &str, text: &str) -> Layer {
    let colourless = without_colours(text);
    if colourless.len() < text.len() {
        let detail = "The text contains terminal colour codes.";
        let repair = "Copy the token from a file, or switch the colours off, for example with `NO_COLOR=1`.";
        return Some((colourless, vec![Damage::new(Cause::InvisibleCharacter, detail, repair)]));
    }
    let first = text.find(is_invisible)?;
    let hidden: String = text.chars().filter(|character| is_invisible(*character)).collect();
    let core: String = text.chars().filter(|character| !is_invisible(*character)).collect();
    let (what, count) = (names(&hidden), hidden.chars().count());
    let detail = format!(
        "The token contains {count} invisible character{s} ({what}), the first{place}.",
        s = if count == 1 { "" } else { "s" },
        place = position(sent, text, first),
    );
    let repair = "Remove every character that is not printable ASCII, or get the token from its issuer again.";
    Some((core, vec![Damage::new(Cause::InvisibleCharacter, detail, repair)]))
}

/// The text without terminal colour codes (ECMA-48).
fn without_colours(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        let end = after.find(|c: char| !(c.is_ascii_digit() || c == ';')).unwrap_or(after.len());
        let Some(last) = after[end..].chars().next().filter(char::is_ascii_alphabetic) else { break };
        kept.push_str(before);
        rest = &after[end + last.len_utf8()..];
    }
    kept + rest
}

/// White space and line breaks within one token. Two tokens with white space between them are left as they are.
pub(super) fn inner_space(reader: &Reader, sent: &str, text: &str) -> Layer {
    if !text.contains(is_white) {
        return None;
    }
    let parts: Vec<&str> = text.split(is_white).filter(|part| !part.is_empty()).collect();
    if shape::beginnings(&parts) > 1 {
        return None;
    }
    let core: String = parts.concat();
    if shape::of(reader, &core) == Shape::Nothing {
        return None;
    }
    let with_plus = text.replace(' ', "+");
    if !shape::is_whole(reader, &core) && shape::is_whole(reader, &to_base64url(&with_plus)) {
        // A form decodes `+` into a space. The examination of the content reports the `+`.
        return Some((with_plus, vec![]));
    }
    let mut damage = vec![];
    let place = position(sent, text, text.find(is_white).unwrap_or(0));
    let breaks = text.lines().count().saturating_sub(1).max(text.matches('\r').count());
    if text.contains(is_break) {
        let detail = match breaks {
            1 => format!("There is a line break within the token{place}."),
            _ => format!("There are {breaks} line breaks within the token, the first{place}."),
        };
        let repair =
            "Remove every line break from the token: a terminal, an e-mail or `base64` without `-w0` wrapped it.";
        damage.push(Damage::new(Cause::LineBreak, detail, repair));
    }
    if !text.contains(is_break) {
        let detail = format!("There is whitespace within the token{place}.");
        // A form decodes `+` into a space.
        let repair =
            "Remove the whitespace. If there was a `+` in its place, the token uses the wrong base64 alphabet.";
        let cause = if text.contains(['/', '=']) { Cause::WrongBase64Alphabet } else { Cause::InvisibleCharacter };
        damage.push(Damage::new(cause, detail, repair));
    }
    Some((core, damage))
}
