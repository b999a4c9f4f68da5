//! Setting up a second factor, at one's account and during a login; and what else one does with it at one's account.

use crate::app::{App, Failure, Request, Result};
use crate::browser::second_factor::{self, Confirmed, Proven, RecoveryCodes, SettingUp};
use crate::browser::{form, session};
use crate::endpoints::account::{self, AccountProblem, Done};
use crate::endpoints::reply::{Reply, SetUpSecondFactor, Shown};
use crate::protocol::error::Refusal;
use crate::protocol::user::User;
use crate::store::BrowserSessionRecord;

/// Does what a form about the second factor asks for.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    // 1. Who asks, and was the form shown to this browser?
    let Some(person) = session::find(app, request).await? else {
        return Ok(Shown::Elsewhere(account::LOGIN.into()).into());
    };
    form::check(app, request, &account::about(&person)).await?;
    // 2. What is to be done?
    match request.parameters.one("action")? {
        Some("begin" | "confirm") => match set_up(app, request, &person.user).await? {
            SetUp::Shown(setting_up, is_wrong) => {
                let proof = form::prove(app, request, &account::about(&person))?;
                let page =
                    SetUpSecondFactor { setting_up, proof: proof.text, is_wrong, password_proof: None, request: None };
                Ok(Reply::from(Shown::SetUpSecondFactor(page)).with_cookie(proof.cookie))
            }
            SetUp::Done(codes) => Ok(codes_shown(codes)),
            SetUp::ThereIsOne => Ok(Shown::Elsewhere(account::ACCOUNT.into()).into()),
        },
        Some("new_codes") => match prove(app, request, &person).await {
            Ok(proven) => match second_factor::new_recovery_codes(app, request, proven).await? {
                Some(codes) => Ok(codes_shown(codes)),
                None => Ok(Shown::Elsewhere(account::ACCOUNT.into()).into()),
            },
            Err(failure) => refuse(app, request, &person, failure).await,
        },
        Some("remove") => match prove(app, request, &person).await {
            Ok(proven) => {
                second_factor::remove(app, request, proven).await?;
                Ok(account::done(Done::SecondFactorRemoved))
            }
            Err(failure) => refuse(app, request, &person, failure).await,
        },
        _ => Err(Refusal::invalid_request("The form has no known action.").into()),
    }
}

/// The recovery codes, from which the person goes on to the account.
fn codes_shown(codes: RecoveryCodes) -> Reply {
    Shown::RecoveryCodes(codes, account::ACCOUNT.to_owned()).into()
}

/// Proof of the second factor by the field `code`.
async fn prove(app: &App, request: &Request<'_>, person: &BrowserSessionRecord) -> Result<Proven> {
    second_factor::prove(app, request, &person.user, request.parameters.one("code")?.unwrap_or_default()).await
}

/// The account again, if the code was refused.
async fn refuse(app: &App, request: &Request<'_>, person: &BrowserSessionRecord, failure: Failure) -> Result<Reply> {
    match failure {
        Failure::Unavailable(reason) => Err(Failure::Unavailable(reason)),
        failure => account::page(app, request, person, None, Some(AccountProblem::Code(failure))).await,
    }
}

/// How far setting up a second factor has come.
pub(super) enum SetUp {
    /// The secret is shown; perhaps again, because the code was wrong.
    Shown(SettingUp, bool),
    /// The second factor counts from now on.
    Done(RecoveryCodes),
    /// The user has one already.
    ThereIsOne,
}

/// Sets up a second factor: shows a new secret, or ends that by the fields `setup` and `code` of its form.
pub(super) async fn set_up(app: &App, request: &Request<'_>, user: &User) -> Result<SetUp> {
    let (setup, code) = (request.parameters.one("setup")?, request.parameters.one("code")?);
    let service = app.service_name();
    let anew = || Ok(SetUp::Shown(second_factor::set_up(app, request, user, service)?, false));
    if user.has_second_factor {
        return Ok(SetUp::ThereIsOne);
    }
    let Some(setup) = setup else { return anew() };
    match second_factor::confirm(app, request, user, setup, code.unwrap_or_default()).await? {
        Confirmed::Yes(codes) => Ok(SetUp::Done(codes)),
        Confirmed::ThereIsOne => Ok(SetUp::ThereIsOne),
        Confirmed::Expired => anew(),
        Confirmed::WrongCode => match second_factor::shown_again(app, request, user, service, setup).await? {
            Some(setting_up) => Ok(SetUp::Shown(setting_up, true)),
            None => anew(),
        },
    }
}
