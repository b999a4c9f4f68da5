//! The page on which people let a device in (RFC 8628 §3.3).

use std::sync::Arc;

use crate::app::{App, Failure, Request, Result};
use crate::authorization::device;
use crate::browser::{form, session};
use crate::endpoints::authorize::{LOGIN_FORM, describe, name};
use crate::endpoints::device_authorization::PAGE;
use crate::endpoints::reply::{AskDevice, AskUserCode, LogIn, Reply, Shown};
use crate::protocol::client::{Client, GrantType};
use crate::protocol::device::{DeviceRequest, UserCode};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::LoginFault;
use crate::protocol::identity::Identity;
use crate::store::BrowserSessionRecord;
use crate::throttle::Attempt;
use crate::tokens::sealed::Purpose;

/// What the proof of the form for the code is about.
const CODE_FORM: &str = "user code";

/// Shows the form for the code; with a code, asks the person about the device.
pub async fn show(app: &App, request: &Request<'_>) -> Result<Reply> {
    match request.parameters.one("user_code")? {
        None => ask_code(app, request, "", None),
        // Strangers cannot make a network wait by addresses: without a form or a login, no code is looked up.
        Some(typed) if session::find(app, request).await?.is_none() => match typed.parse::<UserCode>() {
            Ok(code) => log_in(app, request, &code),
            Err(()) => ask_code(app, request, typed, Some(unknown("it is no code of a device"))),
        },
        Some(typed) => ask(app, request, typed).await,
    }
}

/// Answers a form of the page: the code, or `action` with `allow` or `deny`.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    match request.parameters.one("action")? {
        None => {
            form::check(app, request, CODE_FORM).await?;
            ask(app, request, request.parameters.one("user_code")?.unwrap_or_default()).await
        }
        Some("allow") => decide(app, request, true).await,
        Some("deny") => decide(app, request, false).await,
        Some(_) => Err(Refusal::invalid_request("The action of the form is neither allow nor deny.").into()),
    }
}

/// Where the page goes on with a code: path and query, below the path of the issuer.
pub(super) fn address(typed: &str) -> String {
    if typed.is_empty() {
        return PAGE.to_owned();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    format!("{PAGE}?{}", query.append_pair("user_code", typed).finish())
}

/// Asks the person about the device that shows this code, always, also if the code came with the address (§5.4).
async fn ask(app: &App, request: &Request<'_>, typed: &str) -> Result<Reply> {
    // 1. Which device is it?
    let person = session::find(app, request).await?;
    let (client, waiting) = match find(app, request, person.as_ref(), typed).await {
        Ok(found) => found,
        Err(problem @ (Failure::Refused(_) | Failure::Throttled(_))) => {
            return ask_code(app, request, typed, Some(problem));
        }
        Err(failure) => return Err(failure),
    };
    // 2. Who is the person?
    let Some(person) = person else { return log_in(app, request, &waiting.user_code) };
    session::seen(app, &person).await?;
    // 3. What may the device have?
    let scope = device::grantable(&waiting, &person)?;
    let proof = form::prove(app, request, &about(&waiting, &person))?;
    let form = AskDevice {
        proof: proof.text,
        username: person.user.username.clone(),
        client_name: name(&client),
        is_unknown: client.settings.is_self_registered(),
        user_code: waiting.user_code.to_string(),
        requested_at: waiting.created_at,
        network: waiting.network,
        access: describe(app, request.issuer, &waiting.audiences, &scope).await?,
        now: app.clock.now(),
    };
    Ok(Reply::from(Shown::AskDevice(form)).with_cookie(proof.cookie))
}

/// Lets the device in, or not.
async fn decide(app: &App, request: &Request<'_>, allows: bool) -> Result<Reply> {
    // 1. Which device is it, and is it the one that this person was asked about?
    let typed = request.parameters.one("request")?.unwrap_or_default();
    let Some(person) = session::find(app, request).await? else {
        return Err(form::refusal("nobody is logged in any more").into());
    };
    let (client, waiting) = match find(app, request, Some(&person), typed).await {
        Ok(found) => found,
        Err(problem @ (Failure::Refused(_) | Failure::Throttled(_))) => {
            return ask_code(app, request, "", Some(problem));
        }
        Err(failure) => return Err(failure),
    };
    form::check(app, request, &about(&waiting, &person)).await?;
    // 2. What did the person say?
    let is_done = if allows {
        let scope = device::grantable(&waiting, &person)?;
        device::allow(app, request, &client, &waiting, &person, scope).await?
    } else {
        let by = session::audited(app, request, person.user.id);
        app.store.device_request_deny(waiting.id, person.user.id, by.at, &by).await?
    };
    if !is_done {
        // Somebody answered before, or the client, the user or the login has changed: ask again, if there is still something to ask.
        return Ok(Shown::Elsewhere(address(typed)).into());
    }
    let denied = (!allows).then(|| {
        let refusal = Refusal::new(ErrorCode::AccessDenied, "The person did not let the device in.");
        let about = Identity { session: Some(waiting.id), ..Identity::of_user(&person.user.sub) };
        refusal.with(LoginFault::Denied).about(about).about(Identity::of_client(&client.client_id))
    });
    Ok(Shown::DeviceAnswered { denied, client_name: name(&client) }.into())
}

/// The request that waits with this code, and its client. Wrong codes are counted, and after too many no code is right.
async fn find(
    app: &App,
    request: &Request<'_>,
    person: Option<&BrowserSessionRecord>,
    typed: &str,
) -> Result<(Arc<Client>, DeviceRequest)> {
    let attempt = app.throttle.user_code_attempt(person.map(|person| person.user.id), request.source());
    attempt.check()?;
    let waiting = match typed.parse::<UserCode>() {
        Ok(code) => app.store.device_request_waiting(&code, app.clock.now()).await?,
        Err(()) => None,
    };
    let Some(waiting) = waiting else {
        attempt.failed();
        return Err(unknown("no device waits with this code"));
    };
    let client = app.state.client(&waiting.client_id).await?;
    let may = |client: &Arc<Client>| client.settings.enabled && client.may_use(GrantType::DeviceCode);
    Ok((client.filter(may).ok_or_else(|| unknown("the client of the device may not use the grant any more"))?, waiting))
}

fn unknown(reason: &'static str) -> Failure {
    Refusal::new(ErrorCode::InvalidRequest, "No device is waiting with this code.")
        .with(LoginFault::UserCodeUnknown)
        .because(reason)
        .into()
}

/// What the proof of the question is about: this device, and this person.
fn about(waiting: &DeviceRequest, person: &BrowserSessionRecord) -> String {
    format!("device {} {}", waiting.id, person.user.id)
}

/// The form for the code, perhaps after a wrong one.
fn ask_code(app: &App, request: &Request<'_>, typed: &str, problem: Option<Failure>) -> Result<Reply> {
    let proof = form::prove(app, request, CODE_FORM)?;
    let form = AskUserCode { proof: proof.text, typed: typed.to_owned(), problem };
    Ok(Reply::from(Shown::AskUserCode(form)).with_cookie(proof.cookie))
}

/// The login page, after which the person comes back with the code.
fn log_in(app: &App, request: &Request<'_>, code: &UserCode) -> Result<Reply> {
    let proof = form::prove(app, request, LOGIN_FORM)?;
    let sealed = form::seal(app, request.issuer, Purpose::UserCode, &code.to_string())?;
    let form = LogIn { request: Some(sealed), proof: proof.text, ..LogIn::default() };
    Ok(Reply::from(Shown::LogIn(form)).with_cookie(proof.cookie))
}
