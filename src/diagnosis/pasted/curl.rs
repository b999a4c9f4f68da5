//! Reads a curl command.

use crate::diagnosis::pasted::options::{Options, TYPOGRAPHIC, flag, has_value, option, short};
use crate::diagnosis::pasted::request::Draft;
use crate::diagnosis::pasted::shell::{Piece, split};
use crate::protocol::cause::Cause;
use crate::protocol::form;

/// `None` if the text contains no curl command.
pub(super) fn read(text: &str) -> Option<Draft> {
    let mut pieces = split(text).into_iter();
    pieces.find(|piece| matches!(piece, Piece::Word(word) if is_curl(&word.text)))?;
    let mut draft = Draft::default();
    let mut options = Options::default();
    let mut words = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::End { splits_word } => {
                if splits_word {
                    draft.report(
                        None,
                        "There is an & outside quotes, where the shell ends the command.",
                        "Put the URL in quotes.",
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
        draft.report(
            Cause::Missing,
            if token.is_some() {
                "The header has no quotes that the shell understands: the shell cuts it off at the first space, and curl \
                 drops a header without a value."
            } else {
                "The Authorization header has no value, so curl drops it."
            },
            "Put the header in straight double quotes: -H \"Authorization: Bearer $TOKEN\".",
        );
        draft.request.token = token.map(|token| token.trim_end_matches(TYPOGRAPHIC).to_owned());
    }
    if let Some(word) = bearer.filter(|_| !has_authorization(draft)) {
        draft.expanded |= word.expands;
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
    // Without a scheme, curl uses http.
    draft.scheme = Some(url.split_once("://").map_or("http", |(scheme, _)| scheme).to_owned());
    if let Some((name, _)) =
        url.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next()?.rsplit_once('@'))
    {
        draft.basic.get_or_insert_with(|| name.to_owned());
    }
    draft.request.url = url;
}

/// The parameters of a form body or a flat JSON body.
pub(super) fn parameters(text: &str, is_form: bool) -> Vec<(String, String)> {
    if is_form {
        return form::decode_pairs(text.as_bytes()).unwrap_or_default();
    }
    let Ok(serde_json::Value::Object(members)) = serde_json::from_str(text) else { return Vec::new() };
    members.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect()
}
