//! Errors that arise around a handler, in the form that its route names.

use std::any::Any;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;

use crate::app::{App, Failure};
use crate::http::body::Unreadable;
use crate::http::context::Context;
use crate::http::route::ErrorForm;
use crate::http::{oauth_error, page, problem};
use crate::protocol::cause::Cause;
use crate::protocol::error::ErrorCode;

/// The answer for a path that does not exist.
pub(crate) async fn not_found(State(app): State<Arc<App>>, Extension(context): Extension<Context>) -> Response {
    let text = "There is nothing at this path: /docs lists the paths.";
    answer(&app, &context, StatusCode::NOT_FOUND, "not_found", text)
}

/// The answer for a method that a path does not have; the router adds `Allow`.
pub(crate) async fn method_not_allowed(
    State(app): State<Arc<App>>,
    Extension(context): Extension<Context>,
) -> Response {
    let text = "This path does not support the method: the Allow header lists those that it supports.";
    answer(&app, &context, StatusCode::METHOD_NOT_ALLOWED, "invalid_request", text)
}

/// The answer to a request that does not name a host of this server.
pub(crate) fn wrong_host(app: &App, context: &Context, status: StatusCode, text: &str) -> Response {
    answer(app, context, status, "invalid_request", text)
}

/// The answer to a body that could not be read.
pub(crate) fn unreadable(app: &App, context: &Context, body: Unreadable) -> Response {
    match context.endpoint.errors {
        ErrorForm::Problem => problem::problem(app, context, body.status, "invalid_input", &body.text),
        ErrorForm::OAuth | ErrorForm::Page => {
            let (endpoint, error) = (context.endpoint.name, ErrorCode::InvalidRequest.name());
            tracing::info!(error, cause = error, reason = &*body.text, "refused");
            app.metrics.refused(endpoint, error);
            answer(app, context, body.status, error, &body.text)
        }
    }
}

/// The answer to a request whose parameters could not be read.
pub(crate) fn refused(app: &App, context: &Context, failure: Failure) -> Response {
    match (context.endpoint.errors, &failure) {
        (ErrorForm::Page, Failure::Refused(refusal)) => {
            oauth_error::note(app, context, &failure);
            page::error(app, oauth_error::status(refusal.code), &refusal.description)
        }
        _ => oauth_error::answer(app, context, failure),
    }
}

/// The answer to a request that took longer than its deadline.
pub(crate) fn too_slow(app: &App, context: &Context) -> Response {
    let text = "The request took too long: try again.";
    let note = |endpoint| app.outages.note(endpoint, "the request took longer than its deadline");
    match context.endpoint.errors {
        ErrorForm::Problem => {
            note(context.endpoint.name);
            problem::unavailable(app, context, text)
        }
        ErrorForm::OAuth | ErrorForm::Page => {
            // One name for all of them, by which alerts find what hangs.
            let endpoint = "deadline";
            note(endpoint);
            app.metrics.refused(endpoint, Cause::CouldNotCheck.name());
            let error = ErrorCode::TemporarilyUnavailable.name();
            let mut response = answer(app, context, StatusCode::SERVICE_UNAVAILABLE, error, text);
            response.headers_mut().insert(header::RETRY_AFTER, oauth_error::RETRY_AFTER);
            response
        }
    }
}

/// The answer to a request whose handler panicked.
pub(crate) fn panicked(app: &App, context: &Context, panic: &(dyn Any + Send + 'static)) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(fault = text.unwrap_or_default(), "the server failed while handling a request");
    let (error, text) = (ErrorCode::ServerError.name(), "The server failed; its log has the details.");
    answer(app, context, StatusCode::INTERNAL_SERVER_ERROR, error, text)
}

fn answer(app: &App, context: &Context, status: StatusCode, code: &'static str, text: &str) -> Response {
    match context.endpoint.errors {
        ErrorForm::Problem => problem::problem(app, context, status, code, text),
        ErrorForm::OAuth => oauth_error::document(app, status, code, text),
        ErrorForm::Page => page::error(app, status, text),
    }
}
