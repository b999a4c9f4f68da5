//! The settings of a client that change most, in a form. Only those that the form changes are written.

use serde_json::{Map, Value};

use crate::admin::body::read_members;
use crate::admin::clients::ClientView;
use crate::admin::powers::CLIENTS;
use crate::admin::{AdminError, Result};
use crate::console::client_form::{
    ACCESS_TOKEN_TTL, AUDIENCES, CONSENT_SETTING, GRANT_TYPES, NAME, POST_LOGOUT_REDIRECT_URIS, REDIRECT_URIS,
    REFRESH_TOKEN_TTL, SCOPE, Setting, members, put_beside, typed_of,
};
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, Form, Page};
use crate::console::typed::{Answered, Typed, state_of};
use crate::console::visit::{Content, Outcome, Visit, address, unknown_action};
use crate::console::{client_form, clients};
use crate::protocol::client::ClientSettings;

const HERE: &str = "console/client-settings";

pub(super) const SETTINGS: [Setting; 9] = [
    NAME,
    REDIRECT_URIS,
    POST_LOGOUT_REDIRECT_URIS,
    SCOPE,
    AUDIENCES,
    GRANT_TYPES,
    ACCESS_TOKEN_TTL,
    REFRESH_TOKEN_TTL,
    CONSENT_SETTING,
];

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    let client = find(visit).await?;
    let fields = fields(&client, &typed_of(&client.settings));
    Ok(page(Answered::GOOD, &client.client_id, fields).into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    if visit.one("action")? != Some("save") {
        return Err(unknown_action());
    }
    let mut names = client_form::names(&SETTINGS);
    names.extend(["action", "id", "seen"]);
    confirm(visit, &names).await?;
    // 1. What was typed, and what does that change?
    let client = find(visit).await?;
    let id = client.client_id.as_str();
    let typed = Typed::read(visit, &names)?;
    let seen = visit.text("seen")?;
    let patch = |settings: &ClientSettings| {
        if seen != state_of(settings) {
            let text = "the client was changed meanwhile; this form has what you typed: compare it with the client, and save it again";
            return Err(AdminError::Conflict(text.into()));
        }
        changes(&typed, settings)
    };
    // 2. Is it allowed, for the client as the form showed it? What is not stays in the form.
    let written = match patch(&client.settings) {
        Ok(members) if members.is_empty() => {
            return Ok(Content::Elsewhere(address(clients::ONE, &[("id", id), ("done", "unchanged")])));
        }
        Ok(_) => visit.app.client_change(id, |settings| read_members(patch(settings)?), &visit.actor()).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(changed) if changed.warnings.is_empty() => {
            Ok(Content::Elsewhere(address(clients::ONE, &[("id", id), ("done", "changed")])))
        }
        Ok(changed) => Ok(with_warnings(&changed).into()),
        Err(error) => {
            let client = find(visit).await?;
            let mut fields = fields(&client, &typed);
            let answered = put_beside(error, &mut fields)?;
            Ok(page(answered, id, fields).into())
        }
    }
}

/// The members of what a form changes.
fn changes(typed: &Typed, settings: &ClientSettings) -> Result<Map<String, Value>> {
    let present = members(&typed_of(settings), &SETTINGS)?;
    let typed = members(typed, &SETTINGS)?;
    Ok(typed.into_iter().filter(|(name, value)| present.get(name) != Some(value)).collect())
}

/// A client whose registration says what it is.
async fn find(visit: &Visit<'_>) -> Outcome<ClientView> {
    let client = visit.app.client_show(&visit.text("id")?).await?;
    if client.settings.is_of_document() {
        let text = "nobody registered the client: its metadata document says what it is";
        return Err(AdminError::Conflict(text.into()).into());
    }
    Ok(client)
}

fn fields(client: &ClientView, typed: &Typed) -> Vec<Field> {
    let mut fields =
        vec![Field::hidden("id", client.client_id.as_str()), Field::hidden("seen", state_of(&client.settings))];
    fields.extend(client_form::fields(typed, &SETTINGS));
    fields
}

fn page(answered: Answered, id: &str, fields: Vec<Field>) -> Page {
    let form = Form::post("settings", HERE, fields, vec![Button::new("save", "Save")]);
    answered
        .page(format!("Settings of client {id}"))
        .with(Block::text(
            "What was issued before keeps its scope and its life; a session gets the new ones when it is refreshed.",
        ))
        .with(Block::Form(form))
        .with(Block::Text(vec![Cell::link("Back to the client", clients::one(id))]))
}

/// The settings are changed, and something may be a mistake.
fn with_warnings(client: &ClientView) -> Page {
    let warnings: Vec<Block> = client.warnings.iter().map(|warning| Block::problem(*warning)).collect();
    Page::new("The settings are changed")
        .with(Block::text("This may be a mistake:"))
        .with(warnings)
        .with(Block::Text(vec![Cell::link("Back to the client", clients::one(&client.client_id))]))
}
