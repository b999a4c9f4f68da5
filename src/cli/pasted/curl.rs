//! Reads a curl command.

use crate::cli::pasted::words::{Piece, Word, split};
use crate::cli::pasted::{Draft, looks_like_token};
use crate::protocol::cause::Cause;
use crate::protocol::form;

/// Short options that have a value.
const SHORT_WITH_VALUE: &str = "HudXboAeFTwmcKDEYyzCQrtUPx";
/// Long options that have a value and say nothing about tokens.
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
/// Quotes of word processors, which a shell does not know.
const TYPOGRAPHIC: [char; 6] = ['\u{2018}', '\u{2019}', '\u{201C}', '\u{201D}', '\u{201E}', '\u{201A}'];

/// What the options of a command say.
#[derive(Default)]
struct Options {
    method: Option<String>,
    head: bool,
    get: bool,
    upload: bool,
    json: bool,
    bearer: Option<Word>,
    /// Words that are no options: addresses, and what fell off a header without quotes.
    bare: Vec<String>,
    urls: Vec<String>,
    /// Pieces of the body; none for what is read from a file.
    data: Vec<Option<String>>,
    /// What is added to the query.
    query: Vec<String>,
    /// Whether an Authorization header was cut off behind its colon.
    cut: bool,
}

/// None if the text has no curl command.
pub(crate) fn read(text: &str) -> Option<Draft> {
    let mut pieces = split(text).into_iter();
    pieces.find(|piece| matches!(piece, Piece::Word(word) if is_curl(&word.text)))?;
    let mut draft = Draft::default();
    let mut options = Options::default();
    let mut words = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::End { glued } => {
                if glued {
                    draft.finds(
                        None,
                        "A & stands outside of quotes: the shell cuts the command off there.",
                        "Put the address in quotes.",
                    );
                }
                break;
            }
        }
    }
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if let Some(name) = word.text.strip_prefix("--").filter(|name| !name.is_empty()) {
            let name = name.to_owned();
            if has_value(&name) {
                option(&mut draft, &mut options, &name, words.next().unwrap_or_default());
            } else {
                flag(&mut options, &name);
            }
        } else if word.text.len() > 1 && word.text.starts_with('-') {
            short(&mut draft, &mut options, word, &mut words);
        } else {
            options.bare.push(word.text);
        }
    }
    finish(&mut draft, options);
    Some(draft)
}

fn is_curl(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    name.eq_ignore_ascii_case("curl") || name.eq_ignore_ascii_case("curl.exe")
}

/// A group of short options, such as `-sSXPOST`.
fn short(draft: &mut Draft, options: &mut Options, word: Word, words: &mut impl Iterator<Item = Word>) {
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

fn has_value(name: &str) -> bool {
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

fn flag(options: &mut Options, name: &str) {
    match name {
        "head" => options.head = true,
        "get" => options.get = true,
        _ => {}
    }
}

fn option(draft: &mut Draft, options: &mut Options, name: &str, value: Word) {
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
        // A form of several parts is none of the forms in which a token may stand.
        "form" | "form-string" => options.data.push(None),
        _ => {}
    }
}

/// What curl makes of `name=content` and of its other forms; nothing is known of files.
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
            draft.finds(
                Cause::Missing,
                "No colon stands between Authorization and its value: curl does not send such a header.",
                "Write -H \"Authorization: Bearer $TOKEN\", with a colon behind Authorization.",
            );
            draft.request.token = text[13..].split([' ', '=']).find(|part| looks_like_token(part)).map(str::to_owned);
        }
        return;
    };
    let value = value.trim_matches([' ', '\t']);
    if is_authorization && !name.eq_ignore_ascii_case("authorization") {
        if name.trim_end().len() < name.len() && name.trim().eq_ignore_ascii_case("authorization") {
            draft.finds(
                Cause::Missing,
                "A blank stands between Authorization and the colon: that is no header.",
                "Write Authorization: without a blank before the colon.",
            );
        } else if name.trim_start_matches(TYPOGRAPHIC).eq_ignore_ascii_case("authorization") {
            options.cut = true;
        } else {
            draft.finds(
                Cause::Missing,
                "The name of the header and its value are glued together: a server finds no Authorization header.",
                "Write -H \"Authorization: Bearer $TOKEN\".",
            );
        }
        draft.request.token = value.split(' ').find(|part| looks_like_token(part)).map(str::to_owned);
        return;
    }
    if value.is_empty() {
        // curl takes a header without a value as one that is not to be sent.
        options.cut |= is_authorization;
        return;
    }
    if is_authorization {
        draft.variable |= word.expands;
        draft.unexpanded |= word.unexpanded;
        draft.maybe_empty |= word.double && value.eq_ignore_ascii_case("bearer");
    }
    draft.request.headers.push((name.to_owned(), value.to_owned()));
}

fn finish(draft: &mut Draft, options: Options) {
    let Options { method, head, get, upload, json, bearer, mut bare, mut urls, data, mut query, cut } = options;
    let has_authorization =
        |draft: &Draft| draft.request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if cut {
        let begin = bare.iter().position(|word| word.eq_ignore_ascii_case("bearer"));
        let token = match begin {
            Some(at) if at + 1 < bare.len() => {
                bare.remove(at);
                Some(bare.remove(at))
            }
            _ => None,
        };
        draft.finds(
            Cause::Missing,
            if token.is_some() {
                "The header has no quotes that the shell knows: the shell cuts it off at the first blank, and curl leaves \
                 out a header without a value."
            } else {
                "The Authorization header has no value, and curl leaves it out."
            },
            "Put the header in straight double quotes: -H \"Authorization: Bearer $TOKEN\".",
        );
        draft.request.token = token.map(|token| token.trim_end_matches(TYPOGRAPHIC).to_owned());
    }
    if let Some(word) = bearer.filter(|_| !has_authorization(draft)) {
        draft.variable |= word.expands;
        draft.unexpanded |= word.unexpanded;
        draft.maybe_empty |= word.double && word.text.is_empty();
        draft.request.headers.push(("Authorization".into(), format!("Bearer {}", word.text)));
    }
    let is_form_type = |draft: &Draft| {
        let mut types = draft.request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        types.next_back().map(|(_, value)| value.to_ascii_lowercase().contains("x-www-form-urlencoded"))
    };
    let has_body = !data.is_empty() && !get;
    let text = data.into_iter().flatten().collect::<Vec<_>>().join("&");
    if get {
        query.extend((!text.is_empty()).then_some(text));
    } else if has_body {
        draft.is_form = !json && is_form_type(draft).unwrap_or(true);
        draft.request.body = parameters(&text, draft.is_form);
    }
    draft.request.method = method.unwrap_or_else(|| {
        let usual = if head {
            "HEAD"
        } else if upload {
            "PUT"
        } else if has_body {
            "POST"
        } else {
            "GET"
        };
        usual.to_owned()
    });
    urls.append(&mut bare);
    let whole = urls.iter().position(|url| url.contains("://")).unwrap_or(0);
    let Some(mut url) = urls.into_iter().nth(whole) else { return };
    for more in query {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(&more);
    }
    // Without a scheme, curl takes http.
    draft.scheme = Some(url.split_once("://").map_or("http", |(scheme, _)| scheme).to_owned());
    if let Some((name, _)) =
        url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next()?.rsplit_once('@'))
    {
        draft.basic.get_or_insert_with(|| name.to_owned());
    }
    draft.request.url = url;
}

/// The parameters of a body; none if it is something else.
pub(crate) fn parameters(text: &str, is_form: bool) -> Vec<(String, String)> {
    if is_form {
        return form::decode_pairs(text.as_bytes()).unwrap_or_default();
    }
    let Ok(serde_json::Value::Object(members)) = serde_json::from_str(text) else { return Vec::new() };
    members.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}
