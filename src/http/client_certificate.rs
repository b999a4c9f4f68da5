//! The certificate of a client: the one that it showed to this server, or that a proxy says it showed.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::app::{App, Peer};
use crate::certificates::{self, CHAIN_HEADER, Certificate, HEADER};
use crate::http::body::Unreadable;
use crate::http::context::Context;
use crate::http::error;
use crate::settings::Settings;

/// The certificate of the client of a request. From a proxy that is named for it, the header alone says (RFC 9440). From anybody else,
/// the header is ignored. A certificate of a proxy itself is never taken for one of its clients.
///
/// # Errors
/// What is wrong with the header of such a proxy.
pub(crate) fn of(settings: &Settings, peer: &Peer, headers: &HeaderMap) -> Result<Option<Arc<Certificate>>, String> {
    let address = peer.address.ip();
    if !settings.passes_certificates(address) {
        return Ok(peer.certificate.clone().filter(|_| !settings.trusts(address)));
    }
    let values = |name: &str| headers.get_all(name).iter().map(|value| value.as_bytes()).collect::<Vec<_>>();
    Ok(certificates::in_headers(&values(HEADER), &values(CHAIN_HEADER))?.map(Arc::new))
}

/// The answer to a request whose certificate a proxy has passed on in a form that cannot be read. To go on without one would be safe,
/// but nobody would learn that the proxy is configured wrongly.
pub(crate) fn unreadable(app: &App, context: &Context, problem: &str) -> Response {
    tracing::warn!(proxy = %context.peer.address.ip(), "the Client-Cert header of a proxy cannot be read: {problem}");
    let text =
        "The proxy in front of this server passes on a certificate that cannot be read, or not as RFC 9440 says.";
    error::unreadable(app, context, Unreadable { status: StatusCode::BAD_REQUEST, text: text.into() })
}
