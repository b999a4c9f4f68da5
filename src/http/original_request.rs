//! The request that a reverse proxy asks about, as the proxy describes it in headers.

use axum::http::{HeaderMap, HeaderName, header};

use crate::protocol::dpop::Target;

/// Headers in which proxies name the original address, in whole or without the host.
pub(crate) static ADDRESS: [HeaderName; 3] = [
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-forwarded-uri"),
];
static METHOD: [HeaderName; 2] =
    [HeaderName::from_static("x-original-method"), HeaderName::from_static("x-forwarded-method")];
static SCHEME: [HeaderName; 1] = [HeaderName::from_static("x-forwarded-proto")];
static HOST: [HeaderName; 1] = [HeaderName::from_static("x-forwarded-host")];

/// Method and address of the original request. `below` is the path after `/auth/verify`, which Envoy can append.
///
/// Only for requests of trusted proxies. A client can send such headers as well, and a proxy may pass on those that it does not set
/// itself: if two of them disagree, nothing is known.
pub(crate) fn of(own_method: &str, below: Option<&str>, headers: &HeaderMap) -> Option<Target> {
    let named: Vec<&str> =
        ADDRESS.iter().flat_map(|name| headers.get_all(name)).map(|v| v.to_str().ok()).collect::<Option<_>>()?;
    let paths: Vec<&str> =
        if named.is_empty() { below.into_iter().collect() } else { named.iter().map(|named| path(named)).collect() };
    if named.iter().any(|named| !named.starts_with('/') && !named.contains("://")) {
        return None;
    }
    let path = *paths.first()?;
    if !path.starts_with('/') || paths.iter().any(|other| *other != path) {
        return None;
    }
    // Envoy can append the original path to /auth/verify, and then asks with the original method. nginx always asks with GET.
    let is_below = below == Some(path);
    if !is_below && below.is_some_and(|below| below != "/") {
        return None;
    }
    let method = match only(headers, &METHOD)? {
        Some(method) => method,
        None if is_below => own_method,
        None => return None,
    };
    let mut origins =
        named.iter().filter(|named| !named.starts_with('/')).map(|named| &named[..named.len() - rest(named).len()]);
    let (scheme, host) = (only(headers, &SCHEME)?, only(headers, &HOST)?);
    let origin = match origins.next() {
        Some(origin) => {
            let (own_scheme, own_host) = origin.split_once("://")?;
            let agrees = |said: Option<&str>, own: &str| said.is_none_or(|said| said.eq_ignore_ascii_case(own));
            if !agrees(scheme, own_scheme) || !agrees(host, own_host) || origins.any(|other| other != origin) {
                return None;
            }
            origin.to_owned()
        }
        None => {
            let host = match host {
                Some(host) => host,
                None => only(headers, &[header::HOST])??,
            };
            format!("{}://{host}", scheme?)
        }
    };
    Some(Target { method: method.to_owned(), address: format!("{origin}{path}"), alias: None })
}

/// The value of these headers, if there is one; nothing if there are several, or a list.
#[expect(clippy::option_option, reason = "that there is none is something else than that there are several")]
fn only<'a>(headers: &'a HeaderMap, names: &[HeaderName]) -> Option<Option<&'a str>> {
    let mut values = names.iter().flat_map(|name| headers.get_all(name));
    let Some(first) = values.next() else { return Some(None) };
    let is_single = values.all(|other| other == first) && !first.as_bytes().contains(&b',');
    if is_single { first.to_str().ok().map(Some) } else { None }
}

/// What follows the host of an address.
fn rest(address: &str) -> &str {
    let after_scheme = address.find("://").map_or(address, |at| &address[at + 3..]);
    if address.starts_with('/') { address } else { after_scheme.find(['/', '?']).map_or("", |at| &after_scheme[at..]) }
}

/// The path of an address.
fn path(address: &str) -> &str {
    match rest(address).split(['?', '#']).next() {
        Some("") | None => "/",
        Some(path) => path,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn found(below: Option<&str>, headers: &[(&'static str, &'static str)]) -> Option<(String, String)> {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let Target { method, address, .. } = of("GET", below, &headers.collect())?;
        Some((method, address))
    }

    #[test]
    fn each_proxy_describes_the_request_in_its_own_way() {
        let post = Some(("POST".to_owned(), "https://api.example/a/b".to_owned()));
        // Caddy, Traefik.
        let headers = [
            ("x-forwarded-method", "POST"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "api.example"),
            ("x-forwarded-uri", "/a/b?c=d"),
        ];
        assert_eq!(found(None, &headers), post);
        // nginx, as in the example, and as others configure it.
        let headers = [
            ("x-original-method", "POST"),
            ("x-forwarded-proto", "https"),
            ("host", "api.example"),
            ("x-original-uri", "/a/b?c=d"),
        ];
        assert_eq!(found(None, &headers), post);
        let headers =
            [("x-original-method", "POST"), ("x-original-url", "https://api.example/a/b?c=d"), ("host", "jeton")];
        assert_eq!(found(None, &headers), post);
        // Envoy.
        let headers = [("x-forwarded-proto", "https"), ("host", "api.example")];
        assert_eq!(found(Some("/a/b"), &headers), Some(("GET".to_owned(), "https://api.example/a/b".to_owned())));
    }

    #[test]
    fn only_envoy_asks_with_the_method_of_the_original_request() {
        let named = [("x-forwarded-proto", "https"), ("host", "api.example"), ("x-original-uri", "/a/b?c=d")];
        let get = Some(("GET".to_owned(), "https://api.example/a/b".to_owned()));
        assert_eq!(found(Some("/a/b"), &named), get);
        // nginx asks with GET, whatever it is asked about.
        for below in [None, Some("/"), Some("/a"), Some("")] {
            assert_eq!(found(below, &named), None, "{below:?}");
        }
        // What the client named is not what Envoy asks about.
        let with_method = [named.as_slice(), &[("x-original-method", "POST")]].concat();
        assert_eq!(found(Some("/a/c"), &with_method), None);
        let post = Some(("POST".to_owned(), "https://api.example/a/b".to_owned()));
        assert_eq!(found(None, &with_method), post);
        assert_eq!(found(Some("/"), &with_method), post);
    }

    #[test]
    fn what_is_missing_or_said_in_two_ways_is_not_known() {
        let good = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "api.example"),
            ("x-forwarded-uri", "/a"),
        ];
        assert!(found(None, &good).is_some());
        for index in 0..good.len() {
            let mut less = good.to_vec();
            less.remove(index);
            assert_eq!(found(None, &less), None, "without {:?}", good[index]);
        }
        for more in [
            ("x-original-uri", "/b"),
            ("x-original-url", "https://other.example/b"),
            ("x-original-url", "https://other.example/a"),
            ("x-original-url", "http://api.example/a"),
            ("x-forwarded-uri", "/b"),
            ("x-forwarded-host", "other.example"),
            ("x-forwarded-proto", "http"),
        ] {
            assert_eq!(found(None, &[good.as_slice(), &[more]].concat()), None, "{more:?}");
        }
        let methods = [("x-original-method", "POST"), ("x-forwarded-method", "GET")];
        assert_eq!(found(None, &[good.as_slice(), &methods].concat()), None);
        for (name, value) in
            [("x-forwarded-host", "a.example, b.example"), ("x-forwarded-uri", "a"), ("x-forwarded-uri", "")]
        {
            let others = good.iter().filter(|(own, _)| *own != name).copied();
            let changed: Vec<_> = others.chain([(name, value)]).collect();
            assert_eq!(found(None, &changed), None, "{name}: {value}");
        }
    }
}
