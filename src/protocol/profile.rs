//! The standard claims about a person, and the scopes that ask for them (OpenID Connect Core §5.1 and §5.4).

use serde_json::{Map, Value};

use crate::protocol::claims::ExtraClaims;
use crate::protocol::scope::Scope;

/// The scope that makes an authorization request one of OpenID Connect.
pub const OPENID: &str = "openid";
/// The scope that asks for a session which goes on when the person logs out (Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// The largest profile, in bytes of JSON.
const LARGEST: usize = 8192;

/// The form of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Boolean,
    Number,
    Object,
}

/// The scopes of OpenID Connect with the claims that each asks for.
const SCOPES: [(&str, &[(&str, Form)]); 4] = [
    (
        "profile",
        &[
            ("name", Form::Text),
            ("family_name", Form::Text),
            ("given_name", Form::Text),
            ("middle_name", Form::Text),
            ("nickname", Form::Text),
            ("preferred_username", Form::Text),
            ("profile", Form::Text),
            ("picture", Form::Text),
            ("website", Form::Text),
            ("gender", Form::Text),
            ("birthdate", Form::Text),
            ("zoneinfo", Form::Text),
            ("locale", Form::Text),
            ("updated_at", Form::Number),
        ],
    ),
    ("email", &[("email", Form::Text), ("email_verified", Form::Boolean)]),
    ("address", &[("address", Form::Object)]),
    ("phone", &[("phone_number", Form::Text), ("phone_number_verified", Form::Boolean)]),
];

/// Whether a scope says who the user is, rather than what a client may do: the scope of a user does not limit it.
pub fn is_about_identity(scope: &str) -> bool {
    scope == OPENID || scope == OFFLINE_ACCESS || SCOPES.iter().any(|(name, _)| *name == scope)
}

/// The scopes about identity, and the rest.
pub fn split(scope: &Scope) -> (Scope, Scope) {
    scope.split_by(is_about_identity)
}

/// The scopes about identity.
pub fn scopes() -> Scope {
    let names = SCOPES.iter().map(|(name, _)| *name);
    let names: Vec<&str> = std::iter::once(OPENID).chain(names).chain([OFFLINE_ACCESS]).collect();
    Scope::parse(&names.join(" ")).unwrap_or_default()
}

/// Every claim that a profile may have.
pub fn names() -> impl Iterator<Item = &'static str> {
    SCOPES.iter().flat_map(|(_, claims)| claims.iter()).map(|(name, _)| *name)
}

/// Checks a profile.
///
/// # Errors
/// What is wrong with it.
pub fn check(profile: &ExtraClaims) -> Result<(), String> {
    for (name, value) in profile {
        let known = SCOPES.iter().flat_map(|(_, claims)| claims.iter()).find(|(known, _)| known == name);
        let Some((_, form)) = known else {
            return Err(format!("{name:?} is not a standard claim of OpenID Connect; others belong into claims"));
        };
        let (fits, what) = match form {
            Form::Text => (value.is_string(), "a string"),
            Form::Boolean => (value.is_boolean(), "true or false"),
            Form::Number => (value.is_i64(), "a number of seconds since the epoch"),
            Form::Object => (is_address(value), "an object of strings"),
        };
        if !fits {
            return Err(format!("{name} must be {what}"));
        }
    }
    let size = serde_json::to_string(profile).map_or(usize::MAX, |text| text.len());
    if size > LARGEST {
        return Err(format!("it takes {size} bytes, more than {LARGEST}"));
    }
    Ok(())
}

fn is_address(value: &Value) -> bool {
    value.as_object().is_some_and(|members| members.values().all(Value::is_string))
}

/// The claims about a person that a scope and a list of names ask for. The username stands in for `preferred_username`.
pub fn select(profile: &ExtraClaims, username: &str, scope: &Scope, asked: &[String]) -> Map<String, Value> {
    let is_asked = |scoped: &str, name: &str| scope.contains(scoped) || asked.iter().any(|asked| asked == name);
    let mut selected = Map::new();
    for (scoped, claims) in SCOPES {
        for (name, _) in claims.iter().filter(|(name, _)| is_asked(scoped, name)) {
            match profile.get(*name) {
                Some(value) => selected.insert((*name).to_owned(), value.clone()),
                None if *name == "preferred_username" => selected.insert((*name).to_owned(), username.into()),
                None => None,
            };
        }
    }
    selected
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> ExtraClaims {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_profile_has_standard_claims_of_the_right_form() {
        assert_eq!(
            check(&object(json!({
                "name": "Anna", "email": "a@b.example", "email_verified": true, "updated_at": 1,
                "address": {"country": "France"},
            }))),
            Ok(())
        );
        for wrong in [
            json!({"sub": "x"}),
            json!({"nmae": "Anna"}),
            json!({"name": 1}),
            json!({"email_verified": "true"}),
            json!({"updated_at": "now"}),
            json!({"address": "here"}),
            json!({"address": {"country": 1}}),
            json!({"name": "x".repeat(LARGEST)}),
        ] {
            assert!(check(&object(wrong.clone())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn scopes_and_names_select_claims() {
        let profile = object(json!({"name": "Anna", "email": "a@b.example", "phone_number": "+33 1"}));
        let select = |scope: &str, asked: &[&str]| {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            Value::Object(select(&profile, "anna", &Scope::parse(scope).unwrap(), &asked))
        };
        assert_eq!(select("openid read", &[]), json!({}));
        assert_eq!(select("openid profile", &[]), json!({"name": "Anna", "preferred_username": "anna"}));
        assert_eq!(select("openid email", &["name", "birthdate"]), json!({"name": "Anna", "email": "a@b.example"}));
    }
}
