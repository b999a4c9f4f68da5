//! Reads the text of a setting.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Builder;
use url::{Host, Url};

use crate::tokens::environment::KnownIssuer;

/// Reads a duration: `15m`, `30d`, `250ms`, or a number of seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    humantime::parse_duration(text).map_err(|_| format!("{text:?} is not a duration such as 15m, 30d or 900"))
}

pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("is neither on nor off".into()),
    }
}

pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.replacen("localhost:", "127.0.0.1:", 1);
    text.parse().map_err(|_| format!("{text:?} is not an address of the form IP:PORT, such as 127.0.0.1:8080"))
}

/// Whether a URL names this machine only.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Reads an issuer: an https URL without query or fragment (RFC 8414 §2); http on loopback only.
pub(super) fn issuer(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|_| "is not a URL; set the https address by which clients reach this server")?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("must have no query, fragment or user name".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must consist of visible ASCII characters: it is compared character by character".into());
    }
    // The URL parser repairs what clients would not: upper case, a single slash, backslashes.
    match url.scheme() {
        "https" if text.starts_with("https://") => Ok(text.to_owned()),
        "http" if text.starts_with("http://") && is_loopback(&url) => Ok(text.to_owned()),
        _ => Err("must begin with https:// (http:// is for loopback addresses only)".into()),
    }
}

/// Reads an address of this server other than the issuer. A slash at its end is left out, because paths come behind it.
pub(super) fn base_url(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    issuer(text).map(|url| Some(url.trim_end_matches('/').to_owned()))
}

/// Reads a network, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(Into::into));
    network.map_err(|_| "is not a network such as 10.0.0.0/8".to_owned())
}

pub(super) fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    let url = Url::parse(text).map_err(|_| "is not an origin such as https://app.example.com")?;
    if url.origin().is_tuple() && url.origin().ascii_serialization() == text {
        Ok(text.to_owned())
    } else {
        Err("is not an origin such as https://app.example.com (scheme, host and port only)".into())
    }
}

pub(super) fn known_issuer(text: &str) -> Result<KnownIssuer, String> {
    let (name, address) = text.split_once('=').ok_or("is not of the form NAME=ISSUER")?;
    let issuer = issuer(address.trim()).map_err(|problem| format!("names an issuer that {problem}"))?;
    Ok(KnownIssuer { environment: name.trim().parse()?, issuer })
}

/// Reads `log_level`. Field values are plain text: as a regular expression, 70 dots took 800 MB.
pub fn log_filter() -> Builder {
    EnvFilter::builder().with_regex(false)
}

/// Checks a log filter. A misspelt level would otherwise be taken for the name of a target and silence everything.
pub(super) fn log_level(text: &str) -> Result<String, String> {
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let bare = text.split(',').map(str::trim).filter(|part| !part.contains('='));
    let misspelt = bare.into_iter().any(|part| !levels.contains(&part.to_ascii_lowercase().as_str()));
    if misspelt || log_filter().parse(text).is_err() {
        return Err(format!("{text:?} is not a log level such as info or debug"));
    }
    Ok(text.to_owned())
}

pub(super) fn audience(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    Url::parse(text).map(|_| Some(text.to_owned())).map_err(|_| "is not an absolute URI".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_fields_are_compared_as_text_not_as_patterns() {
        // As a pattern, this would be invalid: the bracket is not closed.
        let filter = "info,jeton[request{path=(}]=debug";
        assert!(log_filter().parse(filter).is_ok() && log_level(filter).is_ok());
    }
}
