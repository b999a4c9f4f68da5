//! Access tokens of administrators: for the admin API, and no more powerful than their client still is.

use std::sync::Arc;

use crate::app::{App, Result};
use crate::diagnosis::judge::Expected;
use crate::protocol::claims::AccessClaims;
use crate::protocol::scope::Scope;
use crate::validation::{self, Verdict};

/// Holds every power of the admin API.
pub const ADMIN: &str = "jeton:admin";

/// What a good token of an administrator allows.
#[derive(Debug)]
pub struct Held {
    /// What the token says.
    pub claims: Arc<AccessClaims>,
    /// What it allows, as far as its client may still have it: a power that was taken away ends at once.
    pub scope: Scope,
}

impl Held {
    /// Whether it allows what any of these scopes allows.
    pub fn has_one_of(&self, scopes: &[&str]) -> bool {
        self.scope.contains(ADMIN) || scopes.iter().any(|scope| self.scope.contains(scope))
    }
}

/// Judges a token that was presented to the admin API.
///
/// # Errors
/// When it could not be decided.
pub async fn judge(app: &App, text: &str) -> Result<Verdict<Held>> {
    let expected = Expected { audience: Some(app.admin_audience().to_owned()), scope: Scope::default() };
    let claims = match validation::access_token_for(app, text, &expected).await? {
        Ok(claims) => claims,
        Err(diagnosis) => return Ok(Err(diagnosis)),
    };
    let scope = app.state.scope_held(&claims).await?;
    Ok(Ok(Held { claims, scope }))
}
