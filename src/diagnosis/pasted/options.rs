//! The options of a curl command that say something about its token.

use crate::diagnosis::pasted::request::Draft;
use crate::diagnosis::pasted::shell::Word;
use crate::protocol::bearer::begins_like_a_token;
use crate::protocol::cause::Cause;

/// Short options with a value.
const SHORT_WITH_VALUE: &str = "HudXboAeFTwmcKDEYyzCQrtUPx";
/// Long options with a value that say nothing about tokens.
const LONG_WITH_VALUE: [&str; 44] = [
    "aws-sigv4",
    "cacert",
    "capath",
    "cert",
    "cert-type",
    "ciphers",
    "config",
    "connect-timeout",
    "connect-to",
    "continue-at",
    "cookie-jar",
    "crlfile",
    "dns-servers",
    "dump-header",
    "interface",
    "keepalive-time",
    "key",
    "key-type",
    "limit-rate",
    "local-port",
    "max-filesize",
    "max-redirs",
    "max-time",
    "netrc-file",
    "noproxy",
    "output",
    "output-dir",
    "pass",
    "pinnedpubkey",
    "proxy",
    "proxy-header",
    "proxy-user",
    "range",
    "rate",
    "referer",
    "resolve",
    "retry",
    "retry-delay",
    "retry-max-time",
    "stderr",
    "tls-max",
    "unix-socket",
    "user-agent",
    "write-out",
];
/// The quotes of word processors, which mean nothing to a shell.
pub(super) const TYPOGRAPHIC: [char; 6] = ['\u{2018}', '\u{2019}', '\u{201C}', '\u{201D}', '\u{201E}', '\u{201A}'];

/// What the options say.
#[derive(Default)]
pub(super) struct Options {
    pub(super) method: Option<String>,
    pub(super) head: bool,
    pub(super) get: bool,
    pub(super) upload: bool,
    pub(super) json: bool,
    pub(super) bearer: Option<Word>,
    /// Words that are not options: URLs, and the rest of a header without quotes.
    pub(super) bare: Vec<String>,
    pub(super) urls: Vec<String>,
    /// Pieces of the body; `None` for what is read from a file.
    pub(super) data: Vec<Option<String>>,
    /// Additions to the query.
    pub(super) query: Vec<String>,
    /// Whether an Authorization header was cut off after its colon.
    pub(super) cut: bool,
}

/// A group of short options, such as `-sSXPOST`.
pub(super) fn short(draft: &mut Draft, options: &mut Options, word: Word, words: &mut impl Iterator<Item = Word>) {
    let letters: Vec<(usize, char)> = word.text.char_indices().skip(1).collect();
    for (at, letter) in letters {
        if SHORT_WITH_VALUE.contains(letter) {
            let rest = word.text[at + letter.len_utf8()..].to_owned();
            let value = if rest.is_empty() { words.next().unwrap_or_default() } else { Word { text: rest, ..word } };
            let name = match letter {
                'H' => "header",
                'u' => "user",
                'd' => "data",
                'X' => "request",
                'b' => "cookie",
                'F' => "form",
                'T' => "upload-file",
                _ => "",
            };
            return option(draft, options, name, value);
        }
        match letter {
            'I' => flag(options, "head"),
            'G' => flag(options, "get"),
            _ => {}
        }
    }
}

pub(super) fn has_value(name: &str) -> bool {
    let about_requests = [
        "header",
        "user",
        "oauth2-bearer",
        "data",
        "data-raw",
        "data-ascii",
        "data-binary",
        "data-urlencode",
        "json",
        "form",
        "form-string",
        "url",
        "url-query",
        "request",
        "cookie",
        "upload-file",
    ];
    about_requests.contains(&name) || LONG_WITH_VALUE.contains(&name)
}

pub(super) fn flag(options: &mut Options, name: &str) {
    match name {
        "head" => options.head = true,
        "get" => options.get = true,
        _ => {}
    }
}

pub(super) fn option(draft: &mut Draft, options: &mut Options, name: &str, value: Word) {
    match name {
        "header" => header(draft, options, value),
        "user" => draft.basic = Some(value.text),
        "oauth2-bearer" => options.bearer = Some(value),
        "request" => options.method = Some(value.text.to_ascii_uppercase()),
        "url" => options.urls.push(value.text),
        "url-query" => options.query.push(value.text),
        "cookie" if value.text.contains('=') => draft.request.headers.push(("Cookie".into(), value.text)),
        "upload-file" => options.upload = true,
        "data-raw" => options.data.push(Some(value.text)),
        "data" | "data-ascii" | "data-binary" => {
            options.data.push(Some(value.text).filter(|text| !text.starts_with('@')));
        }
        "data-urlencode" => options.data.push(encoded(&value.text)),
        "json" => {
            options.json = true;
            options.data.push(Some(value.text).filter(|text| !text.starts_with('@')));
        }
        // A token cannot be in a multipart form.
        "form" | "form-string" => options.data.push(None),
        _ => {}
    }
}

/// What curl makes of `name=content` and its other forms; `None` for a file.
fn encoded(text: &str) -> Option<String> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    match text.split_once('=') {
        Some((name, content)) if !name.contains('@') => {
            Some(if name.is_empty() { encode(content) } else { format!("{name}={}", encode(content)) })
        }
        _ if text.contains('@') => None,
        _ => Some(encode(text)),
    }
}

fn header(draft: &mut Draft, options: &mut Options, word: Word) {
    let text = word.text.trim_start_matches(TYPOGRAPHIC);
    let is_authorization = text.get(..13).is_some_and(|name| name.eq_ignore_ascii_case("authorization"));
    let Some((name, value)) = word.text.split_once(':') else {
        if is_authorization {
            draft.report(
                Cause::Missing,
                "No colon follows Authorization, so curl does not send the header.",
                "Write -H \"Authorization: Bearer $TOKEN\", with a colon after Authorization.",
            );
            draft.request.token =
                text[13..].split([' ', '=']).find(|part| begins_like_a_token(part)).map(str::to_owned);
        }
        return;
    };
    let value = value.trim_matches([' ', '\t']);
    if is_authorization && !name.eq_ignore_ascii_case("authorization") {
        if name.trim_end().len() < name.len() && name.trim().eq_ignore_ascii_case("authorization") {
            draft.report(
                Cause::Missing,
                "There is a space between Authorization and the colon, so it is not a valid header.",
                "Write Authorization: without a space before the colon.",
            );
        } else if name.trim_start_matches(TYPOGRAPHIC).eq_ignore_ascii_case("authorization") {
            options.cut = true;
        } else {
            draft.report(
                Cause::Missing,
                "The name and the value of the header run together, so a server finds no Authorization header.",
                "Write -H \"Authorization: Bearer $TOKEN\".",
            );
        }
        draft.request.token = value.split(' ').find(|part| begins_like_a_token(part)).map(str::to_owned);
        return;
    }
    if value.is_empty() {
        // curl does not send a header without a value.
        options.cut |= is_authorization;
        return;
    }
    if is_authorization {
        draft.expanded |= word.expands;
        draft.unexpanded |= word.unexpanded;
        draft.maybe_empty |= word.double && value.eq_ignore_ascii_case("bearer");
    }
    draft.request.headers.push((name.to_owned(), value.to_owned()));
}
