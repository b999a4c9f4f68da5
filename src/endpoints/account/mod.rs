//! One's own account: browsers where one is logged in, apps with access, and the password.

mod content;

use std::collections::BTreeMap;

pub use content::{Account, AccountProblem, BrowserEntry, ConnectedApp, Done};

use crate::app::{App, Failure, Request, Result};
use crate::browser::cookie::Cookie;
use crate::browser::new_password::{self, NewPassword, Unfit};
use crate::browser::{form, password, session};
use crate::endpoints::authorize::name;
use crate::endpoints::reply::{Reply, Shown};
use crate::protocol::client::check_client_id;
use crate::protocol::error::Refusal;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::protocol::user::User;
use crate::store::{BrowserSessionRecord, Ended, Ending};

/// Where people log in for no client.
pub(super) const LOGIN: &str = "/login";
/// Where they are then.
pub(super) const ACCOUNT: &str = "/account";

/// Shows the account of the person who is logged in.
pub async fn show(app: &App, request: &Request<'_>) -> Result<Reply> {
    let Some(person) = session::find(app, request).await? else { return Ok(Shown::Elsewhere(LOGIN.into()).into()) };
    session::seen(app, &person).await?;
    let done = request.parameters.one("done")?;
    let done = Done::ALL.into_iter().find(|known| done == Some(known.name()));
    page(app, request, &person, done, None).await
}

/// Does what a form of the page asks for.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    // 1. Who asks, and was the form shown to this browser?
    let Some(person) = session::find(app, request).await? else { return Ok(Shown::Elsewhere(LOGIN.into()).into()) };
    form::check(app, request, &about(&person)).await?;
    // 2. What is to be done?
    let this = person.session.id;
    let user = &person.user;
    match request.parameters.one("action")? {
        Some("log_out") => {
            session::end(app, request, user.id, Ending::One(this)).await?;
            let removal = Cookie::Session.removal(request.issuer);
            Ok(Reply::from(Shown::LoggedOut(None)).with_cookie(Some(removal)))
        }
        Some("end_browser") => {
            let id = request.parameters.one("id")?.and_then(|id| id.parse().ok());
            let Some(id) = id else {
                return Err(Refusal::invalid_request("The form has no id of a browser session.").into());
            };
            session::end(app, request, user.id, Ending::One(id)).await?;
            Ok(done(Done::BrowserEnded))
        }
        Some("end_other_browsers") => {
            session::end(app, request, user.id, Ending::AllBut(this)).await?;
            Ok(done(Done::OtherBrowsersEnded))
        }
        Some("remove_app") => {
            let client_id = request.parameters.one("client_id")?.filter(|id| check_client_id(id).is_ok());
            let Some(client_id) = client_id else {
                return Err(Refusal::invalid_request("The form has no client_id.").into());
            };
            let by = session::audited(app, request, user.id);
            let covers_until = app.settings.covers_until(by.at);
            let withdraw = async || app.store.access_withdraw(user.id, client_id, covers_until, &by).await;
            while app.state.honour(withdraw()).await? == Ended::Part {}
            Ok(done(Done::AppRemoved))
        }
        Some("change_password") => change_password(app, request, &person).await,
        _ => Err(Refusal::invalid_request("The form has no known action.").into()),
    }
}

/// The account, which tells what was done.
pub(super) fn done(done: Done) -> Reply {
    Shown::Elsewhere(format!("{ACCOUNT}?done={}", done.name())).into()
}

/// A new password ends all browser sessions and everything that was issued; this browser gets a new session.
async fn change_password(app: &App, request: &Request<'_>, person: &BrowserSessionRecord) -> Result<Reply> {
    let parameters = request.parameters;
    let (new, again) = (parameters.one("new_password")?, parameters.one("new_password_again")?);
    let new = match NewPassword::read(new, again) {
        Ok(new) => new,
        Err(unfit) => return page(app, request, person, None, Some(AccountProblem::NewPassword(unfit))).await,
    };
    let user = match verify(app, request, person).await {
        Ok(user) => user,
        Err(Failure::Unavailable(reason)) => return Err(Failure::Unavailable(reason)),
        Err(failure) => return page(app, request, person, None, Some(AccountProblem::CurrentPassword(failure))).await,
    };
    let changed = match new_password::set(app, request, &user, new).await {
        Ok(changed) => changed,
        Err(Failure::Overloaded) => {
            return page(app, request, person, None, Some(AccountProblem::NewPassword(Unfit::Busy))).await;
        }
        Err(failure) => return Err(failure),
    };
    let Some(changed) = changed else {
        return Err(Failure::Unavailable("the user was changed at the same time".into()));
    };
    let methods: Vec<&str> = person.session.methods.iter().map(String::as_str).collect();
    let begun = session::begin(app, request, &changed, &methods, Some(person)).await?;
    Ok(self::done(Done::PasswordChanged).with_cookie(begun))
}

/// The person, whose current password is in the field `password` of the form.
pub(super) async fn verify(app: &App, request: &Request<'_>, person: &BrowserSessionRecord) -> Result<User> {
    match request.parameters.one("password")? {
        Some(current) => password::find(app, request, (&person.user.username, current)).await?.verify(app).await,
        None => Err(password::wrong("the current password is missing")),
    }
}

/// What the proof of the forms is about: the account of this person at this browser.
pub(super) fn about(person: &BrowserSessionRecord) -> String {
    format!("account {}", person.session.id)
}

/// The page, perhaps with what was done or why not.
pub(super) async fn page(
    app: &App,
    request: &Request<'_>,
    person: &BrowserSessionRecord,
    done: Option<Done>,
    problem: Option<AccountProblem>,
) -> Result<Reply> {
    let now = app.clock.now();
    let proof = form::prove(app, request, &about(person))?;
    let name = person.user.profile.get("name").and_then(|name| name.as_str()).map(str::to_owned);
    let second_factor = match person.user.has_second_factor {
        true => app.store.second_factor_find(person.user.id).await?.factor,
        false => None,
    };
    let second_factor = second_factor.map(|factor| factor.recovery_codes.unsigned_abs());
    let account = Account {
        proof: proof.text,
        username: person.user.username.clone(),
        name,
        browsers: browsers(app, person, now).await?,
        apps: apps(app, person, now).await?,
        second_factor,
        done,
        problem,
        now,
    };
    Ok(Reply::from(Shown::Account(Box::new(account))).with_cookie(proof.cookie))
}

async fn browsers(app: &App, person: &BrowserSessionRecord, now: Timestamp) -> Result<Vec<BrowserEntry>> {
    let sessions = app.store.browser_session_list(person.user.id, now).await?;
    let mut browsers: Vec<BrowserEntry> = sessions
        .into_iter()
        .map(|BrowserSessionRecord { session, .. }| BrowserEntry {
            is_this: session.id == person.session.id,
            id: session.id,
            agent: session.agent,
            network: session.network,
            last_seen_at: session.last_seen_at,
        })
        .collect();
    browsers.sort_by_key(|browser| !browser.is_this);
    Ok(browsers)
}

/// The clients with active sessions or remembered consents.
async fn apps(app: &App, person: &BrowserSessionRecord, now: Timestamp) -> Result<Vec<ConnectedApp>> {
    let mut apps = BTreeMap::new();
    for access in app.store.access_list(person.user.id, now).await? {
        entry(&mut apps, &access.client_id, &access.scope, access.since).last_used_at = Some(access.last_used_at);
    }
    for consent in app.store.consent_list(person.user.id).await? {
        entry(&mut apps, &consent.client_id, &consent.allowed.scope(), consent.created_at).is_remembered = true;
    }
    for entry in apps.values_mut() {
        if let Some(client) = app.state.client(&entry.client_id).await? {
            entry.name = name(&client);
        }
    }
    Ok(apps.into_values().collect())
}

/// The entry of a client, with these scopes too.
fn entry<'a>(
    apps: &'a mut BTreeMap<String, ConnectedApp>,
    client_id: &str,
    scope: &Scope,
    since: Timestamp,
) -> &'a mut ConnectedApp {
    let entry = apps.entry(client_id.to_owned()).or_insert_with(|| ConnectedApp {
        client_id: client_id.to_owned(),
        name: client_id.to_owned(),
        scopes: Vec::new(),
        since,
        last_used_at: None,
        is_remembered: false,
    });
    entry.since = entry.since.min(since);
    for name in scope.tokens() {
        if !entry.scopes.iter().any(|own| own == name) {
            entry.scopes.push(name.to_owned());
        }
    }
    entry
}
