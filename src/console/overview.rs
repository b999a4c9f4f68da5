//! The first page: what needs attention, and what happened lately.

use std::cmp::Reverse;

use crate::admin::powers::READ;
use crate::console::page::{Block, Cell, Page, Row, Table};
use crate::console::visit::{Content, Outcome, Visit};
use crate::console::{nodes, refusals};
use crate::protocol::cause::Cause;

/// The most causes that are listed.
const MOST_CAUSES: usize = 20;

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    let mut page = Page::new("Overview");
    page.blocks.extend(visit.done()?);
    let checks = if visit.may(READ) { visit.app.findings().await? } else { Vec::new() };
    if visit.may(READ) {
        page = page.with(Block::heading("What needs attention"));
        let problems: Vec<_> = checks.iter().filter(|check| !check.ok).collect();
        let failing = refusals::failing(visit);
        if problems.is_empty() && failing.is_empty() {
            page = page.with(Block::text("Nothing."));
        }
        page = page.with(failing);
        for check in problems {
            page = page.with(Block::problem(format!("{}: {}", check.check, check.finding)));
        }
    }
    page = lately(visit, page);
    if visit.may(READ) {
        page = page.with(Block::heading("Nodes")).with(Block::Table(nodes::table(visit).await?));
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

/// What the counters of this node counted in the last minutes.
fn lately(visit: &Visit<'_>, page: Page) -> Page {
    let now = visit.app.clock.now();
    let (since, counts) = visit.app.metrics.recent(now);
    let minutes = ((now.seconds() - since.seconds()) / 60).max(1);
    let span = if minutes == 1 { "the last minute".to_owned() } else { format!("the last {minutes} minutes") };
    let issued = counts
        .issued
        .iter()
        .map(|(grant, count)| Row::from(vec![Cell::code(grant.as_str()), Cell::text(count.to_string())]));
    let mut refused: Vec<_> = counts.refused.iter().collect();
    refused.sort_by_key(|(name, count)| (Reverse(**count), *name));
    refused.truncate(MOST_CAUSES);
    let refused = refused.into_iter().map(|((endpoint, cause), count)| {
        let name = match cause.parse::<Cause>() {
            Ok(_) => Cell { is_code: true, ..Cell::link(cause.as_str(), format!("docs/errors/{cause}")) },
            Err(()) => Cell::code(cause.as_str()),
        };
        Row::from(vec![name, Cell::text(endpoint.as_str()), Cell::text(count.to_string())])
    });
    page.with(Block::heading(format!("On this node, in {span}")))
        .with(Block::Table(Table {
            caption: "Issued access tokens",
            columns: vec!["Issued by grant", "Tokens"],
            rows: issued.collect(),
            empty: "No access token was issued.",
            next: None,
        }))
        .with(Block::Table(Table {
            caption: "Refusals",
            columns: vec!["Refused because", "Endpoint", "Requests"],
            rows: refused.collect(),
            empty: "Nothing was refused.",
            next: None,
        }))
}
