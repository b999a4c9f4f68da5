//! The JSON of a request: its syntax, its type, and where a wrong value stands.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};

use crate::admin::{AdminError, Result};

/// Reads a JSON object into the type of a request. An error names the member, and never repeats its value, which may be
/// a secret.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    let invalid = |text: String| AdminError::Invalid(text);
    serde_json::from_slice::<IgnoredAny>(json)
        .map_err(|error| invalid(format!("the body is not JSON: line {}, column {}", error.line(), error.column())))?;
    // Derived types would also accept an array, member by member.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(invalid("the body is not a JSON object".into()));
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let problem = problem(error.inner());
        invalid(match error.path().to_string() {
            path if path == "." || problem.contains('`') => problem,
            path => format!("{path}: {problem}"),
        })
    })
}

/// Reads members that were put together rather than sent, such as the flags of a command.
pub fn read_members<T: DeserializeOwned>(members: Map<String, Value>) -> Result<T> {
    read(Value::Object(members).to_string().as_bytes())
}

/// What is wrong, without the value.
fn problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    let Some((found, expected)) = text.rsplit_once(", expected ") else {
        return if text == "expected value" { "expected a string".into() } else { text.to_owned() };
    };
    match found.strip_prefix("unknown field ") {
        Some(name) => format!("unknown member {name}"),
        None => match expected {
            "a map" => "expected an object".into(),
            "a sequence" => "expected an array".into(),
            "i64" => "expected an integer".into(),
            _ => format!("expected {}", expected.replace('`', "")),
        },
    }
}

/// A member of a merge patch (RFC 7396).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Absent: the value stays.
    #[default]
    Keep,
    /// `null`: back to the default.
    Reset,
    /// A new value.
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Reset, Self::Set))
    }
}

impl<T> Patch<T> {
    /// Applies the patch to a member with a default.
    pub fn apply(self, member: &mut T, default: T) {
        match self {
            Self::Keep => {}
            Self::Reset => *member = default,
            Self::Set(value) => *member = value,
        }
    }

    /// Applies the patch to a member that may be absent.
    pub fn apply_to_option(self, member: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Reset => *member = None,
            Self::Set(value) => *member = Some(value),
        }
    }
}

impl Patch<Map<String, Value>> {
    /// Merges the patch into an object, member by member.
    pub fn merge_into(self, object: &mut Map<String, Value>) {
        match self {
            Self::Keep => {}
            Self::Reset => object.clear(),
            Self::Set(patch) => merge(object, patch),
        }
    }
}

/// RFC 7396 §2.
fn merge(object: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                object.remove(&name);
            }
            Value::Object(patch) => {
                let member = object.entry(name).or_insert(Value::Null);
                if !member.is_object() {
                    *member = Value::Object(Map::new());
                }
                if let Value::Object(object) = member {
                    merge(object, patch);
                }
            }
            value => {
                object.insert(name, value);
            }
        }
    }
}

/// Reads a member that may be absent, but not `null`.
pub(super) fn not_null<'de, D, T>(deserializer: D) -> std::result::Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::clients::{ClientPatch, NewClient};
    use crate::admin::users::{NewUser, UserPatch};

    #[track_caller]
    fn refused<T: DeserializeOwned>(json: &str) -> String {
        match read::<T>(json.as_bytes()) {
            Err(AdminError::Invalid(text)) => text,
            _ => panic!("{json} is accepted"),
        }
    }

    #[test]
    fn an_error_names_the_location_and_the_expected_type() {
        for (json, text) in [
            (r#"{"grant_types":["password",7]}"#, "grant_types[1]: expected a string"),
            (
                r#"{"grant_types":["implicit"]}"#,
                "grant_types[0]: expected one of password, client_credentials, refresh_token, authorization_code, \
                 urn:ietf:params:oauth:grant-type:device_code, urn:ietf:params:oauth:grant-type:token-exchange, \
                 urn:ietf:params:oauth:grant-type:jwt-bearer",
            ),
            (r#"{"access_token_ttl":"soon"}"#, "access_token_ttl: expected an integer"),
            (r#"{"enabled":1}"#, "enabled: expected a boolean"),
            (r#"{"claims":[]}"#, "claims: expected an object"),
            (r#"{"audiences":"x"}"#, "audiences: expected an array"),
            (r#"{"colour":"red"}"#, "unknown member `colour`"),
            (r#"{"scope":"a","scope":"b"}"#, "duplicate field `scope`"),
            ("[]", "the body is not a JSON object"),
            (r#"{"scope":"#, "the body is not JSON: line 1, column 9"),
        ] {
            assert_eq!(refused::<NewClient>(json), text, "{json}");
            assert_eq!(refused::<ClientPatch>(json), text, "{json}");
        }
        for first in ["null", r#""a""#] {
            let json = format!(r#"{{"client_id":{first},"client_id":"b"}}"#);
            assert_eq!(refused::<NewClient>(&json), "duplicate field `client_id`");
        }
        assert_eq!(refused::<ClientPatch>(r#"{"client_id":"a"}"#), "unknown member `client_id`");
        assert_eq!(refused::<NewUser>("{}"), "missing field `username`");
        assert!(refused::<NewUser>(r#"{"username":"a","scope":"a\"b"}"#).starts_with("scope: a scope is"));
    }

    #[test]
    fn a_wrong_value_is_never_repeated() {
        for value in ["12345678", r#"["hunter2, expected hunter2"]"#, r#"{"hunter2":1}"#] {
            let text = refused::<NewUser>(&format!(r#"{{"username":"a","password":{value}}}"#));
            assert_eq!(text, "password: expected a string");
        }
        let text = refused::<ClientPatch>(r#"{"permissions":["hunter2, expected hunter2"]}"#);
        assert_eq!(text, "permissions[0]: expected one of introspect, explain, exchange, impersonate");
    }

    #[test]
    fn null_resets_a_member_and_cannot_stand_for_a_name() {
        let patch: ClientPatch = read(br#"{"scope":null}"#).unwrap();
        assert!(patch.scope == Patch::Reset && patch.claims == Patch::Keep);
        assert_eq!(refused::<UserPatch>(r#"{"username":null}"#), "username: expected a string");
    }
}
