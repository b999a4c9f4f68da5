//! The bodies of requests that create or change a trusted issuer.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::admin::body::Patch;
use crate::admin::schema::{IssuerName, RedirectUri};
use crate::admin::{AdminError, Result};
use crate::jose::key_set::KeySet;
use crate::protocol::client::Jwks;
use crate::protocol::trusted_issuer::{IssuerSettings, IssuerUse, LocalUsers, Rule};

/// An issuer to trust. `null` counts as absent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIssuer {
    /// The `iss` of its tokens. It never changes, and is not this server.
    #[schema(value_type = IssuerName)]
    pub issuer: String,
    /// A display name, at most 255 bytes of UTF-8 without control characters.
    #[schema(max_length = 255, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$")]
    pub name: Option<String>,
    /// Its public keys, where this server cannot or should not fetch them.
    #[schema(value_type = Option<Jwks>)]
    pub jwks: Option<Jwks>,
    /// Where its public keys are (https). Without `jwks` and `jwks_uri`, its discovery document says where.
    #[schema(value_type = Option<RedirectUri>)]
    pub jwks_uri: Option<String>,
    /// What the `aud` of its tokens may be. They may name nobody else.
    #[schema(min_items = 1, max_items = 8)]
    pub audience: Vec<String>,
    /// What its tokens may be used for.
    #[schema(min_items = 1)]
    pub uses: Vec<IssuerUse>,
    /// For how many seconds a token is accepted after it was issued.
    #[schema(minimum = 1, maximum = 90000, default = 3600)]
    pub max_age: Option<i64>,
    /// Whether each token counts once. If absent, it does unless it proves a client. An identity assertion always counts once.
    pub single_use: Option<bool>,
    /// Whether its subjects are users of this server: never, the one with the same `sub`, or the one whose username is the verified
    /// `email`.
    #[schema(default = "never")]
    pub local_users: Option<LocalUsers>,
    /// Who its tokens are. Of the rules for a use, exactly one must match: those with a `client_id` for client assertions, those
    /// without for the other uses.
    #[schema(max_items = 200)]
    pub rules: Option<Vec<Rule>>,
    /// Whether its tokens are accepted.
    #[schema(default = true)]
    pub enabled: Option<bool>,
}

impl NewIssuer {
    /// The settings, checked.
    pub(in crate::admin) fn settings(self) -> Result<IssuerSettings> {
        let default = IssuerSettings::default();
        let settings = IssuerSettings {
            name: self.name,
            jwks: self.jwks,
            jwks_uri: self.jwks_uri,
            audience: self.audience,
            uses: self.uses,
            max_age: self.max_age.unwrap_or(default.max_age),
            single_use: self.single_use,
            local_users: self.local_users.unwrap_or_default(),
            rules: self.rules.unwrap_or_default(),
            enabled: self.enabled.unwrap_or(true),
            ..default
        };
        check(&self.issuer, &settings)?;
        Ok(settings)
    }
}

/// What can be changed of an issuer. Lists are replaced as a whole.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerPatch {
    /// A display name, at most 255 bytes of UTF-8 without control characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 255, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$")]
    pub name: Patch<String>,
    /// Its public keys.
    #[serde(default)]
    #[schema(value_type = Option<Jwks>)]
    pub jwks: Patch<Jwks>,
    /// Where its public keys are (https).
    #[serde(default)]
    #[schema(value_type = Option<RedirectUri>)]
    pub jwks_uri: Patch<String>,
    /// What the `aud` of its tokens may be.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, min_items = 1, max_items = 8)]
    pub audience: Patch<Vec<String>>,
    /// What its tokens may be used for.
    #[serde(default)]
    #[schema(value_type = Option<Vec<IssuerUse>>, min_items = 1)]
    pub uses: Patch<Vec<IssuerUse>>,
    /// For how many seconds a token is accepted after it was issued.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 90000, default = 3600)]
    pub max_age: Patch<i64>,
    /// Whether each token counts once.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub single_use: Patch<bool>,
    /// Whether its subjects are users of this server.
    #[serde(default)]
    #[schema(value_type = Option<LocalUsers>, default = "never")]
    pub local_users: Patch<LocalUsers>,
    /// Who its tokens are.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Rule>>, max_items = 200)]
    pub rules: Patch<Vec<Rule>>,
    /// Whether its tokens are accepted.
    #[serde(default)]
    #[schema(value_type = Option<bool>, default = true)]
    pub enabled: Patch<bool>,
}

impl IssuerPatch {
    /// The settings with this patch applied (RFC 7396).
    pub(super) fn apply(self, issuer: &str, mut settings: IssuerSettings) -> Result<IssuerSettings> {
        let default = IssuerSettings::default();
        self.name.apply_to_option(&mut settings.name);
        self.jwks.apply_to_option(&mut settings.jwks);
        self.jwks_uri.apply_to_option(&mut settings.jwks_uri);
        self.audience.apply(&mut settings.audience, default.audience);
        self.uses.apply(&mut settings.uses, default.uses);
        self.max_age.apply(&mut settings.max_age, default.max_age);
        self.single_use.apply_to_option(&mut settings.single_use);
        self.local_users.apply(&mut settings.local_users, default.local_users);
        self.rules.apply(&mut settings.rules, default.rules);
        self.enabled.apply(&mut settings.enabled, default.enabled);
        check(issuer, &settings)?;
        Ok(settings)
    }
}

fn check(issuer: &str, settings: &IssuerSettings) -> Result<()> {
    let keys = |jwks: &Jwks| KeySet::check_bundle(&jwks.0).map(drop).map_err(|problem| format!("jwks: {problem}"));
    let checked = settings.check(issuer).and_then(|()| settings.jwks.as_ref().map_or(Ok(()), keys));
    checked.map_err(AdminError::Invalid)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::admin::body::read;

    const ISSUER: &str = "https://idp.example";

    fn patched(settings: IssuerSettings, members: &Value) -> Result<IssuerSettings> {
        read::<IssuerPatch>(members.to_string().as_bytes()).and_then(|patch| patch.apply(ISSUER, settings))
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_restores_the_default() {
        let first = json!({"audience": ["a"], "uses": ["jwt_bearer"], "max_age": 60, "single_use": false, "name": "N"});
        let first = patched(IssuerSettings::default(), &first).unwrap();
        let second = patched(first, &json!({"max_age": null, "single_use": null, "enabled": false})).unwrap();
        assert_eq!((second.max_age, second.single_use, second.enabled), (3600, None, false));
        assert_eq!((second.audience[0].as_str(), second.name.as_deref()), ("a", Some("N")));
        assert!(patched(second, &json!({"audience": null})).is_err(), "an audience is mandatory");
    }

    #[test]
    fn an_error_names_the_member() {
        let base = json!({"audience": ["a"], "uses": ["client_assertion"]});
        let base = patched(IssuerSettings::default(), &base).unwrap();
        for (members, name) in [
            (json!({"audience": "a"}), "audience: expected an array"),
            (json!({"uses": ["anything"]}), "uses[0]"),
            (json!({"max_age": 90_001}), "max_age"),
            (json!({"local_users": "all"}), "local_users"),
            (json!({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}), "jwks: keys[0]: the key is not public"),
            (json!({"jwks": {"keys": []}}), "jwks: keys has 0"),
            (json!({"jwks_uri": "http://127.0.0.1/keys"}), "jwks_uri"),
            (json!({"rules": [{"claims": {"sub": "repo:octo/app"}}]}), "rules[0].claims.sub"),
            (json!({"rules": [{"claims": {"sub": {"regex": ".*"}}}]}), "rules[0].claims.sub"),
            (json!({"rules": [{"claims": {"sub": {"equals": "a", "prefix": "b/"}}}]}), "rules[0].claims.sub"),
            (json!({"rules": [{"claims": {"ref": {"equals": "a"}}}]}), "rules[0]: claims must have"),
            (json!({"rules": [{"claims": {"sub": {"equals": "a"}}, "scope": "x"}]}), "unknown member `scope`"),
            (json!({"issuer": ISSUER}), "issuer"),
        ] {
            let error = patched(base.clone(), &members).unwrap_err().to_string();
            assert!(error.contains(name), "{members}: {error}");
        }
        for (members, name) in [
            (json!({}), "issuer"),
            (json!({"issuer": ISSUER}), "audience"),
            (json!({"issuer": ISSUER, "audience": ["a"]}), "uses"),
        ] {
            let error = read::<NewIssuer>(members.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(name), "{members}: {error}");
        }
    }
}
