//! `/auth/verify`: a reverse proxy asks whether a request may pass (nginx `auth_request`, Traefik
//! `forwardAuth`, Caddy `forward_auth`, Envoy `ext_authz`).
//!
//! The question carries the method of the original request. Envoy appends the original path to `/auth/verify`; others put
//! the original address into a header, which counts only from trusted proxies. Bodies are not read.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::app::Failure;
use crate::diagnosis::investigate;
use crate::endpoints::verify::Query;
use crate::http::challenge::{self, BearerChallenge};
use crate::http::docs::answers::{MayPass, Unavailable, VerifyForbidden, VerifyInvalidRequest, VerifyRefused};
use crate::http::original_request;
use crate::http::request::EndpointRequest;
use crate::protocol::bearer::Scheme;
use crate::protocol::claims::AccessClaims;
use crate::validation;

const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const CLIENT: HeaderName = HeaderName::from_static("x-auth-client");
const SCOPE: HeaderName = HeaderName::from_static("x-auth-scope");
const SESSION: HeaderName = HeaderName::from_static("x-auth-session");

#[utoipa::path(
    method(get, post, put, patch, delete, options),
    path = "/auth/verify",
    operation_id = "verify",
    security(("accessToken" = [])),
    params(
        ("audience" = Option<String>, Query, description = "The audience that the token must have. Required unless `JETON_VERIFY_AUDIENCE` is \
            set; below `/auth/verify` that setting counts, because the query may be that of the client.", example = "https://api.example.com"),
        ("scope" = Option<String>, Query, description = "The scopes that the token must have, separated by single spaces.",
            pattern = r"^([!#-\[\]-~]+( [!#-\[\]-~]+)*)?$", example = "read:conversations")
    ),
    responses(
        (status = 200, response = MayPass),
        (status = 400, response = VerifyInvalidRequest),
        (status = 401, response = VerifyRefused),
        (status = 403, response = VerifyForbidden),
        (status = 503, response = Unavailable)
    )
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    let query = request.head.uri.query().unwrap_or_default().as_bytes();
    verify(&request, query, Query::OfProxy(query), None).await
}

#[utoipa::path(
    method(get, post, put, patch, delete, options),
    path = "/auth/verify/{path}",
    operation_id = "verifyBelow",
    security(("accessToken" = [])),
    params(
        ("path" = String, Path, min_length = 1,
            description = "The path of the request that is asked about, with slashes. It may be empty."),
        ("audience" = Option<String>, Query, description = "The audience that the token must have, if `JETON_VERIFY_AUDIENCE` is not set.", example = "https://api.example.com"),
        ("scope" = Option<String>, Query, description = "The scopes that the token must have, separated by single spaces.",
            pattern = r"^([!#-\[\]-~]+( [!#-\[\]-~]+)*)?$", example = "read:conversations")
    ),
    responses(
        (status = 200, response = MayPass),
        (status = 400, response = VerifyInvalidRequest),
        (status = 401, response = VerifyRefused),
        (status = 403, response = VerifyForbidden),
        (status = 503, response = Unavailable)
    )
)]
pub(crate) async fn answer_below(request: EndpointRequest) -> Response {
    let query = request.head.uri.query().unwrap_or_default().as_bytes();
    let below = request.head.uri.path().strip_prefix("/auth/verify");
    verify(&request, query, Query::PerhapsOfClient(query), below).await
}

async fn verify(request: &EndpointRequest, own_query: &[u8], query: Query<'_>, below: Option<&str>) -> Response {
    let EndpointRequest { app, context, head, .. } = request;
    let expected = match query.expected(app.settings.verify_audience.as_deref()) {
        Ok(expected) => expected,
        Err(problem) => {
            challenge::note(app, context, "invalid_request", problem, None);
            let challenge = BearerChallenge::invalid_request(app, "invalid_request", problem);
            return challenge.answer(StatusCode::BAD_REQUEST);
        }
    };
    let mut queries = vec![own_query];
    let is_trusted = app.settings.trusts(context.peer.address.ip());
    if is_trusted {
        queries.extend(original_queries(&head.headers));
    }
    let token = match challenge::token(&head.headers, &queries) {
        Ok(token) => token,
        Err(fault) => {
            challenge::note(app, context, fault.cause.name(), fault.detail, None);
            let challenge = BearerChallenge::misplaced(app, fault);
            return challenge.for_audience(app, expected.audience.as_deref()).answer_misplaced();
        }
    };
    let original = || original_request::of(head.method.as_str(), below, &head.headers);
    let target = if is_trusted && token.0 == Scheme::Dpop { original() } else { None };
    let presented = challenge::presented(&token, &head.headers, context, target);
    match validation::access_token_for(app, &app.issuer, &presented, &expected).await {
        Ok(Ok(claims)) => request.answer(pass(&claims)),
        Ok(Err(diagnosis)) => {
            investigate::note_refusal(app, context.endpoint.name, &diagnosis);
            BearerChallenge::answer_of(app, &diagnosis, presented.scheme, expected.audience.as_deref())
        }
        Err(failure) => request.answer(Err::<Response, _>(failure)),
    }
}

/// The query strings of the original addresses that a trusted proxy names.
fn original_queries(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let addresses = original_request::ADDRESS.iter().flat_map(|name| headers.get_all(name));
    addresses.filter_map(|address| address.as_bytes().splitn(2, |byte| *byte == b'?').nth(1))
}

/// Lets a request pass; the headers say to the service behind the proxy whose it is. All four are always there, so that the
/// proxy overwrites whatever the client sent under these names.
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
