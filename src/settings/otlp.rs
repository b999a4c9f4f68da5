//! Where traces are exported to: a collector that takes OTLP over HTTP.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::settings::checker::Checker;

/// What is appended to the address of a collector for traces (OTLP §"OTLP/HTTP Request").
const PATH: &str = "v1/traces";

/// Where traces are exported to.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// The address that takes traces.
    pub url: Url,
    /// What the collector wants to see besides.
    pub headers: CollectorHeaders,
    /// The share of new traces that are recorded, from 0 to 1.
    pub sample: f64,
}

/// Headers for the collector. They have its credentials, so they are never shown.
#[derive(Clone, Debug, Default)]
pub struct CollectorHeaders(Vec<(String, SecretString)>);

impl CollectorHeaders {
    /// Names and values.
    pub fn expose(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect()
    }

    /// Reads `name=value,…`, where values may be percent-encoded, as in the standard variable. What is wrong is not repeated.
    fn read(text: &str) -> Result<Self, String> {
        let problem = || "is not of the form NAME=VALUE, comma-separated".to_owned();
        let read = |pair: &str| {
            let (name, value) = pair.split_once('=').ok_or_else(problem)?;
            let (name, value) = (name.trim(), percent_decoded(value.trim()).ok_or_else(problem)?);
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let is_good =
                !name.is_empty() && name.bytes().all(is_name) && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            if is_good { Ok((name.to_owned(), SecretString::from(value))) } else { Err(problem()) }
        };
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        pairs.map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl Otlp {
    pub(super) fn check(checker: &mut Checker<'_>) -> Option<Self> {
        let headers = checker.parse("otlp_headers", CollectorHeaders::read, CollectorHeaders::default());
        let sample = checker.parse("otlp_sample", share, 1.0);
        let url = checker.parse("otlp_endpoint", endpoint, None)?;
        Some(Self { url, headers, sample })
    }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or("is not a number from 0 to 1".into())
}

/// The address for traces of the base address of a collector.
fn endpoint(text: &str) -> Result<Option<Url>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let problem = "is not the address of a collector such as http://collector:4318";
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or(problem)?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("must have no user name, query or fragment: credentials belong into JETON_OTLP_HEADERS".into());
    }
    let base = url.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}/{PATH}")).map(Some).map_err(|_| problem.into())
}

/// Decodes `%20` and the like; `None` if that gives no text.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        decoded.push(if byte == b'%' { u8::try_from(digit()? * 16 + digit()?).ok()? } else { byte });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_for_traces_is_appended_to_the_address_of_the_collector() {
        for (text, expected) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://10.0.0.7:4318/", "http://10.0.0.7:4318/v1/traces"),
            ("https://otlp.example.com/tenant", "https://otlp.example.com/tenant/v1/traces"),
        ] {
            assert_eq!(endpoint(text).unwrap().unwrap().as_str(), expected);
        }
        assert_eq!(endpoint(""), Ok(None));
        for wrong in ["collector:4318", "grpc://collector:4317", "http://u:p@collector", "http://collector?a", "x"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_are_pairs_that_are_never_shown() {
        let headers = CollectorHeaders::read("authorization=Bearer%20a=b== , x-scope = t c").unwrap();
        assert_eq!(headers.expose(), [("authorization", "Bearer a=b=="), ("x-scope", "t c")]);
        assert!(!format!("{headers:?}").contains("Bearer"));
        assert!(CollectorHeaders::read("").unwrap().expose().is_empty());
        for wrong in ["secret", "=secret", "a b=secret", "a=%0d%0asecret", "a=%f", "a=%zz", "a=\u{e9}"] {
            let problem = CollectorHeaders::read(wrong).unwrap_err();
            assert!(!problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn a_share_is_a_number_from_0_to_1() {
        assert_eq!((share("0"), share("0.25"), share("1")), (Ok(0.0), Ok(0.25), Ok(1.0)));
        for wrong in ["", "-0.1", "1.1", "NaN", "10%"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
