//! Splits a command line into words as a shell does, and remembers what the shell would do with the variables in them.
//! Existing crates forget how a word was quoted.

use std::iter::Peekable;
use std::str::Chars;

/// A word of a command line without its quotes.
#[derive(Default)]
pub(super) struct Word {
    /// What the program gets, with variables unexpanded.
    pub(super) text: String,
    /// It has a variable or a command that the shell expands.
    pub(super) expands: bool,
    /// It has a variable that the shell does not expand, because of single quotes or a backslash.
    pub(super) unexpanded: bool,
    /// A part of it is in double quotes.
    pub(super) double: bool,
}

/// What a shell makes of a text.
pub(super) enum Piece {
    /// A word.
    Word(Word),
    /// The end of a command: a line end, `;`, `|` or `&`.
    End {
        /// Whether it cuts a word in two, like an `&` in a URL without quotes.
        splits_word: bool,
    },
}

/// Splits a text. An unclosed quote ends with the text.
pub(super) fn split(text: &str) -> Vec<Piece> {
    let text = join_lines(text);
    let mut pieces = Vec::new();
    let mut word: Option<Word> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => pieces.extend(word.take().map(Piece::Word)),
            '\n' | ';' | '|' | '&' => {
                let splits_word =
                    c == '&' && word.is_some() && chars.peek().is_some_and(|next| !" \t\n&".contains(*next));
                pieces.extend(word.take().map(Piece::Word));
                pieces.push(Piece::End { splits_word });
            }
            '\'' => single(&mut chars, word.get_or_insert_default()),
            '"' => double(&mut chars, word.get_or_insert_default()),
            '$' if chars.peek() == Some(&'\'') => {
                chars.next();
                ansi(&mut chars, word.get_or_insert_default());
            }
            '\\' => {
                let word = word.get_or_insert_default();
                let Some(next) = chars.next() else { continue };
                word.unexpanded |= next == '$' && names_variable(chars.peek());
                word.text.push(next);
            }
            c => {
                let word = word.get_or_insert_default();
                word.expands |= c == '`' || (c == '$' && names_variable(chars.peek()));
                word.text.push(c);
            }
        }
    }
    pieces.extend(word.take().map(Piece::Word));
    pieces
}

/// Joins the lines of a command, and removes the carets of the Windows command line.
fn join_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let joined = text.replace("\\\n", " ").replace("`\n", " ");
    if !joined.contains("^\n") && !joined.contains("^\"") {
        return joined;
    }
    // A caret escapes the next character; an escaped quote within quotes is written ^\^".
    let mut plain = String::with_capacity(joined.len());
    let mut chars = joined.replace("^\n", " ").chars().collect::<Vec<_>>().into_iter();
    while let Some(c) = chars.next() {
        plain.extend(if c == '^' { chars.next() } else { Some(c) });
    }
    plain
}

fn names_variable(next: Option<&char>) -> bool {
    next.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '('))
}

fn single(chars: &mut Peekable<Chars<'_>>, word: &mut Word) {
    while let Some(c) = chars.next().filter(|c| *c != '\'') {
        word.unexpanded |= c == '$' && names_variable(chars.peek());
        word.text.push(c);
    }
}

fn double(chars: &mut Peekable<Chars<'_>>, word: &mut Word) {
    word.double = true;
    while let Some(c) = chars.next().filter(|c| *c != '"') {
        match c {
            '\\' if chars.peek().is_some_and(|next| "\\\"$`".contains(*next)) => {
                let next = chars.next().unwrap_or_default();
                word.unexpanded |= next == '$' && names_variable(chars.peek());
                word.text.push(next);
            }
            c => {
                word.expands |= c == '`' || (c == '$' && names_variable(chars.peek()));
                word.text.push(c);
            }
        }
    }
}

/// `$'…'`, which browsers write around text with quotes or line ends.
fn ansi(chars: &mut Peekable<Chars<'_>>, word: &mut Word) {
    while let Some(c) = chars.next().filter(|c| *c != '\'') {
        let meant = match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some('u') => {
                    let digits: String = (0..4).map_while(|_| chars.next_if(char::is_ascii_hexdigit)).collect();
                    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or('\u{fffd}')
                }
                Some(other) => other,
                None => break,
            },
            c => c,
        };
        word.unexpanded |= meant == '$' && names_variable(chars.peek());
        word.text.push(meant);
    }
}
