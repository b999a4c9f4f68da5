//! One's own account.

use axum::response::Response;

use crate::endpoints::account;
use crate::http::docs::answers::{AskedPage, SentOn};
use crate::http::reply;
use crate::http::request::EndpointRequest;

#[utoipa::path(
    get,
    path = "/account",
    operation_id = "accountPage",
    responses((status = 200, response = AskedPage), (status = 302, response = SentOn))
)]
pub(crate) async fn show(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(account::show).await)
}

#[utoipa::path(
    post,
    path = "/account",
    operation_id = "account",
    responses((status = 200, response = AskedPage), (status = 303, response = SentOn))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(account::answer).await)
}
