//! HTML pages: each holds its style, runs no scripts and loads nothing.

use std::sync::LazyLock;

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::app::App;
use crate::crypto::sha256;

/// The style of the pages.
pub(crate) const STYLE: &str = include_str!("../../templates/docs.css");

/// What a page may do: nothing but be styled by its own style.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(sha256(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// A page that says why the requested one is not shown.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    root: String,
    style: &'static str,
    title: &'a str,
    text: &'a str,
}

/// The page of an error.
pub(crate) fn error(app: &App, status: StatusCode, text: &str) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    answer(status, Message { root: format!("{}/", app.issuer.path()), style: STYLE, title, text }.render().ok())
}

/// Answers with a page. There is none only if its template is wrong.
pub(crate) fn answer(status: StatusCode, content: Option<impl IntoResponse>) -> Response {
    let Some(content) = content else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, content).into_response()
}
