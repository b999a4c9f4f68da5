//! The OAuth endpoints: token (RFC 6749 §3.2), introspection (RFC 7662), revocation (RFC 7009).

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Serialize;

use crate::app::{self, App, Failure, Request};
use crate::endpoints::{explain, introspect, revoke, token};
use crate::http::body::{self, MediaType, media_type};
use crate::http::context::Context;
use crate::http::{Cors, Route, error};
use crate::protocol::error::Refusal;
use crate::protocol::parameters::Parameters;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::new("/auth/token", &["POST"], post(answer_token)).open_to(Cors::ConfiguredOrigins),
        Route::new("/auth/introspect", &["POST"], post(answer_introspect)),
        Route::new("/auth/explain", &["POST"], post(answer_explain)),
        Route::new("/auth/revoke", &["POST"], post(answer_revoke)).open_to(Cors::ConfiguredOrigins),
    ]
}

async fn answer_token(
    State(app): State<Arc<App>>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Response {
    with_parameters(&app, &context, "token", request, async |request| json(token::answer(&app, request).await?)).await
}

async fn answer_introspect(
    State(app): State<Arc<App>>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Response {
    let answer = async |request: &Request<'_>| json(introspect::answer(&app, request).await?);
    with_parameters(&app, &context, "introspect", request, answer).await
}

async fn answer_explain(
    State(app): State<Arc<App>>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Response {
    let answer = async |request: &Request<'_>| json(explain::answer(&app, request).await?);
    with_parameters(&app, &context, "explain", request, answer).await
}

async fn answer_revoke(
    State(app): State<Arc<App>>,
    Extension(context): Extension<Context>,
    request: HttpRequest,
) -> Response {
    let answer =
        async |request: &Request<'_>| revoke::answer(&app, request).await.map(|()| StatusCode::OK.into_response());
    with_parameters(&app, &context, "revoke", request, answer).await
}

/// Reads the parameters from the body, never from the address, and hands them to a flow.
async fn with_parameters(
    app: &App,
    context: &Context,
    endpoint: &'static str,
    request: HttpRequest,
    answer: impl AsyncFnOnce(&Request<'_>) -> app::Result<Response>,
) -> Response {
    let (parts, body) = request.into_parts();
    let is_to_explain = endpoint == "explain";
    let parse = match media_type(&parts.headers) {
        // What is to be explained may be anything, also what is no text.
        Some(MediaType::Form) if is_to_explain => Parameters::from_any_form,
        Some(MediaType::Form) => Parameters::from_form,
        Some(MediaType::Json) => Parameters::from_json,
        _ => {
            let refusal = Refusal::invalid_request(
                "Send the parameters as application/x-www-form-urlencoded or application/json.",
            );
            return error::answer(app, context, endpoint, refusal.into());
        }
    };
    let largest = if is_to_explain { body::LARGEST_TO_EXPLAIN } else { body::LARGEST };
    let body = match body::read_up_to(largest, &parts.headers, body).await {
        Ok(body) => body,
        Err(unreadable) => return error::unreadable(app, context, endpoint, unreadable),
    };
    let parameters = match parse(&body) {
        Ok(parameters) => parameters,
        Err(refusal) => return error::answer(app, context, endpoint, Failure::Refused(refusal)),
    };
    let authorization: Vec<&[u8]> =
        parts.headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    let request = Request {
        authorization: &authorization,
        parameters: &parameters,
        request_id: context.request_id,
        address: context.address,
    };
    match answer(&request).await {
        Ok(response) => response,
        Err(failure) => error::answer(app, context, endpoint, failure),
    }
}

/// The room for an answer, in bytes, so that it seldom has to grow.
const ROOM: usize = 1024;
/// The room for the headers of an answer.
const HEADERS: usize = 12;

fn json(body: impl Serialize) -> app::Result<Response> {
    let mut text = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut text, &body).map_err(|error| Failure::Unavailable(error.to_string()))?;
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // RFC 6749 §5.1; `no-store` is added for every answer.
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}
