//! Logging out (OpenID Connect RP-Initiated Logout 1.0).

use axum::response::Response;

use crate::endpoints::logout;
use crate::http::docs::answers::{AskedPage, SentOn};
use crate::http::reply;
use crate::http::request::EndpointRequest;

#[utoipa::path(
    method(get, post),
    path = "/auth/logout",
    operation_id = "logout",
    params(
        ("id_token_hint" = Option<String>, Query, description = "An ID token of the client, also an expired one. If it comes of \
            the login at this browser, nobody is asked."),
        ("client_id" = Option<String>, Query, description = "The client, without a hint.", example = "demo-web"),
        ("post_logout_redirect_uri" = Option<String>, Query,
            description = "Where the browser goes afterwards: one of the client's, compared byte for byte."),
        ("state" = Option<String>, Query, description = "Returned unchanged.")
    ),
    responses((status = 200, response = AskedPage), (status = 302, response = SentOn), (status = 303, response = SentOn))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(logout::answer).await)
}
