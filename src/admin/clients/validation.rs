//! What the settings of a client may be.

use crate::admin::{AdminError, Result};
use crate::protocol::claims;
use crate::protocol::client::{ClientSettings, GrantType, check_client_name};
use crate::protocol::scope::{RESERVED, is_reserved};
use crate::protocol::{redirect, registration, resource};
use crate::settings::{LONGEST_ACCESS_TOKEN_TTL, LONGEST_SESSION_TTL};

/// The most entries in a list of audiences.
const MOST_ENTRIES: usize = 50;
/// The most bytes in a list of audiences, all of which stand in every token.
const LARGEST_LIST: usize = 3072;
/// The longest `retry_window`, in seconds.
const LONGEST_RETRY_WINDOW: i64 = 300;

/// Checks the settings as a whole.
pub(super) fn check(settings: &ClientSettings) -> Result<()> {
    public_client(settings)
        .and_then(|()| names(settings))
        .and_then(|()| audiences("audiences", &settings.audiences))
        .and_then(|()| audiences("introspect_audiences", settings.introspect_audiences.as_deref().unwrap_or_default()))
        .and_then(|()| redirect::check_all(settings).map_err(|(_, problem)| problem))
        .and_then(|()| registration::check_limits(settings))
        .and_then(|()| numbers(settings))
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
        "scope: the jeton: scopes are for clients with a secret"
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
