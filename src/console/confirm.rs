//! Before what gives power or cannot be undone, a person proves anew who they are, unless that was minutes ago.

use crate::app::Failure;
use crate::browser::{password, second_factor};
use crate::console::page::{Block, Button, Cell, Field, FieldKind, Form, Page};
use crate::console::visit::{Outcome, Problem, Visit};
use crate::console::{OVERVIEW, path_of};

/// Seconds for which the proof counts.
const RECENT: i64 = 300;

/// Goes on if the person has proved who they are a short while ago, or has just done so.
///
/// # Errors
/// Else the page that asks for that and repeats the form, which has these fields.
pub(super) async fn confirm(visit: &Visit<'_>, fields: &[&'static str]) -> Outcome<()> {
    let (app, session) = (visit.app, &visit.record.session);
    let age = app.clock.now().seconds() - session.authenticated_at.seconds();
    if (0..=RECENT).contains(&age) {
        return Ok(());
    }
    let Some(password) = visit.raw("password")? else { return Err(unproven(visit, fields, None)?) };
    match prove(visit, password).await {
        Ok(()) => {
            // A role that was taken away while the password was checked ended the login.
            match app.store.browser_session_authenticated(session.id, app.clock.now()).await? {
                true => Ok(()),
                false => Err(Problem::LoginEnded),
            }
        }
        Err(Failure::Unavailable(reason)) => Err(Failure::Unavailable(reason).into()),
        Err(failure) => Err(unproven(visit, fields, Some(failure))?),
    }
}

/// Proves by the password and, if the person has one, the second factor.
async fn prove(visit: &Visit<'_>, password: &str) -> Result<(), Failure> {
    let (app, request, record) = (visit.app, visit.request, visit.record);
    let user = password::find(app, request, (&record.user.username, password)).await?.verify(app).await?;
    if user.id != record.user.id {
        return Err(password::wrong("the name leads to another user now"));
    }
    if user.has_second_factor {
        let code = request.parameters.one("code")?.unwrap_or_default();
        second_factor::prove(app, request, &user, code).await?;
    }
    Ok(())
}

/// What asks for the proof.
fn unproven(visit: &Visit<'_>, names: &[&'static str], failure: Option<Failure>) -> Outcome<Problem> {
    let (status, problem) = match &failure {
        None => (200, None),
        Some(Failure::Throttled(throttled)) => {
            (429, Some(format!("Too many attempts have failed. Try again in {} seconds.", throttled.seconds)))
        }
        Some(Failure::Overloaded | Failure::Unavailable(_)) => {
            (503, Some("Many people are logging in right now. Try again in a moment.".to_owned()))
        }
        Some(Failure::Refused(_)) => (400, Some("The password or the code is wrong.".to_owned())),
    };
    let mut fields = Vec::new();
    for name in names.iter().copied() {
        if let Some(value) = visit.raw(name)? {
            fields.push(Field::hidden(name, value));
        }
    }
    let is_required = true;
    let password =
        Field { kind: FieldKind::Password, is_required, problem, ..Field::new("password", "Your password", "") };
    fields.push(password);
    if visit.record.user.has_second_factor {
        let code = Field::new("code", "Code from your authenticator app", "");
        fields.push(Field { kind: FieldKind::Code, is_required, help: "Or a recovery code.", ..code });
    }
    let path = path_of(visit.request.target).trim_start_matches('/').to_owned();
    let action = if names.contains(&"action") { "" } else { "confirm" };
    let form = Form::post("confirm", path, fields, vec![Button::new(action, "Continue")]);
    let back = Cell::link("Cancel", OVERVIEW.trim_start_matches('/'));
    let page = Page { status, failure, ..Page::new("Is it still you?") };
    let page = page
        .with(Block::text("What you asked for gives power or cannot be undone. Prove that it is you; for the next 5 minutes you are not asked again."))
        .with(Block::Form(form))
        .with(Block::Text(vec![back]));
    Ok(Problem::Unproven(Box::new(page)))
}
