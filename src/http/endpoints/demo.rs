//! The demonstration of a login, with `--dev` only.

use axum::http::StatusCode;
use axum::response::Response;

use crate::endpoints::demo;
use crate::http::docs::answers::{AskedPage, NoDemo};
use crate::http::request::EndpointRequest;
use crate::http::{page, reply};

#[utoipa::path(
    get,
    path = "/demo",
    operation_id = "demo",
    responses((status = 200, response = AskedPage), (status = 404, response = NoDemo))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    let settings = &request.app.settings;
    // Its redirect URIs are registered for http.
    if !settings.dev || settings.tls.is_some() {
        return page::error(&request.app, StatusCode::NOT_FOUND, "This page is there with --dev only, on http.");
    }
    reply::answer(&request, request.ask(demo::answer).await)
}
