//! `/admin/v1/preview`.

use axum::http::StatusCode;
use axum::response::Response;

use crate::admin::preview::{Preview, PreviewRequest};
use crate::http::admin::extract::{Body, Call};
use crate::http::docs::answers::NotFound;

#[utoipa::path(
    post,
    path = "/admin/v1/preview",
    operation_id = "previewToken",
    request_body(content = PreviewRequest, example = json!({
        "client_id": "reports",
        "grant_type": "client_credentials",
        "resource": ["https://api.example.com"],
    })),
    responses(
        (status = 200, description = "What the request would get.", body = Preview),
        (status = 404, response = NotFound)
    )
)]
pub(crate) async fn preview(call: Call, Body(request): Body<PreviewRequest>) -> Response {
    call.answer(StatusCode::OK, async { call.app().preview(&request?).await }).await
}
