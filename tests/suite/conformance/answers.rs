//! Assertions about answers where the standards leave room.

use serde_json::Value;

use crate::support::Answer;

/// One of several statuses and errors, and no token.
#[track_caller]
pub(super) fn assert_one_of(answer: &Answer, accepted: &[(u16, &str)]) {
    let found = (answer.status.as_u16(), answer.json["error"].as_str().unwrap_or_default());
    assert!(accepted.contains(&found), "{answer:?} is none of {accepted:?}");
    answer.assert_error(found.0, found.1);
}

/// The answers differ only in what differs in every answer.
#[track_caller]
pub(super) fn assert_alike(one: &Answer, other: &Answer) {
    let stable = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("date");
        headers.remove("x-request-id").expect("every answer has a request id");
        (answer.status, headers, answer.body.clone())
    };
    assert_eq!(stable(one), stable(other));
}

/// The scope tokens of a space-delimited text, sorted.
pub(super) fn scope_tokens(scope: &Value) -> Vec<String> {
    let text = scope.as_str().unwrap_or_else(|| panic!("the scope is no text: {scope}"));
    let mut tokens: Vec<String> = text.split(' ').map(str::to_owned).collect();
    tokens.sort();
    tokens
}
