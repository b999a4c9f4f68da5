//! One's own account.

use axum::response::Response;

use crate::endpoints::{account, password_link, second_factor};
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

#[utoipa::path(
    post,
    path = "/account/second-factor",
    operation_id = "secondFactor",
    responses((status = 200, response = AskedPage), (status = 303, response = SentOn))
)]
pub(crate) async fn second_factor(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(second_factor::answer).await)
}

#[utoipa::path(
    get,
    path = "/account/password",
    operation_id = "passwordLinkPage",
    params(("token" = Option<String>, Query, description = "The token of the link.")),
    responses((status = 200, response = AskedPage))
)]
pub(crate) async fn show_password_link(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(password_link::show).await)
}

#[utoipa::path(
    post,
    path = "/account/password",
    operation_id = "passwordLink",
    responses((status = 200, response = AskedPage))
)]
pub(crate) async fn answer_password_link(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(password_link::answer).await)
}
