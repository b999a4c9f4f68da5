//! Is a token good? One answer for introspection, `/auth/verify`, the admin API, revocation and refresh.
//!
//! A good token is known as good first: proved, not taken back, of this time. Only what is refused is looked at more
//! closely, by the diagnosis, in the order of the list of causes. Nothing of a token is believed before it is proved. Where
//! memory lacks something, the database is asked before anything is refused.

pub mod administrator;

use std::sync::Arc;

use crate::app::{App, Failure, Result};
use crate::crypto::sha256;
use crate::diagnosis::Diagnosis;
use crate::diagnosis::investigate::{self, Effort};
use crate::diagnosis::judge::Expected;
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::client::Client;
use crate::store::SessionRecord;
use crate::tokens::environment::REFRESH_TOKEN_PREFIX;
use crate::tokens::jwt;
use crate::tokens::refresh::RefreshToken;
use crate::tokens::verify::{self, Verified, VerifyError};

/// What was found, or why it is no good.
pub type Verdict<T> = std::result::Result<T, Box<Diagnosis>>;

/// What a presented token turned out to be.
#[derive(Debug)]
pub enum Found {
    /// A living access token.
    Access(Arc<AccessClaims>),
    /// The newest refresh token of a living session.
    Refresh(Box<SessionRecord>),
}

/// Proves a text against the keys. A key that is not known is looked for in the database before the token is refused.
///
/// # Errors
/// When it could not be decided.
pub(crate) async fn read(app: &App, text: &str) -> Result<std::result::Result<Verified, VerifyError>> {
    let keys = app.state.keys();
    match verify::verify(text, app.origin(&keys)) {
        Err(VerifyError::UnknownKey) => {
            app.state.ensure_current().await?;
            let keys = app.state.keys();
            match verify::verify(text, app.origin(&keys)) {
                Err(VerifyError::UnknownKey) if keys.incomplete => Err(Failure::Unavailable(
                    "this node cannot unwrap every key: the master key was changed; restart with the new one".into(),
                )),
                verdict => Ok(verdict),
            }
        }
        verdict => Ok(verdict),
    }
}

/// Judges an access token: authentic, not revoked, of this time.
///
/// # Errors
/// When it could not be decided.
pub async fn access_token(app: &App, text: &str, effort: Effort) -> Result<Verdict<Arc<AccessClaims>>> {
    // Before the keys are asked, too: one may have been withdrawn.
    app.state.ensure_fresh().await?;
    let hash = if text.len() > jwt::LONGEST { [0; 32] } else { sha256(text.as_bytes()) };
    let claims = match app.state.verified(&hash) {
        Some(claims) => claims,
        None => {
            let keys = app.state.keys();
            match read(app, text).await? {
                Ok(Verified::Access(claims)) => {
                    let claims = Arc::new(*claims);
                    app.state.remember_verified(hash, &keys, Arc::clone(&claims));
                    // Time may have passed.
                    app.state.ensure_fresh().await?;
                    claims
                }
                unread => return Ok(Err(Box::pin(investigate::refused(app, text, unread, effort)).await?)),
            }
        }
    };
    if is_good(app, &claims).await? {
        return Ok(Ok(claims));
    }
    let authentic = Verified::Access(Box::new((*claims).clone()));
    let diagnosis = Box::pin(investigate::refused(app, text, Ok(authentic), effort)).await?;
    // What spoke against it a moment ago may be over.
    Ok(if diagnosis.cause().is_none() { Ok(claims) } else { Err(diagnosis) })
}

/// Judges an access token by the audience and the scope that are expected of it, too.
///
/// # Errors
/// When it could not be decided.
pub async fn access_token_for(app: &App, text: &str, expected: &Expected) -> Result<Verdict<Arc<AccessClaims>>> {
    match access_token(app, text, Effort::Cause).await? {
        Ok(claims) => {
            let unmet = investigate::expectation(app, &claims, expected).await?;
            if unmet.is_empty() {
                return Ok(Ok(claims));
            }
            Ok(Err(Box::new(Diagnosis::of_claims((*claims).clone(), unmet))))
        }
        Err(mut diagnosis) => {
            if let Some(claims) = diagnosis.claims() {
                let unmet = investigate::expectation(app, claims, expected).await?;
                diagnosis.add(unmet);
            }
            Ok(Err(diagnosis))
        }
    }
}

/// Judges whatever was presented, access token or refresh token.
///
/// # Errors
/// When it could not be decided.
pub async fn any_token(app: &App, text: &str) -> Result<Verdict<Found>> {
    if text.starts_with(REFRESH_TOKEN_PREFIX) {
        // On the heap, because it is seldom needed.
        return Box::pin(refresh_token(app, text)).await;
    }
    Ok(access_token(app, text, Effort::Verdict).await?.map(Found::Access))
}

/// Judges a refresh token by its session's row; only the newest one is active.
async fn refresh_token(app: &App, text: &str) -> Result<Verdict<Found>> {
    app.state.ensure_fresh().await?;
    let found = read(app, text).await?;
    let Ok(Verified::Refresh(token)) = &found else {
        let diagnosis = Box::pin(investigate::refused(app, text, found, Effort::Verdict)).await?;
        return Ok(Err(Box::new(diagnosis.of_any_kind())));
    };
    let held = app.store.session_find(token.session).await?;
    let findings = investigate::of_session(app, token, held.as_ref(), Effort::Verdict).await?;
    match held {
        Some(held) if findings.is_empty() => Ok(Ok(Found::Refresh(Box::new(held)))),
        _ => {
            let mut diagnosis = Diagnosis::of(text, found, app.origin(&app.state.keys()), 0).of_any_kind();
            diagnosis.add(findings);
            Ok(Err(Box::new(diagnosis)))
        }
    }
}

async fn is_good(app: &App, claims: &AccessClaims) -> Result<bool> {
    let now = app.clock.now();
    Ok(!claims.is_expired(now)
        && !claims.is_early(now)
        && app.state.revocation_of(claims).is_none()
        && !app.state.is_beyond_log(claims).await?)
}

/// The session of a refresh token, for the client that it was issued to; for every other client it never existed. Why it is
/// refused is told by `investigate::of_session`.
///
/// # Errors
/// When it could not be decided.
pub(crate) async fn own_session(
    app: &App,
    token: &RefreshToken,
    client: &Client,
) -> Result<std::result::Result<SessionRecord, Cause>> {
    Ok(match app.store.session_find(token.session).await? {
        Some(record) => judge_session(&record, token, client).map(|()| record),
        None => Err(Cause::NeverIssued),
    })
}

/// Whether a session goes on: it belongs to this client, has this nonce, is not revoked, and has a user who may log in.
pub(crate) fn judge_session(
    record: &SessionRecord,
    token: &RefreshToken,
    client: &Client,
) -> std::result::Result<(), Cause> {
    if record.session.client_id != client.client_id || !record.has_nonce_of(token) {
        return Err(Cause::NeverIssued);
    }
    match record.revoked_because.or_else(|| record.lost_user()) {
        Some(cause) => Err(cause),
        None => Ok(()),
    }
}
