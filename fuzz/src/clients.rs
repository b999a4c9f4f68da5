//! The settings of a client: creation and merge patches.

use jeton::admin::body::read_members;
use jeton::admin::clients::ClientPatch;
use jeton::protocol::client::{AuthMethod, ClientSettings, GrantType};
use serde_json::{Map, Value};

/// What to begin with: the members of a new client, and behind a line break a patch.
pub const SEEDS: &[&str] = &[
    "{\"scope\":\"read\",\"grant_types\":[\"password\"],\"claims\":{\"a\":1}}\n{\"claims\":{\"a\":null,\"b\":{\"c\":2}}}",
    "{\"token_endpoint_auth_method\":\"none\",\"audiences\":[\"https://a.example/\"]}\n{\"enabled\":false,\"scope\":null}",
    "{\"access_token_format\":\"opaque\",\"access_token_ttl\":60,\"refresh_token_rotation\":false,\"max_sessions\":3}\n{}",
    "{\"permissions\":[\"introspect\",\"explain\"],\"introspect_audiences\":[\"urn:x\"],\"retry_window\":0}\n{\"session_ttl\":9}",
    "{\"scope\":\"jeton:admin\",\"client_name\":\"\\u202e\"}\n{\"token_endpoint_auth_method\":\"none\"}",
    "{\"token_endpoint_auth_method\":\"private_key_jwt\",\"jwks_uri\":\"https://a.example/\"}\n{\"jwks_uri\":null,\"jwks\":\
     {\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}}",
];

fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(text).ok()
}

/// The settings after a patch, if it is accepted.
fn patched(settings: &ClientSettings, patch: Map<String, Value>) -> jeton::admin::Result<ClientSettings> {
    read_members::<ClientPatch>(patch)?.apply(settings.clone())
}

fn members(settings: &ClientSettings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(members)) => members,
        other => panic!("settings are an object: {other:?}"),
    }
}

/// What is accepted is legal, reads back, and a patch does the same when it is sent twice.
pub fn client_settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (new, patch) = text.split_once('\n').unwrap_or((text, "{}"));
    let (Some(new), Some(patch)) = (object(new), object(patch)) else { return };
    let first = match patched(&ClientSettings::default(), new) {
        Ok(settings) => settings,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    legal(&first);
    assert_eq!(patched(&first, Map::new()).ok().as_ref(), Some(&first), "an empty patch changes nothing");
    let Ok(second) = patched(&first, patch.clone()) else { return };
    legal(&second);
    assert_eq!(patched(&second, patch.clone()).ok().as_ref(), Some(&second), "twice is once: {patch:?}");
    let (before, after) = (members(&first), members(&second));
    for (name, value) in &before {
        assert!(patch.contains_key(name) || after.get(name) == Some(value), "{name} was not named and is changed");
    }
}

fn legal(settings: &ClientSettings) {
    let written = members(settings);
    assert_eq!(serde_json::from_value(Value::Object(written.clone())).ok().as_ref(), Some(settings));
    let mut sent = written;
    // Whoever registers a client says these; they are shown, and never change.
    sent.retain(|name, _| !["registered_by", "metadata"].contains(&name.as_str()));
    assert_eq!(patched(&ClientSettings::default(), sent).ok().as_ref(), Some(settings), "what is shown can be sent");
    let text = serde_json::to_string(settings).expect("settings are JSON");
    assert_eq!(serde_json::from_str(&text).ok().as_ref(), Some(settings), "what is kept reads back");
    if settings.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt {
        assert!(settings.jwks.is_some() != settings.jwks_uri.is_some(), "keys at one place");
    }
    if settings.token_endpoint_auth_method == AuthMethod::None {
        assert!(settings.permissions.is_empty() && !settings.scope.has_reserved() && settings.refresh_token_rotation);
        assert!(!settings.grant_types.contains(&GrantType::ClientCredentials));
    }
    assert!(settings.max_sessions > 0 && settings.access_token_ttl.is_none_or(|seconds| seconds > 0));
    for audience in settings.audiences.iter().chain(settings.introspect_audiences.iter().flatten()) {
        assert!(audience.bytes().all(|byte| (0x21..=0x7E).contains(&byte)), "{audience:?}");
    }
}
