//! Is a token good? One answer for introspection, the admin API, revocation and refresh.
//!
//! The order of the causes: form and origin, signature, issuer, taken back, time. Nothing of a token is believed before
//! it is proved; what is both revoked and over counts as revoked. Where memory lacks something, the database is asked
//! before anything is refused.

use std::sync::Arc;

use super::{App, Failure, Result};
use crate::oauth::cause::Cause;
use crate::oauth::claims::AccessClaims;
use crate::oauth::client::Client;
use crate::store::HeldSession;
use crate::token::presented::{self, Authentic};
use crate::token::refresh::RefreshToken;
use crate::token::{equal_in_constant_time, jwt, sha256};

/// Seconds that `iat` and `nbf` may lie in the future; `exp` has no leeway.
const LEEWAY: i64 = 60;

/// A verdict: what was found, or the first cause against it.
pub type Verdict<T> = std::result::Result<T, Cause>;

/// What a presented token turned out to be.
#[derive(Debug)]
pub enum Found {
    /// A living access token.
    Access(Arc<AccessClaims>),
    /// The newest refresh token of a living session.
    Refresh(Box<HeldSession>),
}

/// Proves a text against the keys. A key that is not known is looked for in the database before the token is refused.
///
/// # Errors
/// When it could not be decided.
pub(super) async fn read(app: &App, text: &str) -> Result<Verdict<Authentic>> {
    let keys = app.view.keys();
    match presented::read(text, app.origin(&keys)) {
        Err(Cause::UnknownKey) => {
            app.view.ensure_current().await?;
            let keys = app.view.keys();
            match presented::read(text, app.origin(&keys)) {
                Err(Cause::UnknownKey) if keys.incomplete => Err(Failure::Unavailable(
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
pub async fn access_token(app: &App, text: &str) -> Result<Verdict<Arc<AccessClaims>>> {
    if text.len() > jwt::LONGEST {
        return Ok(Err(Cause::NotAToken));
    }
    // Before the keys are asked, too: one may have been withdrawn.
    app.view.ensure_fresh().await?;
    let hash = sha256(text.as_bytes());
    let claims = match app.view.verified(&hash) {
        Some(claims) => claims,
        None => {
            let keys = app.view.keys();
            match read(app, text).await? {
                Ok(Authentic::Access(claims)) => {
                    let claims = Arc::new(*claims);
                    app.view.remember_verified(hash, &keys, Arc::clone(&claims));
                    // Time may have passed.
                    app.view.ensure_fresh().await?;
                    claims
                }
                Ok(Authentic::Refresh(_)) => return Ok(Err(Cause::RefreshTokenAsAccessToken)),
                Err(cause) => return Ok(Err(cause)),
            }
        }
    };
    judge(app, claims).await
}

/// Judges whatever was presented, access token or refresh token.
///
/// # Errors
/// When it could not be decided.
pub async fn any_token(app: &App, text: &str) -> Result<Verdict<Found>> {
    match access_token(app, text).await? {
        Ok(claims) => Ok(Ok(Found::Access(claims))),
        Err(Cause::RefreshTokenAsAccessToken) => match read(app, text).await? {
            Ok(Authentic::Refresh(token)) => refresh_token(app, &token).await,
            Ok(Authentic::Access(_)) => Ok(Err(Cause::NotAToken)),
            Err(cause) => Ok(Err(cause)),
        },
        Err(cause) => Ok(Err(cause)),
    }
}

async fn judge(app: &App, claims: Arc<AccessClaims>) -> Result<Verdict<Arc<AccessClaims>>> {
    // No revocation could ever cover what stands beyond the log and beyond the present.
    let now = app.clock.now().seconds();
    if claims.log > app.view.applied().max((now + LEEWAY) * 1000) {
        app.view.ensure_current().await?;
        if claims.log > app.view.applied() {
            return Ok(Err(Cause::NeverIssued));
        }
    }
    if let Some(cause) = app.view.revocation_of(&claims) {
        return Ok(Err(cause));
    }
    if claims.exp <= now {
        return Ok(Err(Cause::Expired));
    }
    if claims.iat > now + LEEWAY || claims.nbf.is_some_and(|nbf| nbf > now + LEEWAY) {
        return Ok(Err(Cause::NotYetValid));
    }
    Ok(Ok(claims))
}

/// Judges a refresh token by its session's row; only the newest one is active.
async fn refresh_token(app: &App, token: &RefreshToken) -> Result<Verdict<Found>> {
    let held = match session(app, token).await? {
        Ok(held) => held,
        Err(cause) => return Ok(Err(cause)),
    };
    if app.clock.now() >= held.session.ends_at() {
        return Ok(Err(Cause::Expired));
    }
    if i64::from(token.generation) != held.session.generation {
        return Ok(Err(Cause::Superseded));
    }
    Ok(Ok(Found::Refresh(Box::new(held))))
}

/// The session of a refresh token, if it exists, has this nonce and is not revoked.
async fn session(app: &App, token: &RefreshToken) -> Result<Verdict<HeldSession>> {
    Ok(match app.store.session_find(token.session).await? {
        Some(held) => judge_session(held, token),
        None => Err(Cause::NeverIssued),
    })
}

/// The same, for the client that the token was issued to; for every other client it never existed.
///
/// # Errors
/// When it could not be decided.
pub(super) async fn own_session(app: &App, token: &RefreshToken, client: &Client) -> Result<Verdict<HeldSession>> {
    Ok(match app.store.session_find(token.session).await? {
        Some(held) if held.session.client_id == client.client_id => judge_session(held, token),
        _ => Err(Cause::NeverIssued),
    })
}

/// Whether a session has this nonce, is not revoked, and has a user who may log in.
pub(super) fn judge_session(held: HeldSession, token: &RefreshToken) -> Verdict<HeldSession> {
    if !equal_in_constant_time(&held.session.nonce_hash, &token.nonce_hash()) {
        return Err(Cause::NeverIssued);
    }
    if let Some(cause) = held.revoked_because {
        return Err(cause);
    }
    match &held.user {
        None => Err(Cause::UserDeleted),
        Some(user) if !user.enabled => Err(Cause::UserDisabled),
        Some(_) => Ok(held),
    }
}
