//! `/admin/v1/apply`.

use axum::http::StatusCode;
use axum::response::Response;

use crate::admin::apply::{Applied, ApplyRequest};
use crate::http::admin::extract::{Body, Call};
use crate::http::docs::answers::Conflict;

/// The largest set, in bytes of JSON.
pub(crate) const LARGEST_BODY: usize = 16 * 1024 * 1024;

#[utoipa::path(
    post,
    path = "/admin/v1/apply",
    operation_id = "applySet",
    request_body(content = ApplyRequest, example = json!({
        "set": "main",
        "clients": [{"client_id": "reports", "grant_types": ["client_credentials"], "scope": "read"}],
        "resources": [{"resource": "https://api.example.com", "scopes": {"read": "Read your files"}}],
        "dry_run": true,
    })),
    responses(
        (status = 200, description = "What changed, or would change.", body = Applied),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn apply(call: Call, Body(request): Body<ApplyRequest>) -> Response {
    call.answer(StatusCode::OK, async { call.app().apply(&request?, &call.actor).await }).await
}
