//! What was wrapped around a token or strewn into it: white space, line breaks, invisible characters, `Bearer`, quotes,
//! JSON, percent-encoding. Layer after layer is taken off and noted; what is left is the core.

use serde_json::Value;

use crate::diagnosis::content;
use crate::diagnosis::damage::Damage;
use crate::diagnosis::shape::{self, Shape};
use crate::protocol::bearer::{self, QUOTES};
use crate::protocol::cause::Cause;

/// The most layers that are taken off.
const MOST_LAYERS: usize = 24;

/// A text without what was wrapped around it.
#[derive(Debug)]
pub(crate) struct Peeled {
    /// What is left.
    pub(crate) core: String,
    /// What was taken off, the outermost first.
    pub(crate) damage: Vec<Damage>,
    /// Whether there were more layers than are taken off.
    pub(crate) is_deeper: bool,
}

/// Takes off every layer.
pub(crate) fn peel(text: &str) -> Peeled {
    let mut peeled = Peeled { core: text.to_owned(), damage: vec![], is_deeper: false };
    let mut encodings = 0;
    for _ in 0..MOST_LAYERS {
        let layer = white_space(&peeled.core)
            .or_else(|| invisible(text, &peeled.core))
            .or_else(|| word_in_front(&peeled.core))
            .or_else(|| json(&peeled.core))
            .or_else(|| quotes(&peeled.core))
            .or_else(|| {
                let decoded = percent(&peeled.core)?;
                encodings += 1;
                Some((decoded, vec![]))
            })
            .or_else(|| escaped_breaks(&peeled.core))
            .or_else(|| shortened(&peeled.core))
            .or_else(|| embedded(&peeled.core))
            .or_else(|| inner_space(text, &peeled.core));
        let Some((core, mut damage)) = layer else { return peeled.with_encodings(encodings) };
        if encodings > 0 {
            for damage in &mut damage {
                damage.repair.insert_str(0, "When it is decoded: ");
            }
        }
        peeled.core = core;
        peeled.damage.extend(damage);
    }
    peeled.is_deeper = percent(&peeled.core).is_some();
    peeled.with_encodings(encodings)
}

impl Peeled {
    fn with_encodings(mut self, times: usize) -> Self {
        if times > 0 {
            let how_often = match times {
                1 => "once".to_owned(),
                2 => "twice".to_owned(),
                _ => format!("{times} times"),
            };
            self.damage.push(Damage::new(
                Cause::PercentEncoded,
                format!("The token was percent-encoded {how_often} more than it was decoded."),
                format!(
                    "Decode it {how_often} (`%2E` is a dot), or rather do not encode it: a header takes a token as it is, \
                     and a form encoder encodes by itself."
                ),
            ));
        }
        self
    }
}

type Layer = Option<(String, Vec<Damage>)>;

const fn is_white(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}')
}

const fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

/// White space at either end, also as the two characters `\n`.
fn white_space(text: &str) -> Layer {
    let without = text.trim_matches(is_white);
    if without.len() == text.len() {
        let mut core = text;
        while let Some(shorter) = ["\\n", "\\r", "\\t"].iter().find_map(|escape| core.strip_suffix(escape)) {
            core = shorter;
        }
        return (core.len() < text.len() && !core.is_empty()).then(|| {
            let detail = "A backslash and a letter (an escaped line break) stand at the end.";
            let repair = "Remove them: the text was escaped for JSON or a shell and not unescaped.";
            (core.to_owned(), vec![Damage::new(Cause::LineBreak, detail, repair)])
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
        format!("White space ({what}) stands {place} of the token."),
        format!("Remove the white space {place}. A file or a shell often adds a line break: `printf %s` writes none."),
    )];
    if edges.contains(is_break) && !without.is_empty() {
        let detail = format!("A line break stands {place} of the token.");
        damage.push(Damage::new(Cause::LineBreak, detail, "Keep the token in one line, with nothing after it."));
    }
    Some((without.to_owned(), damage))
}

/// The names of the kinds of characters in a text.
fn names(text: &str) -> String {
    let mut names: Vec<String> = vec![];
    for character in text.chars() {
        let name = match character {
            ' ' => "space".to_owned(),
            '\t' => "tab".to_owned(),
            '\n' => "line feed".to_owned(),
            '\r' => "carriage return".to_owned(),
            '\u{a0}' => "no-break space, U+00A0".to_owned(),
            '\u{ad}' => "soft hyphen, U+00AD".to_owned(),
            '\u{200b}' => "zero-width space, U+200B".to_owned(),
            '\u{200c}' | '\u{200d}' => format!("zero-width joiner, U+{:04X}", character as u32),
            '\u{2060}' => "word joiner, U+2060".to_owned(),
            '\u{feff}' => "byte order mark, U+FEFF".to_owned(),
            '\u{fffd}' => "bytes that are no UTF-8, shown as U+FFFD".to_owned(),
            _ => format!("U+{:04X}", character as u32),
        };
        if !names.contains(&name) && names.len() < 4 {
            names.push(name);
        }
    }
    names.join("; ")
}

/// Characters that nobody sees, or that look like a space and are none.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{1680}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
        | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}')
        || (character.is_control() && !is_white(character))
}

/// The text without the codes of ECMA-48 that colour it.
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

fn invisible(sent: &str, text: &str) -> Layer {
    let colourless = without_colours(text);
    if colourless.len() < text.len() {
        let detail = "Codes for the colours of a terminal stand in the text.";
        let repair = "Take the token from a file or with the colours switched off, for example by `NO_COLOR=1`.";
        return Some((colourless, vec![Damage::new(Cause::InvisibleCharacter, detail, repair)]));
    }
    let first = text.find(is_invisible)?;
    let hidden: String = text.chars().filter(|character| is_invisible(*character)).collect();
    let core: String = text.chars().filter(|character| !is_invisible(*character)).collect();
    let (what, count) = (names(&hidden), hidden.chars().count());
    let detail = format!(
        "{count} invisible character{s} ({what}) {stand} in the token, the first{place}.",
        s = if count == 1 { "" } else { "s" },
        stand = if count == 1 { "stands" } else { "stand" },
        place = crate::diagnosis::place(sent, text, first),
    );
    let repair = "Remove every character that is not printable ASCII, or copy the token from where it was issued.";
    Some((core, vec![Damage::new(Cause::InvisibleCharacter, detail, repair)]))
}

/// `Bearer`, `Authorization:` or another scheme in front of something that looks like a token.
fn word_in_front(text: &str) -> Layer {
    let rest = without_word(text, "authorization").map(|rest| rest.trim_start_matches([':', '=', ' ']));
    let had_name = rest.is_some();
    let after_name = rest.unwrap_or(text);
    if let Some(rest) = without_word(after_name, "bearer") {
        let mut core = rest.trim_start_matches(|character| is_white(character) || matches!(character, ':' | '=' | '+'));
        while let Some(after) = core.strip_prefix("%20") {
            core = after;
        }
        // `BearereyJ…` is one; `bearer_of_news` is none.
        let is_separate = core.len() < rest.len() || rest.starts_with(['"', '\'']);
        if is_separate || shape::of(core) != Shape::Nothing {
            let detail = "The word Bearer stands in front of the token, as a part of it.";
            let repair =
                "Remove the word and what separates it from the token; add it once, when the header is written.";
            return Some((core.to_owned(), vec![Damage::new(Cause::BearerPrefixLeftIn, detail, repair)]));
        }
    }
    if had_name && shape::of(after_name) != Shape::Nothing {
        let detail = "The name of the header, Authorization, stands in front of the token, as a part of it.";
        let repair = "Remove the name; send the header `Authorization: Bearer` with the token after one space.";
        return Some((after_name.to_owned(), vec![Damage::new(Cause::BearerPrefixLeftIn, detail, repair)]));
    }
    let (word, rest) = after_name.split_once([' ', '\t'])?;
    let core = rest.trim_start_matches([' ', '\t']);
    if bearer::is_other_scheme(word) && shape::of(core) != Shape::Nothing {
        let detail = "Another word than Bearer stands in front of the token: that is another scheme.";
        let repair = "Remove the word; send the header `Authorization: Bearer` with the token after one space.";
        return Some((core.to_owned(), vec![Damage::new(Cause::WrongScheme, detail, repair)]));
    }
    None
}

fn without_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let head = text.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}

/// Quotes of any kind at either end, with the escapes before them and the punctuation behind them.
fn quotes(text: &str) -> Layer {
    for entity in ["&quot;", "&#34;", "&#39;", "&apos;"] {
        if text.len() > entity.len() && (text.starts_with(entity) || text.ends_with(entity)) {
            let core = text.trim_start_matches(entity).trim_end_matches(entity);
            return Some((core.to_owned(), vec![quoted("as HTML writes them", "at the ends")]));
        }
    }
    if text.starts_with(['{', '[']) {
        // A document, with the token somewhere in it.
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
        let typographic = text.contains(|character: char| is_quote(character) && !character.is_ascii());
        return Some((core.to_owned(), vec![quoted(if typographic { "typographic" } else { "plain" }, place)]));
    }
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    if let Some(core) = inner.filter(|core| shape::of(core) != Shape::Nothing) {
        return Some((core.to_owned(), vec![quoted("angle brackets", "at the start and at the end")]));
    }
    let core = text.trim_end_matches([',', ';']);
    if core.len() < text.len() && shape::of(core) != Shape::Nothing {
        let detail = "Punctuation stands behind the token, as it was copied out of a list or of JSON.";
        let damage = Damage::new(Cause::Quoted, detail, "Remove the punctuation at the end.");
        return Some((core.to_owned(), vec![damage]));
    }
    None
}

fn quoted(kind: &str, place: &str) -> Damage {
    Damage::new(
        Cause::Quoted,
        format!("Quotes ({kind}) stand {place} of the token."),
        format!("Remove the quotes {place}; read JSON with a parser, for example `jq -r .access_token`."),
    )
}

/// A JSON document with a token in it.
fn json(text: &str) -> Layer {
    if text.starts_with('"') && text.contains('\\') {
        // JSON in a JSON text.
        let Ok(Value::String(inner)) = serde_json::from_str(text) else { return None };
        return Some((inner, vec![quoted("of JSON", "at the start and at the end")]));
    }
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let (path, core) = token_in(&value)?;
    let detail = format!("A whole JSON document was sent in place of the token{path}.");
    let repair = format!("Take the token out of the JSON{path}, and send nothing else.");
    Some((core.to_owned(), vec![Damage::new(Cause::NotAToken, detail, repair)]))
}

fn token_in(value: &Value) -> Option<(String, &str)> {
    match value {
        Value::Object(members) => {
            let known = ["access_token", "token", "accessToken", "id_token", "refresh_token"];
            let named = known.iter().find_map(|name| Some((*name, members.get(*name)?.as_str()?)));
            if let Some((name, text)) = named {
                return Some((format!(", which is its member {name}"), text));
            }
            members.values().find_map(token_in)
        }
        Value::Array(items) => items.iter().find_map(token_in),
        Value::String(text) if shape::of(text) != Shape::Nothing => Some((String::new(), text)),
        _ => None,
    }
}

/// One round of percent-decoding; none when there is nothing to decode.
fn percent(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut found = false;
    while let Some((byte, after)) = rest.split_first() {
        let digit = |index: usize| after.get(index).and_then(|digit| char::from(*digit).to_digit(16));
        if *byte == b'%'
            && let (Some(high), Some(low)) = (digit(0), digit(1))
        {
            found = true;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
            rest = &after[2..];
        } else {
            decoded.push(*byte);
            rest = after;
        }
    }
    if found { String::from_utf8(decoded).ok() } else { None }
}

/// Line breaks that were escaped: as the two characters `\n`, or by a backslash at the end of a line.
fn escaped_breaks(text: &str) -> Layer {
    if !text.contains('\\') {
        return None;
    }
    let core =
        ["\\\r\n", "\\\n", "\\r\\n", "\\n"].iter().fold(text.to_owned(), |text, escape| text.replace(escape, ""));
    let detail = "Escaped line breaks (a backslash and what follows it) stand within the token.";
    let repair = "Remove them: the text was escaped for JSON or a shell and not unescaped.";
    (core.len() < text.len() && shape::is_whole(&core))
        .then(|| (core, vec![Damage::new(Cause::LineBreak, detail, repair)]))
}

/// A token that a log has shortened: what follows the ellipsis is of no use. That it was shortened is told from the core.
fn shortened(text: &str) -> Layer {
    let at = content::ellipsis(text)?;
    let head = &text[..at];
    let core = format!("{head}…");
    (core != text && shape::of(head) != Shape::Nothing).then_some((core, vec![]))
}

/// A token within a longer text, such as `access_token=…`, a line of a settings file or a whole address: one that is whole,
/// with nothing else around it that begins like a token.
fn embedded(text: &str) -> Layer {
    let is_of_a_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let runs: Vec<&str> = text.split(|c| !is_of_a_token(c)).map(|run| run.trim_matches('.')).collect();
    let [run] = runs.iter().filter(|run| shape::is_whole(run)).collect::<Vec<_>>()[..] else { return None };
    // What goes on in another alphabet is a part of the token.
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
        let detail = "Brackets or other punctuation stand around the token.";
        let damage = Damage::new(Cause::Quoted, detail, "Remove everything in front of the token and behind it.");
        return Some(((*run).to_owned(), vec![damage]));
    }
    let (detail, repair) = match (before.is_empty(), after.is_empty()) {
        (false, true) => ("Something else stands in front of the token.", "Remove what stands in front of it."),
        (true, false) => ("Something else stands behind the token.", "Remove what stands behind it."),
        _ => ("The token stands within a longer text.", "Take the token out of the text."),
    };
    let repair = format!("{repair} Send the token and nothing else.");
    Some(((*run).to_owned(), vec![Damage::new(Cause::NotAToken, detail, repair)]))
}

/// White space and line breaks within one token; two tokens with white space between them are left alone.
fn inner_space(sent: &str, text: &str) -> Layer {
    if !text.contains(is_white) {
        return None;
    }
    let parts: Vec<&str> = text.split(is_white).filter(|part| !part.is_empty()).collect();
    if shape::beginnings(&parts) > 1 {
        return None;
    }
    let core: String = parts.concat();
    if shape::of(&core) == Shape::Nothing {
        return None;
    }
    let with_plus = text.replace(' ', "+");
    if !shape::is_whole(&core) && shape::is_whole(&shape::in_the_right_alphabet(&with_plus)) {
        // A form decodes `+` into a space; that `+` is of the wrong alphabet is told from the core.
        return Some((with_plus, vec![]));
    }
    let mut damage = vec![];
    let place = crate::diagnosis::place(sent, text, text.find(is_white).unwrap_or(0));
    let breaks = text.lines().count().saturating_sub(1).max(text.matches('\r').count());
    if text.contains(is_break) {
        let detail = format!("{breaks} line break(s) stand within the token, the first{place}.");
        let repair = "Remove every line break from the token: a terminal, a mail or `base64` without `-w0` wrapped it.";
        damage.push(Damage::new(Cause::LineBreak, detail, repair));
    }
    if !text.contains(is_break) {
        let detail = format!("White space stands within the token, the first{place}.");
        // A form decodes `+` into a space.
        let repair = "Remove the white space. If there was a `+`, the token was written in the wrong base64 alphabet.";
        let cause = if text.contains(['/', '=']) { Cause::WrongBase64Alphabet } else { Cause::InvisibleCharacter };
        damage.push(Damage::new(cause, detail, repair));
    }
    Some((core, damage))
}
