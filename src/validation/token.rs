//! Validates tokens.

use std::sync::Arc;

use crate::app::{App, Failure, Result};
use crate::crypto::sha256;
use crate::diagnosis::investigate::{self, Depth};
use crate::diagnosis::judge::Requirements;
use crate::diagnosis::{Diagnosis, apart};
use crate::issuer::Issuer;
use crate::protocol::claims::AccessClaims;
use crate::store::SessionRecord;
use crate::tokens::environment::REFRESH_TOKEN_PREFIX;
use crate::tokens::jwt;
use crate::tokens::verify::{self, Verified, VerifyError};
use crate::validation::holder::{self, Presented};

/// A valid token, or why it is not valid.
pub type Validated<T> = std::result::Result<T, Box<Diagnosis>>;

/// Step 1: verifies a text with the keys. The database is asked about an unknown key before the token is refused.
pub(crate) async fn verify(
    app: &App,
    issuer: &Issuer,
    text: &str,
) -> Result<std::result::Result<Verified, VerifyError>> {
    let keys = issuer.keys();
    match verify::verify(text, issuer.token_context(&keys)) {
        Err(VerifyError::UnknownKey) => {
            app.state.ensure_current().await?;
            let keys = issuer.keys();
            match verify::verify(text, issuer.token_context(&keys)) {
                Err(VerifyError::UnknownKey) if keys.incomplete => Err(Failure::Unavailable(
                    "this node cannot unwrap every key: the master key was changed; restart with the new one".into(),
                )),
                verified => Ok(verified),
            }
        }
        verified => Ok(verified),
    }
}

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

/// Steps 3 and 4: time and revocation.
pub(crate) async fn is_in_force(app: &App, claims: &AccessClaims) -> Result<bool> {
    let now = app.clock.now();
    let is_in_force = !claims.is_expired(now)
        && !claims.is_early(now)
        && app.state.revocation_of(claims).await?.is_none()
        && !app.state.is_beyond_log(claims).await?;
    if !is_in_force {
        return Ok(false);
    }
    for origin in &claims.exchanged_from {
        if app.state.deleted_key_of(origin).is_some() || app.state.has_lost_trust(origin).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Validates an access token that is used: its sender must hold what it is bound to, and it must meet requirements.
pub async fn access_token_for(
    app: &App,
    issuer: &Issuer,
    presented: &Presented<'_>,
    required: &Requirements,
) -> Result<Validated<Arc<AccessClaims>>> {
    match access_token(app, issuer, presented.text, Depth::FirstCause).await? {
        Ok(claims) => {
            let held = holder::check(app, issuer, &claims, presented);
            let mut findings = investigate::unmet_requirements(app, &claims, required).await?;
            let held = match held {
                Ok(held) if findings.is_empty() => holder::use_up(app, &held).await?.map(drop),
                held => held.map(drop),
            };
            findings.extend(held.err());
            if findings.is_empty() {
                return Ok(Ok(claims));
            }
            Ok(Err(Box::new(Diagnosis::of_access_token((*claims).clone(), findings))))
        }
        Err(mut diagnosis) => {
            if let Some(claims) = diagnosis.claims() {
                let unmet = investigate::unmet_requirements(app, claims, required).await?;
                // Claims for another issuer are not ours to judge further.
                let is_ours = claims.iss == issuer.url();
                let held = is_ours.then(|| holder::check(app, issuer, claims, presented));
                diagnosis.add(unmet);
                diagnosis.add(held.and_then(std::result::Result::err));
            }
            Ok(Err(diagnosis))
        }
    }
}

/// A token that is active (RFC 7662 §2.2).
#[derive(Debug)]
pub enum ActiveToken {
    /// An access token.
    Access(Arc<AccessClaims>),
    /// The newest refresh token of this session.
    Refresh(Box<SessionRecord>),
}

/// Validates an access token or a refresh token.
pub async fn any_token(app: &App, issuer: &Issuer, text: &str) -> Result<Validated<ActiveToken>> {
    if text.starts_with(REFRESH_TOKEN_PREFIX) {
        // On the heap, because it is rare.
        return Box::pin(refresh_token(app, issuer, text)).await;
    }
    Ok(access_token(app, issuer, text, Depth::YesOrNo).await?.map(ActiveToken::Access))
}

/// Validates a refresh token by the row of its session. Only the newest one is active.
async fn refresh_token(app: &App, issuer: &Issuer, text: &str) -> Result<Validated<ActiveToken>> {
    let verified = verify(app, issuer, text).await?;
    let Ok(Verified::Refresh(token)) = &verified else {
        let diagnosis = Box::pin(investigate::refused(app, issuer, text, verified, Depth::YesOrNo)).await?;
        return Ok(Err(Box::new(diagnosis.accepting_refresh_tokens())));
    };
    let record = app.store.session_find(token.session).await?;
    let findings = investigate::of_session(app, token, record.as_ref(), Depth::YesOrNo).await?;
    match record {
        Some(record) if findings.is_empty() => Ok(Ok(ActiveToken::Refresh(Box::new(record)))),
        _ => {
            let mut diagnosis = apart::examine(issuer, text, verified).await.accepting_refresh_tokens();
            diagnosis.add(findings);
            Ok(Err(Box::new(diagnosis)))
        }
    }
}
