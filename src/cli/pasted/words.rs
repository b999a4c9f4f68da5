//! Splits a command line into words as a shell does, and remembers what a shell would have done with the variables in
//! them: a ready-made splitter forgets how a word was quoted.

use std::iter::Peekable;
use std::str::Chars;

/// A word of a command line, quotes removed.
#[derive(Default)]
pub(crate) struct Word {
    /// What the program gets, variables left in.
    pub(crate) text: String,
    /// It has a variable or a command that the shell fills in.
    pub(crate) expands: bool,
    /// It has a variable that the shell leaves as it is, because of single quotes or a backslash.
    pub(crate) unexpanded: bool,
    /// A part of it stands in double quotes.
    pub(crate) double: bool,
}

/// What a shell makes of a text.
pub(crate) enum Piece {
    /// A word.
    Word(Word),
    /// The end of a command: a line end, `;`, `|`, `&`. `glued` if it stands in the middle of a word.
    End {
        /// Whether it cuts a word, as an `&` in an address without quotes.
        glued: bool,
    },
}

/// Splits a text; a quote that is not closed ends with the text.
pub(crate) fn split(text: &str) -> Vec<Piece> {
    let text = join_lines(text);
    let mut pieces = Vec::new();
    let mut word: Option<Word> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => pieces.extend(word.take().map(Piece::Word)),
            '\n' | ';' | '|' | '&' => {
                let glued = c == '&' && word.is_some() && chars.peek().is_some_and(|next| !" \t\n&".contains(*next));
                pieces.extend(word.take().map(Piece::Word));
                pieces.push(Piece::End { glued });
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

/// Takes out the line ends that continue a command, and the carets of the command line of Windows.
fn join_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let joined = text.replace("\\\n", " ").replace("`\n", " ");
    if !joined.contains("^\n") && !joined.contains("^\"") {
        return joined;
    }
    // A caret makes the next character an ordinary one; an escaped quote inside of quotes is written ^\^".
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

/// `$'…'`, in which browsers write what has quotes or line ends in it.
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
