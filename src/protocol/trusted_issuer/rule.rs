//! The rules of an issuer: which of its tokens are whose.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::protocol::client::check_client_id;
use crate::protocol::condition::{Condition, IDENTITY_CLAIMS, is_email};
use crate::protocol::foreign_assertion::{ForeignClaims, shown};
use crate::protocol::trusted_issuer::LONGEST_NAME;

/// The most conditions of a rule.
const MOST_CONDITIONS: usize = 20;

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
    pub(super) fn matches(&self, claims: &ForeignClaims) -> bool {
        !self.claims.is_empty() && self.examine(claims).iter().all(|condition| condition.holds)
    }

    pub(super) fn check(&self) -> Result<(), String> {
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

    /// Why it does not match, for the log.
    pub(super) fn why_not(&self, claims: &ForeignClaims, number: usize) -> String {
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
