//! The description of the API, for machines and for people: the reference, and a page for each error and cause. The
//! pages are HTML without scripts; they load nothing.

pub(crate) mod openapi;
mod pages;
mod prose;
mod reference;

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::app::App;
use crate::crypto::sha256;
use crate::diagnosis::commands::{self, ExplainCommands};
use crate::http::docs::openapi::answers::{Description, HtmlPage, NoSuchPage};
use crate::http::docs::pages::{PROBLEMS, Page};
use crate::http::docs::prose::Prose;
use crate::http::docs::reference::Reference;
use crate::http::route::{Cors, Route};
use crate::protocol::cause::Cause;
use crate::protocol::error::ErrorCode;

/// The description of the API (OpenAPI).
const OPENAPI: &str = include_str!("../../openapi.yaml");
/// The style of the pages; it stands in each of them.
const STYLE: &str = include_str!("../../templates/docs.css");
const CACHED: &str = "public, max-age=300";
/// What is said above the command that explains a refusal on the machine of the server.
const HERE: &str = "On the machine of the server, where its settings are:";
/// What is said above the request for an explanation.
const BY_CLIENT: &str = "By a client with a secret, about its own tokens; with the permission explain, about all:";

/// What a page may do: nothing but be styled by its own style.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(sha256(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The reference, made when it is first asked for.
static REFERENCE: LazyLock<Option<Bytes>> = LazyLock::new(|| {
    let page = Reference::read(OPENAPI, STYLE).ok()?.render().ok()?;
    Some(Bytes::from(page))
});

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("docs", "/openapi.yaml", show_openapi).open_to(Cors::Everybody),
        Route::get("docs", "/docs", show_reference),
        Route::get("docs", "/docs/errors", list_errors),
        Route::get("docs", "/docs/errors/{code}", show_error),
    ]
}

#[utoipa::path(
    get,
    path = "/openapi.yaml",
    operation_id = "openapi",
    tag = "Documentation",
    description = include_str!("../../docs/openapi/openapi.md"),
    responses((status = 200, response = Description))
)]
pub(crate) async fn show_openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml"), (header::CACHE_CONTROL, CACHED)], OPENAPI)
}

#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "docs",
    tag = "Documentation",
    description = include_str!("../../docs/openapi/docs.md"),
    responses((status = 200, response = HtmlPage))
)]
pub(crate) async fn show_reference() -> Response {
    page(StatusCode::OK, REFERENCE.clone())
}

/// The list of all pages of errors.
#[derive(Template)]
#[template(path = "errors.html")]
struct ErrorList {
    root: &'static str,
    style: &'static str,
    groups: [(&'static str, Vec<Page>); 3],
}

#[utoipa::path(
    get,
    path = "/docs/errors",
    operation_id = "docsErrors",
    tag = "Documentation",
    description = include_str!("../../docs/openapi/docs_errors.md"),
    responses((status = 200, response = HtmlPage))
)]
pub(crate) async fn list_errors() -> Response {
    let list = ErrorList {
        root: "../",
        style: STYLE,
        groups: [
            ("Errors of the OAuth endpoints", ErrorCode::ALL.into_iter().map(pages::of_error).collect()),
            ("Problems of the admin API", PROBLEMS.into_iter().filter_map(pages::find).collect()),
            (
                "Causes for which a token is refused, in the order in which they are looked for",
                Cause::ALL.iter().map(|cause| pages::of_cause(*cause)).collect(),
            ),
        ],
    };
    page(StatusCode::OK, list.render().ok())
}

/// The page of an error or a cause.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    root: &'static str,
    style: &'static str,
    code: &'static str,
    title: Prose,
    sections: [(&'static str, Prose); 5],
    explained: Vec<(&'static str, String)>,
    where_it_is_named: Prose,
    commands: Vec<String>,
}

/// The page for a code that does not exist.
#[derive(Template)]
#[template(path = "no_error.html")]
struct NoErrorPage {
    root: &'static str,
    style: &'static str,
}

#[utoipa::path(
    get,
    path = "/docs/errors/{code}",
    operation_id = "docsError",
    tag = "Documentation",
    description = include_str!("../../docs/openapi/docs_error.md"),
    params((
        "code" = String, Path, min_length = 1, example = "invalid_grant",
        description = "An error of the OAuth endpoints, a problem of the admin API, or a cause.",
    )),
    responses((status = 200, response = HtmlPage), (status = 404, response = NoSuchPage))
)]
pub(crate) async fn show_error(State(app): State<Arc<App>>, path: Result<Path<String>, PathRejection>) -> Response {
    let (root, style) = ("../../", STYLE);
    let Some(found) = path.ok().and_then(|Path(code)| pages::find(&code)) else {
        return page(StatusCode::NOT_FOUND, NoErrorPage { root, style }.render().ok());
    };
    let here = |text: &str| app.settings.fill(&app.issuer, text);
    let prose = |text: &str| Prose::new(&here(text));
    let text = &found.text;
    let named = if found.cause.is_some() {
        format!(
            "The log has one line of each refusal, with `cause=\"{0}\"` and the `X-Request-Id` of the answer; \
             `jeton_refusals_total` counts it with `cause=\"{0}\"`.",
            found.code
        )
    } else {
        "The log has one line of each refusal, with the `X-Request-Id` of the answer and the exact reason.".to_owned()
    };
    let explaining = found.cause.and_then(commands::explain_commands);
    let explained = explaining.map_or_else(Vec::new, |ExplainCommands { on_server: command, by_client }| {
        let by_client = by_client.map(|command| (BY_CLIENT, here(command)));
        [(HERE, here(command))].into_iter().chain(by_client).collect()
    });
    let content = ErrorPage {
        root,
        style,
        code: found.code,
        title: prose(found.title),
        sections: [
            ("What it means", prose(text.meaning)),
            ("How to see it", prose(text.see)),
            ("What the client can do", prose(text.client)),
            ("What the resource server can do", prose(text.resource_server)),
            ("What the administrator can do", prose(text.administrator)),
        ],
        explained,
        where_it_is_named: Prose::new(&named),
        commands: text.commands.iter().map(|command| here(command)).collect(),
    };
    page(StatusCode::OK, content.render().ok())
}

/// A page; none could be made only if its template were wrong.
fn page(status: StatusCode, content: Option<impl IntoResponse>) -> Response {
    let Some(content) = content else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, CACHED),
        (header::CONTENT_SECURITY_POLICY, POLICY.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (status, headers, content).into_response()
}
