//! The bodies of requests that create or change a resource.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::body::Patch;
use crate::admin::schema::{AudienceUri, Claims, ScopePatch};
use crate::admin::{AdminError, Result};
use crate::protocol::claims::{self, ExtraClaims};
use crate::protocol::client::{AccessTokenFormat, AccessTokenTyp, check_client_id};
use crate::protocol::resource::{OpenTo, ResourceSettings};
use crate::protocol::scope::{Scope, is_reserved};
use crate::settings::LONGEST_ACCESS_TOKEN_TTL;

/// The most scopes of a resource.
const MOST_SCOPES: usize = 200;
/// The most bytes of all its scopes with their descriptions, which every node keeps in memory.
const LARGEST_SCOPES: usize = 8192;
/// The most clients that serve it.
const MOST_SERVERS: usize = 50;

/// A resource to create. `null` counts as absent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewResource {
    /// The URI of the API, which becomes the `aud` of its tokens. It never changes. It is no `client_id`, and there is no other
    /// resource that differs only by a slash after the host.
    #[schema(value_type = AudienceUri)]
    pub resource: String,
    /// A display name, at most 255 bytes of UTF-8 without control characters.
    #[schema(max_length = 255, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$")]
    pub name: Option<String>,
    /// Its scopes, each with a description for the people who are asked to allow it. Without scopes it limits none.
    pub scopes: Option<BTreeMap<String, String>>,
    /// The form of access tokens for it; the client's if absent.
    pub access_token_format: Option<AccessTokenFormat>,
    /// The `typ` in the header of JWTs for it; the client's if absent.
    pub access_token_typ: Option<AccessTokenTyp>,
    /// The life of access tokens for it in seconds; the client's if absent.
    #[schema(minimum = 1, maximum = 86400)]
    pub access_token_ttl: Option<i64>,
    /// Which clients may request tokens for it.
    #[schema(default = "listed")]
    pub open_to: Option<OpenTo>,
    /// The clients that are this resource's server: they may introspect and explain tokens for it.
    #[schema(max_items = 50)]
    pub serves: Option<Vec<String>>,
    /// Claims that go into tokens for it.
    #[schema(value_type = Option<Claims>)]
    pub claims: Option<ExtraClaims>,
}

impl NewResource {
    /// The settings, checked.
    pub(in crate::admin) fn settings(self) -> Result<ResourceSettings> {
        let settings = ResourceSettings {
            name: self.name,
            scopes: self.scopes.unwrap_or_default(),
            access_token_format: self.access_token_format,
            access_token_typ: self.access_token_typ,
            access_token_ttl: self.access_token_ttl,
            open_to: self.open_to.unwrap_or_default(),
            serves: self.serves.unwrap_or_default(),
            claims: self.claims.unwrap_or_default(),
            ..ResourceSettings::default()
        };
        check(&settings)?;
        Ok(settings)
    }
}

/// What can be changed of a resource.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourcePatch {
    /// A display name, at most 255 bytes of UTF-8 without control characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 255, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$")]
    pub name: Patch<String>,
    /// Its scopes with their descriptions, merged member by member; `null` removes one.
    #[serde(default)]
    #[schema(value_type = Option<ScopePatch>)]
    pub scopes: Patch<BTreeMap<String, Option<String>>>,
    /// The form of access tokens for it; the client's if null.
    #[serde(default)]
    #[schema(value_type = Option<AccessTokenFormat>)]
    pub access_token_format: Patch<AccessTokenFormat>,
    /// The `typ` in the header of JWTs for it; the client's if null.
    #[serde(default)]
    #[schema(value_type = Option<AccessTokenTyp>)]
    pub access_token_typ: Patch<AccessTokenTyp>,
    /// The life of access tokens for it in seconds; the client's if null.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 86400)]
    pub access_token_ttl: Patch<i64>,
    /// Which clients may request tokens for it.
    #[serde(default)]
    #[schema(value_type = Option<OpenTo>, default = "listed")]
    pub open_to: Patch<OpenTo>,
    /// The clients that are this resource's server.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    pub serves: Patch<Vec<String>>,
    /// Claims that go into tokens for it, merged member by member.
    #[serde(default)]
    #[schema(value_type = Option<Claims>)]
    pub claims: Patch<ExtraClaims>,
}

impl ResourcePatch {
    /// The settings with this patch applied (RFC 7396).
    pub(super) fn apply(self, mut settings: ResourceSettings) -> Result<ResourceSettings> {
        self.name.apply_to_option(&mut settings.name);
        match self.scopes {
            Patch::Keep => {}
            Patch::Reset => settings.scopes.clear(),
            Patch::Set(scopes) => {
                for (scope, description) in scopes {
                    match description {
                        Some(description) => settings.scopes.insert(scope, description),
                        None => settings.scopes.remove(&scope),
                    };
                }
            }
        }
        self.access_token_format.apply_to_option(&mut settings.access_token_format);
        self.access_token_typ.apply_to_option(&mut settings.access_token_typ);
        self.access_token_ttl.apply_to_option(&mut settings.access_token_ttl);
        self.open_to.apply(&mut settings.open_to, OpenTo::default());
        self.serves.apply(&mut settings.serves, vec![]);
        self.claims.merge_into(&mut settings.claims);
        check(&settings)?;
        Ok(settings)
    }
}

fn check(settings: &ResourceSettings) -> Result<()> {
    problem_of(settings).map_or(Ok(()), |problem| Err(AdminError::Invalid(problem)))
}

fn problem_of(settings: &ResourceSettings) -> Option<String> {
    let is_unfit = |text: &str| text.chars().any(char::is_control);
    if settings.name.as_ref().is_some_and(|name| name.len() > 255 || is_unfit(name)) {
        return Some("name is at most 255 bytes without control characters".into());
    }
    let is_name = |name: &str| !name.contains(' ') && Scope::parse(name).is_ok_and(|scope| !scope.is_empty());
    for (name, description) in &settings.scopes {
        if !is_name(name) {
            return Some(format!(
                "scopes: {name:?} is not a name of printable ASCII characters without space, \" and \\"
            ));
        }
        if is_reserved(name) {
            return Some(format!("scopes: {name} belongs to the admin API"));
        }
        if is_unfit(description) {
            return Some(format!("scopes: the description of {name} has control characters"));
        }
    }
    let size: usize = settings.scopes.iter().map(|(name, description)| name.len() + description.len()).sum();
    if settings.scopes.len() > MOST_SCOPES || size > LARGEST_SCOPES {
        return Some(format!("scopes has more than {MOST_SCOPES} entries or {LARGEST_SCOPES} bytes"));
    }
    if settings.access_token_ttl.is_some_and(|ttl| !(1..=LONGEST_ACCESS_TOKEN_TTL).contains(&ttl)) {
        return Some(format!("access_token_ttl is a number from 1 to {LONGEST_ACCESS_TOKEN_TTL}"));
    }
    let serves = &settings.serves;
    if serves.len() > MOST_SERVERS || serves.iter().enumerate().any(|(index, id)| serves[..index].contains(id)) {
        return Some(format!("serves has more than {MOST_SERVERS} entries, or one twice"));
    }
    if let Some(problem) = serves.iter().find_map(|id| check_client_id(id).err()) {
        return Some(format!("serves: {problem}"));
    }
    claims::check_extra(&settings.claims).err().map(|problem| format!("claims: {problem}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::admin::body::read;

    fn patched(settings: ResourceSettings, members: &Value) -> Result<ResourceSettings> {
        read::<ResourcePatch>(members.to_string().as_bytes()).and_then(|patch| patch.apply(settings))
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_removes_a_scope_or_restores_a_default() {
        let first = json!({"scopes": {"read": "Read", "write": "Write"}, "access_token_ttl": 60, "claims": {"a": 1}, "name": "N"});
        let first = patched(ResourceSettings::default(), &first).unwrap();
        let second =
            json!({"scopes": {"write": null, "delete": "Delete"}, "access_token_ttl": null, "open_to": "registered"});
        let second = patched(first, &second).unwrap();
        assert_eq!(json!(second.scopes), json!({"delete": "Delete", "read": "Read"}));
        assert_eq!(
            (second.access_token_ttl, second.open_to, second.name.as_deref()),
            (None, OpenTo::Registered, Some("N"))
        );
        assert_eq!(patched(second, &json!({"scopes": null, "open_to": null})).unwrap().open_to, OpenTo::Listed);
    }

    #[test]
    fn an_error_names_the_member() {
        for (members, name) in [
            (json!({"name": "a\nb"}), "name"),
            (json!({"name": "x".repeat(256)}), "name"),
            (json!({"scopes": {"a b": ""}}), "scopes"),
            (json!({"scopes": {"": ""}}), "scopes"),
            (json!({"scopes": {"jeton:admin": ""}}), "scopes"),
            (json!({"scopes": {"a": "\u{0}"}}), "scopes"),
            (json!({"scopes": {"a": "x".repeat(9000)}}), "scopes"),
            (json!({"scopes": {"a": 1}}), "scopes"),
            (json!({"scopes": ["a"]}), "scopes"),
            (json!({"access_token_format": "paper"}), "access_token_format"),
            (json!({"access_token_ttl": 0}), "access_token_ttl"),
            (json!({"access_token_ttl": 86_401}), "access_token_ttl"),
            (json!({"open_to": "everyone"}), "open_to"),
            (json!({"serves": ["a", "a"]}), "serves"),
            (json!({"serves": [" a"]}), "serves"),
            (json!({"claims": {"aud": "x"}}), "claims"),
            (json!({"resource": "https://a.example"}), "resource"),
            (json!({"colour": "red"}), "colour"),
        ] {
            let error = patched(ResourceSettings::default(), &members).unwrap_err().to_string();
            assert!(error.contains(name), "{members}: {error}");
            let mut new = json!({"resource": "https://a.example"});
            new.as_object_mut().unwrap().extend(members.as_object().cloned().unwrap());
            if name != "resource" {
                let new = read::<NewResource>(new.to_string().as_bytes()).and_then(NewResource::settings);
                assert!(new.unwrap_err().to_string().contains(name), "{members}");
            }
        }
    }
}
