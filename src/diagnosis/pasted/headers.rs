//! Reads a block of request headers: HTTP/1.1 or HTTP/2, from `curl -v` or from a browser's developer tools.

use crate::diagnosis::pasted::curl;
use crate::diagnosis::pasted::request::Draft;
use crate::protocol::bearer::begins_like_a_token;
use crate::protocol::cause::Cause;

/// Names that developer tools write on one line, with the value on the next.
const ALONE: [&str; 9] =
    [":method", ":path", ":authority", ":scheme", "authorization", "host", "cookie", "content-type", "accept"];

/// `None` if the text does not begin like a request.
pub(super) fn read(text: &str) -> Option<Draft> {
    let text = text.replace("\r\n", "\n");
    let mut lines = text.lines().filter_map(of_request).skip_while(|line| line.trim().is_empty()).peekable();
    let first = lines.peek()?;
    if request_line(first).is_none() && header_line(first).is_none() && !is_alone(first) && !is_authorization(first) {
        return None;
    }
    let mut draft = Draft::default();
    draft.request.method = "GET".into();
    if let Some((method, target)) = request_line(first) {
        draft.request.method = method.to_owned();
        draft.request.url = target.to_owned();
        lines.next();
    }
    let mut body = String::new();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            body = lines.collect::<Vec<_>>().join("\n");
            break;
        }
        let (name, value) = match header_line(line) {
            _ if is_alone(line) => (line.trim(), ""),
            // The continuation of a value that was wrapped.
            None | Some(_) if line.starts_with([' ', '\t']) && !draft.request.headers.is_empty() => {
                continue_value(&mut draft, line);
                continue;
            }
            Some(header) => header,
            None if is_authorization(line) => {
                without_colon(&mut draft, line);
                continue;
            }
            None => {
                continue_value(&mut draft, line);
                continue;
            }
        };
        let value = match value.trim_matches([' ', '\t']) {
            "" => match lines.peek() {
                Some(next) if header_line(next).is_none() && !is_alone(next) && !next.trim().is_empty() => {
                    lines.next().unwrap_or_default().trim()
                }
                _ => "",
            },
            value => value,
        };
        add(&mut draft, name, value);
    }
    let mut types = draft.request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = types.next_back().map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default();
    draft.is_form = content_type.contains("x-www-form-urlencoded");
    draft.request.body = curl::parameters(body.trim(), draft.is_form);
    if let Some((scheme, _)) = draft.request.url.split_once("://") {
        draft.scheme = Some(scheme.to_owned());
    }
    Some(draft)
}

/// The line as the client sent it. `curl -v` marks such lines with `>`, and others with `<`, `*`, `{` and `}`.
fn of_request(line: &str) -> Option<&str> {
    if let Some(line) = line.strip_prefix('>') {
        return Some(line.strip_prefix(' ').unwrap_or(line));
    }
    (!line.starts_with(['<', '*', '{', '}'])).then_some(line)
}

/// Method and target of `GET /data HTTP/1.1`.
fn request_line(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace();
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_one = version.starts_with("HTTP/") && method.bytes().all(|byte| byte.is_ascii_uppercase());
    is_one.then_some((method, target))
}

/// Name and value. A space before the colon is tolerated here and reported later.
fn header_line(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let begin = usize::from(line.starts_with(':'));
    let colon = begin + line.get(begin..)?.find(':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let bare = name.trim_start_matches(':').trim_end();
    let is_name = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    is_name.then_some((name, value))
}

fn is_alone(line: &str) -> bool {
    ALONE.iter().any(|name| line.trim().eq_ignore_ascii_case(name))
}

/// Whether a line without a colon begins with the name of the header.
fn is_authorization(line: &str) -> bool {
    let rest = line.trim_start().get(..13).filter(|name| name.eq_ignore_ascii_case("authorization"));
    rest.is_some() && header_line(line).is_none()
}

fn without_colon(draft: &mut Draft, line: &str) {
    draft.report(
        Cause::Missing,
        "No colon follows Authorization, so a server finds no such header.",
        "Write Authorization: Bearer TOKEN, with a colon after Authorization.",
    );
    draft.request.token = line.split([' ', '=']).find(|part| begins_like_a_token(part)).map(str::to_owned);
}

fn continue_value(draft: &mut Draft, line: &str) {
    if let Some((_, value)) = draft.request.headers.last_mut() {
        value.push('\n');
        value.push_str(line.trim());
    }
}

fn add(draft: &mut Draft, name: &str, value: &str) {
    let request = &mut draft.request;
    match name.to_ascii_lowercase().as_str() {
        ":method" => request.method = value.to_ascii_uppercase(),
        ":path" => request.url = value.to_owned(),
        ":authority" => request.headers.push(("Host".into(), value.to_owned())),
        ":scheme" => draft.scheme = Some(value.to_owned()),
        "authorization " => draft.report(
            Cause::Missing,
            "There is a space between Authorization and the colon, so it is not a valid header.",
            "Write Authorization: without a space before the colon.",
        ),
        lower if lower.starts_with("authorization") && lower.contains("bearer") => {
            draft.report(
                Cause::Missing,
                "The name and the value of the header run together, so a server finds no Authorization header.",
                "Write Authorization: Bearer TOKEN.",
            );
        }
        _ => request.headers.push((name.to_owned(), value.to_owned())),
    }
}
