//! Which addresses may be called.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use crate::calling_out::{Authorities, Refused};

/// The port of https.
const HTTPS: u16 = 443;
/// The most addresses of a host that are tried.
const MOST_ADDRESSES: usize = 4;

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// What is not public of IPv4: the special-purpose addresses (RFC 6890), multicast, and what clouds keep for themselves. The
/// metadata services of other clouds are link-local, private or shared addresses.
const INSIDE_V4: [Ipv4Net; 17] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    // Shared by the customers of a carrier (RFC 6598).
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    // Azure's services for its machines.
    v4(168, 63, 129, 16, 32),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    // Relays of 6to4.
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
    v4(255, 255, 255, 255, 32),
];

/// All that is assigned to the public of IPv6. Outside are loopback, link-local, unique-local, multicast, NAT64, and mapped and
/// translated IPv4.
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 3);

/// What is not public of that: protocols (Teredo among them), documentation, 6to4, which leads to any IPv4 address.
const INSIDE_V6: [Ipv6Net; 4] = [v6(0x2001, 0, 23), v6(0x2001, 0xdb8, 32), v6(0x2002, 0, 16), v6(0x3fff, 0, 20)];

/// Whether an address is open to everybody.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !INSIDE_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            PUBLIC_V6.contains(&address) && !INSIDE_V6.iter().any(|network| network.contains(&address))
        }
    }
}

/// A network that may be called although it is not public, or on another port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    network: IpNet,
    /// The one port, on which http may be spoken too; without it, every port by https.
    port: Option<u16>,
}

impl Exception {
    /// Whether it is about this port of some address.
    fn has_port(&self, port: u16, is_https: bool) -> bool {
        self.port.map_or(is_https, |own| own == port)
    }
}

impl FromStr for Exception {
    type Err = String;

    /// Reads `10.0.0.0/8`, `10.0.0.0/8:8443`, `127.0.0.1:8443`, `[::1]:8443` or `[fd00::/8]:8443`.
    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || "is not a network such as 10.0.0.0/8, perhaps with a port as in 127.0.0.1/32:8443".to_owned();
        let network = |text: &str| {
            let single = text.parse::<IpAddr>().map(IpNet::from);
            text.parse::<IpNet>().or(single).map(|network| network.trunc()).map_err(|_| problem())
        };
        if let Ok(network) = network(text) {
            return Ok(Self { network, port: None });
        }
        let (address, port) = text.rsplit_once(':').ok_or_else(problem)?;
        let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        // Without brackets or a length, nobody knows where an IPv6 address ends.
        if inner.is_none() && address.contains(':') && !address.contains('/') {
            return Err(problem());
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(problem)?;
        Ok(Self { network: network(inner.unwrap_or(address))?, port: Some(port) })
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(formatter, "{} on port {port}", self.network),
            None => write!(formatter, "{}", self.network),
        }
    }
}

/// What may be called besides public addresses, and who is trusted besides the public certificate authorities.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    /// Networks and ports.
    pub networks: Vec<Exception>,
    /// Certificate authorities.
    pub authorities: Authorities,
}

/// Where a URL leads, before its name is resolved.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) is_https: bool,
    /// The name or address, as certificates have it.
    pub(super) host: String,
    /// The address, if the URL has no name.
    pub(super) literal: Option<IpAddr>,
    pub(super) port: u16,
    /// For the header `Host`.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
}

/// Reads a URL, and refuses what could not be called whatever its name leads to.
pub(super) fn target(url: &Url, exceptions: &Exceptions) -> Result<Target, Refused> {
    let target = any_target(url)?;
    let Target { is_https, port, .. } = target;
    let is_usual = is_https && port == HTTPS;
    if !is_usual && !exceptions.networks.iter().any(|exception| exception.has_port(port, is_https)) {
        return Err(Refused::Url("is not https on port 443"));
    }
    Ok(target)
}

/// Reads a URL on any port, of http too.
pub(super) fn any_target(url: &Url) -> Result<Target, Refused> {
    let is_https = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err(Refused::Url("is not https")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Url("has a user name or a password"));
    }
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err(Refused::Url("has no host"));
    };
    let (name, literal) = match &host {
        Host::Domain(name) => ((*name).to_owned(), None),
        Host::Ipv4(address) => (address.to_string(), Some(IpAddr::from(*address))),
        Host::Ipv6(address) => (address.to_string(), Some(IpAddr::from(*address))),
    };
    let authority = url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    Ok(Target { is_https, host: name, literal, port, authority, path })
}

impl Exceptions {
    /// The addresses of a target that may be connected to.
    pub(super) fn reachable(&self, target: &Target, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Refused> {
        let reachable: Vec<IpAddr> =
            addresses.into_iter().filter(|address| self.allow(target, *address)).take(MOST_ADDRESSES).collect();
        if reachable.is_empty() { Err(Refused::Inside) } else { Ok(reachable) }
    }

    fn allow(&self, target: &Target, address: IpAddr) -> bool {
        let Target { is_https, port, .. } = *target;
        let is_excepted =
            |exception: &Exception| exception.network.contains(&address) && exception.has_port(port, is_https);
        (is_https && port == HTTPS && is_public(address)) || self.networks.iter().any(is_excepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_public_addresses_are_public() {
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.0.1",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:93.184.216.34",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "3fff::1",
            "4000::1",
            "5f00::1",
        ] {
            assert!(!is_public(address(inside)), "{inside}");
        }
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "93.184.216.34",
            "100.63.255.255",
            "100.128.0.1",
            "128.0.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2003::1",
            "2a00:1450:4001::1",
        ] {
            assert!(is_public(address(public)), "{public}");
        }
    }

    #[test]
    fn an_exception_is_a_network_perhaps_with_a_port() {
        for (text, network, port) in [
            ("10.0.0.0/8", "10.0.0.0/8", None),
            ("10.1.2.3/8", "10.0.0.0/8", None),
            ("127.0.0.1", "127.0.0.1/32", None),
            ("::1", "::1/128", None),
            ("127.0.0.1/32:8443", "127.0.0.1/32", Some(8443)),
            ("127.0.0.1:8443", "127.0.0.1/32", Some(8443)),
            ("[::1]:8443", "::1/128", Some(8443)),
            ("[fd00::/8]:443", "fd00::/8", Some(443)),
            ("fd00::/8:443", "fd00::/8", Some(443)),
            ("fd00::/8", "fd00::/8", None),
        ] {
            let expected = Exception { network: network.parse().unwrap(), port };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "localhost",
            "localhost:80",
            "10.0.0.0/33",
            "10.0.0.0/8:0",
            "10.0.0.0/8:70000",
            "10.0.0.0/8:",
            "[::1",
            "*",
        ] {
            assert!(wrong.parse::<Exception>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_exception_opens_its_own_network_and_port_and_nothing_else() {
        let networks = ["127.0.0.1/32:8080", "10.0.0.0/8"].map(|text| text.parse().unwrap()).to_vec();
        let exceptions = Exceptions { networks, ..Exceptions::default() };
        for (url, resolved, outcome) in [
            ("https://a.example/", "93.184.216.34", true),
            ("https://a.example/", "127.0.0.1", false),
            ("https://a.example/", "::ffff:93.184.216.34", false),
            ("https://a.example:8443/", "93.184.216.34", false),
            ("http://a.example:8080/", "127.0.0.1", true),
            ("https://a.example:8080/", "127.0.0.1", true),
            ("http://a.example:8080/", "127.0.0.2", false),
            ("http://a.example:8080/", "93.184.216.34", false),
            ("http://a.example/", "127.0.0.1", false),
            ("http://a.example/", "10.0.0.1", false),
            ("https://a.example/", "10.0.0.1", true),
            ("https://a.example:8443/", "10.0.0.1", true),
        ] {
            let found = target(&url.parse().unwrap(), &exceptions)
                .and_then(|target| exceptions.reachable(&target, vec![address(resolved)]));
            assert_eq!(found.is_ok(), outcome, "{url} at {resolved}: {found:?}");
        }
    }

    #[test]
    fn of_several_addresses_those_inside_are_left_out() {
        let exceptions = Exceptions::default();
        let target = target(&"https://a.example/".parse().unwrap(), &exceptions).unwrap();
        let addresses = ["127.0.0.1", "93.184.216.34", "::1", "64:ff9b::1"].map(address).to_vec();
        assert_eq!(exceptions.reachable(&target, addresses), Ok(vec![address("93.184.216.34")]));
        assert_eq!(exceptions.reachable(&target, vec![]), Err(Refused::Inside));
        let many = (1..=9).map(|last| IpAddr::from([93, 184, 216, last])).collect();
        assert_eq!(exceptions.reachable(&target, many).map(|some| some.len()), Ok(MOST_ADDRESSES));
    }

    #[test]
    fn a_url_that_cannot_be_called_is_refused_before_its_name_is_resolved() {
        for url in [
            "http://a.example/",
            "https://a.example:8443/",
            "ftp://a.example/",
            "file:///etc/passwd",
            "https://u@a.example/",
            "https://u:p@a.example/",
            "https://:p@a.example/",
            "data:text/plain,x",
            "gopher://a.example:443/",
        ] {
            assert!(matches!(target(&url.parse().unwrap(), &Exceptions::default()), Err(Refused::Url(_))), "{url}");
        }
        let target = target(&"https://0x7f.1/a?b#c".parse().unwrap(), &Exceptions::default()).unwrap();
        assert_eq!((target.literal, target.path.as_str()), (Some(address("127.0.0.1")), "/a?b"));
    }
}
