//! Looks for a token that is not where it should be.

use crate::diagnosis::pasted::request::Draft;
use crate::protocol::bearer::{Misplaced, begins_like_a_token};
use crate::protocol::cause::Cause;

/// Other headers in which tokens are sent by mistake.
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
/// Cookies and query parameters in which tokens are sent by mistake.
const OTHER_PLACES: [&str; 8] =
    ["access_token", "accesstoken", "token", "auth_token", "jwt", "bearer", "authorization", "id_token"];

/// There is no token where one should be, or more than one: reports why, and looks for the one that was meant.
pub(super) fn misplaced(draft: &mut Draft, fault: Misplaced, query: &str) {
    let Misplaced { cause, detail } = fault;
    let fix = match cause {
        Cause::SentTwice => "Send the token once, in one Authorization header and nowhere else.",
        Cause::InQueryString => {
            "Put it into the header: -H \"Authorization: Bearer $TOKEN\". URLs end up in logs, so get a new token too."
        }
        Cause::WrongScheme => "Write the header as Authorization: Bearer TOKEN, with one space and without quotes.",
        _ => "Add the header: -H \"Authorization: Bearer $TOKEN\".",
    };
    match cause {
        Cause::Missing => elsewhere(draft, query),
        Cause::WrongScheme => {
            let header = draft.request.values_of("authorization").pop();
            draft.request.token = match (header, &draft.basic) {
                (Some(value), _) => behind_scheme(&value),
                (None, Some(pair)) => pair.split(':').find(|part| begins_like_a_token(part)).map(str::to_owned),
                (None, None) => None,
            };
            if draft.basic.is_some()
                && draft.request.values_of("authorization").is_empty()
                && draft.request.token.is_some()
            {
                draft.report(
                    Cause::WrongScheme,
                    "The token is sent as a user name or password, which makes the scheme Basic, not Bearer.",
                    "Instead of -u or a user name in the URL, write -H \"Authorization: Bearer $TOKEN\".",
                );
            }
        }
        Cause::InQueryString => {
            draft.request.token = in_query(query, |name, _| name.trim().eq_ignore_ascii_case("access_token"));
        }
        _ => {}
    }
    if !draft.request.problems.iter().any(|problem| problem.cause == Some(cause)) {
        draft.report(cause, detail, fix);
    }
}

/// Looks for the token where no server looks.
fn elsewhere(draft: &mut Draft, query: &str) {
    if draft.maybe_empty {
        draft.report(
            Cause::Missing,
            "Nothing follows Bearer: if there was a variable, it was empty.",
            "Set the variable first and check its length: printf %s \"$TOKEN\" | wc -c",
        );
    }
    let mut found = None;
    for (name, value) in draft.request.headers.clone() {
        let name = name.trim().to_ascii_lowercase();
        if name == "cookie" {
            if let Some(token) = in_cookie(&value) {
                draft.report(
                    Cause::Missing,
                    "The token is in a cookie, where servers do not look for it.",
                    "Put it into the header: -H \"Authorization: Bearer $TOKEN\".",
                );
                found.get_or_insert(token);
            }
        } else if OTHER_HEADERS.contains(&name.as_str()) {
            draft.report(
                Cause::Missing,
                "The token is in a header with another name than Authorization.",
                "Write Authorization: Bearer TOKEN.",
            );
            found = found.or_else(|| behind_scheme(&value));
        } else if name != "authorization" && strsim::damerau_levenshtein(&name, "authorization") <= 2 {
            draft.report(
                Cause::Missing,
                "The name of the header is misspelled: it must be Authorization, with a z.",
                "Write Authorization: Bearer TOKEN.",
            );
            found = found.or_else(|| behind_scheme(&value));
        }
    }
    let is_meant = |name: &str, value: &str| {
        OTHER_PLACES.iter().any(|place| name.trim().eq_ignore_ascii_case(place)) && begins_like_a_token(value)
    };
    if let Some(token) = in_query(query, is_meant) {
        draft.report(
            Cause::Missing,
            "The token is in the URL, where servers do not look for it.",
            "Put it into the header: -H \"Authorization: Bearer $TOKEN\". URLs end up in logs, so get a new token too.",
        );
        found.get_or_insert(token);
    }
    let in_body = draft.request.body.iter().find(|(name, _)| name.eq_ignore_ascii_case("access_token"));
    draft.request.token = found.or_else(|| in_body.map(|(_, value)| value.clone())).or(draft.request.token.take());
}

/// What follows the scheme, whichever it is; the whole value if there is none.
fn behind_scheme(value: &str) -> Option<String> {
    let value = value.trim();
    let text = match value.split_once([' ', '\t']) {
        Some((scheme, rest)) if !begins_like_a_token(scheme) => rest.trim(),
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
        begins_like_a_token(value)
            || (!value.is_empty() && OTHER_PLACES.iter().any(|place| name.eq_ignore_ascii_case(place)))
    });
    meant.next().map(|(_, value)| value.to_owned())
}
