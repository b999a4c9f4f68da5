//! The settings of a client that change most, in a form. Only those that the form changes are written.

use crate::admin::AdminError;
use crate::admin::body::read_members;
use crate::admin::clients::{ClientPatch, ClientView};
use crate::admin::powers::CLIENTS;
use crate::console::client_form::{
    ACCESS_TOKEN_TTL, AUDIENCES, CONSENT_SETTING, GRANT_TYPES, NAME, POST_LOGOUT_REDIRECT_URIS, REDIRECT_URIS,
    REFRESH_TOKEN_TTL, Refused, SCOPE, Setting, Texts,
};
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, Form, Page};
use crate::console::typed::state_of;
use crate::console::visit::{Content, Outcome, Visit, address, unknown_action};
use crate::console::{client_form, clients};

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
    Ok(form(&client, &Texts::of(&client.settings), None).into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    if visit.one("action")? != Some("save") {
        return Err(unknown_action());
    }
    let mut fields = client_form::names(&SETTINGS);
    fields.extend(["action", "id", "seen"]);
    confirm(visit, &fields).await?;
    // 1. What was typed, and does it begin with what the client has now?
    let client = find(visit).await?;
    let typed = Texts::typed(visit, &SETTINGS)?;
    if visit.one("seen")? != Some(state_of(&client.settings).as_str()) {
        let text = "the client was changed meanwhile; this form has what you typed: compare it with the client, and save it again";
        return Ok(form(&client, &typed, Some(Refused::form(409, text))).into());
    }
    // 2. What does that change?
    let present = Texts::of(&client.settings);
    let changed = SETTINGS.iter().filter(|setting| typed.get(setting.name) != present.get(setting.name));
    let members = typed.members(changed);
    if members.is_empty() {
        return Ok(Content::Elsewhere(address(clients::ONE, &[("id", &client.client_id), ("done", "unchanged")])));
    }
    // 3. Is it allowed? What is not stays in the form.
    let written = match read_members::<ClientPatch>(members) {
        Ok(patch) => visit.app.client_update(&client.client_id, patch, &visit.actor()).await,
        Err(error) => Err(error),
    };
    match written {
        Ok(changed) if changed.warnings.is_empty() => {
            Ok(Content::Elsewhere(address(clients::ONE, &[("id", &client.client_id), ("done", "changed")])))
        }
        Ok(changed) => Ok(with_warnings(&changed).into()),
        Err(error) => Ok(form(&client, &typed, Some(Refused::by(error, &SETTINGS)?)).into()),
    }
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

fn form(client: &ClientView, texts: &Texts, refused: Option<Refused>) -> Page {
    let id = client.client_id.as_str();
    let mut page = Page::new(format!("Settings of client {id}"));
    let mut beside = None;
    if let Some(refused) = refused {
        page.status = refused.status;
        page = page.with(refused.above.map(Block::problem));
        beside = refused.beside;
    }
    let mut fields = vec![Field::hidden("id", id), Field::hidden("seen", state_of(&client.settings))];
    fields.extend(texts.fields(&SETTINGS, beside.as_ref()));
    let buttons = vec![Button::new("save", "Save")];
    let form = Form::post("settings", HERE, fields, buttons);
    page.with(Block::text(
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
