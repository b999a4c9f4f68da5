//! Redirect URIs (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1 and §2.6).

use url::{Host, Url};

use crate::protocol::client::{ApplicationType, ClientSettings};

/// The longest redirect URI, in bytes.
pub const LONGEST: usize = 2048;

/// Checks a URI to which a client wants answers or people to be sent: https anywhere, http on this machine only, and private
/// schemes, which contain a dot (RFC 8252 §7.1).
///
/// # Errors
/// What is wrong with it.
pub fn check(uri: &str) -> Result<(), String> {
    if uri.len() > LONGEST
        || !uri.bytes().all(|byte| (0x21..=0x7E).contains(&byte))
        || uri.contains(['\\', '"', '<', '>'])
    {
        return Err(format!("it must be a URI of at most {LONGEST} printable ASCII characters"));
    }
    let Ok(url) = Url::parse(uri) else { return Err("it is not an absolute URI".into()) };
    if uri.contains('#') {
        return Err("it must not have a fragment".into());
    }
    if url.username() != "" || url.password().is_some() {
        return Err("it must not have a user name".into());
    }
    // A policy of a page will name the host (Content Security Policy Level 3 §2.3.1), where these mean something else.
    if url.host_str().is_some_and(|host| host.contains(['*', ';', ',', '\''])) {
        return Err("its host must be a name or an address".into());
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(()),
        "http" if is_loopback(uri) => Ok(()),
        "http" => Err("http is for 127.0.0.1, [::1] and localhost only: use https".into()),
        scheme if scheme.contains('.') => Ok(()),
        _ => Err("its scheme must be https, or a private one with a dot, such as com.example.app".into()),
    }
}

/// The most URIs in a list of a client.
const MOST: usize = 50;

/// Checks where a client wants answers, people and notices to be sent.
///
/// # Errors
/// The member of its settings, and what is wrong, in a sentence that names it.
pub fn check_all(client: &ClientSettings) -> Result<(), (&'static str, String)> {
    let lists =
        [("redirect_uris", &client.redirect_uris), ("post_logout_redirect_uris", &client.post_logout_redirect_uris)];
    for (name, list) in lists {
        let has_repeats = list.iter().enumerate().any(|(index, uri)| list[..index].contains(uri));
        if list.len() > MOST || has_repeats {
            return Err((name, format!("{name} has more than {MOST} entries, or one twice")));
        }
        for (index, uri) in list.iter().enumerate() {
            check(uri).map_err(|problem| (name, format!("{name}[{index}]: {problem}")))?;
        }
    }
    let is_private = |uri: &&String| is_of_a_device(uri) && !is_loopback(uri);
    if client.application_type == Some(ApplicationType::Web) && client.redirect_uris.iter().any(|uri| is_private(&uri))
    {
        let text = "application_type: a web client has no redirect URI of a private scheme";
        return Err(("application_type", text.into()));
    }
    if let Some(uri) = &client.backchannel_logout_uri {
        let name = "backchannel_logout_uri";
        check(uri).map_err(|problem| (name, format!("{name}: {problem}")))?;
        if !uri.starts_with("https://") {
            return Err((name, format!("{name}: its scheme must be https")));
        }
    }
    Ok(())
}

/// Whether a client may have its answer sent to this URI: it is one of those registered, byte for byte, but for the port of
/// this machine (RFC 8252 §7.3). A client that says it is `web` has no such freedom.
pub fn is_registered(client: &ClientSettings, asked: &str) -> bool {
    let any_port = client.application_type != Some(ApplicationType::Web);
    client.redirect_uris.iter().any(|registered| {
        registered == asked
            || (any_port
                && is_loopback(registered)
                && is_loopback(asked)
                && check(asked).is_ok()
                && without_port(registered) == without_port(asked))
    })
}

/// Whether anything on this machine could be listening there: an http address of the machine itself.
pub fn is_loopback(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
}

/// Whether anything on a device may claim the URI: its consent is never remembered.
pub fn is_of_a_device(uri: &str) -> bool {
    is_loopback(uri) || !(uri.starts_with("https://") || uri.starts_with("http://"))
}

/// The source expression of the URI for `form-action` (Content Security Policy): a browser follows a form's redirect to
/// nowhere else.
pub fn source_expression(uri: &str) -> String {
    match Url::parse(uri) {
        // The grammar has no IPv6 addresses (Content Security Policy Level 3 §2.3.1), and browsers ignore what is not in it.
        Ok(url) if url.origin().is_tuple() && !matches!(url.host(), Some(Host::Ipv6(_))) => {
            url.origin().ascii_serialization()
        }
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => "'none'".to_owned(),
    }
}

/// Where the URI leads, for people: its host, or its scheme if it is a private one.
pub fn host(uri: &str) -> String {
    let url = Url::parse(uri).ok();
    url.map(|url| url.host_str().unwrap_or(url.scheme()).to_owned()).unwrap_or_default()
}

/// The URI with further parameters. What it has in its query stays (RFC 6749 §3.1.2).
pub fn with_parameters<'a>(uri: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    let query = query.finish();
    if query.is_empty() { uri.to_owned() } else { format!("{uri}{separator}{query}") }
}

/// The URI before the port of its authority, and after it. It is not normalised.
fn without_port(uri: &str) -> (&str, &str) {
    let start = uri.find("://").map_or(0, |at| at + 3);
    let end = uri[start..].find(['/', '?']).map_or(uri.len(), |at| start + at);
    let host = match uri[start..end].rfind(':') {
        // The colons of an IPv6 address are within brackets.
        Some(colon) if !uri[start + colon..end].contains(']') => start + colon,
        _ => end,
    };
    (&uri[..host], &uri[end..])
}

/// Whether a text can be an `S256` challenge: the base64url form of 32 bytes (RFC 7636 §4.2).
pub fn is_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Whether a text can be a verifier (RFC 7636 §4.1).
pub fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aut_005_http_is_for_this_machine_only() {
        for uri in [
            "https://app.example/cb",
            "https://app.example:8443/cb?x=1",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:4000/cb",
            "http://[::1]/cb",
            "http://localhost/cb",
            "com.example.app:/cb",
            "com.example.app://cb",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
        for uri in [
            "http://app.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://localhost.evil.example/",
            "https://user@app.example/cb",
            "https://app.example/cb#x",
            "javascript:alert(1)",
            "data:text/html,x",
            "myapp:/cb",
            "//app.example/cb",
            "/cb",
            "cb",
            "",
            "https:// app.example/",
            "https://app.example/\u{e9}",
            "https://app.example\\@evil.example/",
            "https://*/cb",
            "https://*.app.example/cb",
            "com.example.app://a;b/cb",
        ] {
            assert!(check(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn aut_003_a_redirect_uri_is_compared_byte_for_byte() {
        let client =
            ClientSettings { redirect_uris: vec!["https://app.example/cb".into()], ..ClientSettings::default() };
        assert!(is_registered(&client, "https://app.example/cb"));
        for uri in [
            "https://app.example/cb/",
            "https://app.example/cb?x",
            "https://app.example/cb#f",
            "https://app.example/CB",
            "https://APP.example/cb",
            "https://app.example:443/cb",
            "https://app.example:8443/cb",
            "http://app.example/cb",
            "https://evil@app.example/cb",
            "https://app.example/%63b",
            "https://app.example/x/../cb",
        ] {
            assert!(!is_registered(&client, uri), "{uri}");
        }
    }

    #[test]
    fn aut_004_any_port_of_this_machine_will_do() {
        let of =
            |registered: &str| ClientSettings { redirect_uris: vec![registered.into()], ..ClientSettings::default() };
        for (registered, asked) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"),
            ("http://127.0.0.1:80/cb", "http://127.0.0.1/cb"),
            ("http://[::1]/cb", "http://[::1]:5/cb"),
            ("http://localhost/callback", "http://localhost:3118/callback"),
            ("http://localhost?x", "http://localhost:1?x"),
        ] {
            assert!(is_registered(&of(registered), asked), "{asked}");
            let web = ClientSettings { application_type: Some(ApplicationType::Web), ..of(registered) };
            assert!(!is_registered(&web, asked), "{asked}");
        }
        for asked in [
            "http://127.0.0.1:49152/cbx",
            "http://127.0.0.1:49152/cb?x",
            "http://localhost:49152/cb",
            "http://127.0.0.2:49152/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1:x/cb",
            "http://127.0.0.1:1@evil.example/cb",
            "https://127.0.0.1:1/cb",
        ] {
            assert!(!is_registered(&of("http://127.0.0.1/cb"), asked), "{asked}");
        }
    }

    #[test]
    fn form_action_names_the_origin_or_the_scheme() {
        assert_eq!(source_expression("https://app.example:8443/cb?x"), "https://app.example:8443");
        assert_eq!(source_expression("http://127.0.0.1:5/cb"), "http://127.0.0.1:5");
        assert_eq!(source_expression("http://[::1]:5/cb"), "http:");
        assert_eq!(source_expression("com.example.app:/cb"), "com.example.app:");
        assert_eq!(source_expression("com.example.app://cb"), "com.example.app:");
    }

    #[test]
    fn aut_031_challenges_and_verifiers_have_their_form() {
        // RFC 7636 appendix B.
        assert!(is_verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(is_challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        for text in ["x".repeat(42), "x".repeat(129), format!("{} ", "x".repeat(43)), format!("{}=", "x".repeat(43))] {
            assert!(!is_verifier(&text) && !is_challenge(&text), "{text}");
        }
        assert!(!is_challenge(&"x".repeat(44)) && !is_challenge(&format!("{}.", "x".repeat(42))));
    }
}
