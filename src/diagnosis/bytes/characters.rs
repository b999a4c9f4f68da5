//! Characters that do not belong in a token.

/// The longest claimed text that is repeated in an answer, in characters.
const MAX_REPEATED: usize = 200;
/// The most kinds of characters that are named.
const MAX_NAMES: usize = 4;

pub(super) const fn is_white(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n' | '\u{b}' | '\u{c}')
}

pub(super) const fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

/// Characters that cannot be seen, or that look like a space but are not one.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{1680}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
        | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}')
        || (character.is_control() && !is_white(character))
}

/// The text in base64url without padding.
pub(super) fn to_base64url(text: &str) -> String {
    text.chars()
        .filter(|character| *character != '=')
        .map(|character| match character {
            '+' => '-',
            '/' => '_',
            other => other,
        })
        .collect()
}

/// The names of the kinds of characters in a text, at most four.
pub(super) fn names(text: &str) -> String {
    let mut names: Vec<String> = vec![];
    let mut last = None;
    for character in text.chars() {
        if last.replace(character) == Some(character) {
            continue;
        }
        if names.len() == MAX_NAMES {
            break;
        }
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
            '\u{fffd}' => "bytes that are not UTF-8, shown as U+FFFD".to_owned(),
            _ => format!("U+{:04X}", character as u32),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join("; ")
}

/// A claimed text that is safe to repeat in an answer: shortened, and without characters that move a cursor or end a line.
pub(in crate::diagnosis) fn printable(text: &str) -> String {
    let kept: String = text
        .chars()
        .take(MAX_REPEATED)
        .map(|c| if c.is_control() || is_invisible(c) { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(MAX_REPEATED).is_some() { kept + "…" } else { kept }
}

/// The position of a byte of `part` within the text that was sent, counted in characters from one. Empty if `part` does
/// not occur there as it is, because something was decoded or removed.
pub(super) fn position(sent: &str, part: &str, at: usize) -> String {
    match (sent.find(part), part.get(..at)) {
        (Some(start), Some(before)) => {
            format!(" at character {}", sent[..start].chars().count() + before.chars().count() + 1)
        }
        _ => String::new(),
    }
}
