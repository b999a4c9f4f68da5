//! The one table from errors of the protocol to answers, and what the log says of them.

use std::any::Any;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;

use crate::app::{App, Failure};
use crate::endpoints::explain::READ;
use crate::http::context::Context;
use crate::http::problem;
use crate::protocol::cause::Cause;
use crate::protocol::challenge::Challenge;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::throttle::Throttled;

/// What a client is told to wait, in seconds, when it should try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const BASIC_CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"jeton\"");

const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The answer of an OAuth endpoint to a request that did not get what it wanted.
pub(crate) fn answer(app: &App, context: &Context, endpoint: &'static str, failure: Failure) -> Response {
    let Context { request_id, address, .. } = context;
    match failure {
        Failure::Refused(refusal) => {
            let error = refusal.code.name();
            let cause = refusal.cause.map_or(error, Cause::name);
            let Identity { client, subject, session, jti } = refusal.about.map(|about| *about).unwrap_or_default();
            tracing::info!(
                endpoint,
                error,
                cause,
                client,
                subject,
                session = session.map(tracing::field::display),
                jti = jti.map(tracing::field::display),
                reason = &*refusal.reason,
                %request_id,
                %address,
                "refused"
            );
            app.metrics.refused(endpoint, cause);
            let mut response = oauth(app, status(refusal.code), refusal.code, refusal.description);
            if matches!(refusal.code, ErrorCode::InvalidToken | ErrorCode::InsufficientScope) {
                challenge_bearer(app, &mut response, cause, refusal.cause, refusal.description);
            }
            response
        }
        Failure::Unavailable(reason) => {
            app.outages.note(endpoint, &reason, *request_id, *address);
            app.metrics.refused(endpoint, Cause::CouldNotCheck.name());
            unavailable(app, "The request could not be decided just now: try again.")
        }
        Failure::Throttled(Throttled { seconds, reason, about: Identity { client, subject, .. } }) => {
            let cause = "throttled";
            tracing::info!(endpoint, cause, client, subject, reason, seconds, %request_id, %address, "asked too often");
            app.metrics.refused(endpoint, cause);
            let mut response =
                unavailable(app, "There were too many attempts: wait as many seconds as Retry-After says.");
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Failure::Overloaded => {
            let cause = "overloaded";
            tracing::warn!(endpoint, cause, %request_id, %address, "more passwords arrive than can be hashed");
            app.metrics.refused(endpoint, cause);
            unavailable(app, "There are too many logins at the moment: try again.")
        }
    }
}

/// The challenge for the token of an administrator, at an OAuth endpoint that takes one (RFC 6750 §3).
fn challenge_bearer(app: &App, response: &mut Response, page: &str, cause: Option<Cause>, description: &str) {
    let error = cause.unwrap_or(Cause::NotAToken).bearer_answer().error;
    let scope = (cause == Some(Cause::InsufficientScope)).then_some(READ);
    let page = if description == cause.map_or("", Cause::title) { page } else { "invalid_token" };
    let uri = app.settings.under_issuer(&format!("/docs/errors/{page}"));
    let challenge = Challenge { error, description, uri: &uri, scope };
    if let Ok(value) = HeaderValue::from_str(&challenge.to_string()) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
}

/// The answer to a body that could not be read.
pub(crate) fn unreadable(
    app: &App,
    context: &Context,
    endpoint: &'static str,
    body: crate::http::body::Unreadable,
) -> Response {
    let Context { request_id, address, .. } = context;
    let error = ErrorCode::InvalidRequest.name();
    tracing::info!(endpoint, error, cause = error, reason = body.text, %request_id, %address, "refused");
    app.metrics.refused(endpoint, error);
    oauth(app, body.status, ErrorCode::InvalidRequest, body.text)
}

/// The answer to a request that took too long, in the form that errors have in its API.
pub(crate) fn too_slow(app: &App, context: &Context, uri: &Uri) -> Response {
    let text = "The request took too long: try again.";
    let endpoint = if is_of_admin(uri) { "admin" } else { "deadline" };
    app.outages.note(endpoint, "the request took longer than its deadline", context.request_id, context.address);
    if is_of_admin(uri) {
        return problem::unavailable(app, context, text);
    }
    app.metrics.refused(endpoint, Cause::CouldNotCheck.name());
    unavailable(app, text)
}

fn unavailable(app: &App, description: &'static str) -> Response {
    let mut response = oauth(app, StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable, description);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

fn oauth(app: &App, status: StatusCode, code: ErrorCode, description: &'static str) -> Response {
    let error = code.name();
    let error_uri = app.settings.under_issuer(&format!("/docs/errors/{error}"));
    let body = json!({"error": error, "error_description": description, "error_uri": error_uri});
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, BASIC_CHALLENGE);
    }
    response
}

fn plain(app: &App, status: StatusCode, error: &'static str, description: &'static str) -> Response {
    let error_uri = app.settings.under_issuer(&format!("/docs/errors/{error}"));
    (status, Json(json!({"error": error, "error_description": description, "error_uri": error_uri}))).into_response()
}

/// An answer of the router itself, in the form that errors have in the API to which the path belongs.
fn of_router(
    app: &App,
    context: &Context,
    uri: &Uri,
    status: StatusCode,
    code: &'static str,
    text: &'static str,
) -> Response {
    if is_of_admin(uri) { problem::problem(app, context, status, code, text) } else { plain(app, status, code, text) }
}

fn is_of_admin(uri: &Uri) -> bool {
    uri.path().contains("/admin/v1")
}

/// The answer for a path that does not exist.
pub(crate) async fn not_found(
    State(app): State<Arc<App>>,
    Extension(context): Extension<Context>,
    uri: Uri,
) -> Response {
    let text = "There is nothing at this path; /docs lists what there is.";
    of_router(&app, &context, &uri, StatusCode::NOT_FOUND, "not_found", text)
}

/// The answer for a method that a path does not have; the router adds `Allow`.
pub(crate) async fn method_not_allowed(
    State(app): State<Arc<App>>,
    Extension(context): Extension<Context>,
    uri: Uri,
) -> Response {
    let text = "This path has no such method; the Allow header lists those it has.";
    of_router(&app, &context, &uri, StatusCode::METHOD_NOT_ALLOWED, "invalid_request", text)
}

/// The answer to a request that is not for a host of this server.
pub(crate) fn foreign(app: &App, context: &Context, uri: &Uri, status: StatusCode, text: &'static str) -> Response {
    of_router(app, context, uri, status, "invalid_request", text)
}

/// The answer when the server itself is at fault.
pub(crate) fn panicked(app: &App, context: &Context, uri: &Uri, fault: &(dyn Any + Send + 'static)) -> Response {
    let text = fault.downcast_ref::<&str>().map(|text| (*text).to_owned()).or(fault.downcast_ref::<String>().cloned());
    let request_id = context.request_id;
    tracing::error!(%request_id, fault = text.unwrap_or_default(), "a request met a fault of the server");
    let refusal = Refusal::new(ErrorCode::ServerError, "The server met a fault; its log has the details.");
    of_router(app, context, uri, status(refusal.code), refusal.code.name(), refusal.description)
}
