//! The settings of a client as fields of a form: what was typed, what becomes of it in the admin API's words, and where it is told what is
//! wrong with it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::admin::AdminError;
use crate::console::page::{Field, FieldKind};
use crate::console::visit::{Outcome, Visit, sentence};
use crate::protocol::client::{ClientSettings, Consent, GrantType};

/// A setting, which is a field of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    label: &'static str,
    help: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Line,
    /// A list, one entry a line.
    Lines,
    Number,
    Choice(&'static [(&'static str, &'static str)]),
    /// The grants, each a yes or no.
    Grants,
}

const CONSENT: &[(&str, &str)] = &[
    (Consent::Required.name(), "each time"),
    (Consent::Once.name(), "once"),
    (Consent::Skip.name(), "never: it is ours (role admin)"),
];

/// The grants: the names and labels of their fields.
const GRANTS: [(GrantType, &str, &str); 7] = [
    (
        GrantType::AuthorizationCode,
        "grant_authorization_code",
        "Grant: a person logs in at a browser (authorization_code)",
    ),
    (GrantType::RefreshToken, "grant_refresh_token", "Grant: it renews its tokens (refresh_token)"),
    (GrantType::ClientCredentials, "grant_client_credentials", "Grant: tokens of its own (client_credentials)"),
    (GrantType::DeviceCode, "grant_device_code", "Grant: a person logs in at another device (device_code)"),
    (GrantType::TokenExchange, "grant_token_exchange", "Grant: tokens in exchange for others (token-exchange)"),
    (GrantType::JwtBearer, "grant_jwt_bearer", "Grant: tokens of a trusted issuer (jwt-bearer)"),
    (GrantType::Password, "grant_password", "Grant: it asks for the password itself (password), which is discouraged"),
];

pub(super) const NAME: Setting =
    Setting { name: "client_name", label: "Name", help: "People see it when they are asked.", kind: Kind::Line };
pub(super) const ID: Setting = Setting {
    name: "client_id",
    label: "Id",
    help: "Leave it empty to have one generated. It never changes.",
    kind: Kind::Line,
};
pub(super) const REDIRECT_URIS: Setting = Setting {
    name: "redirect_uris",
    label: "Redirect URIs",
    help: "Where the browser comes back after a login, one a line: https, http://127.0.0.1 or http://localhost, or a private scheme with \
           a dot.",
    kind: Kind::Lines,
};
pub(super) const POST_LOGOUT_REDIRECT_URIS: Setting = Setting {
    name: "post_logout_redirect_uris",
    label: "Redirect URIs after a logout",
    help: "One a line; it may have none.",
    kind: Kind::Lines,
};
pub(super) const SCOPE: Setting =
    Setting { name: "scope", label: "Scope", help: "What it may be granted, separated by spaces.", kind: Kind::Line };
pub(super) const AUDIENCES: Setting = Setting {
    name: "audiences",
    label: "Audiences",
    help: "The APIs that its tokens are for, one URI a line; if there is none, the default audience.",
    kind: Kind::Lines,
};
pub(super) const GRANT_TYPES: Setting = Setting { name: "grant_types", label: "", help: "", kind: Kind::Grants };
pub(super) const ACCESS_TOKEN_TTL: Setting = Setting {
    name: "access_token_ttl",
    label: "Life of an access token, in seconds",
    help: "Leave it empty for the server's default.",
    kind: Kind::Number,
};
pub(super) const REFRESH_TOKEN_TTL: Setting = Setting {
    name: "refresh_token_ttl",
    label: "Seconds for which a session may stay unused",
    help: "Leave it empty for the server's default.",
    kind: Kind::Number,
};
pub(super) const CONSENT_SETTING: Setting =
    Setting { name: "consent", label: "People are asked", help: "", kind: Kind::Choice(CONSENT) };

/// The names of the fields of settings.
pub(super) fn names(settings: &[Setting]) -> Vec<&'static str> {
    let names = |setting: &Setting| match setting.kind {
        Kind::Grants => GRANTS.map(|(_, field, _)| field).to_vec(),
        _ => vec![setting.name],
    };
    settings.iter().flat_map(names).collect()
}

/// The texts of settings, as they stand in the fields of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts(BTreeMap<&'static str, String>);

impl Texts {
    /// What was typed. Each line of a list is trimmed, and empty ones are left out.
    pub(super) fn typed(visit: &Visit<'_>, settings: &[Setting]) -> Outcome<Self> {
        let mut texts = Self::default();
        for setting in settings {
            let text = match setting.kind {
                Kind::Lines => lines(visit.raw(setting.name)?.unwrap_or_default(), setting.name)?,
                Kind::Grants => {
                    let mut names = Vec::new();
                    for (grant, field, _) in GRANTS {
                        names.extend(visit.one(field)?.map(|_| grant.name()));
                    }
                    names.join(" ")
                }
                Kind::Line | Kind::Number | Kind::Choice(_) => visit.text(setting.name)?.trim().to_owned(),
            };
            texts.set(setting.name, text);
        }
        Ok(texts)
    }

    /// What a client has.
    pub(super) fn of(client: &ClientSettings) -> Self {
        let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        let grants = GRANTS.iter().filter(|(grant, ..)| client.grant_types.contains(grant));
        let grants: Vec<&str> = grants.map(|(grant, ..)| grant.name()).collect();
        let mut texts = Self::default();
        texts.set(NAME.name, client.client_name.clone().unwrap_or_default());
        texts.set(REDIRECT_URIS.name, client.redirect_uris.join("\n"));
        texts.set(POST_LOGOUT_REDIRECT_URIS.name, client.post_logout_redirect_uris.join("\n"));
        texts.set(SCOPE.name, client.scope.to_string());
        texts.set(AUDIENCES.name, client.audiences.join("\n"));
        texts.set(GRANT_TYPES.name, grants.join(" "));
        texts.set(ACCESS_TOKEN_TTL.name, number(client.access_token_ttl));
        texts.set(REFRESH_TOKEN_TTL.name, number(client.refresh_token_ttl));
        texts.set(CONSENT_SETTING.name, client.consent.name());
        texts
    }

    pub(super) fn set(&mut self, name: &'static str, text: impl Into<String>) {
        self.0.insert(name, text.into());
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// The members of a request for these settings; an empty text is `null`.
    pub(super) fn members<'a>(&self, settings: impl IntoIterator<Item = &'a Setting>) -> Map<String, Value> {
        let member = |setting: &Setting| (setting.name.to_owned(), self.member(setting));
        settings.into_iter().map(member).collect()
    }

    fn member(&self, setting: &Setting) -> Value {
        let text = self.get(setting.name);
        match setting.kind {
            _ if text.is_empty() => Value::Null,
            Kind::Lines => text.lines().collect(),
            Kind::Grants => text.split(' ').collect(),
            // What is no number is refused as such where the numbers are.
            Kind::Number => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
            Kind::Line | Kind::Choice(_) => text.into(),
        }
    }

    /// The fields of a form for these settings, with what is wrong beside the one that it is about.
    pub(super) fn fields(&self, settings: &[Setting], problem: Option<&(&'static str, String)>) -> Vec<Field> {
        settings.iter().flat_map(|setting| self.fields_of(setting, problem)).collect()
    }

    fn fields_of(&self, setting: &Setting, problem: Option<&(&'static str, String)>) -> Vec<Field> {
        let text = self.get(setting.name);
        let problem = problem.filter(|(name, _)| *name == setting.name).map(|(_, text)| text.clone());
        let kind = match setting.kind {
            Kind::Line | Kind::Number => FieldKind::Text,
            Kind::Lines => FieldKind::Area,
            Kind::Choice(choices) => FieldKind::Choice(choices.to_vec()),
            Kind::Grants => {
                let mut problem = problem;
                let chosen: Vec<&str> = text.split(' ').collect();
                let field = |&(grant, name, label): &(GrantType, &'static str, &'static str)| Field {
                    kind: FieldKind::Check,
                    problem: problem.take(),
                    ..Field::new(name, label, if chosen.contains(&grant.name()) { "yes" } else { "" })
                };
                return GRANTS.iter().map(field).collect();
            }
        };
        vec![Field { kind, problem, help: setting.help, ..Field::new(setting.name, setting.label, text) }]
    }
}

fn lines(text: &str, name: &'static str) -> Outcome<String> {
    if text.chars().any(|one| one.is_control() && !matches!(one, '\r' | '\n')) {
        return Err(AdminError::Invalid(format!("the parameter {name} has control characters")).into());
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(lines.join("\n"))
}

/// A form that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// The status of the answer.
    pub(super) status: u16,
    /// What is wrong, and the field that it is about.
    pub(super) beside: Option<(&'static str, String)>,
    /// What is wrong with no field in particular.
    pub(super) above: Option<String>,
}

impl Refused {
    /// What is wrong with a field.
    pub(super) fn field(name: &'static str, text: impl Into<String>) -> Self {
        Self { status: 400, beside: Some((name, text.into())), above: None }
    }

    /// What is wrong with none in particular.
    pub(super) fn form(status: u16, text: &str) -> Self {
        Self { status, beside: None, above: Some(sentence(text)) }
    }

    /// Why administration refuses what a form with these settings asks for. Anything else is no matter of the form.
    pub(super) fn by(error: AdminError, settings: &[Setting]) -> Outcome<Self> {
        let (status, text) = match &error {
            AdminError::Invalid(text) => (400, text),
            AdminError::Conflict(text) => (409, text),
            AdminError::NeedsAdmin(text) => (403, text),
            AdminError::NotFound(_) | AdminError::Unavailable(_) | AdminError::Overloaded => return Err(error.into()),
        };
        let has = |name: &str| settings.iter().find(|setting| setting.name == name).map(|setting| setting.name);
        let beside = match &error {
            AdminError::Invalid(text) => {
                let end = text.find(|one: char| !one.is_ascii_lowercase() && one != '_').unwrap_or(text.len());
                let (name, rest) = text.split_at(end);
                match (has(name), name) {
                    (Some(name), _) => Some((name, about(rest))),
                    (None, "application_type") => has(REDIRECT_URIS.name).map(|name| (name, about(rest))),
                    _ => None,
                }
            }
            AdminError::Conflict(text) if text.contains("there is a client") || text.starts_with("the client_id") => {
                has(ID.name).map(|name| (name, sentence(text)))
            }
            AdminError::NeedsAdmin(text) if text.contains("consent") => {
                has(CONSENT_SETTING.name).map(|name| (name, sentence(text)))
            }
            _ => None,
        };
        Ok(match beside {
            Some(beside) => Self { status, beside: Some(beside), above: None },
            None => Self::form(status, text),
        })
    }
}

/// What is wrong, without the name, which the label tells: `[1]: it must be …`, `: it must be …` or ` is a number …`.
fn about(rest: &str) -> String {
    let entry = rest.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    match (entry.and_then(|(index, problem)| Some((index.parse::<usize>().ok()?, problem))), rest.strip_prefix(": ")) {
        (Some((index, problem)), _) => format!("Line {}: {}", index + 1, sentence(problem)),
        (None, Some(problem)) => sentence(problem),
        (None, None) => sentence(&format!("it{rest}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::body::read_members;
    use crate::admin::clients::ClientPatch;
    use crate::console::client_settings::SETTINGS;

    fn patched(texts: &Texts) -> Result<ClientSettings, AdminError> {
        read_members::<ClientPatch>(texts.members(&SETTINGS)).and_then(|patch| patch.apply(ClientSettings::default()))
    }

    #[test]
    fn the_texts_of_a_client_give_the_same_client() {
        for members in [
            json!({}),
            json!({
                "client_name": "Shop", "redirect_uris": ["https://a.example/cb", "com.example:/cb"], "scope": "read write",
                "post_logout_redirect_uris": ["https://a.example/"], "audiences": ["https://api.example/"],
                "grant_types": GrantType::ALL, "access_token_ttl": 60, "refresh_token_ttl": 3600, "consent": "once",
            }),
        ] {
            let client: ClientSettings = serde_json::from_value(members).unwrap();
            let texts = Texts::of(&client);
            assert_eq!(Texts::of(&patched(&texts).unwrap()), texts);
        }
    }

    #[test]
    fn what_is_wrong_stands_beside_the_field_that_it_is_about() {
        for (name, text, problem) in [
            ("client_name", "x".repeat(256), "It is at most 255 bytes"),
            ("redirect_uris", "https://a.example/\nhttp://a.example/".to_owned(), "Line 2: Http is for 127.0.0.1"),
            ("scope", "a\"b".to_owned(), "A scope is a list"),
            ("scope", "jeton:root".to_owned(), "Jeton:root is not one of"),
            ("audiences", "api".to_owned(), "Line 1: "),
            ("access_token_ttl", "soon".to_owned(), "Expected an integer."),
            ("access_token_ttl", "0".to_owned(), "It is a number from 1 to"),
            ("refresh_token_ttl", "99999999999999999999".to_owned(), "Expected an integer."),
        ] {
            let mut texts = Texts::of(&ClientSettings::default());
            texts.set(name, text.as_str());
            let Ok(refused) = Refused::by(patched(&texts).unwrap_err(), &SETTINGS) else { panic!("{name}: {text}") };
            let (field, found) = refused.beside.clone().unwrap_or_else(|| panic!("{refused:?}"));
            assert_eq!((refused.status, field), (400, name));
            assert!(found.starts_with(problem), "{name}: {found}");
            let shown = texts.fields(&SETTINGS, refused.beside.as_ref());
            let beside: Vec<_> = shown.iter().filter(|field| field.problem.is_some()).map(|field| field.name).collect();
            assert_eq!(beside, [name]);
        }
        let error = AdminError::Conflict("there is a client app already".to_owned());
        let Ok(refused) = Refused::by(error.clone(), &[NAME, ID]) else { panic!("it is a matter of the form") };
        assert_eq!(refused.beside, Some(("client_id", "There is a client app already.".to_owned())));
        let Ok(refused) = Refused::by(error, &SETTINGS) else { panic!("it is a matter of the form") };
        assert_eq!((refused.status, refused.beside, refused.above.is_some()), (409, None, true));
        assert!(Refused::by(AdminError::Overloaded, &SETTINGS).is_err());
    }

    #[test]
    fn every_grant_has_a_field() {
        for grant in GrantType::ALL {
            assert_eq!(GRANTS.iter().filter(|(own, ..)| own == grant).count(), 1, "{grant}");
        }
    }
}
