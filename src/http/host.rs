//! The host of a request: it must name exactly one, everywhere the same.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{Version, header};

/// The host that a request names; HTTP/1.0 and HTTP/2 may name none. In HTTP/2 it is `:authority`, which hyper presents
/// as the authority of the target, like that of an absolute target in HTTP/1.1.
/// An error says what is wrong (RFC 9112 §3.2, RFC 9113 §8.3.1): a server in front may have understood another host.
pub(crate) fn named(request: &Request) -> Result<Option<&str>, &'static str> {
    let mut headers = request.headers().get_all(header::HOST).iter();
    let host = headers.next().map(|value| value.to_str().unwrap_or_default());
    if headers.next().is_some() {
        return Err("There is more than one Host header.");
    }
    if host.is_some_and(|host| !is_host(host)) {
        return Err("The Host header names no host.");
    }
    match (host, request.uri().authority()) {
        (None, None) if request.version() == Version::HTTP_11 => Err("There is no Host header."),
        (Some(host), Some(target)) if !host.eq_ignore_ascii_case(target.as_str()) => {
            Err("The Host header names another host than the target of the request.")
        }
        (_, Some(target)) if !is_host(target.as_str()) => Err("The target of the request names no host."),
        (host, target) => Ok(host.or(target.map(|target| target.as_str()))),
    }
}

/// Whether a text is a host with an optional port and without user information (RFC 3986 §3.2.2, §3.2.3).
fn is_host(text: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(&byte);
    !text.is_empty() && text.bytes().all(is_legal)
}

/// Whether a host is the loopback interface. A web page that rebinds its own name to 127.0.0.1 must not reach a server
/// with well-known secrets.
pub(crate) fn names_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(version: Version, target: &str, hosts: &[&str]) -> Request {
        let mut builder = Request::builder().version(version).uri(target);
        for host in hosts {
            builder = builder.header("host", *host);
        }
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_request_names_one_host_and_the_same_everywhere() {
        let (http10, http11, http2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        for (version, target, hosts, named_host) in [
            (http11, "/x", &["a.example:80"][..], Some("a.example:80")),
            (http11, "/x", &["[::1]:8080"], Some("[::1]:8080")),
            (http11, "http://a.example/x", &["A.example"], Some("A.example")),
            (http10, "/x", &[], None),
            (http2, "http://a.example/x", &[], Some("a.example")),
            (http2, "http://a.example/x", &["a.example"], Some("a.example")),
        ] {
            assert_eq!(named(&request(version, target, hosts)), Ok(named_host), "{version:?} {target} {hosts:?}");
        }
        for (version, target, hosts) in [
            (http11, "/x", &[][..]),
            (http11, "/x", &["a.example", "a.example"]),
            (http11, "/x", &[""]),
            (http11, "/x", &["a.example, b.example"]),
            (http11, "/x", &["user@a.example"]),
            (http11, "/x", &["a.example/y"]),
            (http11, "http://a.example/x", &["b.example"]),
            (http11, "http://user@a.example/x", &["user@a.example"]),
            (http2, "http://a.example/x", &["b.example"]),
            (http2, "http://user@a.example/x", &[]),
        ] {
            assert!(named(&request(version, target, hosts)).is_err(), "{version:?} {target} {hosts:?}");
        }
    }

    #[test]
    fn a_development_server_answers_loopback_names_only() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080"] {
            assert!(names_loopback(host), "{host}");
        }
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1", ""] {
            assert!(!names_loopback(host), "{host}");
        }
    }
}
