//! Trusted issuers: all of them are in memory, and the log keeps them up to date.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;

use crate::crypto::{base64url, sha256};
use crate::protocol::origin::{Origin, Trust};
use crate::protocol::trusted_issuer::{IssuerUse, Rule, TrustedIssuer, TrustedIssuers};
use crate::state::{NodeState, Unavailable};

/// Bytes of the name of a rule.
const NAME_LENGTH: usize = 16;

/// What a token that is accepted by this rule owes its acceptance to. A changed rule has another name, and so has the same one of an issuer
/// that was deleted and registered again, or that takes its subjects for others by now.
pub(crate) fn trust_in(issuer: &TrustedIssuer, rule: &Rule) -> Trust {
    let TrustedIssuer { issuer: name, settings, created_at, .. } = issuer;
    let content = json!([name, created_at.millis(), settings.local_users, rule.claims]).to_string();
    Trust { issuer: name.clone(), rule: base64url(&sha256(content.as_bytes())[..NAME_LENGTH]) }
}

/// The names of the rules by which tokens about subjects are accepted.
fn rules_in_force(issuer: &TrustedIssuer) -> impl Iterator<Item = String> + '_ {
    let settings = &issuer.settings;
    let is_trusted = settings.enabled && settings.uses.contains(&IssuerUse::JwtBearer);
    let rules = settings.rules.iter().filter(move |rule| is_trusted && rule.client_id.is_none());
    rules.map(|rule| trust_in(issuer, rule).rule)
}

impl NodeState {
    /// Every trusted issuer.
    pub(crate) async fn trusted_issuers(&self) -> Result<Arc<TrustedIssuers>, Unavailable> {
        self.ensure_fresh().await?;
        Ok(self.trusted_issuers.load_full())
    }

    /// Whether a token that was exchanged for another one was accepted by a rule that there is no more. A rule that memory lacks may be
    /// a new one, so the node catches up with the log first.
    pub(crate) async fn has_lost_trust(&self, origin: &Origin) -> Result<bool, Unavailable> {
        let Some(trust) = &origin.trust else { return Ok(false) };
        self.ensure_fresh().await?;
        let is_in_force = || self.trusted_rules.load().contains(&trust.rule);
        if is_in_force() {
            return Ok(false);
        }
        self.ensure_current().await?;
        Ok(!is_in_force())
    }

    /// Reads all of them anew; they are few, and change seldom. Only a load or a poll calls this, and one runs at a time.
    pub(super) async fn load_trusted_issuers(&self) -> Result<(), Unavailable> {
        let (mut fresh, mut rules) = (TrustedIssuers::default(), HashSet::new());
        for issuer in self.store.issuer_all().await? {
            rules.extend(rules_in_force(&issuer));
            fresh.put(issuer);
        }
        self.trusted_rules.store(Arc::new(rules));
        self.trusted_issuers.store(Arc::new(fresh));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::protocol::time::Timestamp;

    fn issuer(members: Value, created_at: i64) -> TrustedIssuer {
        let mut settings = json!({
            "uses": ["jwt_bearer"], "rules": [{"name": "a", "claims": {"sub": {"equals": "anna"}}}],
        });
        settings.as_object_mut().unwrap().extend(members.as_object().cloned().unwrap());
        TrustedIssuer {
            issuer: "https://idp.example".into(),
            settings: serde_json::from_value(settings).unwrap(),
            created_at: Timestamp::from_millis(created_at),
            version: 1,
        }
    }

    #[test]
    fn trust_ends_with_the_issuer_its_use_and_its_rule_and_with_nothing_else() {
        let names =
            |members: Value, created_at: i64| -> Vec<String> { rules_in_force(&issuer(members, created_at)).collect() };
        let before = names(json!({}), 1);
        assert_eq!((before.len(), before[0].len()), (1, 22));
        let anna = json!({"claims": {"sub": {"equals": "anna"}}});
        for members in [
            json!({"name": "another", "max_age": 60, "single_use": false}),
            json!({"rules": [anna]}),
            json!({"rules": [{"claims": {"sub": {"equals": "ben"}}}, anna]}),
            json!({"uses": ["client_assertion", "jwt_bearer"]}),
        ] {
            assert!(names(members.clone(), 1).contains(&before[0]), "{members}");
        }
        for members in [
            json!({"enabled": false}),
            json!({"uses": ["client_assertion", "identity_assertion"]}),
            json!({"local_users": "sub"}),
            json!({"rules": []}),
            json!({"rules": [{"client_id": "c", "claims": {"sub": {"equals": "anna"}}}]}),
            json!({"rules": [{"claims": {"sub": {"equals": "anna"}, "hd": {"equals": "corp.example"}}}]}),
            json!({"rules": [{"claims": {"sub": {"one_of": ["anna"]}}}]}),
        ] {
            assert!(!names(members.clone(), 1).contains(&before[0]), "{members}");
        }
        assert_ne!(names(json!({}), 2), before, "it was deleted and registered again");
    }
}
