//! `/auth/verify`: the question of a reverse proxy whether a request may pass (nginx `auth_request`, Traefik
//! `forwardAuth`, Caddy `forward_auth`, Envoy `ext_authz`).
//!
//! The request that is asked about arrives with its method, and with Envoy with its path behind `/auth/verify`; others
//! name its address in a header, which is believed from trusted proxies only. Bodies are not read.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Json};
use serde_json::json;

use crate::app::{App, Failure};
use crate::diagnosis::investigate;
use crate::endpoints::verify::Query;
use crate::http::challenge::{self, Refusal};
use crate::http::context::Context;
use crate::http::{Route, error};
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::validation;

/// The name under which refusals are counted and logged.
const ENDPOINT: &str = "verify";
/// Those that are described; every other one is answered, too.
const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Headers in which proxies name the address that is asked about.
const ORIGINAL_ADDRESS: [&str; 3] = ["x-original-uri", "x-original-url", "x-forwarded-uri"];

const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const CLIENT: HeaderName = HeaderName::from_static("x-auth-client");
const SCOPE: HeaderName = HeaderName::from_static("x-auth-scope");
const SESSION: HeaderName = HeaderName::from_static("x-auth-session");

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::new("/auth/verify", METHODS, any(answer_proxy)),
        Route::new("/auth/verify/{*path}", METHODS, any(answer_below)),
    ]
}

async fn answer_proxy(
    State(app): State<Arc<App>>,
    Extension(context): Extension<Context>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    answer(&app, &context, &headers, Query::OfProxy(uri.query().unwrap_or_default().as_bytes())).await
}

async fn answer_below(
    State(app): State<Arc<App>>,
    Extension(context): Extension<Context>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    answer(&app, &context, &headers, Query::PerhapsOfClient(uri.query().unwrap_or_default().as_bytes())).await
}

async fn answer(app: &App, context: &Context, headers: &HeaderMap, query: Query<'_>) -> Response {
    let expected = match query.expected(app.settings.verify_audience.as_deref()) {
        Ok(expected) => expected,
        Err(problem) => {
            challenge::note(app, context, ENDPOINT, "invalid_request", problem, None);
            let refusal = Refusal::invalid_request(app, "invalid_request", problem);
            return refuse(StatusCode::BAD_REQUEST, &refusal);
        }
    };
    let (Query::OfProxy(own) | Query::PerhapsOfClient(own)) = query;
    let mut queries = vec![own];
    if app.settings.trusts(context.peer) {
        queries.extend(original_queries(headers));
    }
    let token = match challenge::token(headers, &queries) {
        Ok(token) => token,
        Err(fault) => {
            challenge::note(app, context, ENDPOINT, fault.cause.name(), fault.detail, None);
            let refusal = Refusal::misplaced(app, fault);
            let status = if refusal.error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::UNAUTHORIZED };
            return refuse(status, &refusal);
        }
    };
    match validation::access_token_for(app, &token, &expected).await {
        Ok(Ok(claims)) => pass(&claims).unwrap_or_else(|failure| error::answer(app, context, ENDPOINT, failure)),
        Ok(Err(diagnosis)) => {
            investigate::note_refusal(app, ENDPOINT, &diagnosis, context.request_id, context.address);
            let answer = diagnosis.cause().unwrap_or(Cause::NotAToken).bearer_answer();
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::UNAUTHORIZED);
            refuse(status, &Refusal::of(app, &diagnosis))
        }
        Err(failure) => error::answer(app, context, ENDPOINT, failure),
    }
}

/// The query strings of the addresses that a trusted proxy names.
fn original_queries(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let addresses = ORIGINAL_ADDRESS.into_iter().flat_map(|name| headers.get_all(name));
    addresses.filter_map(|address| address.as_bytes().splitn(2, |byte| *byte == b'?').nth(1))
}

/// The answer that lets a request pass: who asks, for the service behind the proxy. All four headers are always there,
/// so that the proxy replaces what the client may have sent under these names.
fn pass(claims: &AccessClaims) -> Result<Response, Failure> {
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| Failure::Unavailable("a claim cannot stand in a header".into()))
    };
    let scope = claims.scope.as_ref().map(ToString::to_string).unwrap_or_default();
    let session = claims.sid.map(|session| session.to_string()).unwrap_or_default();
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(SUBJECT, value(&claims.sub)?);
    headers.insert(CLIENT, value(&claims.client_id)?);
    headers.insert(SCOPE, value(&scope)?);
    headers.insert(SESSION, value(&session)?);
    Ok(response)
}

fn refuse(status: StatusCode, refusal: &Refusal) -> Response {
    let mut body = json!({"error_description": refusal.description, "error_uri": refusal.uri});
    if let Some(error) = refusal.error {
        body = json!({"error": error, "error_description": refusal.description, "error_uri": refusal.uri});
    }
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    refusal.challenge(&mut response);
    response
}
