//! The first page: what needs attention, and what happens.

use crate::admin::powers::READ;
use crate::app::App;
use crate::console::page::{Block, Cell, LIVE, Page, Parts, Row, Table};
use crate::console::visit::{Content, Outcome, Visit};
use crate::console::{attention, figures, nodes};
use crate::protocol::role::Role;

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    let mut page = Page { live: Some(LIVE.to_owned()), ..Page::new("Overview") };
    page.blocks.extend(visit.done()?);
    let checks = if visit.may(READ) { visit.app.findings().await? } else { Vec::new() };
    let (today, days) = figures::days(visit.app).await?;
    if visit.may(READ) {
        page = page.with(Block::heading("What needs attention"));
        page = page.with(attention::blocks(visit, &checks, today, &days).await?);
    }
    for (name, blocks) in parts(visit.app, visit.role).await? {
        page = page.with(Block::Live(name, blocks));
    }
    page = page.with(figures::month(today, &days));
    if visit.may(READ) {
        let rows = checks.into_iter().map(|check| {
            let state = Cell::state(if check.ok { "ok" } else { "needs attention" }, check.ok);
            Row::from(vec![Cell::text(check.check), state, Cell::text(check.finding)])
        });
        page = page.with(Block::heading("Checks")).with(Block::Table(Table {
            caption: "Checks",
            columns: vec!["Check", "State", "Finding"],
            rows: rows.collect(),
            empty: "There are none.",
            next: None,
        }));
    }
    Ok(page.into())
}

/// What changes while one looks at it, for a role.
pub(super) async fn parts(app: &App, role: Role) -> Outcome<Parts> {
    let told = app.figures_lately().await?;
    let mut parts = vec![("lately", figures::lately(app, &told))];
    if role.has_one_of(READ) {
        parts.push(("nodes", vec![Block::heading("Nodes"), Block::Table(nodes::table(app, &told).await?)]));
    }
    Ok(parts)
}
