//! `/console`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::Result;
use crate::console::{self, Answer, File, SCRIPT};
use crate::http::docs::answers::{AskedPage, NoSuchPage, SentOn};
use crate::http::pages::ConsolePage;
use crate::http::request::EndpointRequest;
use crate::http::{console_stream, oauth_error, reply};

#[utoipa::path(
    get,
    path = "/console",
    operation_id = "console",
    responses((status = 200, response = AskedPage), (status = 403, response = AskedPage))
)]
pub(crate) async fn show(request: EndpointRequest) -> Response {
    let answered = request.ask(console::show).await;
    answer(request, answered)
}

#[utoipa::path(
    get,
    path = "/console/{path}",
    operation_id = "consolePage",
    params(("path" = String, Path, min_length = 1, description = "The page.", example = "clients")),
    responses(
        (status = 200, response = AskedPage),
        (status = 302, response = SentOn),
        (status = 403, response = AskedPage),
        (status = 404, response = NoSuchPage)
    )
)]
pub(crate) async fn show_below(request: EndpointRequest) -> Response {
    let answered = request.ask(console::show).await;
    answer(request, answered)
}

#[utoipa::path(
    post,
    path = "/console/{path}",
    operation_id = "consoleForm",
    params(("path" = String, Path, min_length = 1, description = "The page that has the form.", example = "doctor")),
    responses(
        (status = 200, response = AskedPage),
        (status = 303, response = SentOn),
        (status = 404, response = NoSuchPage),
        (status = 409, response = AskedPage)
    )
)]
pub(crate) async fn act(request: EndpointRequest) -> Response {
    let answered = request.ask(console::act).await;
    answer(request, answered)
}

fn answer(request: EndpointRequest, outcome: Result<Answer>) -> Response {
    match outcome {
        Ok(Answer::Other(other)) => reply::answer(&request, Ok(*other)),
        Ok(Answer::File(file)) => download(file),
        Ok(Answer::Live(live)) => console_stream::answer(request, *live),
        Ok(Answer::NotLive) => console_stream::answer_logged_out(),
        Ok(Answer::Script) => script(),
        Ok(Answer::Page(page, frame)) => {
            if let Some(failure) = &page.failure {
                oauth_error::note(&request.app, &request.context, failure);
            }
            let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::OK);
            let look = reply::look(&request).of_console();
            let response = ConsolePage { page: &page, frame: &frame }.respond(status, &look);
            reply::with_cookies(response, frame.cookie.iter())
        }
        Err(failure) => reply::answer(&request, Err(failure)),
    }
}

/// The script of the console, whose address changes with it. It is the same for everybody.
fn script() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
        (header::HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ];
    (headers, SCRIPT).into_response()
}

/// A file that the browser keeps and never shows.
fn download(file: File) -> Response {
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", file.name));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.media_type)),
        (header::CONTENT_DISPOSITION, disposition.unwrap_or(HeaderValue::from_static("attachment"))),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'"),
        ),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, file.content).into_response()
}
