//! Keys: where each is in its life.

use crate::admin::keys::{KeyView, RotateRequest};
use crate::admin::powers::{ADMIN, READ};
use crate::app::Failure;
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, Form, Page, Row, Table};
use crate::console::visit::{Content, Outcome, Visit, address, unknown_action};
use crate::keys::lifecycle::KeyState;
use crate::keys::record::KeyUse;

const PATH: &str = "console/keys";

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    let may_change = visit.may(ADMIN);
    let list = visit.app.key_page(&visit.part()?).await?;
    let rows = list.items.iter().map(|key| Row { cells: cells(key), form: may_change.then(|| delete(key)).flatten() });
    let table = Table {
        caption: "Keys, the oldest first",
        columns: vec!["Key", "Use", "Algorithm", "State", "Made", "Active from", "Removed"],
        rows: rows.collect(),
        empty: "There are none.",
        next: list.next.as_deref().map(|cursor| address(PATH, &[("cursor", cursor)])),
    };
    let text = "A new key is announced before it is used, so that every resource server has seen it, and stays until the last token \
                that it made has expired. Deleting a key ends at once what it made.";
    let mut page = Page::new("Keys").with(visit.done()?).with(Block::text(text)).with(Block::Table(table));
    if may_change {
        page =
            page.with(Block::Form(Form::post("rotate", PATH, vec![], vec![Button::new("rotate", "Rotate the keys")])));
    }
    Ok(page.into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(ADMIN)?;
    let (app, actor) = (visit.app, visit.actor());
    let done = match visit.one("action")? {
        Some(action @ ("rotate" | "delete")) => {
            confirm(visit, &["action", "kid"]).await?;
            if action == "rotate" {
                let masters = app.master_keys().await.map_err(|error| Failure::Unavailable(error.0))?;
                app.key_rotate(&RotateRequest::default(), &masters, &actor).await?;
                "rotated"
            } else {
                app.key_delete(&visit.text("kid")?, &actor).await?;
                "key_deleted"
            }
        }
        _ => return Err(unknown_action()),
    };
    Ok(Content::Elsewhere(address(PATH, &[("done", done)])))
}

fn cells(key: &KeyView) -> Vec<Cell> {
    let state = match key.state {
        KeyState::Announced => Cell::text("announced"),
        KeyState::Active => Cell::state("active", true),
        KeyState::Retired => Cell::text("retired"),
    };
    vec![
        Cell::code(key.kid.as_str()),
        Cell::text(key.key_use.name()),
        Cell::text(key.alg.unwrap_or_default()),
        state,
        Cell::moment(key.created_at),
        Cell::text(key.activates_at.to_string()),
        Cell::text(key.over_at.map(|at| at.to_string()).unwrap_or_default()),
    ]
}

fn delete(key: &KeyView) -> Option<Form> {
    (key.key_use != KeyUse::Data).then(|| {
        Form::post(
            "delete",
            PATH,
            vec![Field::hidden("kid", key.kid.as_str())],
            vec![Button::quiet("delete", "Delete").about(format!("key {}", key.kid))],
        )
    })
}
