//! Access tokens.

use std::sync::Arc;

use crate::app::{App, Result};
use crate::crypto::sha256;
use crate::diagnosis::Diagnosis;
use crate::diagnosis::investigate::{self, Depth};
use crate::diagnosis::judge::Requirements;
use crate::protocol::claims::AccessClaims;
use crate::tokens::jwt;
use crate::tokens::verify::Verified;
use crate::validation::signature::{Validated, verify};

/// Validates an access token: signature, time, revocation.
pub async fn access_token(app: &App, text: &str, depth: Depth) -> Result<Validated<Arc<AccessClaims>>> {
    // Before the keys are used, because one of them may have been deleted.
    app.state.ensure_fresh().await?;
    let hash = if text.len() > jwt::LONGEST { [0; 32] } else { sha256(text.as_bytes()) };
    let claims = match app.state.verified(&hash) {
        Some(claims) => claims,
        None => {
            let keys = app.state.keys();
            match verify(app, text).await? {
                Ok(Verified::Access(claims)) => {
                    let claims = Arc::new(*claims);
                    app.state.remember_verified(hash, &keys, Arc::clone(&claims));
                    // Verification may have waited for the database.
                    app.state.ensure_fresh().await?;
                    claims
                }
                other => return Ok(Err(Box::pin(investigate::refused(app, text, other, depth)).await?)),
            }
        }
    };
    if is_in_force(app, &claims).await? {
        return Ok(Ok(claims));
    }
    let authentic = Verified::Access(Box::new((*claims).clone()));
    let diagnosis = Box::pin(investigate::refused(app, text, Ok(authentic), depth)).await?;
    // The reason may have gone away in the meantime.
    Ok(if diagnosis.cause().is_none() { Ok(claims) } else { Err(diagnosis) })
}

/// Steps 2 and 3: time and revocation.
async fn is_in_force(app: &App, claims: &AccessClaims) -> Result<bool> {
    let now = app.clock.now();
    Ok(!claims.is_expired(now)
        && !claims.is_early(now)
        && app.state.revocation_of(claims).is_none()
        && !app.state.is_beyond_log(claims).await?)
}

/// Validates an access token that has to meet requirements.
pub async fn access_token_for(app: &App, text: &str, required: &Requirements) -> Result<Validated<Arc<AccessClaims>>> {
    match access_token(app, text, Depth::FirstCause).await? {
        Ok(claims) => {
            let unmet = investigate::unmet_requirements(app, &claims, required).await?;
            if unmet.is_empty() {
                return Ok(Ok(claims));
            }
            Ok(Err(Box::new(Diagnosis::of_access_token((*claims).clone(), unmet))))
        }
        Err(mut diagnosis) => {
            if let Some(claims) = diagnosis.claims() {
                let unmet = investigate::unmet_requirements(app, claims, required).await?;
                diagnosis.add(unmet);
            }
            Ok(Err(diagnosis))
        }
    }
}
