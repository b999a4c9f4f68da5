//! Clients that nobody registered: the `client_id` is the https URL of a document with the client's metadata (OAuth Client ID
//! Metadata Document, draft-ietf-oauth-client-id-metadata-document).

use serde_json::{Map, Value};
use url::Url;

use crate::protocol::client::{AuthMethod, ClientSettings, GrantType, RegisteredBy, check_client_id};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::registration::Metadata;
use crate::protocol::resource::Resources;
use crate::protocol::time::Timestamp;

/// Seconds for which a document is used without asking again, if it does not say so itself.
const USUAL_FRESHNESS: i64 = 3600;
/// The least and the most of that, whatever the document says: others could make this server fetch it for each request, or never
/// see that it has changed.
const FRESHNESS: (i64, i64) = (60, 24 * 3600);
/// Seconds after that for which a document is kept that nobody has logged in with: a login takes an hour at the longest.
const UNUSED_LIFE: i64 = 2 * 3600;
/// The most documents that nobody has logged in with. Beyond that, the oldest are forgotten: they are fetched again when somebody
/// needs them.
pub const MOST_UNUSED: i64 = 10_000;
/// Seconds for which the last good document does while its host cannot be reached.
pub const STALE_LIFE: i64 = 7 * 24 * 3600;

/// What of a document plays no part here. Whoever trusts no document trusts no statement in it, and a host that is fetched from
/// is not called for another reason.
const IGNORED: [&str; 2] = ["software_statement", "backchannel_logout_uri"];
/// What nobody keeps secret in a document that everybody can read.
const SECRETS: [&str; 2] = ["client_secret", "client_secret_expires_at"];

/// Whether a `client_id` that no registered client has may be the URL of a document.
pub fn is_url(client_id: &str) -> bool {
    client_id.starts_with("https://")
}

/// Reads a `client_id` that is the URL of a document. It is compared as a text everywhere, so it has one spelling only.
///
/// # Errors
/// What is wrong with it: the end of a sentence.
pub fn check_url(client_id: &str) -> Result<Url, &'static str> {
    if check_client_id(client_id).is_err() {
        return Err("is longer than 255 characters, or has others than printable ASCII");
    }
    let Ok(url) = Url::parse(client_id) else { return Err("is no URL") };
    if url.scheme() != "https" || !is_url(client_id) {
        return Err("does not begin with https://");
    }
    if client_id.contains('#') {
        return Err("has a fragment");
    }
    if !url.username().is_empty() || url.password().is_some() || authority(client_id).contains('@') {
        return Err("has a user name or a password");
    }
    // It names the same host as the URL without, which may be blocked.
    if url.host_str().is_some_and(|host| host.ends_with('.')) {
        return Err("has a host that ends with a dot");
    }
    if url.path() == "/" {
        return Err("has no path: it has to name a document");
    }
    if url.as_str() != client_id {
        return Err("is not in its usual form: host in lower case, no :443, no dot segments, no backslashes");
    }
    Ok(url)
}

fn authority(url: &str) -> &str {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    rest.split(['/', '?', '#', '\\']).next().unwrap_or_default()
}

/// The host of a URL, as people are shown it and as it can be blocked.
pub fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

/// Checks what is to be blocked: the URL of a document, or a host, with which every name below it is blocked.
///
/// # Errors
/// What is wrong with it, in a sentence.
pub fn check_target(target: &str) -> Result<(), String> {
    if is_url(target) {
        return check_url(target).map(drop).map_err(|problem| format!("target: the URL {problem}"));
    }
    let url = Url::parse(&format!("https://{target}/")).ok();
    let is_host = url.is_some_and(|url| url.host_str() == Some(target) && url.as_str() == format!("https://{target}/"));
    let is_name = !target.ends_with('.') && !target.starts_with('.');
    if target.len() <= 253 && is_host && is_name {
        return Ok(());
    }
    Err("target is the URL of a client's metadata document, or a host in lower case without a port".into())
}

/// Until when a document that was fetched now is used without asking again (RFC 9111 §4.2).
pub fn fresh_until(now: Timestamp, max_age: Option<u64>) -> Timestamp {
    let (least, most) = FRESHNESS;
    let seconds = max_age.map_or(USUAL_FRESHNESS, |age| i64::try_from(age).unwrap_or(most));
    now.plus_seconds(seconds.clamp(least, most))
}

/// Until when it is kept if nobody logs in with it.
pub fn kept_until(fresh_until: Timestamp) -> Timestamp {
    fresh_until.plus_seconds(UNUSED_LIFE)
}

/// The settings of the client that a document describes: the same rules and limits hold as for a client that registers itself,
/// and it is public. Grants that it cannot have are left out, also the device grant, whose requests fetch nothing.
///
/// # Errors
/// `invalid_redirect_uri` or `invalid_client_metadata`, with what is wrong, for the developer of the client.
pub fn read(client_id: &str, document: &[u8], resources: &Resources) -> Result<ClientSettings, Refusal> {
    let members: Map<String, Value> =
        serde_json::from_slice(document).map_err(|_| invalid("It is not a JSON object."))?;
    match members.get("client_id") {
        Some(Value::String(own)) if own == client_id => {}
        Some(_) => return Err(invalid("Its client_id is not this URL, character by character.")),
        None => return Err(invalid("It has no client_id, which must be this URL.")),
    }
    let has = |name: &str| members.get(name).is_some_and(|value| !value.is_null());
    if SECRETS.into_iter().any(has) {
        return Err(invalid("It has a client_secret, although everybody can read it."));
    }
    if members.get("require_pushed_authorization_requests") == Some(&Value::Bool(true)) {
        let text = "It has require_pushed_authorization_requests, which needs a client that somebody registered.";
        return Err(invalid(text));
    }
    let public = AuthMethod::None.name();
    match members.get("token_endpoint_auth_method") {
        None | Some(Value::Null) => {}
        Some(Value::String(method)) if method == public => {}
        Some(_) => {
            let text = "Its token_endpoint_auth_method must be none: this server shares no secret with such a client.";
            return Err(invalid(text));
        }
    }
    let mut members: Map<String, Value> =
        members.into_iter().filter(|(name, _)| !IGNORED.contains(&name.as_str())).collect();
    members.insert("token_endpoint_auth_method".into(), public.into());
    if let Some(Value::Array(grants)) = members.get_mut("grant_types") {
        let before = grants.len();
        grants.retain(|grant| grant != GrantType::DeviceCode.name());
        if grants.is_empty() && before > 0 {
            let text = "Its grant_types must have authorization_code: the device grant needs a client that somebody registered.";
            return Err(invalid(text));
        }
    }
    let settings = Metadata::of(members).apply(ClientSettings::default(), resources);
    let settings = settings.map_err(|refusal| refused(refusal.code, &refusal.description))?;
    Ok(ClientSettings { registered_by: RegisteredBy::Document, ..settings })
}

fn invalid(problem: &str) -> Refusal {
    refused(ErrorCode::InvalidClientMetadata, problem)
}

fn refused(code: ErrorCode, problem: &str) -> Refusal {
    Refusal::naming(code, format!("The metadata document at the client_id cannot be used. {problem}"))
}

/// The host of a client's document, if the client is known by one.
pub fn host_of(client_id: &str, settings: &ClientSettings) -> Option<String> {
    let url = Url::parse(client_id).ok().filter(|_| settings.is_of_document())?;
    Some(host(&url))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::client::Consent;

    const URL: &str = "https://app.example/client.json";

    fn document(more: Value) -> Value {
        let mut members = json!({
            "client_id": URL, "client_name": "App", "redirect_uris": ["https://app.example/cb"],
            "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
        });
        members.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        members
    }

    fn read_with(more: Value) -> Result<ClientSettings, Refusal> {
        read(URL, document(more).to_string().as_bytes(), &Resources::default())
    }

    #[test]
    fn the_url_of_a_document_has_one_spelling() {
        for url in [
            URL,
            "https://app.example/a/b/",
            "https://app.example:8443/client.json",
            "https://app.example/client?v=1",
            "https://127.0.0.1:8443/client.json",
            "https://xn--bcher-kva.example/client.json",
        ] {
            assert_eq!(check_url(url).map(|read| read.to_string()), Ok(url.to_owned()), "{url}");
        }
        for url in [
            "http://app.example/client.json",
            "https://app.example",
            "https://app.example/",
            "https://app.example?client",
            "https://app.example/client.json#x",
            "https://app.example/client.json#",
            "https://user@app.example/client.json",
            "https://:secret@app.example/client.json",
            "https://@app.example/client.json",
            "https://app.example/a/../client.json",
            "https://app.example/./client.json",
            "https://app.example/a/%2e%2E/client.json",
            "https://APP.example/client.json",
            "HTTPS://app.example/client.json",
            "https://app.example:443/client.json",
            "https://app.example./client.json",
            "https://app.example.:8443/client.json",
            "https://app.example\\client.json",
            "https:///app.example/client.json",
            "https://bücher.example/client.json",
            "https://0x7f.1/client.json",
            "https://app.example/client json",
            "https://",
        ] {
            assert!(check_url(url).is_err(), "{url}");
        }
        assert!(check_url(&format!("https://app.example/{}", "a".repeat(255))).is_err());
    }

    #[test]
    fn a_url_or_a_host_can_be_blocked() {
        for target in [URL, "app.example", "localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(check_target(target), Ok(()), "{target}");
        }
        for target in [
            "",
            "App.example",
            "app.example:443",
            "app.example/",
            ".example",
            "example.",
            "a b",
            "http://a/b",
            "1",
            "https://a/",
        ] {
            assert!(check_target(target).is_err(), "{target}");
        }
    }

    #[test]
    fn a_document_describes_a_public_client_with_the_limits_of_one_that_registers_itself() {
        let settings = read_with(json!({
            "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer", "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code", "password"],
            "scope": "openid jeton:admin read", "consent": "skip", "permissions": ["introspect"],
            "audiences": ["https://api.example"], "enabled": true, "require_pkce": false,
            "backchannel_logout_uri": "https://app.example/out", "software_statement": "x.y.z", "client_uri": "https://app.example",
        }))
        .unwrap();
        assert_eq!(settings.registered_by, RegisteredBy::Document);
        assert_eq!(settings.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!(settings.scope.to_string(), "openid");
        assert_eq!((settings.consent, settings.require_pkce), (Consent::Required, true));
        assert!(settings.token_endpoint_auth_method.is_public() && settings.is_self_registered());
        assert!(settings.permissions.is_empty() && settings.audiences.is_empty());
        assert_eq!(settings.backchannel_logout_uri, None);
        assert_eq!(host_of(URL, &settings).as_deref(), Some("app.example"));
        assert_eq!(host_of(URL, &ClientSettings::default()), None);
    }

    #[test]
    fn what_a_document_leaves_out_has_a_default() {
        let bare = json!({"client_id": URL, "redirect_uris": ["http://127.0.0.1/cb"], "jwks": null});
        let settings = read(URL, bare.to_string().as_bytes(), &Resources::default()).unwrap();
        assert_eq!(settings.grant_types, [GrantType::AuthorizationCode]);
        assert_eq!(settings.scope.to_string(), "openid profile email address phone offline_access");
        assert_eq!((settings.client_name, settings.token_endpoint_auth_method), (None, AuthMethod::None));
    }

    #[test]
    fn a_document_that_cannot_be_used_says_why() {
        for (more, words) in [
            (json!({"client_id": "https://app.example/client.json/"}), "client_id is not this URL"),
            (json!({"client_id": "https://APP.example/client.json"}), "client_id is not this URL"),
            (json!({"client_id": [URL]}), "client_id is not this URL"),
            (json!({"client_id": null}), "client_id is not this URL"),
            (json!({"client_secret": "x"}), "client_secret"),
            (json!({"client_secret_expires_at": 0}), "client_secret"),
            (json!({"token_endpoint_auth_method": "client_secret_basic"}), "token_endpoint_auth_method must be none"),
            (json!({"token_endpoint_auth_method": "client_secret_jwt"}), "token_endpoint_auth_method must be none"),
            (json!({"token_endpoint_auth_method": 1}), "token_endpoint_auth_method must be none"),
            (json!({"redirect_uris": []}), "redirect_uris must have at least one URI"),
            (json!({"redirect_uris": ["http://app.example/cb"]}), "redirect_uris[0]"),
            (json!({"redirect_uris": ["javascript:alert(1)"]}), "redirect_uris[0]"),
            (json!({"redirect_uris": "https://app.example/cb"}), "redirect_uris must be"),
            (json!({"grant_types": ["client_credentials"]}), "grant_types"),
            (
                json!({"grant_types": ["urn:ietf:params:oauth:grant-type:device_code"]}),
                "must have authorization_code: the device grant needs a client that somebody registered",
            ),
            (json!({"response_types": ["token"]}), "response_types"),
            (json!({"client_name": "a\u{202e}b"}), "client_name"),
            (json!({"jwks": {}, "jwks_uri": "https://app.example/k"}), "jwks"),
            (json!({"require_pushed_authorization_requests": true}), "require_pushed_authorization_requests"),
        ] {
            let refusal = read_with(more.clone()).unwrap_err();
            assert!(refusal.description.contains(words), "{more}: {refusal:?}");
            let is_about_redirects = words.starts_with("redirect_uris") && !words.ends_with("must be");
            let code =
                if is_about_redirects { ErrorCode::InvalidRedirectUri } else { ErrorCode::InvalidClientMetadata };
            assert_eq!(refusal.code, code, "{more}");
        }
        for body in
            [&b""[..], b"{", b"[]", b"null", b"\"x\"", b"\xff\xfe", b"{\"redirect_uris\":[\"https://a.example/\"]}"]
        {
            assert!(read(URL, body, &Resources::default()).is_err());
        }
    }

    #[test]
    fn how_long_a_document_is_fresh_stays_within_bounds() {
        let now = Timestamp::from_seconds(1000);
        for (max_age, seconds) in [
            (None, 3600),
            (Some(0), 60),
            (Some(61), 61),
            (Some(86_400), 86_400),
            (Some(86_401), 86_400),
            (Some(u64::MAX), 86_400),
        ] {
            assert_eq!(fresh_until(now, max_age), now.plus_seconds(seconds), "{max_age:?}");
        }
    }
}
