//! One's own account.

use axum::response::Response;

use crate::endpoints::account;
use crate::http::docs::openapi::answers::{AskedPage, SentOn};
use crate::http::reply;
use crate::http::request::EndpointRequest;

#[utoipa::path(
    get,
    path = "/account",
    operation_id = "accountPage",
    tag = "Logins",
    description = include_str!("../../../docs/openapi/account_page.md"),
    responses((status = 200, response = AskedPage), (status = 302, response = SentOn))
)]
pub(crate) async fn show(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(account::show).await)
}

#[utoipa::path(
    post,
    path = "/account",
    operation_id = "account",
    tag = "Logins",
    description = include_str!("../../../docs/openapi/account.md"),
    responses((status = 200, response = AskedPage), (status = 303, response = SentOn))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(account::answer).await)
}
