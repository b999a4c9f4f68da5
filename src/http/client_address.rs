//! The address of a client behind proxies.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use crate::settings::Settings;

/// The last address that is not a trusted proxy: `X-Forwarded-For` is read from its end for as long as the hop that
/// wrote it is trusted. Reading stops at a hop that is not an address; bytes before it are ignored, so a client cannot
/// hide behind its proxy by sending garbage.
pub(crate) fn client_address(settings: &Settings, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
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

/// Whether somebody who is not trusted says for whom a request was forwarded.
pub(crate) fn is_ignored(settings: &Settings, peer: IpAddr, headers: &HeaderMap) -> bool {
    headers.contains_key("x-forwarded-for") && !settings.trusts(peer)
}

/// Reads an address as proxies write it: alone or with a port, IPv6 perhaps in brackets.
fn address_of(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let in_brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let alone = in_brackets.unwrap_or(text).parse::<IpAddr>().ok();
    let address = alone.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn forwarding_headers_are_trusted_only_from_trusted_proxies() {
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
        // A dual-stack listener sees IPv4-mapped IPv6 addresses.
        assert_eq!(address("::ffff:10.0.0.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(address("::ffff:192.0.2.1", "203.0.113.9"), "192.0.2.1");
        for (hop, is) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("\t203.0.113.9 ", "203.0.113.9"),
            // What the client sent does not hide what the proxy appended.
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
