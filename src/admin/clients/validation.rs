//! What the settings of a client may be.

use crate::admin::{AdminError, Result};
use crate::certificates;
use crate::jose::key_set::KeySet;
use crate::protocol::claims;
use crate::protocol::client::{AuthMethod, ClientSettings, GrantType, check_client_name};
use crate::protocol::scope::{RESERVED, is_reserved};
use crate::protocol::trusted_issuer::check_issuer;
use crate::protocol::{identity_assertion, redirect, registration, resource, security_profile};
use crate::settings::{LONGEST_ACCESS_TOKEN_TTL, LONGEST_SESSION_TTL};

/// The most entries in a list of audiences.
const MOST_ENTRIES: usize = 50;
/// The most bytes in a list of audiences, all of which stand in every token.
const LARGEST_LIST: usize = 3072;
/// The most bytes of JSON that registered keys take.
const LARGEST_JWKS: usize = 16 * 1024;
/// The longest `retry_window`, in seconds.
const LONGEST_RETRY_WINDOW: i64 = 300;

/// Checks the settings as a whole.
pub(super) fn check(settings: &ClientSettings) -> Result<()> {
    public_client(settings)
        .and_then(|()| names(settings))
        .and_then(|()| keys(settings))
        .and_then(|()| certificates::check_settings(settings))
        .and_then(|()| issuers(settings))
        .and_then(|()| identity_assertion::check_settings(settings))
        .and_then(|()| audiences("audiences", &settings.audiences))
        .and_then(|()| audiences("introspect_audiences", settings.introspect_audiences.as_deref().unwrap_or_default()))
        .and_then(|()| redirect::check_all(settings).map_err(|(_, problem)| problem))
        .and_then(|()| registration::check_limits(settings))
        .and_then(|()| numbers(settings))
        .and_then(|()| security_profile::check_settings(settings))
        .and_then(|()| claims::check_extra(&settings.claims).map_err(|problem| format!("claims: {problem}")))
        .map_err(AdminError::Invalid)
}

/// A public client cannot prove who it is, so it gets nothing that rests on that.
fn public_client(settings: &ClientSettings) -> std::result::Result<(), String> {
    if !settings.token_endpoint_auth_method.is_public() {
        return Ok(());
    }
    let wrong = if settings.grant_types.contains(&GrantType::ClientCredentials) {
        "grant_types: a client with token_endpoint_auth_method none cannot use client_credentials"
    } else if !settings.permissions.is_empty() {
        "permissions: a client with token_endpoint_auth_method none cannot have permissions"
    } else if settings.scope.has_reserved() {
        "scope: the jeton: scopes are for clients with a secret or a key"
    } else if !settings.require_pkce {
        "require_pkce cannot be off for a client with token_endpoint_auth_method none"
    } else if !settings.refresh_token_rotation {
        "refresh_token_rotation cannot be off for a client with token_endpoint_auth_method none"
    } else {
        return Ok(());
    };
    Err(wrong.into())
}

fn names(settings: &ClientSettings) -> std::result::Result<(), String> {
    if has_repeats(&settings.grant_types) || has_repeats(&settings.permissions) {
        return Err("grant_types and permissions name each entry once".into());
    }
    if let Some(unknown) = settings.scope.tokens().find(|token| is_reserved(token) && !RESERVED.contains(token)) {
        return Err(format!("scope: {unknown} is not one of the reserved scopes {}", RESERVED.join(" ")));
    }
    settings.client_name.as_deref().map_or(Ok(()), check_client_name)
}

/// The keys of a client: registered or published, and there if it authenticates by them (RFC 7591 §2).
fn keys(settings: &ClientSettings) -> std::result::Result<(), String> {
    if let Some(jwks) = &settings.jwks {
        if settings.jwks_uri.is_some() {
            return Err("jwks and jwks_uri: a client has one of them".into());
        }
        let size = serde_json::to_string(jwks).map_or(usize::MAX, |text| text.len());
        if size > LARGEST_JWKS {
            return Err(format!("jwks has more than {LARGEST_JWKS} bytes"));
        }
        KeySet::check(&jwks.0).map_err(|problem| format!("jwks: {problem}"))?;
        certificates::check_key_set(&jwks.0).map_err(|problem| format!("jwks: {problem}"))?;
    }
    if let Some(uri) = &settings.jwks_uri {
        redirect::check(uri).map_err(|problem| format!("jwks_uri: {problem}"))?;
        if !uri.starts_with("https://") {
            return Err("jwks_uri: its scheme must be https".into());
        }
    }
    let has_keys = settings.jwks.is_some() || settings.jwks_uri.is_some();
    let method = settings.token_endpoint_auth_method;
    if method == AuthMethod::PrivateKeyJwt && !has_keys && settings.issuers.is_empty() {
        return Err("token_endpoint_auth_method: private_key_jwt needs jwks, jwks_uri or issuers".into());
    }
    if method == AuthMethod::SelfSignedTlsClientAuth && !has_keys {
        return Err(format!("token_endpoint_auth_method: {} needs jwks or jwks_uri", method.name()));
    }
    Ok(())
}

/// The issuers whose tokens it may present.
fn issuers(settings: &ClientSettings) -> std::result::Result<(), String> {
    if settings.issuers.len() > MOST_ENTRIES || has_repeats(&settings.issuers) {
        return Err(format!("issuers has more than {MOST_ENTRIES} entries, or one twice"));
    }
    for (index, issuer) in settings.issuers.iter().enumerate() {
        check_issuer(issuer).map_err(|problem| format!("issuers[{index}]: {problem}"))?;
    }
    Ok(())
}

fn has_repeats<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(index, entry)| list[..index].contains(entry))
}

fn audiences(name: &str, list: &[String]) -> std::result::Result<(), String> {
    let size: usize = list.iter().map(String::len).sum();
    if list.len() > MOST_ENTRIES || size > LARGEST_LIST {
        return Err(format!("{name} has more than {MOST_ENTRIES} entries or {LARGEST_LIST} bytes"));
    }
    for (index, audience) in list.iter().enumerate() {
        resource::check_uri(audience).map_err(|problem| format!("{name}[{index}]: {problem}"))?;
    }
    Ok(())
}

fn numbers(settings: &ClientSettings) -> std::result::Result<(), String> {
    let limits = [
        ("access_token_ttl", settings.access_token_ttl, 1, LONGEST_ACCESS_TOKEN_TTL),
        ("refresh_token_ttl", settings.refresh_token_ttl, 1, LONGEST_SESSION_TTL),
        ("session_ttl", settings.session_ttl, 1, LONGEST_SESSION_TTL),
        ("retry_window", settings.retry_window, 0, LONGEST_RETRY_WINDOW),
        ("max_sessions", Some(settings.max_sessions), 1, 1_000_000),
    ];
    for (name, value, least, most) in limits {
        if value.is_some_and(|value| !(least..=most).contains(&value)) {
            return Err(format!("{name} is a number from {least} to {most}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::jose::algorithm::SigningAlgorithm;
    use crate::jose::signing::SigningKey;

    fn problem(members: Value) -> Option<String> {
        keys(&serde_json::from_value(members).unwrap()).err()
    }

    #[test]
    fn each_rule_for_the_keys_of_a_client_refuses_what_breaks_it() {
        let pkcs8 = SigningKey::generate(SigningAlgorithm::EdDsa);
        let key = SigningKey::parse(SigningAlgorithm::EdDsa, &pkcs8).unwrap().public_jwk("a");
        let jwks = json!({"keys": [key]});
        for members in [
            json!({}),
            json!({"jwks": jwks}),
            json!({"jwks": jwks, "token_endpoint_auth_method": "private_key_jwt"}),
            json!({"jwks_uri": "https://a.example/keys?x=1", "token_endpoint_auth_method": "private_key_jwt"}),
            json!({"issuers": ["https://idp.example"], "token_endpoint_auth_method": "private_key_jwt"}),
        ] {
            assert_eq!(problem(members.clone()), None, "{members}");
        }
        let mut large = serde_json::to_value(&key).unwrap();
        large["x5c"] = json!(["x".repeat(LARGEST_JWKS)]);
        for (members, expected) in [
            (json!({"token_endpoint_auth_method": "private_key_jwt"}), "needs jwks, jwks_uri or issuers"),
            (json!({"jwks": jwks, "jwks_uri": "https://a.example/"}), "one of them"),
            (json!({"jwks": {"keys": [large]}}), "more than 16384 bytes"),
            (json!({"jwks": {}}), "jwks: it has no list of keys"),
            (json!({"jwks": {"keys": [key, key]}}), "jwks: keys[1]: another key has the same kid"),
            (json!({"jwks_uri": "http://a.example/"}), "jwks_uri: http is for"),
            (json!({"jwks_uri": "http://localhost/keys"}), "jwks_uri: its scheme must be https"),
            (json!({"jwks_uri": "com.example:/keys"}), "jwks_uri: its scheme must be https"),
            (json!({"jwks_uri": "https://u:p@a.example/"}), "jwks_uri: it must not have a user name"),
            (json!({"jwks_uri": "https://a.example/#x"}), "jwks_uri: it must not have a fragment"),
        ] {
            let found = problem(members.clone()).unwrap_or_default();
            assert!(found.contains(expected), "{members}: {found}");
        }
    }
}
