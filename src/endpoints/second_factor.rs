//! Setting up a second factor, at one's account and during a login; and what else one does with it at one's account.

use crate::app::{App, Failure, Request, Result};
use crate::browser::second_factor::{self, Confirmed, Proven, RecoveryCodes, SettingUp};
use crate::browser::{form, session};
use crate::endpoints::account::{self, AccountProblem, Done};
use crate::endpoints::reply::{Reply, SetUpSecondFactor, Shown};
use crate::protocol::error::Refusal;
use crate::protocol::user::User;
use crate::store::{BrowserSessionRecord, Ending};

/// Does what a form about the second factor asks for.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    // 1. Who asks, and was the form shown to this browser?
    let Some(person) = session::find(app, request).await? else {
        return Ok(Shown::Elsewhere(account::LOGIN.into()).into());
    };
    form::check(app, request, &account::about(&person)).await?;
    // 2. What is to be done?
    match request.parameters.one("action")? {
        // Whoever finds a browser unattended must not lock its owner out.
        Some("begin") => match account::verify(app, request, &person).await {
            Ok(user) if user.has_second_factor => Ok(Shown::Elsewhere(account::ACCOUNT.into()).into()),
            Ok(user) => shown(app, request, &person, begin(app, request, &user)?, false),
            Err(failure) => refuse(app, request, &person, failure, AccountProblem::SecondFactorPassword).await,
        },
        Some("confirm") => match confirm(app, request, &person.user).await? {
            SetUp::WrongCode(setting_up) => shown(app, request, &person, setting_up, true),
            SetUp::Done(codes) => {
                // The others were begun with the password alone.
                session::end(app, request, person.user.id, Ending::AllBut(person.session.id)).await?;
                Ok(codes_shown(codes))
            }
            SetUp::ThereIsOne | SetUp::Expired => Ok(Shown::Elsewhere(account::ACCOUNT.into()).into()),
        },
        Some("new_codes") => match prove(app, request, &person).await {
            Ok(proven) => match second_factor::new_recovery_codes(app, request, proven).await? {
                Some(codes) => Ok(codes_shown(codes)),
                None => Ok(Shown::Elsewhere(account::ACCOUNT.into()).into()),
            },
            Err(failure) => refuse(app, request, &person, failure, AccountProblem::Code).await,
        },
        Some("remove") => match prove(app, request, &person).await {
            Ok(proven) => {
                second_factor::remove(app, request, proven).await?;
                Ok(account::done(Done::SecondFactorRemoved))
            }
            Err(failure) => refuse(app, request, &person, failure, AccountProblem::Code).await,
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

/// The account again, if the password or the code was refused.
async fn refuse(
    app: &App,
    request: &Request<'_>,
    person: &BrowserSessionRecord,
    failure: Failure,
    problem: fn(Failure) -> AccountProblem,
) -> Result<Reply> {
    match failure {
        Failure::Unavailable(reason) => Err(Failure::Unavailable(reason)),
        failure => account::page(app, request, person, None, Some(problem(failure))).await,
    }
}

/// The page with the secret.
fn shown(
    app: &App,
    request: &Request<'_>,
    person: &BrowserSessionRecord,
    setting_up: SettingUp,
    is_wrong: bool,
) -> Result<Reply> {
    let proof = form::prove(app, request, &account::about(person))?;
    let page = SetUpSecondFactor { setting_up, proof: proof.text, is_wrong, password_proof: None, request: None };
    Ok(Reply::from(Shown::SetUpSecondFactor(page)).with_cookie(proof.cookie))
}

/// What became of setting up a second factor.
pub(super) enum SetUp {
    /// The code was wrong: the same secret is shown again.
    WrongCode(SettingUp),
    /// The second factor counts from now on.
    Done(RecoveryCodes),
    /// The user has one already.
    ThereIsOne,
    /// The secret was shown too long ago, or not to this user.
    Expired,
}

/// Shows a new secret.
pub(super) fn begin(app: &App, request: &Request<'_>, user: &User) -> Result<SettingUp> {
    second_factor::set_up(app, request, user, app.service_name())
}

/// Ends the setting up by the fields `setup` and `code` of the form that shows the secret.
pub(super) async fn confirm(app: &App, request: &Request<'_>, user: &User) -> Result<SetUp> {
    if user.has_second_factor {
        return Ok(SetUp::ThereIsOne);
    }
    let (setup, code) = (request.parameters.one("setup")?.unwrap_or_default(), request.parameters.one("code")?);
    match second_factor::confirm(app, request, user, setup, code.unwrap_or_default()).await? {
        Confirmed::Yes(codes) => Ok(SetUp::Done(codes)),
        Confirmed::ThereIsOne => Ok(SetUp::ThereIsOne),
        Confirmed::Expired => Ok(SetUp::Expired),
        Confirmed::WrongCode => {
            let again = second_factor::shown_again(app, request, user, app.service_name(), setup).await?;
            Ok(again.map_or(SetUp::Expired, SetUp::WrongCode))
        }
    }
}
