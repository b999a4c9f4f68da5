//! The settings of a client as fields of a form: what was typed, what becomes of it in the admin API's words, and where it is told what is
//! wrong with it.

use serde_json::{Map, Value};

use crate::admin::{AdminError, Result};
use crate::console::page::{Field, FieldKind};
use crate::console::typed::{self, Answered, Typed};
use crate::console::visit::Outcome;
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

/// What a form holds that shows a client as it is.
pub(super) fn typed_of(client: &ClientSettings) -> Typed {
    let number = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let typed = Typed::default()
        .with(NAME.name, client.client_name.clone().unwrap_or_default())
        .with(REDIRECT_URIS.name, client.redirect_uris.join("\n"))
        .with(POST_LOGOUT_REDIRECT_URIS.name, client.post_logout_redirect_uris.join("\n"))
        .with(SCOPE.name, client.scope.to_string())
        .with(AUDIENCES.name, client.audiences.join("\n"))
        .with(ACCESS_TOKEN_TTL.name, number(client.access_token_ttl))
        .with(REFRESH_TOKEN_TTL.name, number(client.refresh_token_ttl))
        .with(CONSENT_SETTING.name, client.consent.name());
    let grants = GRANTS.into_iter().filter(|(grant, ..)| client.grant_types.contains(grant));
    grants.fold(typed, |typed, (_, field, _)| typed.with(field, "yes"))
}

impl Setting {
    /// The member that a form sets. What is empty is `null`, which stands for the default.
    pub(super) fn member(&self, typed: &Typed) -> Result<Value> {
        Ok(match self.kind {
            Kind::Lines => Some(typed.lines(self.name)).filter(|lines| !lines.is_empty()).into(),
            Kind::Grants => {
                let chosen = GRANTS.iter().filter(|(_, field, _)| typed.is_set(field));
                let names: Vec<&str> = chosen.map(|(grant, ..)| grant.name()).collect();
                Some(names).filter(|names| !names.is_empty()).into()
            }
            Kind::Number => typed.number(self.name)?.into(),
            Kind::Line | Kind::Choice(_) => typed.text(self.name).into(),
        })
    }

    fn fields(&self, typed: &Typed) -> Vec<Field> {
        let kind = match self.kind {
            Kind::Line | Kind::Number => FieldKind::Text,
            Kind::Lines => FieldKind::Area,
            Kind::Choice(choices) => FieldKind::Choice(choices.to_vec()),
            Kind::Grants => {
                let check =
                    |(_, name, label)| Field { kind: FieldKind::Check, ..Field::new(name, label, typed.get(name)) };
                return GRANTS.map(check).into();
            }
        };
        vec![Field { kind, help: self.help, ..Field::new(self.name, self.label, typed.get(self.name)) }]
    }
}

/// The members of a request for these settings.
pub(super) fn members(typed: &Typed, settings: &[Setting]) -> Result<Map<String, Value>> {
    settings.iter().map(|setting| Ok((setting.name.to_owned(), setting.member(typed)?))).collect()
}

/// The fields of a form for these settings.
pub(super) fn fields(typed: &Typed, settings: &[Setting]) -> Vec<Field> {
    settings.iter().flat_map(|setting| setting.fields(typed)).collect()
}

/// Puts an error beside the field that it is about, or above the form if it is about none.
///
/// # Errors
/// What is no matter of the form.
pub(super) fn put_beside(error: AdminError, fields: &mut [Field]) -> Outcome<Answered> {
    let otherwise = match &error {
        AdminError::Conflict(text) if text.contains("there is a client") || text.starts_with("the client_id") => {
            ID.name
        }
        AdminError::NeedsAdmin(text) if text.contains("consent") => CONSENT_SETTING.name,
        _ => "",
    };
    let error = match error {
        AdminError::NotFound(_) => return Err(error.into()),
        AdminError::Invalid(text) => AdminError::Invalid(about_field(text)),
        error => error,
    };
    typed::put_beside(error, fields, otherwise)
}

/// What is wrong, named after the field: some settings have others, or several.
fn about_field(text: String) -> String {
    let names = [("application_type", REDIRECT_URIS.name), (GRANT_TYPES.name, GRANTS[0].1)];
    let of = |(name, field)| text.strip_prefix(name).map(|rest| format!("{field}{rest}"));
    names.into_iter().find_map(of).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::body::read_members;
    use crate::admin::clients::ClientPatch;
    use crate::console::client_settings::SETTINGS;

    fn patched(typed: &Typed) -> Result<ClientSettings> {
        read_members::<ClientPatch>(members(typed, &SETTINGS)?).and_then(|patch| patch.apply(ClientSettings::default()))
    }

    /// What is wrong with which field, and above the form.
    fn beside(error: AdminError, settings: &[Setting]) -> (Vec<(&'static str, String)>, Answered) {
        let mut fields = fields(&Typed::default(), settings);
        let Ok(answered) = put_beside(error, &mut fields) else { panic!("it is a matter of the form") };
        (fields.into_iter().filter_map(|field| Some((field.name, field.problem?))).collect(), answered)
    }

    #[test]
    fn a_form_that_is_sent_as_it_was_shown_gives_the_same_client() {
        for members in [
            json!({}),
            json!({
                "client_name": "Shop", "redirect_uris": ["https://a.example/cb", "com.example:/cb"], "scope": "read write",
                "post_logout_redirect_uris": ["https://a.example/"], "audiences": ["https://api.example/"],
                "grant_types": GrantType::ALL, "access_token_ttl": 60, "refresh_token_ttl": 3600, "consent": "once",
            }),
        ] {
            let client: ClientSettings = serde_json::from_value(members).unwrap();
            let typed = typed_of(&client);
            assert_eq!(typed_of(&patched(&typed).unwrap()), typed);
        }
    }

    #[test]
    fn what_is_wrong_stands_beside_the_field_that_it_is_about() {
        for (name, text, problem) in [
            ("client_name", "x".repeat(256), "This is at most 255 bytes"),
            ("client_name", "a\u{7}b".to_owned(), "This is at most 255 bytes without control characters"),
            ("redirect_uris", "https://a.example/\nhttp://a.example/".to_owned(), "Line 2: Http is for 127.0.0.1"),
            ("scope", "a\"b".to_owned(), "A scope is a list"),
            ("scope", "jeton:root".to_owned(), "Jeton:root is not one of"),
            ("audiences", "api".to_owned(), "Line 1: "),
            ("access_token_ttl", "soon".to_owned(), "It is no whole number."),
            ("access_token_ttl", "0".to_owned(), "This is a number from 1 to"),
            ("refresh_token_ttl", "99999999999999999999".to_owned(), "It is no whole number."),
        ] {
            let typed = typed_of(&ClientSettings::default()).with(name, text.as_str());
            let (found, answered) = beside(patched(&typed).unwrap_err(), &SETTINGS);
            let [(field, told)] = &found[..] else { panic!("{name} {text}: {found:?}") };
            assert_eq!((answered.status, *field), (400, name));
            assert!(told.starts_with(problem), "{name}: {told}");
        }
        let error = AdminError::Conflict("there is a client app already".to_owned());
        let (found, answered) = beside(error.clone(), &[NAME, ID]);
        assert_eq!((found, answered.status), (vec![("client_id", "There is a client app already.".to_owned())], 409));
        assert!(beside(error, &SETTINGS).1.above.is_some());
        assert!(put_beside(AdminError::Overloaded, &mut []).is_err());
        for (text, field) in
            [("application_type: x", "redirect_uris"), ("grant_types[0]: x", "grant_authorization_code")]
        {
            assert_eq!(beside(AdminError::Invalid(text.to_owned()), &SETTINGS).0[0].0, field);
        }
    }

    #[test]
    fn every_grant_has_a_field() {
        for grant in GrantType::ALL {
            assert_eq!(GRANTS.iter().filter(|(own, ..)| own == grant).count(), 1, "{grant}");
        }
    }
}
