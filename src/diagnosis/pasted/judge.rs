//! Judges how a request presents its token.

use url::Url;

use crate::diagnosis::pasted::misplaced::misplaced;
use crate::diagnosis::pasted::request::{Draft, Pasted};
use crate::protocol::bearer::{self, Sent};
use crate::protocol::cause::Cause;
use crate::settings;

/// Endpoints of a token server, where the client authenticates and the token is in the body.
const CLIENT_ENDPOINTS: [&str; 4] = ["/auth/token", "/auth/introspect", "/auth/revoke", "/auth/explain"];

/// Completes a draft.
pub(super) fn judge(mut draft: Draft) -> Pasted {
    clear_text(&mut draft);
    let (address, _) = draft.request.url.split_once('#').unwrap_or((&draft.request.url, ""));
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    if CLIENT_ENDPOINTS.iter().any(|endpoint| path.trim_end_matches('/').ends_with(endpoint)) {
        let in_body = draft.request.body.iter().find(|(name, _)| name == "token");
        draft.request.token = in_body.map(|(_, value)| value.clone());
        return in_order(draft);
    }
    let mut authorization = draft.request.values_of("authorization");
    if authorization.is_empty() && draft.basic.is_some() {
        authorization.push("Basic user:password".to_owned());
    }
    let authorization: Vec<&[u8]> = authorization.iter().map(String::as_bytes).collect();
    let names: Vec<&str> = draft.request.body.iter().map(|(name, _)| name.as_str()).collect();
    let form_names = if draft.is_form { names.as_slice() } else { &[] };
    match bearer::read_any(Sent { authorization: &authorization, queries: &[query.as_bytes()], form_names }) {
        Ok((_, token)) => presented(&mut draft, token),
        Err(fault) => misplaced(&mut draft, fault, &query),
    }
    in_order(draft)
}

/// There is a token where one should be.
fn presented(draft: &mut Draft, token: String) {
    if draft.unexpanded {
        draft.report(
            Cause::NotAToken,
            "The shell does not expand this variable (because of single quotes, or a backslash before the dollar sign): \
             the server got its name instead of the token.",
            "Put the header in double quotes: -H \"Authorization: Bearer $TOKEN\".",
        );
    }
    if draft.expanded {
        draft.report(
            None,
            "The shell takes the token from a variable or a command, so the token itself was not pasted.",
            "Explain the token itself: printf %s \"$TOKEN\" | jeton token explain -",
        );
    } else {
        draft.request.token = Some(token);
    }
}

/// Warns of a token that crosses a network unencrypted.
fn clear_text(draft: &mut Draft) {
    let is_http = draft.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("http"));
    if !is_http || is_local(draft) {
        return;
    }
    draft.report(
        None,
        "The URL is http, not https: anyone on the network can read the token, and if the server redirects to https, many \
         clients drop the Authorization header.",
        "Use https:// in the URL.",
    );
}

fn is_local(draft: &Draft) -> bool {
    let host = draft.request.values_of("host").pop();
    let address = match (draft.request.url.contains("://"), host) {
        (true, _) => draft.request.url.clone(),
        (false, Some(host)) if draft.request.url.starts_with('/') => format!("http://{host}/"),
        (false, _) => format!("http://{}", draft.request.url),
    };
    Url::parse(&address).ok().is_none_or(|url| settings::is_loopback(&url))
}

/// Problems with a cause first, in the order of causes.
fn in_order(mut draft: Draft) -> Pasted {
    draft.request.problems.sort_by_key(|problem| (problem.cause.is_none(), problem.cause));
    draft.request
}
