//! Resources: the APIs that tokens are for (RFC 8707, RFC 9728).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use crate::protocol::claims::ExtraClaims;
use crate::protocol::client::{AccessTokenFormat, AccessTokenTyp};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::time::Timestamp;

/// The most resources, all of which every node keeps in memory.
pub const MOST_RESOURCES: i64 = 10_000;

/// Which clients may request tokens for a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpenTo {
    /// Those that have it in `audiences`.
    #[default]
    Listed,
    /// Every client that was registered by an administrator.
    Registered,
    /// Every client.
    Anybody,
}

/// The configuration of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ResourceSettings {
    /// A display name.
    #[schema(required)]
    pub name: Option<String>,
    /// Its scopes, each with a description for the people who are asked to allow it. Without scopes it limits none.
    #[schema(required)]
    pub scopes: BTreeMap<String, String>,
    /// The form of access tokens for it; the client's if null.
    #[schema(required)]
    pub access_token_format: Option<AccessTokenFormat>,
    /// The `typ` in the header of JWTs for it; the client's if null.
    #[schema(required)]
    pub access_token_typ: Option<AccessTokenTyp>,
    /// The lifetime of access tokens for it, in seconds; the client's if null.
    #[schema(required)]
    pub access_token_ttl: Option<i64>,
    /// Which clients may request tokens for it.
    #[schema(required)]
    pub open_to: OpenTo,
    /// The clients that are this resource's server: they may introspect and explain tokens for it.
    #[schema(required)]
    pub serves: Vec<String>,
    /// Claims that go into tokens for it. They replace those of the client, and those of the user replace them.
    #[schema(required, value_type = Object)]
    pub claims: ExtraClaims,
    /// Members that a newer program wrote; they survive a change by this one.
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Map<String, Value>,
}

/// A resource as it is stored.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its URI: the `aud` of tokens for it.
    pub resource: String,
    /// Its configuration.
    pub settings: ResourceSettings,
    /// When it was created.
    pub created_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

impl Resource {
    /// Where its host publishes its metadata (RFC 9728 §3.1); none for a URI without a host.
    pub fn metadata_url(&self) -> Option<String> {
        let (scheme, rest) = self.resource.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = if path == "/" || path.starts_with("/?") { &path[1..] } else { path };
        let has_host = matches!(scheme, "https" | "http") && !authority.is_empty();
        has_host.then(|| format!("{scheme}://{authority}/.well-known/oauth-protected-resource{path}"))
    }
}

/// Every resource, by its URI.
#[derive(Clone, Debug, Default)]
pub struct Resources(HashMap<String, Arc<Resource>>);

impl Resources {
    /// The resource with this URI, or with the other spelling of it.
    pub fn get(&self, uri: &str) -> Option<&Arc<Resource>> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(uri).or_else(|| self.0.get(&other_spelling(uri)?))
    }

    /// Adds a resource, in place of an earlier state of it.
    pub fn put(&mut self, resource: Resource) {
        self.0.insert(resource.resource.clone(), Arc::new(resource));
    }

    /// Removes a resource.
    pub fn remove(&mut self, uri: &str) {
        self.0.remove(uri);
    }

    /// Whether the client is the server of one of these audiences.
    pub fn are_served_by(&self, audiences: &[String], client_id: &str) -> bool {
        let serves = |resource: &Arc<Resource>| resource.settings.serves.iter().any(|server| server == client_id);
        audiences.iter().any(|audience| self.get(audience).is_some_and(serves))
    }

    /// The scopes of the resources that are open to anybody.
    pub(super) fn scopes_for_anybody(&self) -> BTreeSet<&str> {
        let open = self.0.values().filter(|resource| resource.settings.open_to == OpenTo::Anybody);
        open.flat_map(|resource| resource.settings.scopes.keys()).map(String::as_str).collect()
    }

    /// Whether one of these audiences is a resource that has the scope itself.
    pub(super) fn have(&self, audiences: &[String], scope: &str) -> bool {
        let has = |resource: &Arc<Resource>| resource.settings.scopes.contains_key(scope);
        audiences.iter().any(|audience| self.get(audience).is_some_and(has))
    }

    /// Whether a token for these audiences may have the scope: one of them has it, or has no scopes of its own.
    pub(super) fn allow(&self, audiences: &[String], scope: &str) -> bool {
        let allows = |scopes: &BTreeMap<String, String>| scopes.is_empty() || scopes.contains_key(scope);
        audiences.iter().any(|audience| self.get(audience).is_none_or(|resource| allows(&resource.settings.scopes)))
    }
}

/// Chooses the audiences of a token: those asked for, or the default ones (RFC 9068 §3 requires a default). `find` gives the
/// audience that a resource names, in the spelling in which it is registered.
///
/// # Errors
/// `invalid_target` if one that was asked for is not found.
pub fn choose<'a>(
    asked: impl Iterator<Item = &'a str>,
    default: &[String],
    find: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>, Refusal> {
    let mut chosen = Vec::new();
    for resource in asked {
        let audience = find(resource).ok_or_else(|| {
            Refusal::new(
                ErrorCode::InvalidTarget,
                "The resource is not one of the audiences that this client may request.",
            )
        })?;
        if !chosen.contains(&audience) {
            chosen.push(audience);
        }
    }
    Ok(if chosen.is_empty() { default.to_vec() } else { chosen })
}

/// The audience of a list that a resource names. They are compared exactly, but for the slash that URL types add to a URI
/// without a path (RFC 3986 §6.2.3).
pub(super) fn find<'a>(resource: &str, list: &'a [String]) -> Option<&'a String> {
    let exact = list.iter().find(|audience| audience.as_str() == resource);
    exact.or_else(|| {
        let other = other_spelling(resource)?;
        list.iter().find(|audience| **audience == other)
    })
}

/// The same URI with a slash at its end, or without it; none if it has a path, query or fragment.
pub fn other_spelling(uri: &str) -> Option<String> {
    let has_no_path = |uri: &str| {
        let authority = uri.split_once("://").map_or("", |(_, authority)| authority);
        !authority.is_empty() && !authority.contains(['/', '?', '#'])
    };
    match uri.strip_suffix('/') {
        Some(shorter) => has_no_path(shorter).then(|| shorter.to_owned()),
        None => has_no_path(uri).then(|| format!("{uri}/")),
    }
}

/// Checks the URI of a resource (RFC 8707 §2).
///
/// # Errors
/// What is wrong with it.
pub fn check_uri(uri: &str) -> Result<(), String> {
    let url = Url::parse(uri).map_err(|_| format!("{uri:?} is not an absolute URI"))?;
    // The URI parser drops some control characters, but audiences are compared as text.
    let is_plain = uri.bytes().all(|byte| (0x21..=0x7E).contains(&byte));
    if url.fragment().is_some() || uri.len() > 1024 || !is_plain {
        return Err(format!("{uri:?} has a fragment, is too long, or has characters that no URI may have"));
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// Resources with these settings.
    pub(in crate::protocol) fn resources(settings: &Value) -> Resources {
        let mut resources = Resources::default();
        for (resource, settings) in settings.as_object().unwrap() {
            let settings = serde_json::from_value(settings.clone()).unwrap();
            let created_at = Timestamp::from_millis(0);
            resources.put(Resource { resource: resource.clone(), settings, created_at, version: 1 });
        }
        resources
    }

    fn allowed() -> Vec<String> {
        vec!["https://a.example".into(), "https://b.example".into()]
    }

    fn chosen(asked: &[&str], allowed: &[String]) -> Result<Vec<String>, Refusal> {
        choose(asked.iter().copied(), allowed, |resource| find(resource, allowed).cloned())
    }

    #[test]
    fn res_009_comparison_is_exact() {
        for resource in [
            "https://a.example//",
            "https://a.example/?",
            "https://A.example",
            "https://a.example/x",
            "/api",
            "not a uri",
        ] {
            assert_eq!(chosen(&[resource], &allowed()).unwrap_err().code, ErrorCode::InvalidTarget);
        }
    }

    #[test]
    fn a_uri_without_a_path_and_the_same_with_a_slash_are_one_resource() {
        let allowed = ["https://a.example", "https://b.example/", "https://c.example/x", "urn:d", "https://e?f"]
            .map(String::from);
        for (resource, audience) in [
            ("https://a.example/", Some("https://a.example")),
            ("https://b.example", Some("https://b.example/")),
            ("https://b.example//", None),
            ("https://c.example/x/", None),
            ("urn:d/", None),
            ("https://e?f/", None),
        ] {
            let chosen = chosen(&[resource], &allowed).ok();
            assert_eq!(chosen, audience.map(|audience| vec![audience.to_owned()]), "{resource}");
        }
        assert_eq!(
            chosen(&["https://a.example/", "https://a.example"], &allowed).unwrap(),
            ["https://a.example"],
            "it counts once"
        );
        let both = ["https://a.example", "https://a.example/"].map(String::from);
        assert_eq!(chosen(&["https://a.example/"], &both).unwrap(), ["https://a.example/"]);
        let resources = resources(&json!({"https://a.example": {}, "https://b.example/x": {}}));
        assert!(resources.get("https://a.example/").is_some() && resources.get("https://a.example").is_some());
        assert!(resources.get("https://b.example/x/").is_none() && resources.get("https://b.example").is_none());
    }

    #[test]
    fn res_004_a_resource_may_repeat_and_counts_once() {
        assert_eq!(chosen(&["https://b.example", "https://b.example"], &allowed()).unwrap(), ["https://b.example"]);
    }

    #[test]
    fn without_a_resource_all_allowed_audiences_are_chosen() {
        assert_eq!(chosen(&[], &allowed()).unwrap(), allowed());
    }

    #[test]
    fn the_address_of_the_metadata_has_the_path_of_the_resource() {
        for (resource, expected) in [
            ("https://a.example", Some("https://a.example/.well-known/oauth-protected-resource")),
            ("https://a.example/", Some("https://a.example/.well-known/oauth-protected-resource")),
            ("https://a.example:8443/mcp", Some("https://a.example:8443/.well-known/oauth-protected-resource/mcp")),
            ("https://a.example/a/b/", Some("https://a.example/.well-known/oauth-protected-resource/a/b/")),
            ("https://a.example/a?x=/y", Some("https://a.example/.well-known/oauth-protected-resource/a?x=/y")),
            ("https://a.example?x=/y", Some("https://a.example/.well-known/oauth-protected-resource?x=/y")),
            ("https://a.example/?x", Some("https://a.example/.well-known/oauth-protected-resource?x")),
            ("http://127.0.0.1:9000/", Some("http://127.0.0.1:9000/.well-known/oauth-protected-resource")),
            ("urn:example:api", None),
            ("api://a.example/x", None),
        ] {
            let resources = resources(&json!({ resource: {} }));
            assert_eq!(resources.get(resource).unwrap().metadata_url().as_deref(), expected, "{resource}");
        }
    }

    #[test]
    fn a_client_serves_the_resources_that_name_it() {
        let resources = resources(&json!({"https://a.example": {"serves": ["api"]}, "https://b.example": {}}));
        assert!(resources.are_served_by(&allowed(), "api"));
        assert!(!resources.are_served_by(&allowed(), "other"));
        assert!(!resources.are_served_by(&allowed()[1..], "api"));
    }
}
