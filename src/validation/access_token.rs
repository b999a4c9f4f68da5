//! Validates access tokens.

use std::sync::Arc;

use crate::app::{App, Result};
use crate::crypto::sha256;
use crate::diagnosis::Diagnosis;
use crate::diagnosis::investigate::{self, Depth};
use crate::diagnosis::judge::Requirements;
use crate::issuer::Issuer;
use crate::protocol::claims::AccessClaims;
use crate::tokens::jwt;
use crate::tokens::verify::Verified;
use crate::validation::signature::{Validated, verify};

/// Validates an access token: signature, time, revocation.
pub async fn access_token(
    app: &App,
    issuer: &Issuer,
    text: &str,
    depth: Depth,
) -> Result<Validated<Arc<AccessClaims>>> {
    let hash = if text.len() > jwt::LONGEST { [0; 32] } else { sha256(text.as_bytes()) };
    let claims = match app.state.verified(issuer, &hash).await? {
        Some(claims) => claims,
        None => {
            let keys = issuer.keys();
            match verify(app, issuer, text).await? {
                Ok(Verified::Access(claims)) => {
                    let claims = Arc::new(*claims);
                    app.state.remember_verified(hash, &keys, Arc::clone(&claims));
                    claims
                }
                other => return Ok(Err(Box::pin(investigate::refused(app, issuer, text, other, depth)).await?)),
            }
        }
    };
    if is_in_force(app, &claims).await? {
        return Ok(Ok(claims));
    }
    let authentic = Verified::Access(Box::new((*claims).clone()));
    let diagnosis = Box::pin(investigate::refused(app, issuer, text, Ok(authentic), depth)).await?;
    // The reason may have gone away in the meantime.
    Ok(if diagnosis.cause().is_none() { Ok(claims) } else { Err(diagnosis) })
}

/// Steps 2 and 3: time and revocation.
async fn is_in_force(app: &App, claims: &AccessClaims) -> Result<bool> {
    let now = app.clock.now();
    Ok(!claims.is_beyond_this_program()
        && !claims.is_expired(now)
        && !claims.is_early(now)
        && app.state.revocation_of(claims).await?.is_none()
        && !app.state.is_beyond_log(claims).await?)
}

/// Validates an access token that must meet requirements.
pub async fn access_token_for(
    app: &App,
    issuer: &Issuer,
    text: &str,
    required: &Requirements,
) -> Result<Validated<Arc<AccessClaims>>> {
    match access_token(app, issuer, text, Depth::FirstCause).await? {
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
