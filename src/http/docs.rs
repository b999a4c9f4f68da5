//! The description of the API, for machines and for people: the reference, and a page for each error and cause.

pub(crate) mod answers;
mod assertions;
mod codes;
mod errors;
mod faults;
mod logins;
pub(crate) mod openapi;
mod pages;
mod prose;
mod reference;
mod requests;

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use crate::app::App;
use crate::diagnosis::commands::{self, ExplainCommands};
use crate::http::docs::answers::{Description, HtmlPage, NoSuchPage};
use crate::http::docs::pages::{PROBLEMS, Page};
use crate::http::docs::prose::Prose;
use crate::http::docs::reference::Reference;
use crate::http::page::{self, STYLE};
use crate::http::route::{Cors, Route};
use crate::protocol::cause::Cause;
use crate::protocol::error::ErrorCode;
use crate::protocol::fault::Fault;

/// The description of the API (OpenAPI).
const OPENAPI: &str = include_str!("../../openapi.yaml");
const CACHED: &str = "public, max-age=300";
/// The text above the command that explains a refusal on the machine of the server.
const HERE: &str = "On the server's machine, where its settings are:";
/// The text above the request for an explanation.
const BY_CLIENT: &str = "As a client with a secret, for its own tokens; with the permission explain, for all tokens:";

/// The reference, made when it is first asked for.
static REFERENCE: LazyLock<Option<Bytes>> = LazyLock::new(|| {
    let page = Reference::read(OPENAPI, STYLE).ok()?.render().ok()?;
    Some(Bytes::from(page))
});

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get("docs", "/openapi.yaml", show_openapi).open_to(Cors::Everybody),
        Route::page("docs", "/docs", show_reference),
        Route::page("docs", "/docs/errors", list_errors),
        Route::page("docs", "/docs/errors/{code}", show_error),
    ]
}

#[utoipa::path(
    get,
    path = "/openapi.yaml",
    operation_id = "openapi",
    responses((status = 200, response = Description))
)]
pub(crate) async fn show_openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/yaml"), (header::CACHE_CONTROL, CACHED)], OPENAPI)
}

#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "docs",
    responses((status = 200, response = HtmlPage))
)]
pub(crate) async fn show_reference() -> Response {
    cached(page::answer(StatusCode::OK, REFERENCE.clone()))
}

/// The list of all pages of errors.
#[derive(Template)]
#[template(path = "errors.html")]
struct ErrorList {
    root: &'static str,
    style: &'static str,
    groups: Vec<(&'static str, Vec<Page>)>,
}

#[utoipa::path(
    get,
    path = "/docs/errors",
    operation_id = "docsErrors",
    responses((status = 200, response = HtmlPage))
)]
pub(crate) async fn list_errors() -> Response {
    let list = ErrorList {
        root: "../",
        style: STYLE,
        groups: [
            ("Errors of the OAuth endpoints", ErrorCode::ALL.iter().copied().map(pages::of_error).collect()),
            ("Problems of the admin API", PROBLEMS.into_iter().filter_map(pages::find).collect()),
            (
                "Causes of refusal, in the order in which they are checked",
                Cause::ALL.iter().map(|cause| pages::of_cause(*cause)).collect(),
            ),
        ]
        .into_iter()
        .chain(faults::HEADINGS.into_iter().enumerate().map(|(number, heading)| {
            let faults = Fault::all().filter(|fault| faults::heading(*fault) == number);
            (heading, faults.map(pages::of_fault).collect())
        }))
        .collect(),
    };
    cached(page::answer(StatusCode::OK, list.render().ok()))
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

#[utoipa::path(
    get,
    path = "/docs/errors/{code}",
    operation_id = "docsError",
    params((
        "code" = String, Path, min_length = 1, example = "invalid_grant",
        description = "An error of the OAuth endpoints, a problem of the admin API, or a cause.",
    )),
    responses((status = 200, response = HtmlPage), (status = 404, response = NoSuchPage))
)]
pub(crate) async fn show_error(State(app): State<Arc<App>>, path: Result<Path<String>, PathRejection>) -> Response {
    let (root, style) = ("../../", STYLE);
    let Some(found) = path.ok().and_then(|Path(code)| pages::find(&code)) else {
        let text = "There is no such error: all of them are listed under Errors.";
        return cached(page::error(&app, StatusCode::NOT_FOUND, text));
    };
    let here = |text: &str| app.settings.fill(&app.issuer, text);
    let prose = |text: &str| Prose::new(&here(text));
    let text = &found.text;
    let named = if found.cause.is_some() || found.code.parse::<Fault>().is_ok() {
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
    cached(page::answer(StatusCode::OK, content.render().ok()))
}

/// Lets caches keep a page.
fn cached(mut page: Response) -> Response {
    page.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHED));
    page
}
