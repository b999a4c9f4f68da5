//! The nodes that share the database.

use crate::admin::powers::READ;
use crate::app::App;
use crate::console::figures::applied_within;
use crate::console::page::{Block, Cell, Page, Row, Table};
use crate::console::visit::{Content, Outcome, Visit};
use crate::store::NodeFigures;

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    let text = "Each node follows the log of changes, in which every revocation has a number. A node that falls silent counts until \
                it must have stopped answering from memory.";
    let told = visit.app.figures_lately().await?;
    Ok(Page::new("Nodes").with(Block::text(text)).with(Block::Table(table(visit.app, &told).await?)).into())
}

/// The table of the nodes, with what they told of the last minutes.
pub(super) async fn table(app: &App, told: &[NodeFigures]) -> Outcome<Table> {
    let rows = app.node_list().await?.into_iter().map(|node| {
        let name = if node.is_this { format!("{} (this one)", node.name) } else { node.name };
        let state = match (node.is_live, node.is_behind) {
            (false, _) => Cell::state("silent", false),
            (true, true) => Cell::text("catching up"),
            (true, false) => Cell::state("up to date", true),
        };
        Row::from(vec![
            Cell::text(name),
            state,
            Cell::code(node.applied.to_string()),
            Cell::text(applied_within(told, node.id)),
            Cell::moment(node.heartbeat_at),
            Cell::text(node.version),
        ])
    });
    Ok(Table {
        caption: "Nodes",
        columns: vec![
            "Node",
            "State",
            "Last change applied",
            "Revocations applied within",
            "Last heard from",
            "Version",
        ],
        rows: rows.collect(),
        empty: "No node is on the list.",
        next: None,
    })
}
