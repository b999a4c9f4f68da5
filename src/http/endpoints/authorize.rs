//! The authorization endpoint (RFC 6749 §3.1), and the forms of its pages.

use axum::response::Response;

use crate::endpoints::{authorize, consent, login};
use crate::http::docs::answers::{AskedPage, PageTooOften, SentOn};
use crate::http::reply;
use crate::http::request::EndpointRequest;

#[utoipa::path(
    method(get, post),
    path = "/auth/authorize",
    operation_id = "authorize",
    params(
        ("client_id" = Option<String>, Query, description = "The client.", example = "demo-web"),
        ("redirect_uri" = Option<String>, Query,
            description = "Where the answer goes: one of the client's, compared byte for byte.", example = "http://127.0.0.1:8080/demo"),
        ("response_type" = Option<String>, Query, description = "`code`.", example = "code"),
        ("response_mode" = Option<String>, Query, description = "`query` (the default) or `form_post`."),
        ("scope" = Option<String>, Query, description = "Names separated by single spaces; what the client may have, without \
            the scopes of OpenID Connect, unless named.", example = "openid read:conversations"),
        ("state" = Option<String>, Query, description = "Returned unchanged, at most 4096 bytes."),
        ("code_challenge" = Option<String>, Query, description = "The PKCE challenge (RFC 7636).",
            example = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method" = Option<String>, Query, description = "`S256`.", example = "S256"),
        ("nonce" = Option<String>, Query, description = "Goes into the ID token, at most 1024 bytes."),
        ("prompt" = Option<String>, Query, description = "`none`, or some of `login`, `consent` and `select_account`."),
        ("max_age" = Option<String>, Query, description = "The longest time since the login, in seconds."),
        ("login_hint" = Option<String>, Query, description = "The username to begin with."),
        ("id_token_hint" = Option<String>, Query, description = "An ID token of the client: only its person will do."),
        ("claims" = Option<String>, Query, description = "Claims by name, as JSON (OpenID Connect Core §5.5)."),
        ("resource" = Option<String>, Query, description = "For whom the tokens are (RFC 8707). May repeat."),
        ("request_uri" = Option<String>, Query, description = "In place of the other parameters: a request of this server.")
    ),
    responses(
        (status = 200, response = AskedPage),
        (status = 302, response = SentOn),
        (status = 303, response = SentOn),
        (status = 429, response = PageTooOften)
    )
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(authorize::answer).await)
}

#[utoipa::path(
    get,
    path = "/login",
    operation_id = "loginPage",
    responses((status = 200, response = AskedPage), (status = 302, response = SentOn))
)]
pub(crate) async fn show_login(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(login::show).await)
}

#[utoipa::path(
    post,
    path = "/login",
    operation_id = "login",
    responses((status = 200, response = AskedPage), (status = 303, response = SentOn))
)]
pub(crate) async fn log_in(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(login::answer).await)
}

#[utoipa::path(
    post,
    path = "/consent",
    operation_id = "consent",
    responses((status = 200, response = AskedPage), (status = 303, response = SentOn))
)]
pub(crate) async fn answer_consent(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(consent::answer).await)
}
