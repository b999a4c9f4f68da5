//! Setting a password by a one-time link.

use crate::app::{App, Failure, Request, Result};
use crate::browser::form;
use crate::browser::new_password::{NewPassword, Unfit};
use crate::browser::password_link::{self, LinkToken, PasswordSet};
use crate::endpoints::reply::{Reply, SetPassword, Shown};
use crate::protocol::error::Refusal;
use crate::protocol::fault::LoginFault;
use crate::protocol::user::User;

/// What the proof of the form is about.
const FORM: &str = "password link";

/// Shows the form for a new password to whoever has the link.
pub async fn show(app: &App, request: &Request<'_>) -> Result<Reply> {
    let (token, user) = find(app, request).await?;
    page(app, request, token, user, None)
}

/// Sets the password. Nobody is logged in by that, so a second factor is asked for as ever.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    // 1. Was the form shown to this browser, and does the link still count?
    form::check(app, request, FORM).await?;
    let (token, user) = find(app, request).await?;
    // 2. Is it a password?
    let (password, again) = (request.parameters.one("password")?, request.parameters.one("password_again")?);
    let password = match NewPassword::read(password, again) {
        Ok(password) => password,
        Err(unfit) => return page(app, request, token, user, Some(unfit)),
    };
    // 3. Set it.
    match password_link::set_password(app, request, &token, password).await {
        Ok(PasswordSet::Yes(_)) => Ok(Shown::PasswordSet.into()),
        Ok(PasswordSet::LinkEnded) => Err(ended().into()),
        Err(Failure::Overloaded) => page(app, request, token, user, Some(Unfit::Busy)),
        Err(failure) => Err(failure),
    }
}

/// The link of a request and its user.
///
/// # Errors
/// If there is none, or it has ended: people are told the same.
async fn find(app: &App, request: &Request<'_>) -> Result<(LinkToken, User)> {
    let Some(token) = request.parameters.one("token")?.and_then(LinkToken::read) else {
        let reason = "the address has no token of a link";
        return Err(refuse(LoginFault::PasswordLinkMalformed, reason).into());
    };
    let user = password_link::find(app, &token).await?.ok_or_else(ended)?;
    Ok((token, user))
}

fn ended() -> Refusal {
    refuse(LoginFault::PasswordLinkEnded, "the link was used, has expired or was ended")
}

fn refuse(fault: LoginFault, reason: &'static str) -> Refusal {
    Refusal::invalid_request("This link no longer works: ask for a new one.").with(fault).because(reason)
}

fn page(app: &App, request: &Request<'_>, token: LinkToken, user: User, problem: Option<Unfit>) -> Result<Reply> {
    let proof = form::prove(app, request, FORM)?;
    let form = SetPassword { token, proof: proof.text, username: user.username, problem };
    Ok(Reply::from(Shown::SetPassword(form)).with_cookie(proof.cookie))
}
