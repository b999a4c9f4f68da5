//! How a bearer token was presented (RFC 6750 §2): the first step of every judgement of a request.
//!
//! Only the Authorization header counts. What stands in it behind `Bearer` and one space is handed on as it is: damage
//! to the text is judged elsewhere. Every sentence here is fixed, so that nothing of a request can get into an answer.

use crate::protocol::cause::Cause;

/// The name of a token in an address or a form (RFC 6750 §2.2, §2.3).
const PARAMETER: &str = "access_token";
const SCHEME: &str = "bearer";
/// Quotes of any kind.
pub const QUOTES: [char; 20] =
    ['"', '\'', '`', '“', '”', '„', '‟', '‘', '’', '‚', '‛', '«', '»', '‹', '›', '＂', '＇', '´', '「', '」'];
/// What the tokens and secrets of this server, and JWTs, begin with.
const TOKENS_BEGIN: [&str; 4] = ["eyJ", "jat_", "jrt_", "jcs_"];

/// Whether a text begins like a token or a secret of this server, or like a JWT.
pub fn begins_like_a_token(text: &str) -> bool {
    TOKENS_BEGIN.iter().any(|begin| text.starts_with(begin))
}

/// Other schemes that are met in place of Bearer; only these are ever named.
const OTHER_SCHEMES: [(&str, &str); 14] = [
    ("bear", "The scheme is misspelled: it is Bear, and must be Bearer."),
    ("token", "The scheme is Token, and must be Bearer."),
    ("jwt", "The scheme is JWT, and must be Bearer."),
    ("basic", "The scheme is Basic, and must be Bearer: client credentials are for the token endpoint only."),
    ("oauth", "The scheme is OAuth, and must be Bearer."),
    ("oauth2", "The scheme is OAuth2, and must be Bearer."),
    ("dpop", "The scheme is DPoP, which this server does not support; it must be Bearer."),
    ("digest", "The scheme is Digest, and must be Bearer."),
    ("negotiate", "The scheme is Negotiate, and must be Bearer."),
    ("mac", "The scheme is MAC, and must be Bearer."),
    ("apikey", "The scheme is ApiKey, and must be Bearer."),
    ("api-key", "The scheme is Api-Key, and must be Bearer."),
    ("key", "The scheme is Key, and must be Bearer."),
    (PARAMETER, "The scheme is access_token, and must be Bearer."),
];

/// Where a request could hold a token.
#[derive(Clone, Copy, Default)]
pub struct Sent<'a> {
    /// The values of all Authorization headers.
    pub authorization: &'a [&'a [u8]],
    /// The raw query strings: of the request, and of the address that a proxy asks about.
    pub queries: &'a [&'a [u8]],
    /// The names in a form body, where one was read.
    pub form_names: &'a [&'a str],
}

/// Why there is no token to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// One of the causes of the step "presentation".
    pub cause: Cause,
    /// What is wrong, in a fixed sentence.
    pub detail: &'static str,
}

impl Misplaced {
    const fn new(cause: Cause, detail: &'static str) -> Self {
        Self { cause, detail }
    }
}

/// The text that was presented as a token.
///
/// # Errors
/// `missing`, `sent_twice`, `in_query_string` or `wrong_scheme`.
pub fn read(sent: Sent<'_>) -> Result<String, Misplaced> {
    let in_queries = sent.queries.iter().map(|query| tokens_in(query)).max().unwrap_or(0);
    let in_form = sent.form_names.iter().filter(|name| is_parameter(name)).count();
    let twice = |detail| Err(Misplaced::new(Cause::SentTwice, detail));
    let header = match sent.authorization {
        [_, _, ..] => return twice("There is more than one Authorization header."),
        [header] if in_queries > 0 && is_bearer(header) => {
            return twice("A token stands in the address and in the Authorization header.");
        }
        [header] if in_form > 0 && is_bearer(header) => {
            return twice("A token stands in the body and in the Authorization header.");
        }
        _ if in_queries > 1 => return twice("More than one token stands in the address."),
        _ if in_queries > 0 && in_form > 0 => return twice("A token stands in the address and in the body."),
        _ if in_queries > 0 => {
            let detail = "The token stands in the address, where it is not looked for: send it in the Authorization \
                          header.";
            return Err(Misplaced::new(Cause::InQueryString, detail));
        }
        [] if in_form > 0 => {
            let detail =
                "The token stands in the body, where it is not looked for: send it in the Authorization header.";
            return Err(Misplaced::new(Cause::Missing, detail));
        }
        [] => return Err(Misplaced::new(Cause::Missing, "There is no Authorization header.")),
        [header] => String::from_utf8_lossy(header),
    };
    of_header(header.trim_matches([' ', '\t']))
}

/// Whether a header holds a token, so that another one is a second.
pub fn is_bearer(header: &[u8]) -> bool {
    header.trim_ascii_start().get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME.as_bytes()))
}

/// How often a token is named in a query string.
fn tokens_in(query: &[u8]) -> usize {
    form_urlencoded::parse(query).filter(|(name, _)| is_parameter(name)).count()
}

fn is_parameter(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case(PARAMETER)
}

/// The token in the value of an Authorization header, which has no blanks at its ends.
fn of_header(value: &str) -> Result<String, Misplaced> {
    if value.is_empty() {
        return Err(Misplaced::new(Cause::Missing, "The Authorization header is empty."));
    }
    if value.split(',').filter(|part| names_scheme(part)).nth(1).is_some() {
        let detail = "Two credentials stand in one Authorization header, with a comma between them.";
        return Err(Misplaced::new(Cause::SentTwice, detail));
    }
    let (scheme, rest) = value.split_at(value.find([' ', '\t']).unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(Misplaced::new(Cause::WrongScheme, instead_of_bearer(scheme, rest)));
    }
    if rest.is_empty() {
        return Err(Misplaced::new(Cause::Missing, "Nothing follows Bearer in the Authorization header."));
    }
    match rest.strip_prefix(' ') {
        Some(token) if !token.starts_with([' ', '\t']) => Ok(token.to_owned()),
        Some(_) => {
            Err(Misplaced::new(Cause::WrongScheme, "More than one blank follows Bearer: there must be one space."))
        }
        None => Err(Misplaced::new(Cause::WrongScheme, "A tab follows Bearer: there must be one space.")),
    }
}

/// Whether this begins with the name of a scheme and a blank.
fn names_scheme(text: &str) -> bool {
    let (word, rest) = text.trim_start().split_once([' ', '\t']).unwrap_or((text.trim(), ""));
    let is_scheme = word.eq_ignore_ascii_case(SCHEME) || other_scheme(word).is_some();
    is_scheme && !rest.trim().is_empty()
}

fn other_scheme(word: &str) -> Option<&'static str> {
    OTHER_SCHEMES.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, detail)| *detail)
}

/// Whether a word that stands in front of a token is the name of another scheme, or Bearer misspelled.
pub fn is_other_scheme(word: &str) -> bool {
    let word = word.trim_end_matches([':', '=']);
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && !word.eq_ignore_ascii_case(SCHEME)
        && (other_scheme(word).is_some() || is_misspelled(&word.to_ascii_lowercase()))
}

fn is_misspelled(lower: &str) -> bool {
    (4..=8).contains(&lower.len()) && lower != SCHEME && strsim::damerau_levenshtein(lower, SCHEME) <= 2
}

/// What stands in front of the token where `Bearer` and one space should.
fn instead_of_bearer(word: &str, rest: &str) -> &'static str {
    let unquoted = word.trim_matches(QUOTES);
    let lower = unquoted.to_ascii_lowercase();
    if unquoted.len() < word.len()
        && (lower.starts_with(SCHEME) || TOKENS_BEGIN.iter().any(|is| unquoted.starts_with(is)))
    {
        return "Quotes stand around the value of the Authorization header: remove them.";
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
            _ => "Another character than one plain space follows Bearer.",
        };
    }
    if lower.starts_with("authorization:") || lower == "authorization" {
        return "The name of the header stands once more in its value: the value begins with Bearer.";
    }
    if let Some(detail) = other_scheme(word.trim_end_matches([':', '='])) {
        return detail;
    }
    if TOKENS_BEGIN.iter().any(|begin| word.starts_with(begin)) || rest.is_empty() {
        return "The Authorization header has no scheme: write Bearer and one space in front of the token.";
    }
    if is_misspelled(&lower) {
        return "The scheme is misspelled: it must be Bearer.";
    }
    "The Authorization header has another scheme than Bearer."
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_header(value: &str) -> Result<String, (Cause, &'static str)> {
        read(Sent { authorization: &[value.as_bytes()], ..Sent::default() })
            .map_err(|fault| (fault.cause, fault.detail))
    }

    #[track_caller]
    fn cause(sent: Sent<'_>) -> Cause {
        read(sent).unwrap_err().cause
    }

    #[test]
    fn what_follows_bearer_and_one_space_is_handed_on_untouched() {
        let texts = [
            "eyJ.a.b",
            "a b",
            "a  b",
            "\"eyJ\"",
            "Bearer x",
            "null",
            "a, b",
            "x,",
            "%20x",
            "é\u{a0}x",
            "\u{a0}x",
            ":x",
            r#"{"access_token":"x", "token_type":"Bearer"}"#,
        ];
        for text in texts {
            for scheme in ["Bearer", "bearer", "BEARER"] {
                assert_eq!(with_header(&format!("{scheme} {text}")).as_deref(), Ok(text));
                assert_eq!(with_header(&format!(" \t{scheme} {text} \t")).as_deref(), Ok(text));
            }
        }
        let bytes = read(Sent { authorization: &[b"Bearer a\xa0b"], ..Sent::default() });
        assert_eq!(bytes.as_deref(), Ok("a\u{fffd}b"));
    }

    #[test]
    fn nothing_is_missing() {
        for value in ["", " ", "Bearer", "bearer ", "Bearer  ", "Bearer\t"] {
            assert_eq!(with_header(value).unwrap_err().0, Cause::Missing, "{value:?}");
        }
        assert_eq!(cause(Sent::default()), Cause::Missing);
        assert_eq!(cause(Sent { queries: &[b"", b"token=x&access_tokens=y"], ..Sent::default() }), Cause::Missing);
        // A body is not looked at, but whoever put the token there is told so.
        let fault = read(Sent { form_names: &["access_token"], ..Sent::default() }).unwrap_err();
        assert!(fault.cause == Cause::Missing && fault.detail.contains("body"));
    }

    #[test]
    fn two_places_are_one_too_many() {
        let header: &[&[u8]] = &[b"Bearer x"];
        let query: &[&[u8]] = &[b"a=b&access_token=x"];
        let twice = [
            Sent { authorization: &[b"Bearer x", b"Bearer x"], ..Sent::default() },
            Sent { authorization: &[b"Bearer x", b"Basic x"], ..Sent::default() },
            Sent { authorization: header, queries: query, ..Sent::default() },
            Sent { authorization: header, queries: &[b"", b"ACCESS%5ftoken"], ..Sent::default() },
            Sent { authorization: header, form_names: &["access_token"], ..Sent::default() },
            Sent { queries: query, form_names: &["access_token"], ..Sent::default() },
            Sent { queries: &[b"access_token=x&access_token=x"], ..Sent::default() },
        ];
        for sent in twice {
            assert_eq!(cause(sent), Cause::SentTwice);
        }
        for value in
            ["Bearer a, Bearer b", "Bearer a,bearer b", "Basic a, Bearer b", "Bearer a, Basic b", "Token a ,JWT b"]
        {
            assert_eq!(with_header(value).unwrap_err().0, Cause::SentTwice, "{value}");
        }
    }

    #[test]
    fn a_token_in_the_address_is_found_however_its_name_is_written() {
        for query in [
            "access_token=x",
            "access_token",
            "a&access_token=",
            "Access_Token=x",
            "access%5Ftoken=x",
            "%61ccess_token=x",
        ] {
            for queries in [[query.as_bytes(), b""], [b"", query.as_bytes()], [query.as_bytes(), query.as_bytes()]] {
                assert_eq!(cause(Sent { queries: &queries, ..Sent::default() }), Cause::InQueryString, "{query}");
            }
        }
    }

    #[test]
    fn near_misses_of_the_scheme_are_named() {
        let cases = [
            ("Bear x", "it is Bear,"),
            ("Token x", "is Token,"),
            ("token", "is Token,"),
            ("Token: x", "is Token,"),
            ("JWT x", "is JWT,"),
            ("Basic dTpw", "is Basic,"),
            ("DPoP x", "DPoP"),
            ("Baerer x", "misspelled"),
            ("Bearar x", "misspelled"),
            ("Berer x", "misspelled"),
            ("Bearers x", "misspelled"),
            ("Bearer: x", "colon"),
            ("Bearer:x", "colon"),
            ("Bearer=x", "equals sign"),
            ("Bearer%20x", "percent-encoded"),
            ("Bearer+x", "plus sign"),
            ("BearereyJhbGciOi", "missing"),
            ("Bearerjat_live_x", "missing"),
            ("Bearer\u{a0}x", "plain space"),
            ("Bearer  x", "More than one blank"),
            ("Bearer \tx", "More than one blank"),
            ("Bearer\tx", "tab"),
            ("eyJ.a.b", "no scheme"),
            ("eyJ.a.b x", "no scheme"),
            ("jat_live_x", "no scheme"),
            ("undefined", "no scheme"),
            ("\"Bearer x\"", "Quotes"),
            ("\u{201C}Bearer x\u{201D}", "Quotes"),
            ("'eyJx'", "Quotes"),
            ("Authorization: Bearer x", "once more"),
            ("Hawk id=x", "another scheme"),
        ];
        for (value, words) in cases {
            let (cause, detail) = with_header(value).unwrap_err();
            assert_eq!(cause, Cause::WrongScheme, "{value}");
            assert!(detail.contains(words), "{value}: {detail}");
            // RFC 6750 §3: what an error_description may hold.
            assert!(
                detail.bytes().all(|byte| matches!(byte, 0x20..=0x7E) && byte != b'"' && byte != b'\\'),
                "{detail}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged_and_no_detail_holds_the_token(
            before in proptest::collection::vec(any::<u8>(), 0..20),
            scheme in "(Bearer|bearer|Bear|Token|JWT|Basic|\"Bearer|)[ :=\t,]{0,2}",
            after in proptest::collection::vec(any::<u8>(), 0..20),
            copies in 0..3usize,
            in_query in any::<bool>(),
        ) {
            let secret = "jat_live_AQp5sT0k3nOfTheTest";
            let value = [&before, scheme.as_bytes(), secret.as_bytes(), &after].concat();
            let headers = vec![value.as_slice(); copies];
            let query = format!("access_token={secret}");
            let queries: &[&[u8]] = if in_query { &[query.as_bytes(), &value] } else { &[&value] };
            match read(Sent { authorization: &headers, queries, ..Sent::default() }) {
                Ok(text) => prop_assert!(copies == 1 && text.contains(secret)),
                Err(fault) => {
                    prop_assert!(!fault.detail.contains(secret) && !fault.detail.is_empty());
                    prop_assert!(fault.cause <= Cause::WrongScheme);
                }
            }
        }
    }
}
