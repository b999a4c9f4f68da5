//! Other issuers whose tokens are trusted, what for, and who their subjects are here (RFC 7521 §3, RFC 7523).

mod rule;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;

use url::Url;

use crate::protocol::assertion::{Fault, Problem};
use crate::protocol::foreign_assertion::{ForeignClaims, shown};
use crate::protocol::time::Timestamp;

pub use rule::{ConditionReport, Rule};
pub use settings::{IssuerSettings, IssuerUse, LocalUsers};

/// The most issuers, all of which every node keeps in memory.
pub const MOST_ISSUERS: i64 = 500;
/// The longest name of an issuer, an audience or a claim, in bytes.
const LONGEST_NAME: usize = 255;

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
    use serde_json::{Value, json};

    use super::*;

    fn claims(members: Value) -> ForeignClaims {
        ForeignClaims::of(members.as_object().cloned().unwrap()).unwrap()
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
