//! Clients that nobody registered: the URL, and the metadata document there.

use jeton::protocol::client::{AuthMethod, Consent, GrantType};
use jeton::protocol::client_document::{check_target, check_url, host, host_of, read};
use jeton::protocol::redirect;
use jeton::protocol::resource::Resources;

/// What to begin with: a URL, and behind a line break a document.
pub const SEEDS: &[&str] = &[
    "https://a.example/c\n{\"client_id\":\"https://a.example/c\",\"redirect_uris\":[\"https://a.example/cb\"]}",
    "https://a.example:8443/c?d\n{\"client_id\":\"https://a.example:8443/c?d\",\"redirect_uris\":[\"http://127.0.0.1/cb\"],\
     \"token_endpoint_auth_method\":\"none\",\"grant_types\":[\"authorization_code\",\"refresh_token\",\"password\"]}",
    "https://[::1]/c\n{\"client_id\":\"https://[::1]/c\",\"redirect_uris\":[\"com.example:/cb\"],\"scope\":\"openid jeton:admin\",\
     \"client_name\":\"\\u202e\",\"jwks\":{},\"client_secret\":null}",
    "https://u:p@a.example/a/../c#d\n{\"client_secret\":\"x\"}",
];

/// A URL that is accepted has one spelling, and a document that is accepted describes a client with few powers.
pub fn client_document(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (client_id, document) = text.split_once('\n').unwrap_or((text, "{}"));
    let url = match check_url(client_id) {
        Ok(url) => url,
        Err(problem) => {
            assert!(!problem.is_empty());
            return;
        }
    };
    assert_eq!(url.as_str(), client_id);
    assert!(url.scheme() == "https" && url.path() != "/" && url.fragment().is_none() && url.username().is_empty());
    assert!(check_target(client_id).is_ok());
    // The text names this host whoever reads it.
    let authority = client_id.trim_start_matches("https://").split(['/', '?']).next().unwrap_or_default();
    assert!(!host(&url).is_empty() && authority.starts_with(&host(&url)), "{client_id}");
    let settings = match read(client_id, document.as_bytes(), &Resources::default()) {
        Ok(settings) => settings,
        Err(refusal) => {
            assert!(!refusal.description.is_empty());
            return;
        }
    };
    assert_eq!(host_of(client_id, &settings), Some(host(&url)));
    assert!(settings.is_self_registered() && settings.is_of_document() && settings.enabled && settings.require_pkce);
    assert_eq!((settings.token_endpoint_auth_method, settings.consent), (AuthMethod::None, Consent::Required));
    assert!(settings.permissions.is_empty() && settings.audiences.is_empty() && !settings.scope.has_reserved());
    assert!(settings.grant_types.contains(&GrantType::AuthorizationCode) && !settings.redirect_uris.is_empty());
    let few = [GrantType::AuthorizationCode, GrantType::RefreshToken];
    assert!(settings.grant_types.iter().all(|grant| few.contains(grant)));
    assert!(settings.redirect_uris.iter().all(|uri| redirect::check(uri).is_ok()));
    let text = serde_json::to_string(&settings).expect("settings are JSON");
    assert_eq!(serde_json::from_str(&text).ok().as_ref(), Some(&settings), "what is kept reads back");
}
