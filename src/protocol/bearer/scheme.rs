//! What an Authorization header has in place of `Bearer` and one space.

use crate::protocol::bearer::{QUOTES, SCHEME, begins_like_a_token};

/// Other schemes that clients use in place of Bearer; only these are ever named.
const OTHER_SCHEMES: [(&str, &str); 14] = [
    ("bear", "The scheme is misspelled: it is Bear, and must be Bearer."),
    ("token", "The scheme is Token, and must be Bearer."),
    ("jwt", "The scheme is JWT, and must be Bearer."),
    ("basic", "The scheme is Basic, and must be Bearer: client credentials are for the token endpoint only."),
    ("oauth", "The scheme is OAuth, and must be Bearer."),
    ("oauth2", "The scheme is OAuth2, and must be Bearer."),
    ("dpop", "The scheme is DPoP, and must be Bearer."),
    ("digest", "The scheme is Digest, and must be Bearer."),
    ("negotiate", "The scheme is Negotiate, and must be Bearer."),
    ("mac", "The scheme is MAC, and must be Bearer."),
    ("apikey", "The scheme is ApiKey, and must be Bearer."),
    ("api-key", "The scheme is Api-Key, and must be Bearer."),
    ("key", "The scheme is Key, and must be Bearer."),
    ("access_token", "The scheme is access_token, and must be Bearer."),
];

/// Whether this begins with the name of a scheme, followed by credentials.
pub(super) fn names_scheme(text: &str) -> bool {
    let (word, rest) = text.trim_start().split_once([' ', '\t']).unwrap_or((text.trim(), ""));
    let is_scheme = word.eq_ignore_ascii_case(SCHEME) || other_scheme(word).is_some();
    is_scheme && !rest.trim().is_empty()
}

fn other_scheme(word: &str) -> Option<&'static str> {
    OTHER_SCHEMES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, detail)| *detail)
}

/// Whether a word before a token is the name of another scheme, or Bearer misspelled.
pub fn is_other_scheme(word: &str) -> bool {
    let word = word.trim_end_matches([':', '=']);
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && !word.eq_ignore_ascii_case(SCHEME)
        && (other_scheme(word).is_some() || is_misspelled(&word.to_ascii_lowercase()))
}

fn is_misspelled(lower: &str) -> bool {
    (4..=8).contains(&lower.len()) && lower != SCHEME && strsim::damerau_levenshtein(lower, SCHEME) <= 2
}

/// What is wrong with a value that does not begin with the word Bearer alone.
pub(super) fn instead_of_bearer(word: &str, rest: &str) -> &'static str {
    let unquoted = word.trim_matches(QUOTES);
    let lower = unquoted.to_ascii_lowercase();
    if unquoted.len() < word.len() && (lower.starts_with(SCHEME) || begins_like_a_token(unquoted)) {
        return "There are quotes around the value of the Authorization header: remove them.";
    }
    if let Some(after) = lower.strip_prefix(SCHEME) {
        return match after.chars().next() {
            Some(':') => "A colon follows Bearer: there must be one space and nothing else.",
            Some('=') => "An equals sign follows Bearer: there must be one space and nothing else.",
            Some('%') => "The space after Bearer is percent-encoded: there must be one plain space.",
            Some('+') => "A plus sign follows Bearer: there must be one space and nothing else.",
            Some(c) if c.is_ascii_alphanumeric() && after.len() > 3 => {
                "The space between Bearer and the token is missing."
            }
            Some(c) if c.is_ascii_alphanumeric() => "The scheme is misspelled: it must be Bearer.",
            _ => "Bearer is followed by a character other than a plain space.",
        };
    }
    if lower.starts_with("authorization:") || lower == "authorization" {
        return "The value of the header repeats the header's name: it must begin with Bearer.";
    }
    if let Some(detail) = other_scheme(word.trim_end_matches([':', '='])) {
        return detail;
    }
    if begins_like_a_token(word) || rest.is_empty() {
        return "The Authorization header has no scheme: write Bearer and one space before the token.";
    }
    if is_misspelled(&lower) {
        return "The scheme is misspelled: it must be Bearer.";
    }
    "The scheme of the Authorization header is not Bearer."
}
