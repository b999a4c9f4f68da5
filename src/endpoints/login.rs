//! Logging in at a browser, for an authorization request or for one's own account.

use crate::app::{App, Failure, Request, Result};
use crate::authorization::sealed_request;
use crate::browser::cookie::SetCookie;
use crate::browser::{form, password, session};
use crate::endpoints::authorize::{host, name, reopen};
use crate::endpoints::reply::{LogIn, Reply, Shown};
use crate::protocol::user::is_credential;

/// Where people go who log in for no client.
const ACCOUNT: &str = "/account";

/// Shows the login page, unless somebody is logged in.
pub async fn show(app: &App, request: &Request<'_>) -> Result<Reply> {
    if session::find(app, request).await?.is_some() {
        return Ok(Shown::Elsewhere(ACCOUNT.to_owned()).into());
    }
    again(app, request, LogIn::default())
}

/// Logs a person in.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    // 1. Was the form shown to this browser, and what is the login for?
    form::check(app, request, "login").await?;
    let pending = reopen(app, request).await?;
    // 2. Username and password.
    let logged_in = match log_in(app, request).await {
        Err(Failure::Unavailable(reason)) => return Err(Failure::Unavailable(reason)),
        Err(problem) => {
            let form = LogIn {
                request: request.parameters.one("request")?.map(str::to_owned),
                username: request
                    .parameters
                    .all("username")
                    .find(|name| is_credential(name))
                    .unwrap_or_default()
                    .to_owned(),
                client_name: pending.as_ref().map(|(client, _)| name(client)),
                client_host: pending.as_ref().and_then(|(client, asked)| host(client, asked)),
                redirect_uri: pending.map(|(_, asked)| asked.redirect_uri),
                problem: Some(problem),
                ..LogIn::default()
            };
            return again(app, request, form);
        }
        Ok(reply) => reply,
    };
    // 3. On with the request.
    let next = match &pending {
        Some((_, asked)) => sealed_request::address(app, request.issuer, asked)?,
        None => ACCOUNT.to_owned(),
    };
    Ok(Reply { shown: Shown::Elsewhere(next), cookies: vec![logged_in] })
}

/// Begins a browser session, in place of any that this browser had: its cookie is new, whatever the browser sent.
async fn log_in(app: &App, request: &Request<'_>) -> Result<SetCookie> {
    // People learn nothing from the page but that the two do not fit.
    let credentials =
        password::credentials(request).map_err(|_| password::wrong("no credentials, or malformed ones"))?;
    let user = password::find(app, request, credentials).await?.verify(app).await?;
    let replaced = session::find(app, request).await?;
    let begun = session::begin(app, request, &user, vec!["pwd".to_owned()], replaced.as_ref()).await?;
    begun.ok_or_else(|| password::wrong("the user was changed during the login"))
}

/// The login page, perhaps after a failed attempt.
fn again(app: &App, request: &Request<'_>, form: LogIn) -> Result<Reply> {
    let proof = form::prove(app, request, "login")?;
    Ok(Reply::from(Shown::LogIn(LogIn { proof: proof.text, ..form })).with_cookie(proof.cookie))
}
