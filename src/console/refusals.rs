//! What was refused of clients lately, as far as this node remembers.

use crate::console::figures::cell_of_cause;
use crate::console::page::{Block, Cell, Row, Table};
use crate::console::visit::{Visit, address};
use crate::telemetry::refused_clients::RefusedOfClient;

/// What was refused of a client, and why.
pub(super) fn of(visit: &Visit<'_>, client_id: &str) -> Vec<Block> {
    let RefusedOfClient { requests, others, is_incomplete } =
        visit.app.metrics.refused_of_client(client_id, visit.app.clock.now());
    let rows = requests.iter().map(|refused| {
        Row::from(vec![
            cell_of_cause(refused.cause),
            Cell::text(refused.endpoint),
            Cell::text(refused.count.to_string()),
            Cell::moment(refused.last),
        ])
    });
    let table = Table {
        caption: "Refused in the last hour",
        columns: vec!["Refused because", "Endpoint", "Requests", "Last"],
        rows: rows.collect(),
        empty: "This node refused nothing of it.",
        next: None,
    };
    let mut blocks = vec![Block::heading("Refused in the last hour, on this node"), Block::Table(table)];
    if others > 0 {
        blocks.push(Block::text(format!("For further causes: {others}.")));
    }
    if is_incomplete {
        blocks
            .push(Block::text("There may have been more: this node refused too many clients to remember all of them."));
    }
    blocks
}

/// The clients that fail more than usual.
pub(super) fn failing(visit: &Visit<'_>) -> Vec<Block> {
    let failing = visit.app.metrics.failing_clients(visit.app.clock.now()).into_iter();
    let blocks = failing.map(|client| {
        let text = format!(
            "fails more than usual: on this node, {} requests were refused in the last 15 minutes, and {} in the 45 minutes before.",
            client.lately, client.before
        );
        let link = Cell::link(format!("Client {}", client.client_id), address("console/client", &[("id", &client.client_id)]));
        Block::Text(vec![link, Cell::text(text)])
    });
    blocks.collect()
}
