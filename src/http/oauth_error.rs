//! Errors of the OAuth endpoints (RFC 6749 §5.2): the one table from failures to answers, and their lines in the log.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::{App, Failure};
use crate::current_request;
use crate::http::challenge::DPOP_NONCE;
use crate::http::context::Context;
use crate::protocol::bearer::Scheme;
use crate::protocol::cause::Cause;
use crate::protocol::challenge::Challenge;
use crate::protocol::error::ErrorCode;
use crate::protocol::fault::{Fault, RequestFault};
use crate::protocol::identity::Identity;
use crate::protocol::scope::READ;
use crate::throttle::Throttled;
use crate::validation::proof;

/// Seconds after which a client should try again.
pub(crate) const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
const BASIC_CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"jeton\"");

/// What is wrong where the log names a URL that may be no client: anybody can send any number of those.
const WITHOUT_CLIENT: [Fault; 3] = [
    Fault::Request(RequestFault::ClientDocumentUnreachable),
    Fault::Request(RequestFault::ClientDocumentUnfit),
    Fault::Request(RequestFault::ClientNameTaken),
];

/// The status of an error.
pub(crate) const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidClient | ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope | ErrorCode::InvalidForm => StatusCode::FORBIDDEN,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The answer to a request that failed.
pub(crate) fn answer(app: &App, context: &Context, failure: Failure) -> Response {
    note(app, context, &failure);
    match failure {
        Failure::Refused(refusal) => {
            let is_of_token = refusal.code == ErrorCode::UseDpopNonce && refusal.cause.is_some();
            let status = if is_of_token { StatusCode::UNAUTHORIZED } else { status(refusal.code) };
            let mut response = document(app, status, refusal.code.name(), &refusal.description);
            if refusal.code == ErrorCode::UseDpopNonce {
                let nonce = proof::nonce(app, &app.issuer).ok().and_then(|nonce| HeaderValue::from_str(&nonce).ok());
                response.headers_mut().extend(nonce.map(|nonce| (DPOP_NONCE, nonce)));
            }
            if is_of_token || matches!(refusal.code, ErrorCode::InvalidToken | ErrorCode::InsufficientScope) {
                let page = match refusal.cause {
                    Some(cause) if refusal.tells_cause => cause.name(),
                    _ if refusal.tells_cause => refusal.code.name(),
                    _ => ErrorCode::InvalidToken.name(),
                };
                let scheme = refusal.scheme.unwrap_or(Scheme::Bearer);
                challenge(app, &mut response, page, scheme, refusal.cause, &refusal.description);
            }
            response
        }
        Failure::Unavailable(_) => unavailable(app, "The request could not be decided just now: try again."),
        Failure::Throttled(Throttled { seconds, .. }) => {
            let mut response =
                unavailable(app, "There were too many attempts: wait as many seconds as Retry-After says.");
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Failure::Overloaded => unavailable(app, "There are too many logins at the moment: try again."),
    }
}

/// Logs and counts a failure, whatever its answer looks like.
pub(crate) fn note(app: &App, context: &Context, failure: &Failure) {
    let endpoint = context.endpoint.name;
    match failure {
        Failure::Refused(refusal) => {
            let error = refusal.code.name();
            let cause = refusal.cause_name();
            let Identity { client, subject, session, jti } = refusal.about.as_deref().cloned().unwrap_or_default();
            if refusal.fault.is_none_or(|fault| !WITHOUT_CLIENT.contains(&fault)) {
                note_client(app, endpoint, client.as_deref(), cause);
            }
            tracing::info!(
                error,
                cause,
                client,
                subject,
                session = session.map(tracing::field::display),
                jti = jti.map(tracing::field::display),
                reason = &*refusal.reason,
                "refused"
            );
            app.metrics.refused(endpoint, cause);
        }
        Failure::Unavailable(reason) => {
            app.outages.note(endpoint, reason);
            app.metrics.refused(endpoint, Cause::CouldNotCheck.name());
        }
        Failure::Throttled(Throttled { seconds, reason, about: Identity { client, subject, .. } }) => {
            let cause = "throttled";
            note_client(app, endpoint, client.as_deref(), cause);
            tracing::info!(cause, client, subject, reason, seconds, "asked too often");
            app.metrics.refused(endpoint, cause);
        }
        Failure::Overloaded => {
            let cause = "overloaded";
            tracing::warn!(cause, "more passwords arrive than can be hashed");
            app.metrics.refused(endpoint, cause);
        }
    }
}

/// Counts a refusal for the client that it concerns: the one that is named, or the one that sent the request.
fn note_client(app: &App, endpoint: &'static str, client: Option<&str>, cause: &'static str) {
    let sender = current_request::with(|request| request.client.clone()).flatten();
    app.metrics.client_refused(client.or(sender.as_deref()), endpoint, cause, app.clock.now());
}

/// Adds the challenge to the answer of an OAuth endpoint that refuses an administrator's token (RFC 6750 §3).
fn challenge(app: &App, response: &mut Response, page: &str, scheme: Scheme, cause: Option<Cause>, description: &str) {
    let error = cause.unwrap_or(Cause::NotAToken).bearer_answer().error;
    let scope = (cause == Some(Cause::InsufficientScope)).then_some(READ);
    let uri = app.issuer.error_page(page);
    let challenge = Challenge { scheme, error, description, uri: &uri, scope, resource_metadata: None };
    if let Ok(value) = HeaderValue::from_str(&challenge.to_string()) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
}

/// The answer when nothing was decided; the log has the reason already.
fn unavailable(app: &App, description: &str) -> Response {
    let error = ErrorCode::TemporarilyUnavailable;
    let mut response = document(app, status(error), error.name(), description);
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

/// The JSON object of an error.
pub(crate) fn document(app: &App, status: StatusCode, error: &'static str, description: &str) -> Response {
    let error_uri = app.issuer.error_page(error);
    let body = json!({"error": error, "error_description": description, "error_uri": error_uri});
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, BASIC_CHALLENGE);
    }
    response
}
