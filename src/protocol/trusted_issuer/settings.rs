//! The settings of an issuer: what its tokens are trusted with, and which of its rules says whose one is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::protocol::assertion::{Fault, Problem};
use crate::protocol::client::Jwks;
use crate::protocol::foreign_assertion::{ForeignClaims, LONGEST_FOREIGN_LIFE};
use crate::protocol::names::names;
use crate::protocol::redirect;
use crate::protocol::trusted_issuer::rule::Rule;
use crate::protocol::trusted_issuer::{LONGEST_NAME, is_spiffe};

/// The most bytes of JSON that the settings of one take.
const LARGEST: usize = 64 * 1024;
/// The most rules of one.
const MOST_RULES: usize = 200;
/// The most audiences of one.
const MOST_AUDIENCES: usize = 8;
/// For how many seconds a token is accepted after it was issued, unless the issuer says otherwise.
const DEFAULT_MAX_AGE: i64 = 3600;

names! {
    /// What tokens of an issuer may be used for.
    IssuerUse {
        /// They prove who a client is (RFC 7523 §2.2).
        ClientAssertion "client_assertion",
        /// They are exchanged for access tokens of their subject (RFC 7523 §2.1).
        JwtBearer "jwt_bearer",
        /// The same for identity assertions of an enterprise (ID-JAG).
        IdentityAssertion "identity_assertion",
    }
}

names! {
    /// Whether the subjects of an issuer are users of this server.
    #[derive(Default)]
    LocalUsers {
        /// They are subjects of that issuer.
        #[default]
        Never "never",
        /// The user with the same `sub`.
        BySub "sub",
        /// The user whose username is the email address, if the issuer verified that.
        ByEmail "email",
    }
}

/// The configuration of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IssuerSettings {
    /// A display name.
    #[schema(required)]
    pub name: Option<String>,
    /// Its public keys, where this server cannot or should not fetch them.
    #[schema(required)]
    pub jwks: Option<Jwks>,
    /// Where its public keys are. Without both, its discovery document says where.
    #[schema(required)]
    pub jwks_uri: Option<String>,
    /// What the `aud` of its tokens may be. They may name nobody else.
    #[schema(required)]
    pub audience: Vec<String>,
    /// What its tokens may be used for.
    #[schema(required)]
    pub uses: Vec<IssuerUse>,
    /// For how many seconds a token is accepted after it was issued.
    #[schema(required)]
    pub max_age: i64,
    /// Whether each token counts once. If null, it does unless it proves a client. An identity assertion always counts once.
    #[schema(required)]
    pub single_use: Option<bool>,
    /// Whether its subjects are users of this server.
    #[schema(required)]
    pub local_users: LocalUsers,
    /// Who its tokens are. Exactly one rule must match.
    #[schema(required)]
    pub rules: Vec<Rule>,
    /// Whether its tokens are accepted.
    #[schema(required)]
    pub enabled: bool,
    /// Members that a newer program wrote; they survive a change by this one.
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Map<String, Value>,
}

impl Default for IssuerSettings {
    fn default() -> Self {
        Self {
            name: None,
            jwks: None,
            jwks_uri: None,
            audience: Vec::new(),
            uses: Vec::new(),
            max_age: DEFAULT_MAX_AGE,
            single_use: None,
            local_users: LocalUsers::default(),
            rules: Vec::new(),
            enabled: true,
            unknown: Map::new(),
        }
    }
}

impl IssuerSettings {
    /// The rule that says who a token is: a client, or its subject.
    ///
    /// # Errors
    /// [`Fault::ConditionFailed`] if none matches, [`Fault::SeveralRules`].
    pub fn rule_for(&self, claims: &ForeignClaims, is_client: bool) -> Result<&Rule, Problem> {
        let rules = self.rules.iter().zip(1..).filter(|(rule, _)| rule.client_id.is_some() == is_client);
        let matching: Vec<(&Rule, usize)> = rules.clone().filter(|(rule, _)| rule.matches(claims)).collect();
        match matching[..] {
            [(rule, _)] => Ok(rule),
            [] => {
                let failed: Vec<String> = rules.take(3).map(|(rule, number)| rule.why_not(claims, number)).collect();
                let which = if failed.is_empty() { "there is none for this use".to_owned() } else { failed.join("; ") };
                Err(Problem::new(Fault::ConditionFailed, format!("no rule of the issuer matches: {which}")))
            }
            _ => {
                let numbers: Vec<String> = matching.iter().map(|(_, number)| number.to_string()).collect();
                let reason = format!("the rules {} of the issuer match, and one must", numbers.join(", "));
                Err(Problem::new(Fault::SeveralRules, reason))
            }
        }
    }

    /// Whether a token counts once where it is used for this.
    pub fn is_single_use(&self, used_for: IssuerUse) -> bool {
        match used_for {
            IssuerUse::ClientAssertion => self.single_use.unwrap_or(false),
            IssuerUse::JwtBearer => self.single_use.unwrap_or(true),
            IssuerUse::IdentityAssertion => true,
        }
    }

    /// Checks the settings of an issuer. What its keys are, is checked elsewhere.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self, issuer: &str) -> Result<(), String> {
        let is_text = |text: &str| (1..=LONGEST_NAME).contains(&text.len()) && !text.chars().any(char::is_control);
        if self.name.as_ref().is_some_and(|name| name.len() > LONGEST_NAME || name.chars().any(char::is_control)) {
            return Err("name is at most 255 bytes without control characters".into());
        }
        if self.jwks.is_some() && self.jwks_uri.is_some() {
            return Err("jwks and jwks_uri: an issuer has one of them, or none".into());
        }
        if let Some(uri) = &self.jwks_uri {
            redirect::check(uri).map_err(|problem| format!("jwks_uri: {problem}"))?;
            if !uri.starts_with("https://") {
                return Err("jwks_uri: its scheme must be https".into());
            }
        }
        if is_spiffe(issuer) && self.jwks.is_none() && self.jwks_uri.is_none() {
            return Err("a SPIFFE trust domain has no discovery document: jwks or jwks_uri is needed".into());
        }
        if self.audience.is_empty() || self.audience.len() > MOST_AUDIENCES {
            return Err(format!("audience has 1 to {MOST_AUDIENCES} entries: what the aud of a token must be"));
        }
        if !self.audience.iter().all(|audience| is_text(audience)) {
            return Err("audience: each has 1 to 255 bytes and no control characters".into());
        }
        if self.uses.is_empty() || has_repeats(&self.uses) {
            return Err("uses names at least one use, and each once".into());
        }
        if !(1..=LONGEST_FOREIGN_LIFE).contains(&self.max_age) {
            return Err(format!("max_age is a number from 1 to {LONGEST_FOREIGN_LIFE}"));
        }
        if self.rules.len() > MOST_RULES {
            return Err(format!("rules has more than {MOST_RULES} entries"));
        }
        for (rule, index) in self.rules.iter().zip(0..) {
            rule.check().map_err(|problem| format!("rules[{index}]: {problem}"))?;
        }
        let size = serde_json::to_string(self).map_or(usize::MAX, |text| text.len());
        if size > LARGEST {
            return Err(format!("the settings take {size} bytes, more than {LARGEST}"));
        }
        Ok(())
    }
}

fn has_repeats<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(index, entry)| list[..index].contains(entry))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(members: Value) -> ForeignClaims {
        ForeignClaims::of(members.as_object().cloned().unwrap()).unwrap()
    }

    fn settings(members: Value) -> IssuerSettings {
        let mut all = json!({"audience": ["https://auth.example"], "uses": ["client_assertion"]});
        all.as_object_mut().unwrap().extend(members.as_object().cloned().unwrap());
        serde_json::from_value(all).unwrap()
    }

    fn fault(settings: &IssuerSettings, members: Value, is_client: bool) -> Result<Option<String>, Fault> {
        let chosen = settings.rule_for(&claims(members), is_client);
        chosen.map(|rule| rule.client_id.clone()).map_err(|problem| problem.fault)
    }

    #[test]
    fn exactly_one_rule_must_match_and_all_its_conditions() {
        let settings = settings(json!({"rules": [
            {"client_id": "a", "claims": {"sub": {"prefix": "repo:octo/a:"}, "event_name": {"equals": "push"}}},
            {"client_id": "b", "claims": {"sub": {"glob": "repo:octo/*:ref"}}},
            {"claims": {"sub": {"equals": "anna"}}},
        ]}));
        let of = |sub: &str, event: &str| json!({"sub": sub, "event_name": event});
        assert_eq!(fault(&settings, of("repo:octo/a:x", "push"), true), Ok(Some("a".into())));
        assert_eq!(fault(&settings, of("repo:octo/a:ref", "pull"), true), Ok(Some("b".into())));
        assert_eq!(fault(&settings, of("repo:octo/a:ref", "push"), true), Err(Fault::SeveralRules));
        assert_eq!(fault(&settings, of("repo:octo/a:x", "pull"), true), Err(Fault::ConditionFailed));
        assert_eq!(fault(&settings, json!({"sub": "repo:octo/a:x"}), true), Err(Fault::ConditionFailed));
        // A rule for subjects says nothing about clients, nor the other way round.
        assert_eq!(fault(&settings, of("anna", "push"), true), Err(Fault::ConditionFailed));
        assert_eq!(fault(&settings, of("anna", "push"), false), Ok(None));
        assert_eq!(fault(&settings, of("repo:octo/a:x", "push"), false), Err(Fault::ConditionFailed));
        let empty = IssuerSettings { rules: vec![Rule::default()], ..settings };
        assert_eq!(fault(&empty, of("anna", "push"), false), Err(Fault::ConditionFailed));
    }

    #[test]
    fn the_reason_names_the_claim_its_condition_and_its_value() {
        let settings = settings(json!({"rules": [
            {"client_id": "a", "claims": {"sub": {"prefix": "repo:octo/a:"}}},
            {"client_id": "b", "claims": {"email": {"equals": "b@corp.example"}}},
            {"client_id": "c", "claims": {"repository_id": {"one_of": ["1", "2"]}}},
        ]}));
        let token = json!({"sub": "repo:octo/b:ref", "email": "b@corp.example"});
        let reason = settings.rule_for(&claims(token), true).unwrap_err().reason;
        for part in [
            "by rule 1, sub must begin with \"repo:octo/a:\" and is \"repo:octo/b:ref\"",
            "by rule 2, email must be \"b@corp.example\" and is not verified",
            "by rule 3, repository_id must be one of [\"1\", \"2\"] and is missing",
        ] {
            assert!(reason.contains(part), "{reason}");
        }
        let long = settings.rule_for(&claims(json!({"sub": "x\n".repeat(5000)})), true).unwrap_err().reason;
        assert!(long.len() < 1500 && !long.contains('\n'), "{long}");
    }

    #[test]
    fn an_unverified_email_address_meets_no_condition() {
        let settings = |name: &str| {
            settings(json!({"rules": [{"client_id": "a", "claims": {name: {"equals": "a@corp.example"}}}]}))
        };
        let with = |verified: Value| json!({"sub": "1", "email": "a@corp.example", "email_verified": verified});
        for name in ["email", "/email"] {
            assert!(fault(&settings(name), with(json!(true)), true).is_ok());
            for verified in [json!(false), json!(null), json!("no")] {
                assert_eq!(fault(&settings(name), with(verified), true), Err(Fault::ConditionFailed), "{name}");
            }
        }
        let listed = json!({"sub": "1", "email": ["a@corp.example"], "email_verified": true});
        assert_eq!(fault(&settings("/email/0"), listed, true), Err(Fault::ConditionFailed));
    }

    #[test]
    fn each_rule_for_settings_refuses_what_breaks_it() {
        let rule = json!({"client_id": "a", "claims": {"sub": {"equals": "a"}}});
        let issuer = "https://idp.example";
        assert_eq!(settings(json!({"rules": [rule]})).check(issuer), Ok(()));
        assert_eq!(settings(json!({})).check(issuer), Ok(()), "it matches nothing yet");
        assert_eq!(settings(json!({"jwks_uri": "https://td.example/b"})).check("spiffe://td.example"), Ok(()));
        let many: Vec<&Value> = vec![&rule; 201];
        for (members, expected) in [
            (json!({"audience": []}), "audience has 1 to 8"),
            (json!({"audience": [""]}), "audience: each"),
            (json!({"uses": []}), "uses"),
            (json!({"uses": ["jwt_bearer", "jwt_bearer"]}), "uses"),
            (json!({"max_age": 0}), "max_age"),
            (json!({"max_age": 90_001}), "max_age"),
            (json!({"name": "a\nb"}), "name"),
            (json!({"jwks": {}, "jwks_uri": "https://a.example/"}), "one of them"),
            (json!({"jwks_uri": "http://localhost/keys"}), "jwks_uri: its scheme"),
            (json!({"jwks_uri": "https://u:p@a.example/"}), "jwks_uri"),
            (json!({"rules": many}), "more than 200"),
            (json!({"rules": [rule, {"claims": {}}]}), "rules[1]: claims must have a condition on who"),
            (json!({"rules": [{"claims": {"ref": {"equals": "refs/heads/main"}}}]}), "rules[0]: claims must have"),
            (json!({"rules": [{"claims": {"sub": {"prefix": "repo:"}}}]}), "rules[0]: claims.sub"),
            (json!({"rules": [{"client_id": " a", "claims": {"sub": {"equals": "a"}}}]}), "rules[0]: client_id"),
        ] {
            let problem = settings(members.clone()).check(issuer).unwrap_err();
            assert!(problem.contains(expected), "{members}: {problem}");
        }
        assert!(settings(json!({})).check("spiffe://td.example").unwrap_err().contains("discovery"));
    }
}
