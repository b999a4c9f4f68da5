//! Errors of the admin API (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::admin::AdminError;
use crate::app::App;
use crate::current_request;
use crate::http::challenge::BearerChallenge;
use crate::http::context::Context;
use crate::protocol::bearer::Scheme;
use crate::protocol::scope::ADMIN;

/// The answer to a request that failed.
pub(crate) fn answer(app: &App, context: &Context, error: AdminError) -> Response {
    let detail = error.to_string();
    match error {
        AdminError::Invalid(_) => problem(app, context, StatusCode::BAD_REQUEST, "invalid_input", &detail),
        AdminError::NotFound(_) => {
            // The name may be a misplaced password, so only the answer repeats it.
            note(app, context, "not_found", "there is no such thing; the answer has the name that was sent");
            document(app, context, StatusCode::NOT_FOUND, "not_found", &detail)
        }
        AdminError::Conflict(_) => problem(app, context, StatusCode::CONFLICT, "conflict", &detail),
        AdminError::NeedsAdmin(_) => {
            let mut response = problem(app, context, StatusCode::FORBIDDEN, "insufficient_scope", &detail);
            // A proof counted, so the token was sent with it.
            let has_proof = current_request::current().is_some_and(|request| request.proof.is_some());
            let scheme = if has_proof { Scheme::Dpop } else { Scheme::Bearer };
            BearerChallenge::insufficient_scope(app, scheme, detail.into(), ADMIN.into()).put_into(&mut response);
            response
        }
        AdminError::Unavailable(reason) => {
            app.outages.note(context.endpoint.name, &reason);
            unavailable(app, context, "The request could not be decided just now: try again.")
        }
        AdminError::Overloaded => {
            tracing::warn!(cause = "overloaded", reason = detail, "refused");
            unavailable(app, context, &detail)
        }
    }
}

/// The answer when nothing was decided; the log has the reason already.
pub(crate) fn unavailable(app: &App, context: &Context, detail: &str) -> Response {
    let code = "temporarily_unavailable";
    app.metrics.refused(context.endpoint.name, code);
    let mut response = document(app, context, StatusCode::SERVICE_UNAVAILABLE, code, detail);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A problem document that is counted and logged under its code.
pub(crate) fn problem(app: &App, context: &Context, status: StatusCode, code: &'static str, detail: &str) -> Response {
    note(app, context, code, detail);
    document(app, context, status, code, detail)
}

fn note(app: &App, context: &Context, code: &'static str, reason: &str) {
    tracing::info!(error = code, cause = code, reason, "refused");
    app.metrics.refused(context.endpoint.name, code);
}

/// A problem document.
pub(crate) fn document(app: &App, context: &Context, status: StatusCode, code: &'static str, detail: &str) -> Response {
    let body = json!({
        "type": app.issuer.error_page(code),
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
        "request_id": context.request_id,
    });
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
