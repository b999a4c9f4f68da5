//! What every request and every answer has: an id, an address, a deadline, the headers that protect.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use uuid::Uuid;

use super::context::Context;
use super::error;
use crate::flow::App;
use crate::settings::Settings;

/// The longest that a request may take.
const DEADLINE: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

pub(super) async fn wrap(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let request_id = Uuid::now_v7();
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip());
    let address = client_address(&app.settings, peer, request.headers());
    let mut response = if app.settings.dev && !names_loopback(request.headers()) {
        error::foreign_host(&app)
    } else {
        let (context, is_of_admin) = (Context { request_id, peer, address }, error::is_of_admin(request.uri()));
        request.extensions_mut().insert(context);
        // One layer does it all: each layer of its own is a copy of the whole route for every request.
        match tokio::time::timeout(DEADLINE, AssertUnwindSafe(next.run(request)).catch_unwind()).await {
            Ok(Ok(response)) => response,
            Ok(Err(fault)) => error::panicked(&app, &*fault),
            Err(_) => error::too_slow(&app, &context, is_of_admin),
        }
    };
    add_headers(response.headers_mut(), request_id);
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.settings.issuer.starts_with("https:") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Marks the answers of the listener for operators.
pub(super) async fn mark(request: Request, next: Next) -> Response {
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

/// The nearest address that is no trusted proxy: `X-Forwarded-For` is read from its end, as far as it is believed.
fn client_address(settings: &Settings, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut address = peer;
    let hops = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).map(str::trim).collect();
    for hop in hops.into_iter().rev() {
        if !settings.trusts(address) {
            break;
        }
        match hop.parse() {
            Ok(before) => address = before,
            Err(_) => break,
        }
    }
    address
}

/// Whether the Host header names this machine: a web page that rebinds its own name to 127.0.0.1 must not reach a
/// server with well-known secrets.
fn names_loopback(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn only_loopback_names_pass_for_development() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080"] {
            assert!(names_loopback(&headers("host", host)), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1", ""] {
            assert!(!names_loopback(&headers("host", host)), "{host}");
        }
    }

    #[test]
    fn forwarding_headers_are_believed_from_trusted_proxies_only() {
        let resolved = crate::settings::Resolved::read(&crate::settings::Sources {
            dev: true,
            environment: [("JETON_TRUSTED_PROXIES".to_owned(), "10.0.0.0/8".to_owned())].into(),
            ..Default::default()
        });
        let settings = Settings::check(&resolved, crate::settings::Needs::NOTHING).unwrap();
        let address = |peer: &str, value| {
            client_address(&settings, peer.parse().unwrap(), &headers("x-forwarded-for", value)).to_string()
        };
        assert_eq!(address("192.0.2.1", "203.0.113.9"), "192.0.2.1");
        assert_eq!(address("10.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(address("10.0.0.1", "198.51.100.7, 203.0.113.9, 10.0.0.2"), "203.0.113.9");
        assert_eq!(address("10.0.0.1", "nonsense"), "10.0.0.1");
    }
}
