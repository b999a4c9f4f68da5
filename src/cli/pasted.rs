//! Reads a request that a person pastes, a curl command or a block of headers, and finds what is wrong with the request
//! itself. Pure: nothing is sent and nothing is expanded. Every sentence is fixed, so no token is ever repeated.

mod curl;
mod headers;
mod words;

use url::{Host, Url};

use crate::protocol::bearer::{self, Misplaced, Sent};
use crate::protocol::cause::Cause;

/// Headers of other names in which tokens are sent by mistake.
const OTHER_HEADERS: [&str; 12] = [
    "x-auth-token",
    "x-access-token",
    "x-token",
    "x-authorization",
    "x-jwt-token",
    "access-token",
    "access_token",
    "auth-token",
    "authorization-token",
    "authentication",
    "bearer",
    "token",
];
/// Names of cookies and of parameters of addresses in which tokens are sent by mistake.
const OTHER_PLACES: [&str; 8] =
    ["access_token", "accesstoken", "token", "auth_token", "jwt", "bearer", "authorization", "id_token"];
/// Endpoints of a token server, at which a client authenticates and the token stands in the body.
const CLIENT_ENDPOINTS: [&str; 4] = ["/auth/token", "/auth/introspect", "/auth/revoke", "/auth/explain"];

/// Something that is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The cause for which a server refuses the request because of it; none if it is worth knowing all the same.
    pub cause: Option<Cause>,
    /// What is wrong.
    pub sentence: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

/// A request, as it is sent.
#[derive(Default)]
pub struct Pasted {
    /// The method, in upper case.
    pub method: String,
    /// The address: whole for curl, often only the path for a block of headers. Empty if there is none.
    pub url: String,
    /// The headers in their order, names as written.
    pub headers: Vec<(String, String)>,
    /// The parameters of a form body or of a flat JSON body.
    pub body: Vec<(String, String)>,
    /// What is wrong with it, the first cause first.
    pub findings: Vec<Finding>,
    /// The text that was presented as a token; if none was where it should be, the one that stands somewhere else.
    pub token: Option<String>,
}

/// A text that is neither a curl command nor a block of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is neither a curl command nor a block of request headers: paste the whole command, or all lines of the request"
)]
pub struct NotARequest;

/// What a reader knows of a request besides its parts.
#[derive(Default)]
struct Draft {
    request: Pasted,
    /// Whether the body is a form.
    is_form: bool,
    /// `user:password`, if HTTP Basic is used.
    basic: Option<String>,
    /// The scheme of the address, if it is known.
    scheme: Option<String>,
    /// The value of the Authorization header has a variable that the shell fills in.
    variable: bool,
    /// The value of the Authorization header has a variable that the shell leaves as it is.
    unexpanded: bool,
    /// The header stands in double quotes, where a variable may have been empty.
    maybe_empty: bool,
}

impl Draft {
    fn finds(&mut self, cause: impl Into<Option<Cause>>, sentence: &'static str, fix: &'static str) {
        let finding = Finding { cause: cause.into(), sentence, fix };
        if !self.request.findings.contains(&finding) {
            self.request.findings.push(finding);
        }
    }
}

/// Reads what a person pasted, and judges it.
///
/// # Errors
/// [`NotARequest`].
pub fn read(text: &str) -> Result<Pasted, NotARequest> {
    let draft = match headers::read(text) {
        Some(draft) => draft,
        None => curl::read(text).ok_or(NotARequest)?,
    };
    Ok(judge(draft))
}

fn judge(mut draft: Draft) -> Pasted {
    clear_text(&mut draft);
    let (address, _) = draft.request.url.split_once('#').unwrap_or((&draft.request.url, ""));
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    if CLIENT_ENDPOINTS.iter().any(|endpoint| path.trim_end_matches('/').ends_with(endpoint)) {
        let in_body = draft.request.body.iter().find(|(name, _)| name == "token");
        draft.request.token = in_body.map(|(_, value)| value.clone());
        return in_order(draft);
    }
    let mut authorization = values_of(&draft.request, "authorization");
    if authorization.is_empty() && draft.basic.is_some() {
        authorization.push("Basic user:password".to_owned());
    }
    let authorization: Vec<&[u8]> = authorization.iter().map(String::as_bytes).collect();
    let names: Vec<&str> = draft.request.body.iter().map(|(name, _)| name.as_str()).collect();
    let form_names = if draft.is_form { names.as_slice() } else { &[] };
    match bearer::read(Sent { authorization: &authorization, queries: &[query.as_bytes()], form_names }) {
        Ok(token) => presented(&mut draft, token),
        Err(fault) => misplaced(&mut draft, fault, &query),
    }
    in_order(draft)
}

/// A token stands where it should.
fn presented(draft: &mut Draft, token: String) {
    if draft.unexpanded {
        draft.finds(
            Cause::NotAToken,
            "A variable stands where the shell does not fill it in (single quotes, or a backslash before the dollar sign): \
             the server got its name in place of the token.",
            "Put the header in double quotes: -H \"Authorization: Bearer $TOKEN\".",
        );
    }
    if draft.variable {
        draft.finds(
            None,
            "The shell fills in the token from a variable or a command, and its value is not in what was pasted.",
            "Have the token itself judged: printf %s \"$TOKEN\" | jeton token explain -",
        );
    } else {
        draft.request.token = Some(token);
    }
}

/// There is no token where one should be, or too many: says why, and looks where one could be meant.
fn misplaced(draft: &mut Draft, fault: Misplaced, query: &str) {
    let Misplaced { cause, detail } = fault;
    let fix = match cause {
        Cause::SentTwice => "Send the token once: in one Authorization header and nowhere else.",
        Cause::InQueryString => {
            "Take it out of the address and send it as a header: -H \"Authorization: Bearer $TOKEN\". Addresses are \
             kept in logs: get a new token, too."
        }
        Cause::WrongScheme => "Write the header as Authorization: Bearer TOKEN, with one space and without quotes.",
        _ => "Add the header: -H \"Authorization: Bearer $TOKEN\".",
    };
    match cause {
        Cause::Missing => elsewhere(draft, query),
        Cause::WrongScheme => {
            let header = values_of(&draft.request, "authorization").pop();
            draft.request.token = match (header, &draft.basic) {
                (Some(value), _) => behind_scheme(&value),
                (None, Some(pair)) => pair.split(':').find(|part| looks_like_token(part)).map(str::to_owned),
                (None, None) => None,
            };
            if draft.basic.is_some()
                && values_of(&draft.request, "authorization").is_empty()
                && draft.request.token.is_some()
            {
                draft.finds(
                    Cause::WrongScheme,
                    "The token is sent as a user name or password: HTTP Basic is another scheme than Bearer.",
                    "In place of -u and of a name in the address: -H \"Authorization: Bearer $TOKEN\".",
                );
            }
        }
        Cause::InQueryString => {
            draft.request.token = in_query(query, |name, _| name.trim().eq_ignore_ascii_case("access_token"));
        }
        _ => {}
    }
    if !draft.request.findings.iter().any(|finding| finding.cause == Some(cause)) {
        draft.finds(cause, detail, fix);
    }
}

/// Looks for the token where it is not looked for by a server.
fn elsewhere(draft: &mut Draft, query: &str) {
    if draft.maybe_empty {
        draft.finds(
            Cause::Missing,
            "Nothing follows Bearer: if a variable stood there, it was empty.",
            "Set the variable first, and look at its length: printf %s \"$TOKEN\" | wc -c",
        );
    }
    let mut found = None;
    for (name, value) in draft.request.headers.clone() {
        let name = name.trim().to_ascii_lowercase();
        if name == "cookie" {
            if let Some(token) = in_cookie(&value) {
                draft.finds(
                    Cause::Missing,
                    "The token stands in a cookie, where it is not looked for.",
                    "Send it as a header: -H \"Authorization: Bearer $TOKEN\".",
                );
                found.get_or_insert(token);
            }
        } else if OTHER_HEADERS.contains(&name.as_str()) {
            draft.finds(
                Cause::Missing,
                "The token stands in a header of another name than Authorization.",
                "Name the header Authorization, and its value Bearer TOKEN.",
            );
            found = found.or_else(|| behind_scheme(&value));
        } else if name != "authorization" && strsim::damerau_levenshtein(&name, "authorization") <= 2 {
            draft.finds(
                Cause::Missing,
                "The name of the header is misspelled: it must be Authorization, with a z.",
                "Write Authorization: Bearer TOKEN.",
            );
            found = found.or_else(|| behind_scheme(&value));
        }
    }
    let is_meant = |name: &str, value: &str| {
        OTHER_PLACES.iter().any(|place| name.trim().eq_ignore_ascii_case(place)) && looks_like_token(value)
    };
    if let Some(token) = in_query(query, is_meant) {
        draft.finds(
            Cause::Missing,
            "The token stands in the address, where it is not looked for.",
            "Take it out of the address and send it as a header: -H \"Authorization: Bearer $TOKEN\". Addresses are \
             kept in logs: get a new token, too.",
        );
        found.get_or_insert(token);
    }
    let in_body = draft.request.body.iter().find(|(name, _)| name.eq_ignore_ascii_case("access_token"));
    draft.request.token = found.or_else(|| in_body.map(|(_, value)| value.clone())).or(draft.request.token.take());
}

/// A token that crosses a network unencrypted.
fn clear_text(draft: &mut Draft) {
    let is_http = draft.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
    if !is_http || is_loopback(draft) {
        return;
    }
    draft.finds(
        None,
        "The address is http, not https: whoever is on the way can read the token; and where a server redirects to \
         https, many clients leave the Authorization header out.",
        "Use https:// in the address.",
    );
}

fn is_loopback(draft: &Draft) -> bool {
    let host = values_of(&draft.request, "host").pop();
    let address = match (draft.request.url.contains("://"), host) {
        (true, _) => draft.request.url.clone(),
        (false, Some(host)) if draft.request.url.starts_with('/') => format!("http://{host}/"),
        (false, _) => format!("http://{}", draft.request.url),
    };
    match Url::parse(&address).ok().as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost") || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    }
}

/// The causes in their order, then the rest.
fn in_order(mut draft: Draft) -> Pasted {
    draft.request.findings.sort_by_key(|finding| (finding.cause.is_none(), finding.cause));
    draft.request
}

fn values_of(request: &Pasted, wanted: &str) -> Vec<String> {
    let headers = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    headers.map(|(_, value)| value.clone()).collect()
}

/// What stands behind the scheme, whichever it is, or the whole if there is none.
fn behind_scheme(value: &str) -> Option<String> {
    let value = value.trim();
    let text = match value.split_once([' ', '\t']) {
        Some((scheme, rest)) if !looks_like_token(scheme) => rest.trim(),
        _ => ["Bearer", "bearer"].iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value),
    };
    let text = text.trim_start_matches([':', '=']);
    (!text.is_empty()).then(|| text.to_owned())
}

fn in_query(query: &str, is_meant: impl Fn(&str, &str) -> bool) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, value)| is_meant(name, value))
        .map(|(_, value)| value.into_owned())
}

fn in_cookie(value: &str) -> Option<String> {
    let pairs = value.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut meant = pairs.filter(|(name, value)| {
        looks_like_token(value)
            || (!value.is_empty() && OTHER_PLACES.iter().any(|place| name.eq_ignore_ascii_case(place)))
    });
    meant.next().map(|(_, value)| value.to_owned())
}

/// Whether a text begins like the tokens that this server knows.
fn looks_like_token(text: &str) -> bool {
    bearer::begins_like_a_token(text)
}

#[cfg(test)]
mod tests;
