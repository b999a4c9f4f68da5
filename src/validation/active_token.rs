//! Validates tokens of either kind, for introspection.

use std::sync::Arc;

use crate::app::{App, Result};
use crate::diagnosis::apart;
use crate::diagnosis::investigate::{self, Depth};
use crate::issuer::Issuer;
use crate::protocol::claims::AccessClaims;
use crate::store::SessionRecord;
use crate::tokens::environment::REFRESH_TOKEN_PREFIX;
use crate::tokens::verify::Verified;
use crate::validation::access_token::access_token;
use crate::validation::signature::{Validated, verify};

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
