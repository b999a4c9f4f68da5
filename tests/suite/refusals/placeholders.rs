//! Texts that never were tokens: placeholders, null values of programming languages, pages and prose.

use super::ask::{Case, Sheet};
use super::stage::Stage;
use crate::support::on_both_stores;

const NO_TOKENS: &[&str] = &[
    // Placeholders of shells, templates and manuals
    "$TOKEN",
    "${TOKEN}",
    "${ACCESS_TOKEN:-}",
    "$(cat token)",
    "%TOKEN%",
    "{{token}}",
    "{{ access_token }}",
    "{token}",
    "<token>",
    "<access_token>",
    "<%= token %>",
    "#{token}",
    "@token",
    ":token",
    "YOUR_TOKEN",
    "YOUR_ACCESS_TOKEN",
    "your_token_here",
    "your-token-here",
    "process.env.TOKEN",
    "token",
    "access_token",
    "xxx",
    "xxxxxxxx",
    "********",
    "[REDACTED]",
    "(hidden)",
    // The null values of programming languages, and their renderings of other values
    "undefined",
    "null",
    "None",
    "nil",
    "NaN",
    "NULL",
    "true",
    "false",
    "0",
    "-1",
    "[object Object]",
    "[object Promise]",
    "Promise { <pending> }",
    // Other texts
    "{}",
    "[]",
    "{\"error\":\"invalid_grant\"}",
    "<html><body>502 Bad Gateway</body></html>",
    "<!DOCTYPE html><html lang=en><title>Sign in</title></html>",
    "<?xml version=\"1.0\"?><error>no session</error>",
    "https://auth.example.com/auth/token",
    "https://app.example.test/callback?code=abc&state=xyz",
    "alice@example.com",
    "Please log in first.",
    "Internal Server Error",
    "curl: (6) Could not resolve host",
    "123e4567-e89b-12d3-a456-426614174000",
    "demo:demo-password",
    "2026-01-01T00:00:00Z",
    "a",
    "...",
    "\u{1F4A9}",
];

on_both_stores!(a_text_that_was_never_a_token_is_named_as_such, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    for text in NO_TOKENS {
        sheet.case(&stage, &Case::new(*text, *text, "not_a_token")).await;
    }
    sheet.close();
});

/// The promise leaves open whether damage counts if there is no token.
const DAMAGED: [(&str, &str); 6] = [
    ("undefined\n", "surrounding_whitespace|not_a_token"),
    ("  null", "surrounding_whitespace|not_a_token"),
    ("Bearer undefined", "bearer_prefix_left_in|not_a_token"),
    ("Bearer $TOKEN", "bearer_prefix_left_in|not_a_token"),
    ("\"undefined\"", "quoted|not_a_token"),
    ("'null'", "quoted|not_a_token"),
];

on_both_stores!(a_damaged_placeholder_is_still_not_a_token, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    for (text, cause) in DAMAGED {
        sheet.case(&stage, &Case::new(text, text, cause).also(&["not_a_token"])).await;
    }
    // The word alone is a header without a token.
    sheet.case(&stage, &Case::new("Bearer", "Bearer", "missing|not_a_token")).await;
    sheet.close();
});

// RFC 6749 §3.1: a parameter without a value is absent. Either way nothing was sent, and nothing else is said.
on_both_stores!(an_empty_text_is_missing, async |backend| {
    let stage = Stage::start(backend).await;
    for body in ["", "token=", "scope=read"] {
        let answer = stage.explain_body("application/x-www-form-urlencoded", body).await;
        match answer.status.as_u16() {
            200 => assert_eq!(answer.text("cause"), "missing", "{answer:?}"),
            _ => answer.assert_error(400, "invalid_request"),
        }
    }
    for text in [" ", "\n", "\t \r\n", "\u{200B}", "\u{00A0}"] {
        let answer = stage.explain(&stage.rs, text).await;
        let cause = answer.assert_ok().text("cause");
        let accepted = ["missing", "surrounding_whitespace", "line_break", "invisible_character", "not_a_token"];
        assert!(accepted.contains(&cause.as_str()), "{text:?}: {answer:?}");
    }
});
