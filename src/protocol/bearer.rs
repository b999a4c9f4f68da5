//! How an access token was presented (RFC 6750 §2, RFC 9449 §7.1), which is checked before anything else.
//!
//! Only the Authorization header counts. What follows the scheme and one space is passed on as it is; the diagnosis
//! judges damage to it. Every sentence here is fixed, so that nothing of a request can get into an answer.

mod scheme;

use std::borrow::Cow;

use crate::protocol::cause::Cause;
use scheme::{instead_of_bearer, names_scheme};

pub use scheme::is_other_scheme;

/// The scheme of a token in the Authorization header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever has the token may use it (RFC 6750).
    #[default]
    Bearer,
    /// The token is bound to a key, of which a proof comes with it (RFC 9449 §7.1).
    Dpop,
}

/// The name of a token in a URL or a form (RFC 6750 §2.2, §2.3).
const PARAMETER: &str = "access_token";
const SCHEME: &str = "bearer";
const DPOP_SCHEME: &str = "dpop";
/// Quotes of any kind.
pub const QUOTES: [char; 20] =
    ['"', '\'', '`', '“', '”', '„', '‟', '‘', '’', '‚', '‛', '«', '»', '‹', '›', '＂', '＇', '´', '「', '」'];
/// The beginnings of JWTs and of the tokens and secrets of this server.
const TOKENS_BEGIN: [&str; 7] = ["eyJ", "jat_", "jrt_", "jac_", "jdc_", "jcs_", "jrg_"];

/// Whether a text begins like a token or a secret of this server, or like a JWT.
pub fn begins_like_a_token(text: &str) -> bool {
    TOKENS_BEGIN.iter().any(|begin| text.starts_with(begin))
}

/// Where a request could hold a token.
#[derive(Clone, Copy, Default)]
pub struct Sent<'a> {
    /// The values of all Authorization headers.
    pub authorization: &'a [&'a [u8]],
    /// The raw query strings: of the request, and of the URL that a proxy asks about.
    pub queries: &'a [&'a [u8]],
    /// The names in a form body, if one was read.
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

const fn misplaced<T>(cause: Cause, detail: &'static str) -> Result<T, Misplaced> {
    Err(Misplaced { cause, detail })
}

/// The text that was presented as a bearer token, or why there is none: `missing`, `sent_twice`, `in_query_string` or
/// `wrong_scheme`.
pub fn read(sent: Sent<'_>) -> Result<String, Misplaced> {
    of_header(header_of(sent)?.trim_matches([' ', '\t']))
}

/// The same where the scheme may be `DPoP` as well.
///
/// # Errors
/// As [`read`].
pub fn read_any(sent: Sent<'_>) -> Result<(Scheme, String), Misplaced> {
    let header = header_of(sent)?;
    let value = header.trim_matches([' ', '\t']);
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(DPOP_SCHEME) => {
            one_credential(value)?;
            match token.starts_with([' ', '\t']) {
                true => {
                    misplaced(Cause::WrongScheme, "More than one space or tab follows DPoP: there must be one space.")
                }
                false => Ok((Scheme::Dpop, token.to_owned())),
            }
        }
        _ if value.eq_ignore_ascii_case(DPOP_SCHEME) => {
            misplaced(Cause::Missing, "Nothing follows DPoP in the Authorization header.")
        }
        _ => of_header(value).map(|token| (Scheme::Bearer, token)),
    }
}

/// The one Authorization header, if a token is nowhere else.
fn header_of(sent: Sent<'_>) -> Result<Cow<'_, str>, Misplaced> {
    let in_queries = sent.queries.iter().map(|query| tokens_in(query)).max().unwrap_or(0);
    let in_form = sent.form_names.iter().filter(|name| is_parameter(name)).count();
    let twice = |detail| misplaced(Cause::SentTwice, detail);
    match sent.authorization {
        [_, _, ..] => twice("There is more than one Authorization header."),
        [header] if in_queries > 0 && is_token(header) => {
            twice("There is a token in the URL and one in the Authorization header.")
        }
        [header] if in_form > 0 && is_token(header) => {
            twice("There is a token in the body and one in the Authorization header.")
        }
        _ if in_queries > 1 => twice("There is more than one token in the URL."),
        _ if in_queries > 0 && in_form > 0 => twice("There is a token in the URL and one in the body."),
        _ if in_queries > 0 => {
            misplaced(Cause::InQueryString, "The token is in the URL: send it in the Authorization header instead.")
        }
        [] if in_form > 0 => {
            misplaced(Cause::Missing, "The token is in the body: send it in the Authorization header instead.")
        }
        [] => misplaced(Cause::Missing, "There is no Authorization header."),
        [header] => Ok(String::from_utf8_lossy(header)),
    }
}

/// The text that was presented as a token to an endpoint that takes one from the body of a form as well (§2.2); `in_body` are the
/// values there.
///
/// # Errors
/// As [`read`].
pub fn read_with_body(sent: Sent<'_>, in_body: &[&str]) -> Result<(Scheme, String), Misplaced> {
    let is_elsewhere = !sent.authorization.is_empty() || sent.queries.iter().any(|query| tokens_in(query) > 0);
    match in_body {
        [token] if !is_elsewhere => Ok((Scheme::Bearer, (*token).to_owned())),
        [_, _, ..] => misplaced(Cause::SentTwice, "There is more than one token in the body."),
        _ => read_any(Sent { form_names: if in_body.is_empty() { &[] } else { &[PARAMETER] }, ..sent }),
    }
}

/// Whether a header presents an access token.
pub fn is_token(header: &[u8]) -> bool {
    let begins_with = |scheme: &str| {
        header.trim_ascii_start().get(..scheme.len()).is_some_and(|word| word.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    begins_with(SCHEME) || begins_with(DPOP_SCHEME)
}

/// The number of tokens in a query string.
fn tokens_in(query: &[u8]) -> usize {
    form_urlencoded::parse(query).filter(|(name, _)| is_parameter(name)).count()
}

fn is_parameter(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case(PARAMETER)
}

/// The token in the value of an Authorization header, which has no white space at its ends.
fn of_header(value: &str) -> Result<String, Misplaced> {
    if value.is_empty() {
        return misplaced(Cause::Missing, "The Authorization header is empty.");
    }
    one_credential(value)?;
    let (scheme, rest) = value.split_at(value.find([' ', '\t']).unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return misplaced(Cause::WrongScheme, instead_of_bearer(scheme, rest));
    }
    if rest.is_empty() {
        return misplaced(Cause::Missing, "Nothing follows Bearer in the Authorization header.");
    }
    match rest.strip_prefix(' ') {
        Some(token) if !token.starts_with([' ', '\t']) => Ok(token.to_owned()),
        Some(_) => misplaced(Cause::WrongScheme, "More than one space or tab follows Bearer: there must be one space."),
        None => misplaced(Cause::WrongScheme, "A tab follows Bearer: there must be one space."),
    }
}

fn one_credential(value: &str) -> Result<(), Misplaced> {
    match value.split(',').filter(|part| names_scheme(part)).nth(1) {
        Some(_) => misplaced(Cause::SentTwice, "The Authorization header holds two credentials, separated by a comma."),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
