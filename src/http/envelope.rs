//! What every request and every answer has: an id, an address, a deadline, the headers that protect.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use uuid::Uuid;

use crate::app::App;
use crate::http::context::Context;
use crate::http::{error, host};
use crate::settings::Settings;

/// The longest that a request may take.
const DEADLINE: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

pub(crate) async fn wrap(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    wrap_within(DEADLINE, app, request, next).await
}

async fn wrap_within(deadline: Duration, app: Arc<App>, mut request: Request, next: Next) -> Response {
    let request_id = Uuid::now_v7();
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip());
    let address = client_address(&app.settings, peer, request.headers());
    let context = Context { request_id, peer, address };
    let mut response = match host::named(&request) {
        Err(text) => error::foreign(&app, &context, request.uri(), StatusCode::BAD_REQUEST, text),
        Ok(host) if app.settings.dev && !host.is_none_or(names_loopback) => {
            let text = "With --dev only loopback names are answered.";
            error::foreign(&app, &context, request.uri(), StatusCode::MISDIRECTED_REQUEST, text)
        }
        Ok(_) => {
            request.extensions_mut().insert(context);
            let uri = request.uri().clone();
            // One layer does it all: each layer of its own is a copy of the whole route for every request.
            match tokio::time::timeout(deadline, AssertUnwindSafe(next.run(request)).catch_unwind()).await {
                Ok(Ok(response)) => response,
                Ok(Err(fault)) => error::panicked(&app, &context, &uri, &*fault),
                Err(_) => error::too_slow(&app, &context, &uri),
            }
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

/// The nearest address that is no trusted proxy: `X-Forwarded-For` is read from its end, as far as it is believed. A hop that
/// is no address ends it; the bytes in front of it do not matter, so that a client cannot hide behind its proxy by them.
fn client_address(settings: &Settings, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut address = peer.to_canonical();
    let values = headers.get_all("x-forwarded-for").iter().rev();
    for hop in values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
        if !settings.trusts(address) {
            break;
        }
        match address_of(hop) {
            Some(before) => address = before,
            None => break,
        }
    }
    address
}

/// An address as proxies write it: alone, with a port, IPv6 in brackets.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let in_brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let alone = in_brackets.unwrap_or(text).parse::<IpAddr>().ok();
    let address = alone.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(address.to_canonical())
}

/// Whether a host is this machine: a web page that rebinds its own name to 127.0.0.1 must not reach a
/// server with well-known secrets.
fn names_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn only_loopback_names_pass_for_development() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080"] {
            assert!(names_loopback(host), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1", ""] {
            assert!(!names_loopback(host), "{host}");
        }
    }

    #[tokio::test]
    async fn what_takes_too_long_or_meets_a_fault_is_answered_in_the_form_of_its_endpoint() {
        let folder = tempfile::tempdir().unwrap();
        let app = Arc::new(App::for_a_test(folder.path()).await);
        let short = |State(app): State<Arc<App>>, request: Request, next: Next| {
            wrap_within(Duration::from_millis(1), app, request, next)
        };
        let faulty = || async { panic!("a fault") as &'static str };
        let router = axum::Router::new()
            .route("/auth/token", get(std::future::pending::<&'static str>))
            .route("/admin/v1/users", get(std::future::pending::<&'static str>))
            .route("/auth/revoke", get(faulty))
            .route("/admin/v1/keys", get(faulty))
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), short));
        for (path, status, media, member) in [
            ("/auth/token", 503, "application/json", "\"error\":\"temporarily_unavailable\""),
            ("/admin/v1/users", 503, "application/problem+json", "\"status\":503"),
            ("/auth/revoke", 500, "application/json", "\"error\":\"server_error\""),
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
        assert_eq!(app.metrics.refusals("deadline", "could_not_check"), 1);
        assert_eq!(app.metrics.refusals("admin", "temporarily_unavailable"), 1);
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
        // A listener for both families sees IPv4 within IPv6.
        assert_eq!(address("::ffff:10.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(address("::ffff:192.0.2.1", "203.0.113.9"), "192.0.2.1");
        for (hop, is) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("\t203.0.113.9 ", "203.0.113.9"),
            // What the client itself wrote in front does not hide what the proxy added.
            ("\u{e9}, 203.0.113.9", "203.0.113.9"),
            ("unknown, _hidden, 203.0.113.9,::ffff:10.0.0.2", "203.0.113.9"),
            ("203.0.113.9, unknown", "10.0.0.1"),
            ("", "10.0.0.1"),
            ("203.0.113.9, ", "10.0.0.1"),
            ("[203.0.113.9", "10.0.0.1"),
        ] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("x-forwarded-for"),
                HeaderValue::from_bytes(hop.as_bytes()).unwrap(),
            )]);
            assert_eq!(client_address(&settings, "10.0.0.1".parse().unwrap(), &headers).to_string(), is, "{hop:?}");
        }
    }
}
