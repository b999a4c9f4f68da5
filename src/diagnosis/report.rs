//! The result of a diagnosis.

use crate::diagnosis::finding::{Damage, Fact, Finding, HolderFault};
use crate::protocol::bearer::Scheme;
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::identity::Identity;
use crate::tokens::verify::Verified;

/// Everything known about a text that was presented as a token, and every reason to refuse it.
#[derive(Debug, Default)]
pub struct Diagnosis {
    /// The reasons to refuse it, in the order of the list of causes; each cause once.
    pub findings: Vec<Finding>,
    /// What happened to it in transit.
    pub damage: Vec<Damage>,
    /// What is known about it.
    pub facts: Vec<Fact>,
    /// The id of the deleted key that it names, if it names one.
    pub retired_kid: Option<String>,
    /// The token, if the text verified as it is or after a repair.
    pub authentic: Option<Verified>,
}

impl Diagnosis {
    /// The scheme that a challenge names for a token that was presented by this one.
    pub fn challenged_scheme(&self, presented: Scheme) -> Scheme {
        match self.findings.first().and_then(|finding| finding.holder) {
            Some(HolderFault::Nonce | HolderFault::Key) => Scheme::Dpop,
            Some(HolderFault::Other) => Scheme::Bearer,
            None => presented,
        }
    }

    /// The diagnosis of an authentic access token.
    pub fn of_access_token(claims: AccessClaims, findings: Vec<Finding>) -> Self {
        let mut diagnosis = Self { authentic: Some(Verified::Access(Box::new(claims))), ..Self::default() };
        diagnosis.add(findings);
        diagnosis
    }

    /// Adds findings, except for causes that were found before.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if !self.has(finding.cause) {
                self.findings.push(finding);
            }
        }
        self.findings.sort_by_key(|finding| finding.cause);
    }

    /// Adds to the detail of a cause that was found.
    pub(super) fn add_detail(&mut self, cause: Cause, detail: &str, remedy: Option<&'static str>) {
        for finding in self.findings.iter_mut().filter(|finding| finding.cause == cause) {
            finding.detail.push_str(detail);
            finding.remedy = finding.remedy.or(remedy);
        }
    }

    /// The same diagnosis for a caller that accepts refresh tokens too.
    #[must_use]
    pub fn accepting_refresh_tokens(mut self) -> Self {
        self.findings.retain(|finding| finding.cause != Cause::RefreshTokenAsAccessToken);
        self
    }

    /// The first cause, if there is a reason to refuse the token.
    pub fn cause(&self) -> Option<Cause> {
        self.findings.first().map(|finding| finding.cause)
    }

    /// Whether a cause was found.
    pub(super) fn has(&self, cause: Cause) -> bool {
        self.findings.iter().any(|finding| finding.cause == cause)
    }

    /// The claims, if it is an authentic access token.
    pub fn claims(&self) -> Option<&AccessClaims> {
        match &self.authentic {
            Some(Verified::Access(claims)) => Some(claims),
            _ => None,
        }
    }

    /// Whom the token concerns. Claims that were not verified are not believed.
    pub fn identity(&self) -> Identity {
        match &self.authentic {
            Some(Verified::Access(claims)) => Identity::from(&**claims),
            Some(Verified::Refresh(token)) => Identity::of_session(token.session),
            None => Identity::default(),
        }
    }
}
