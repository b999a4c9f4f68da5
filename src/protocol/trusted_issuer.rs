//! Other issuers whose tokens are trusted, what for, and who their subjects are here (RFC 7521 §3, RFC 7523).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use crate::protocol::assertion::{Fault, Problem};
use crate::protocol::client::{Jwks, check_client_id};
use crate::protocol::condition::{Condition, IDENTITY_CLAIMS, is_email};
use crate::protocol::foreign_assertion::{ForeignClaims, LONGEST_FOREIGN_LIFE, shown};
use crate::protocol::names::names;
use crate::protocol::redirect;
use crate::protocol::time::Timestamp;

/// The most issuers, all of which every node keeps in memory.
pub const MOST_ISSUERS: i64 = 500;
/// The most bytes of JSON that the configuration of one takes.
const LARGEST: usize = 64 * 1024;
/// The most rules of one.
const MOST_RULES: usize = 200;
/// The most audiences of one.
const MOST_AUDIENCES: usize = 8;
/// The most conditions of a rule.
const MOST_CONDITIONS: usize = 20;
/// The longest name of an issuer, an audience or a claim, in bytes.
const LONGEST_NAME: usize = 255;
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

/// A rule: who a token is whose claims meet all its conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub name: Option<String>,
    /// The client that such a token proves; without it, the token is about its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The conditions, by the name of the claim, or by a JSON pointer (RFC 6901) to one inside an object. At least one is about who
    /// the subject is. `email` counts only with `email_verified`.
    #[schema(value_type = std::collections::HashMap<String, Condition>)]
    pub claims: BTreeMap<String, Condition>,
}

/// How a condition was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ConditionReport {
    /// The claim.
    pub claim: String,
    /// What it must be.
    pub condition: Condition,
    /// What it is, cut to a bounded length; empty if it is not there.
    pub found: Vec<String>,
    /// Whether it is what it must be.
    pub holds: bool,
}

impl Rule {
    /// How each condition was met.
    pub fn examine(&self, claims: &ForeignClaims) -> Vec<ConditionReport> {
        let report = |(claim, condition): (&String, &Condition)| {
            let is_unverified = is_email(claim) && claims.verified_email().is_none();
            let found = claims.texts(claim);
            let holds = !is_unverified && found.iter().any(|text| condition.fits(text));
            let cut = |text: &String| text.chars().take(200).collect();
            let found = found.iter().take(10).map(cut).collect();
            ConditionReport { claim: claim.clone(), condition: condition.clone(), found, holds }
        };
        self.claims.iter().map(report).collect()
    }

    /// Whether all conditions are met. A rule without any, which nobody can register, matches nothing.
    fn matches(&self, claims: &ForeignClaims) -> bool {
        !self.claims.is_empty() && self.examine(claims).iter().all(|condition| condition.holds)
    }

    fn check(&self) -> Result<(), String> {
        if self.name.as_ref().is_some_and(|name| name.len() > LONGEST_NAME || name.chars().any(char::is_control)) {
            return Err("name is at most 255 bytes without control characters".into());
        }
        if let Some(client_id) = &self.client_id {
            check_client_id(client_id)?;
        }
        if self.claims.len() > MOST_CONDITIONS {
            return Err(format!("claims has more than {MOST_CONDITIONS} entries"));
        }
        if !self.claims.keys().any(|claim| IDENTITY_CLAIMS.contains(&claim.as_str())) {
            let known = IDENTITY_CLAIMS.join(", ");
            return Err(format!("claims must have a condition on who the subject is, one of {known}"));
        }
        for (claim, condition) in &self.claims {
            if claim.is_empty() || claim.len() > LONGEST_NAME || claim.chars().any(char::is_control) {
                return Err("claims: a name has 1 to 255 bytes and no control characters".into());
            }
            condition.check(claim).map_err(|problem| format!("claims.{claim}: {problem}"))?;
        }
        Ok(())
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

impl Rule {
    /// Why it does not match, for the log.
    fn why_not(&self, claims: &ForeignClaims, number: usize) -> String {
        let failed = self.examine(claims).into_iter().find(|condition| !condition.holds);
        let Some(ConditionReport { claim, condition, found, .. }) = failed else {
            return format!("rule {number} has no conditions");
        };
        let is = match found.first() {
            Some(_) if is_email(&claim) && claims.verified_email().is_none() => "is not verified".to_owned(),
            Some(text) => format!("is {}", shown(text)),
            None => "is missing".to_owned(),
        };
        format!("by rule {number}, {claim} {} and {is}", shortened(&condition.describe()))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}

fn has_repeats<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(index, entry)| list[..index].contains(entry))
}

/// Whether an issuer is a SPIFFE trust domain, whose tokens (JWT-SVIDs) may say no `iss`.
pub fn is_spiffe(issuer: &str) -> bool {
    issuer.starts_with("spiffe://")
}

/// Checks the name of an issuer: an https URL, or a SPIFFE trust domain. It is compared exactly.
///
/// # Errors
/// What is wrong with it.
pub fn check_issuer(issuer: &str) -> Result<(), String> {
    if issuer.len() > LONGEST_NAME || !issuer.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("an issuer has 1 to 255 printable ASCII characters and no space".into());
    }
    if let Some(domain) = issuer.strip_prefix("spiffe://") {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
        return if !domain.is_empty() && domain.bytes().all(is_name) {
            Ok(())
        } else {
            Err("a SPIFFE trust domain is spiffe:// and a name of lower-case letters, digits, dots, hyphens and underscores".into())
        };
    }
    if !issuer.starts_with("https://") {
        return Err("an issuer is an https URL, or a SPIFFE trust domain (spiffe://…)".into());
    }
    let url = Url::parse(issuer).map_err(|_| "an issuer is an absolute URL".to_owned())?;
    if url.host_str().is_none_or(str::is_empty) || !url.username().is_empty() || url.password().is_some() {
        return Err("an issuer has a host and no user name".into());
    }
    if issuer.contains(['?', '#']) {
        return Err("an issuer has no query and no fragment".into());
    }
    Ok(())
}

/// An issuer as it is stored.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// Its name, the `iss` of its tokens.
    pub issuer: String,
    /// Its configuration.
    pub settings: IssuerSettings,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

/// Every trusted issuer, by its name.
#[derive(Clone, Debug, Default)]
pub struct TrustedIssuers(HashMap<String, Arc<TrustedIssuer>>);

impl TrustedIssuers {
    /// The issuer with exactly this name.
    pub fn get(&self, issuer: &str) -> Option<&Arc<TrustedIssuer>> {
        self.0.get(issuer)
    }

    /// Whether one is trusted for this use.
    pub fn has_use(&self, used_for: IssuerUse) -> bool {
        self.0.values().any(|issuer| issuer.settings.enabled && issuer.settings.uses.contains(&used_for))
    }

    /// Adds an issuer, in place of an earlier state of it.
    pub fn put(&mut self, issuer: TrustedIssuer) {
        self.0.insert(issuer.issuer.clone(), Arc::new(issuer));
    }

    /// Removes an issuer.
    pub fn remove(&mut self, issuer: &str) {
        self.0.remove(issuer);
    }

    /// The issuer of a token, among those that `named` names: the one that it says, or the trust domain of a SPIFFE ID.
    ///
    /// # Errors
    /// [`Fault::UntrustedIssuer`].
    pub fn of_token(&self, claims: &ForeignClaims, named: &[String]) -> Result<&Arc<TrustedIssuer>, Problem> {
        let refused = |reason: String| Problem::new(Fault::UntrustedIssuer, reason);
        let Some(iss) = claims.issuer() else {
            let sub = claims.subject()?;
            let is_of = |name: &&String| {
                is_spiffe(name) && sub.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('/'))
            };
            let found = named.iter().find(is_of).and_then(|name| self.get(name));
            return found.ok_or_else(|| {
                refused(
                    "the assertion has no iss, and its sub is in no SPIFFE trust domain that the client names".into(),
                )
            });
        };
        if !named.iter().any(|name| name == iss) {
            return Err(refused(format!("the client does not name the issuer {}", shown(iss))));
        }
        self.get(iss).ok_or_else(|| refused(format!("there is no trusted issuer {}", shown(iss))))
    }
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

    #[test]
    fn the_name_of_an_issuer_is_an_https_url_or_a_trust_domain() {
        for name in [
            "https://token.actions.githubusercontent.com",
            "https://accounts.google.com",
            "https://login.microsoftonline.com/8e9c/v2.0",
            "https://sts.windows.net/8e9c/",
            "https://kubernetes.default.svc.cluster.local",
            "https://127.0.0.1:8443",
            "spiffe://prod.example.org",
        ] {
            assert_eq!(check_issuer(name), Ok(()), "{name}");
        }
        let long = format!("https://a.example/{}", "x".repeat(300));
        for name in [
            "",
            "idp",
            "http://idp.example",
            "https://",
            "https://a b",
            "https://idp.example/?x",
            "https://idp.example/#x",
            "https://u:p@idp.example",
            "spiffe://",
            "spiffe://Td",
            "spiffe://td/workload",
            "HTTPS://idp.example",
            &long,
        ] {
            assert!(check_issuer(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_token_belongs_to_the_issuer_that_it_names_or_to_its_trust_domain() {
        let mut issuers = TrustedIssuers::default();
        for name in ["https://idp.example", "https://other.example", "spiffe://td.example"] {
            let at = Timestamp::from_millis(1);
            let settings = IssuerSettings::default();
            issuers.put(TrustedIssuer { issuer: name.into(), settings, created_at: at, version: 1 });
        }
        let named =
            ["https://idp.example".to_owned(), "spiffe://td.example".to_owned(), "https://gone.example".to_owned()];
        let found = |members: Value| issuers.of_token(&claims(members), &named).map(|found| found.issuer.clone()).ok();
        assert_eq!(found(json!({"iss": "https://idp.example", "sub": "a"})).unwrap(), "https://idp.example");
        assert_eq!(found(json!({"sub": "spiffe://td.example/ns/a"})).unwrap(), "spiffe://td.example");
        for members in [
            json!({"iss": "https://idp.example/", "sub": "a"}),
            json!({"iss": "https://other.example", "sub": "a"}),
            json!({"iss": "https://gone.example", "sub": "a"}),
            json!({"sub": "a"}),
            json!({}),
            json!({"sub": "spiffe://td.example"}),
            json!({"sub": "spiffe://td.example.evil/ns/a"}),
            json!({"iss": "", "sub": "https://idp.example/x"}),
        ] {
            assert_eq!(found(members.clone()), None, "{members}");
        }
    }
}
