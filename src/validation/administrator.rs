//! Validates access tokens for the admin API.

use std::sync::Arc;

use crate::app::{App, Result};
use crate::current_request;
use crate::diagnosis::judge::Requirements;
use crate::issuer::Issuer;
use crate::protocol::claims::AccessClaims;
use crate::protocol::scope::{ADMIN, Scope};
use crate::validation::holder::Presented;
use crate::validation::token::{Validated, access_token_for, is_in_force};

/// A valid access token for the admin API.
#[derive(Debug)]
pub struct AdminToken {
    /// Its claims.
    pub claims: Arc<AccessClaims>,
    /// What it grants now, without scopes that its client has lost.
    pub scope: Scope,
}

impl AdminToken {
    /// Whether it grants one of these scopes, or everything.
    pub fn has_one_of(&self, scopes: &[&str]) -> bool {
        self.scope.contains(ADMIN) || scopes.iter().any(|scope| self.scope.contains(scope))
    }
}

/// Whether a token that was validated before still holds, and grants one of these scopes.
pub(crate) async fn still_holds(app: &App, claims: &Arc<AccessClaims>, scopes: &[&str]) -> Result<bool> {
    if !is_in_force(app, claims).await? {
        return Ok(false);
    }
    let scope = app.state.current_scope(claims).await?;
    Ok(AdminToken { claims: Arc::clone(claims), scope }.has_one_of(scopes))
}

/// Validates a token that was presented to the admin API.
pub async fn validate(app: &App, issuer: &Issuer, presented: &Presented<'_>) -> Result<Validated<AdminToken>> {
    let required = Requirements { audience: Some(issuer.admin_audience().to_owned()), scope: Scope::default() };
    let claims = match access_token_for(app, issuer, presented, &required).await? {
        Ok(claims) => claims,
        Err(diagnosis) => return Ok(Err(diagnosis)),
    };
    current_request::authenticated(&claims.client_id);
    let scope = app.state.current_scope(&claims).await?;
    Ok(Ok(AdminToken { claims, scope }))
}
