//! What stands for a password that was right, until the second factor follows: sealed, so that nobody waits for it here.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::{App, Request, Result};
use crate::browser::form;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::LoginFault;
use crate::protocol::user::User;
use crate::tokens::sealed::Purpose;

#[derive(Serialize, Deserialize)]
struct Content {
    user: Uuid,
    /// The version of the user when the password was right: another password makes another one.
    version: i64,
    /// When it ends, in seconds since the epoch.
    until: i64,
}

/// Proves for so many seconds that the password of this user was right. The form that has it must be bound to the browser.
pub(crate) fn prove(app: &App, request: &Request<'_>, user: &User, seconds: i64) -> Result<String> {
    let until = app.clock.now().seconds() + seconds;
    form::seal(app, request.issuer, Purpose::Password, &Content { user: user.id, version: user.version, until })
}

/// The user whose password was right.
///
/// # Errors
/// [`ErrorCode::InvalidForm`] if that was too long ago, or the user has changed since.
pub(crate) async fn check(app: &App, request: &Request<'_>, text: &str) -> Result<User> {
    let expired = |reason| Refusal::new(ErrorCode::InvalidForm, "Log in again.").because(reason);
    let Some(content) = form::open::<Content>(app, request, Purpose::Password, text).await? else {
        return Err(expired("the proof of the password is not of this server").into());
    };
    if content.until <= app.clock.now().seconds() {
        return Err(expired("the password was right too long ago").with(LoginFault::Expired).into());
    }
    let user = app.store.user_find(content.user).await?;
    let is_same = |user: &User| user.enabled && user.version == content.version;
    Ok(user.filter(is_same).ok_or_else(|| expired("the user was changed during the login"))?)
}
