//! The cookies of this server (RFC 6265bis): their names, how they are read, and what a browser is told to keep.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::app::Request;
use crate::crypto::{base64url, from_base64url, random};
use crate::issuer::Issuer;

/// A cookie of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The browser session of a person: 32 random bytes.
    Session,
    /// To which forms are bound: 16 random bytes.
    Form,
}

/// A cookie to set. Its value is a secret.
#[derive(Clone, Debug)]
pub struct SetCookie {
    name: String,
    value: SecretString,
    is_secure: bool,
    /// Seconds for which the browser keeps it.
    max_age: i64,
}

impl Cookie {
    /// The name. With the prefix `__Host-`, no other host can set it (RFC 6265bis §4.1.3.2); http, which is for this machine alone,
    /// has no such prefix, and there the port tells servers apart. The path of an issuer tells apart those of one host.
    fn name(self, issuer: &Issuer) -> String {
        let port = Url::parse(issuer.url()).ok().and_then(|url| url.port_or_known_default());
        let front = match port.filter(|_| !is_https(issuer)) {
            Some(port) => format!("jeton-{port}"),
            None => "__Host-jeton".to_owned(),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        let path = issuer.path().replace(|c: char| !is_plain(c), "-");
        let end = if self == Self::Form { "-form" } else { "" };
        format!("{front}{path}{end}")
    }

    const fn length(self) -> usize {
        match self {
            Self::Session => 32,
            Self::Form => 16,
        }
    }

    /// Its value in a request, if there is one of the right length.
    pub(crate) fn read(self, request: &Request<'_>) -> Option<Vec<u8>> {
        let name = self.name(request.issuer);
        let headers = request.header("cookie");
        let pairs =
            headers.iter().filter_map(|header| std::str::from_utf8(header).ok()).flat_map(|text| text.split(';'));
        let mut values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(own, _)| *own == name);
        let (_, value) = values.next()?;
        from_base64url(value).filter(|bytes| bytes.len() == self.length())
    }

    /// A new random value, and the cookie that carries it for so many seconds.
    pub(crate) fn new_value(self, issuer: &Issuer, max_age: i64) -> (Vec<u8>, SetCookie) {
        let random: [u8; 32] = random();
        let value = random[..self.length()].to_vec();
        let cookie = self.set(issuer, base64url(&value), max_age);
        (value, cookie)
    }

    /// What removes it from the browser.
    pub(crate) fn removal(self, issuer: &Issuer) -> SetCookie {
        self.set(issuer, String::new(), 0)
    }

    fn set(self, issuer: &Issuer, value: String, max_age: i64) -> SetCookie {
        SetCookie { name: self.name(issuer), value: value.into(), is_secure: is_https(issuer), max_age }
    }
}

fn is_https(issuer: &Issuer) -> bool {
    issuer.url().starts_with("https:")
}

impl SetCookie {
    /// The value of the header `Set-Cookie`. It holds a secret.
    pub(crate) fn header(&self) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let Self { name, value, max_age, .. } = self;
        format!("{name}={}; Path=/; Max-Age={max_age}{secure}; HttpOnly; SameSite=Lax", value.expose_secret())
    }
}

impl fmt::Display for SetCookie {
    /// Its name only.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::IssuerConfig;

    fn issuer(url: &str) -> Issuer {
        let environment = "live".parse().unwrap();
        Issuer::new(IssuerConfig { url: url.into(), environment, siblings: vec![], default_audience: None })
    }

    #[test]
    fn aut_016_cookies_are_for_this_host_alone_and_out_of_the_reach_of_scripts() {
        let (value, cookie) = Cookie::Session.new_value(&issuer("https://auth.example.com"), 60);
        let expected = format!("__Host-jeton={}; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax", base64url(value));
        assert_eq!(cookie.header(), expected);
        assert!(!format!("{cookie:?} {cookie}").contains(&expected[13..30]), "it is not printed");
    }

    #[test]
    fn the_name_tells_the_servers_of_a_host_apart() {
        for (url, name) in [
            ("https://auth.example.com", "__Host-jeton"),
            ("https://auth.example.com:8443/", "__Host-jeton"),
            ("https://example.com/auth/eu", "__Host-jeton-auth-eu"),
            ("http://127.0.0.1:8080", "jeton-8080"),
            ("http://localhost", "jeton-80"),
            ("http://[::1]:5/x", "jeton-5-x"),
        ] {
            assert_eq!(Cookie::Session.name(&issuer(url)), name, "{url}");
            assert_eq!(Cookie::Form.name(&issuer(url)), format!("{name}-form"), "{url}");
        }
    }
}
