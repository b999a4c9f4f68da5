//! What surrounds every handler: request id, client address, the log's fields, deadline, protective headers.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prometheus_client::metrics::histogram::Histogram;
use tower::{Layer, Service, ServiceExt};
use uuid::Uuid;

use crate::app::{App, Peer};
use crate::current_request::{self, CurrentRequest};
use crate::http::challenge::DPOP_NONCE;
use crate::http::client_address::{self, client_address};
use crate::http::client_certificate;
use crate::http::context::Context;
use crate::http::deadline::in_time;
use crate::http::route::Endpoint;
use crate::http::{error, host, trace};
use crate::settings::DpopNonce;
use crate::telemetry::forwarding::is_private;
use crate::validation::proof;

/// The longest that a request may take.
const DEADLINE: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The envelope of the handlers of one route.
#[derive(Clone)]
pub(crate) struct Envelope {
    app: Arc<App>,
    endpoint: Endpoint,
    /// The path of the route; `None` where there is none.
    route: Option<&'static str>,
    deadline: Duration,
    /// How long its answers took.
    times: Histogram,
}

impl Envelope {
    pub(crate) fn new(app: &Arc<App>, endpoint: Endpoint, route: Option<&'static str>) -> Self {
        let times = app.metrics.answered(endpoint.name);
        Self { app: Arc::clone(app), endpoint, route, deadline: DEADLINE, times }
    }
}

impl<S> Layer<S> for Envelope {
    type Service = Enveloped<S>;

    fn layer(&self, handler: S) -> Enveloped<S> {
        Enveloped { envelope: self.clone(), handler }
    }
}

/// A handler in its envelope. It is no middleware of axum's, since that copies the handler once more for each request.
#[derive(Clone)]
pub(crate) struct Enveloped<S> {
    envelope: Envelope,
    handler: S,
}

/// What axum makes of handlers and routes.
pub(crate) trait Handles:
    Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Handles for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S: Handles> Service<Request> for Enveloped<S> {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { envelope, handler } = self.clone();
        Box::pin(async move { Ok(wrap(&envelope, request, handler).await) })
    }
}

/// Puts a request into its envelope, and the answer.
async fn wrap(envelope: &Envelope, mut request: Request, handler: impl Handles) -> Response {
    let begun = Instant::now();
    let Envelope { app, endpoint, route, deadline, times } = envelope;
    let request_id = Uuid::now_v7();
    // No address stands in for a missing one: it might be that of a trusted proxy.
    let Some(peer) = request.extensions_mut().remove::<Peer>() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let address = client_address(&app.settings, peer.address.ip(), request.headers());
    if client_address::is_ignored(&app.settings, peer.address.ip(), request.headers()) {
        app.metrics.forwarding_ignored(is_private(peer.address.ip()));
        app.forwarding.note(peer.address.ip());
    }
    let wants_nonce = app.settings.dpop_nonce == DpopNonce::Required && request.headers().contains_key(proof::HEADER);
    let (certificate, unreadable) = match client_certificate::of(&app.settings, &peer, request.headers()) {
        Ok(certificate) => (certificate, None),
        Err(problem) => (None, Some(problem)),
    };
    let context = Context { request_id, endpoint: *endpoint, peer, certificate, address };
    let traced = trace::begin(app, *route, &request, request_id);
    let mut current = CurrentRequest::new(endpoint.name, request_id, address);
    current.trace = traced.as_ref().map(|traced| Arc::clone(&traced.trace));
    let answered = async {
        match unreadable {
            None => answer(app, context, *deadline, request, handler).await,
            Some(problem) => client_certificate::unreadable(app, &context, &problem),
        }
    };
    let mut response = current_request::within(Some(current), answered).await;
    add_headers(response.headers_mut(), request_id);
    let headers = response.headers_mut();
    if wants_nonce && !headers.contains_key(DPOP_NONCE) {
        // For the next proof (RFC 9449 §8.2).
        let nonce = proof::nonce(app, &app.issuer).ok().and_then(|nonce| HeaderValue::from_str(&nonce).ok());
        headers.extend(nonce.map(|nonce| (DPOP_NONCE, nonce)));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.issuer.url().starts_with("https:") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if let Some(traced) = traced {
        traced.answered(response.status());
    }
    times.observe(begun.elapsed().as_secs_f64());
    response
}

async fn answer(
    app: &App,
    context: Context,
    deadline: Duration,
    mut request: Request,
    handler: impl Handles,
) -> Response {
    match host::named(&request) {
        Err(text) => error::wrong_host(app, &context, StatusCode::BAD_REQUEST, text),
        Ok(host) if app.settings.dev && !host.is_none_or(host::names_loopback) => {
            let text = "With --dev only loopback names are answered.";
            error::wrong_host(app, &context, StatusCode::MISDIRECTED_REQUEST, text)
        }
        Ok(_) => {
            request.extensions_mut().insert(context.clone());
            match in_time(deadline, AssertUnwindSafe(handler.oneshot(request)).catch_unwind()).await {
                Ok(Ok(Ok(response))) => response,
                Ok(Err(panic)) => error::panicked(app, &context, &*panic),
                Err(_) => error::too_slow(app, &context),
            }
        }
    }
}

/// Marks the answers of the listener for operators.
pub(crate) async fn mark(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    add_headers(response.headers_mut(), Uuid::now_v7());
    response
}

fn add_headers(headers: &mut HeaderMap, request_id: Uuid) {
    if let Ok(value) = HeaderValue::from_str(request_id.hyphenated().encode_lower(&mut Uuid::encode_buffer())) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use axum::Extension;
    use axum::routing::get;

    #[tokio::test]
    async fn timeouts_and_faults_are_answered_in_the_form_of_the_endpoint() {
        let folder = tempfile::tempdir().unwrap();
        let app = Arc::new(App::for_a_test(folder.path()).await);
        let envelope =
            |endpoint| Envelope { deadline: Duration::from_millis(1), ..Envelope::new(&app, endpoint, None) };
        let slow = || get(std::future::pending::<&'static str>);
        let faulty = || get(|| async { panic!("a fault") as &'static str });
        let peer = Peer::from(SocketAddr::from(([127, 0, 0, 1], 9)));
        let router = axum::Router::new()
            .route("/auth/token", slow().layer(envelope(Endpoint::named("token"))))
            .route("/docs", slow().layer(envelope(Endpoint::page("docs"))))
            .route("/docs/errors", faulty().layer(envelope(Endpoint::page("docs"))))
            .route("/admin/v1/users", slow().layer(envelope(Endpoint::ADMIN)))
            .route("/auth/revoke", faulty().layer(envelope(Endpoint::named("revoke"))))
            .route("/admin/v1/keys", faulty().layer(envelope(Endpoint::ADMIN)))
            .layer(Extension(peer));
        for (path, status, media, member) in [
            ("/auth/token", 503, "application/json", "\"error\":\"temporarily_unavailable\""),
            ("/admin/v1/users", 503, "application/problem+json", "\"status\":503"),
            ("/auth/revoke", 500, "application/json", "\"error\":\"server_error\""),
            ("/docs", 503, "text/html; charset=utf-8", "<h1>Service Unavailable</h1>"),
            ("/docs/errors", 500, "text/html; charset=utf-8", "<h1>Internal Server Error</h1>"),
            ("/admin/v1/keys", 500, "application/problem+json", "\"status\":500"),
        ] {
            let request = Request::get(path).header("host", "localhost").body(axum::body::Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let body = axum::body::to_bytes(body, 10_000).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert_eq!(
                (parts.status.as_u16(), parts.headers["content-type"].to_str().unwrap()),
                (status, media),
                "{body}"
            );
            assert!(body.contains(member), "{body}");
            assert_eq!(parts.headers.contains_key("retry-after"), status == 503);
            assert!(parts.headers.contains_key("x-request-id"));
        }
        assert_eq!(app.metrics.refusals("deadline", "could_not_check"), 2);
        assert_eq!(app.metrics.refusals("admin", "temporarily_unavailable"), 1);
    }

    #[tokio::test]
    async fn a_request_without_a_peer_is_not_taken_for_one_from_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let app = Arc::new(App::for_a_test(folder.path()).await);
        let envelope = Envelope::new(&app, Endpoint::named("token"), None);
        let router = axum::Router::new().route("/", get(|| async { "here" }).layer(envelope));
        let request = Request::get("/").header("host", "localhost").body(axum::body::Body::empty()).unwrap();
        assert_eq!(router.oneshot(request).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
