//! Administration of trusted issuers.

mod bodies;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use bodies::{IssuerPatch, NewIssuer};

use crate::admin::body::Patch;
use crate::admin::error::no_such;
use crate::admin::{Actor, AdminError, List, ListRequest, Result};
use crate::app::App;
use crate::federation::{self, TokenReport};
use crate::protocol::resource::other_spelling;
use crate::protocol::time::Timestamp;
use crate::protocol::trusted_issuer::{IssuerSettings, IssuerUse, Rule, TrustedIssuer, check_issuer};
use crate::store::StoreError;

/// A trusted issuer as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Issuer)]
pub struct IssuerView {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The settings.
    #[serde(flatten)]
    pub settings: IssuerSettings,
    /// When it was registered.
    pub created_at: Timestamp,
}

impl From<TrustedIssuer> for IssuerView {
    fn from(issuer: TrustedIssuer) -> Self {
        let TrustedIssuer { issuer, settings, created_at, .. } = issuer;
        Self { issuer, settings, created_at }
    }
}

/// A token to test.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenTest {
    /// The token. It is not stored, not logged and not used up.
    #[schema(min_length = 1)]
    pub token: String,
    /// The use for which it is judged; the most likely one if absent.
    pub used_for: Option<IssuerUse>,
}

impl std::fmt::Debug for TokenTest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TokenTest").field("used_for", &self.used_for).finish_non_exhaustive()
    }
}

impl App {
    /// Registers an issuer.
    pub async fn issuer_create(&self, new: NewIssuer, actor: &Actor) -> Result<IssuerView> {
        let name = new.issuer.clone();
        self.check_issuer_name(&name)?;
        let settings = new.settings()?;
        let issuer = TrustedIssuer { issuer: name, settings, created_at: self.clock.now(), version: 1 };
        match self.state.honour(self.store.issuer_create(&issuer, &self.dated(actor))).await {
            Err(error) => Err(refused(error, &issuer.issuer)),
            Ok(()) => Ok(issuer.into()),
        }
    }

    /// Shows an issuer.
    pub async fn issuer_show(&self, name: &str) -> Result<IssuerView> {
        self.find_issuer(name).await.map(IssuerView::from)
    }

    /// Lists issuers by name.
    pub async fn issuer_list(&self, name: Option<&str>, request: &ListRequest) -> Result<List<IssuerView>> {
        let page = request.page("issuers")?;
        let issuers = self.store.issuer_list(name, &page).await?;
        Ok(List::new("issuers", &page, issuers, |issuer| issuer.issuer.clone(), IssuerView::from))
    }

    /// Changes an issuer by a merge patch (RFC 7396).
    pub async fn issuer_update(&self, name: &str, patch: IssuerPatch, actor: &Actor) -> Result<IssuerView> {
        self.issuer_change(name, |_| Ok(patch), actor).await
    }

    /// Changes an issuer by a merge patch that is made of the very settings that it changes: whatever it looks at there still holds
    /// when it is written, or nothing is.
    pub async fn issuer_change(
        &self,
        name: &str,
        patch: impl FnOnce(&IssuerSettings) -> Result<IssuerPatch>,
        actor: &Actor,
    ) -> Result<IssuerView> {
        let mut issuer = self.find_issuer(name).await?;
        issuer.settings = patch(&issuer.settings)?.apply(name, issuer.settings)?;
        self.write_issuer(issuer, actor).await
    }

    /// Adds a rule to an issuer. The others stay as they are, and if one of them changes at the same time, nothing is written.
    pub async fn issuer_rule_add(&self, name: &str, rule: Rule, actor: &Actor) -> Result<IssuerView> {
        let issuer = self.with_rule(name, rule, actor).await?;
        self.write_issuer(issuer, actor).await
    }

    /// Checks whether that would be possible, whether or not there is such a client.
    pub async fn issuer_rule_check(&self, name: &str, rule: Rule, actor: &Actor) -> Result<()> {
        self.with_rule(name, rule, actor).await.map(drop)
    }

    /// An issuer with a further rule, by which its tokens prove a client.
    async fn with_rule(&self, name: &str, rule: Rule, actor: &Actor) -> Result<TrustedIssuer> {
        if !actor.is_admin {
            return Err(AdminError::NeedsAdmin("issuers are administered with the scope jeton:admin".into()));
        }
        let mut issuer = self.find_issuer(name).await?;
        if !issuer.settings.uses.contains(&IssuerUse::ClientAssertion) {
            return Err(AdminError::Invalid(format!("issuer: {name} is not trusted for client_assertion")));
        }
        let mut rules = issuer.settings.rules.clone();
        rules.push(rule);
        let patch = IssuerPatch { rules: Patch::Set(rules), ..IssuerPatch::default() };
        issuer.settings = patch.apply(name, issuer.settings)?;
        Ok(issuer)
    }

    /// Replaces the settings of an issuer.
    pub async fn issuer_replace(&self, name: &str, members: IssuerPatch, actor: &Actor) -> Result<IssuerView> {
        let mut issuer = self.find_issuer(name).await?;
        issuer.settings = members.apply(name, IssuerSettings::default())?;
        self.write_issuer(issuer, actor).await
    }

    async fn write_issuer(&self, issuer: TrustedIssuer, actor: &Actor) -> Result<IssuerView> {
        match self.state.honour(self.store.issuer_update(&issuer, &self.dated(actor))).await {
            Ok(true) => Ok(issuer.into()),
            Ok(false) => {
                let name = &issuer.issuer;
                Err(AdminError::Conflict(format!("the issuer {name} was changed at the same time; try again")))
            }
            Err(error) => Err(refused(error, &issuer.issuer)),
        }
    }

    /// Deletes an issuer. Its tokens are worth nothing from now on, nor is what token exchange gave for them; what the JWT bearer grant
    /// gave is good until it expires.
    pub async fn issuer_delete(&self, name: &str, actor: &Actor) -> Result<()> {
        self.find_issuer(name).await?;
        if self.state.honour(self.store.issuer_delete(name, &self.dated(actor))).await? {
            Ok(())
        } else {
            Err(no_such("issuer", name))
        }
    }

    /// Says what would become of a token of an issuer: which condition fails, with which value. Nothing is used up.
    pub async fn issuer_test(&self, test: TokenTest) -> Result<TokenReport> {
        let token = test.token.trim();
        if token.is_empty() {
            return Err(AdminError::Invalid("token is empty".into()));
        }
        Ok(federation::report(self, &self.issuer, token, test.used_for).await?)
    }

    /// Checks the name of an issuer to trust.
    pub(super) fn check_issuer_name(&self, name: &str) -> Result<()> {
        check_issuer(name).map_err(|problem| AdminError::Invalid(format!("issuer: {problem}")))?;
        let own = self.issuer.url();
        if name == own || other_spelling(name).is_some_and(|other| other == own) || name.trim_end_matches('/') == own {
            return Err(AdminError::Invalid("issuer: this server is no other issuer".into()));
        }
        Ok(())
    }

    async fn find_issuer(&self, name: &str) -> Result<TrustedIssuer> {
        check_issuer(name).map_err(|_| no_such("issuer", name))?;
        self.store.issuer_find(name).await?.ok_or_else(|| no_such("issuer", name))
    }
}

/// Why an issuer was not written.
pub(super) fn refused(error: StoreError, name: &str) -> AdminError {
    match error {
        StoreError::Exists => AdminError::Conflict(format!("there is an issuer {name} already")),
        StoreError::NoSuchClient(_) => AdminError::Invalid(format!("rules: {error}")),
        error => error.into(),
    }
}
