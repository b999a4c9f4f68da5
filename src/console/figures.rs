//! What was counted: in the last minutes, and day by day.

use uuid::Uuid;

use crate::app::App;
use crate::console::chart::Chart;
use crate::console::page::{Block, Cell, Row, Table};
use crate::console::visit::Outcome;
use crate::protocol::cause::Cause;
use crate::protocol::error::ErrorCode;
use crate::protocol::fault::Fault;
use crate::protocol::figures::{ANSWERED, APPLIED, Figures, INTROSPECTED, ISSUED, OVERLOADED, REFUSED, TIMED};
use crate::protocol::time::Timestamp;
use crate::store::NodeFigures;

/// The most causes that are listed.
const MOST_CAUSES: usize = 20;
/// The days that are shown.
const DAYS: i64 = 30;
/// Seconds of a day.
const DAY: i64 = 24 * 3600;

/// The figures of a day that begins at a moment.
pub(super) type Day = (Timestamp, Figures);

/// What all nodes counted in the last minutes.
pub(super) fn lately(app: &App, nodes: &[NodeFigures]) -> Vec<Block> {
    let mut all = Figures::default();
    nodes.iter().for_each(|node| all.add_all(&node.figures));
    let since = nodes.first().map_or_else(|| app.clock.now(), |own| own.since);
    let minutes = ((app.clock.now().seconds() - since.seconds()) / 60).max(1);
    let span = if minutes == 1 { "the last minute".to_owned() } else { format!("the last {minutes} minutes") };
    let place = if nodes.len() == 1 { "on this node".to_owned() } else { format!("on {} nodes", nodes.len()) };
    let rows = all.of(ISSUED).map(|(grant, count)| Row::from(vec![Cell::code(grant), Cell::text(count.to_string())]));
    let issued = Table {
        caption: "Issued access tokens",
        columns: vec!["Issued by grant", "Tokens"],
        rows: rows.collect(),
        empty: "No access token was issued.",
        next: None,
    };
    vec![
        Block::heading(format!("In {span}, {place}")),
        Block::Facts(facts(app, &all, nodes)),
        Block::Table(issued),
        Block::Table(refused(&all)),
    ]
}

fn facts(app: &App, all: &Figures, nodes: &[NodeFigures]) -> Vec<(String, Vec<Cell>)> {
    let inactive = all.get("introspected/inactive");
    let most_waiting = nodes.iter().map(|node| node.most_waiting).max().unwrap_or_default();
    let mut facts = vec![
        ("Access tokens issued".to_owned(), all.sum(ISSUED).to_string()),
        ("Requests refused".to_owned(), all.sum(REFUSED).to_string()),
        (
            "Introspections".to_owned(),
            format!("{}, of which {inactive} of tokens that are not active", all.sum(INTROSPECTED)),
        ),
    ];
    for endpoint in TIMED {
        let spread = all.spread(&format!("{ANSWERED}/{endpoint}"));
        if spread.count > 0 {
            let text = format!(
                "{}: half within {}, 99 % within {}",
                spread.count,
                spread.within_in_words(50),
                spread.within_in_words(99)
            );
            facts.push((format!("Answers of {endpoint}"), text));
        }
    }
    facts.push((
        "Logins waiting".to_owned(),
        format!("{} on this node now; at most {most_waiting} at a time on a node", app.passwords.waiting()),
    ));
    if all.get(OVERLOADED) > 0 {
        facts.push(("Logins refused because too many waited".to_owned(), all.get(OVERLOADED).to_string()));
    }
    facts.into_iter().map(|(name, text)| (name, vec![Cell::text(text)])).collect()
}

fn refused(all: &Figures) -> Table {
    let mut refused: Vec<(&str, u64)> = all.of(REFUSED).collect();
    refused.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    refused.truncate(MOST_CAUSES);
    let rows = refused.into_iter().map(|(name, count)| {
        let (endpoint, cause) = name.split_once('/').unwrap_or(("", name));
        Row::from(vec![cell_of_cause(cause), Cell::text(endpoint), Cell::text(count.to_string())])
    });
    Table {
        caption: "Refusals",
        columns: vec!["Refused because", "Endpoint", "Requests"],
        rows: rows.collect(),
        empty: "Nothing was refused.",
        next: None,
    }
}

/// A cause, which leads to its page if it has one.
pub(super) fn cell_of_cause(cause: &str) -> Cell {
    if cause.parse::<Cause>().is_ok() || cause.parse::<Fault>().is_ok() || cause.parse::<ErrorCode>().is_ok() {
        Cell { is_code: true, ..Cell::link(cause, format!("docs/errors/{cause}")) }
    } else {
        Cell::code(cause)
    }
}

/// Within which time a node applied nearly all revocations of the last minutes.
pub(super) fn applied_within(nodes: &[NodeFigures], id: Uuid) -> String {
    let of_node = nodes.iter().find(|node| node.node == id);
    of_node.map_or_else(|| "not told".to_owned(), |node| node.figures.spread(APPLIED).within_in_words(99))
}

/// The figures of the last days, the newest first, and the day that it is.
pub(super) async fn days(app: &App) -> Outcome<(Timestamp, Vec<Day>)> {
    let now = app.clock.now().seconds();
    let today = Timestamp::from_seconds(now.div_euclid(DAY) * DAY);
    Ok((today, app.store.figures_by_day(today.plus_seconds(-(DAYS - 1) * DAY)).await?))
}

/// What all nodes counted day by day: charts, and the numbers.
pub(super) fn month(today: Timestamp, days: &[Day]) -> Vec<Block> {
    let mut blocks = vec![Block::heading("The last 30 days")];
    if days.is_empty() {
        blocks.push(Block::text("Nothing was counted yet: figures are written once a minute."));
        return blocks;
    }
    let chart = |title, kind: &str| {
        let number = |back: i64| {
            let day = today.plus_seconds(-back * DAY);
            let figures = days.iter().find(|(at, _)| *at == day);
            (date(day), figures.map_or(0, |(_, figures)| figures.sum(kind)))
        };
        Block::Chart(Chart::new(title, &(0..DAYS).rev().map(number).collect::<Vec<_>>()))
    };
    blocks.push(chart("Issued access tokens by day", ISSUED));
    blocks.push(chart("Refused requests by day", REFUSED));
    blocks.push(chart("Introspections by day", INTROSPECTED));
    let rows = days.iter().map(|(day, figures)| {
        let causes = figures.causes();
        let most = match causes.first() {
            Some((cause, _)) => cell_of_cause(cause),
            None => Cell::text("none"),
        };
        Row::from(vec![
            Cell::text(date(*day)),
            Cell::text(figures.sum(ISSUED).to_string()),
            Cell::text(figures.sum(REFUSED).to_string()),
            most,
            Cell::text(figures.sum(INTROSPECTED).to_string()),
            Cell::text(figures.spread("answered/token").within_in_words(99)),
            Cell::text(figures.spread(APPLIED).within_in_words(99)),
            Cell::text(figures.get(OVERLOADED).to_string()),
        ])
    });
    let table = Table {
        caption: "Figures by day (UTC)",
        columns: vec![
            "Day (UTC)",
            "Issued",
            "Refused",
            "Mostly because",
            "Introspections",
            "99 % of token answers within",
            "99 % of revocations applied within",
            "Logins refused, too many waited",
        ],
        rows: rows.collect(),
        empty: "Nothing was counted.",
        next: None,
    };
    blocks.push(Block::Folded("The numbers".to_owned(), table));
    blocks
}

/// The date of a moment (UTC).
fn date(at: Timestamp) -> String {
    at.to_string().split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_a_bar_for_each_day_and_a_row_for_each_with_figures() {
        let today = Timestamp::from_seconds(1_800_000_000 / DAY * DAY);
        let figures: Figures = [("issued/password", 5), ("refused/expired", 7), ("refused/x", 1)].into_iter().collect();
        let blocks = month(today, &[(today, figures.clone()), (today.plus_seconds(-29 * DAY), figures)]);
        let charts: Vec<&Chart> = blocks.iter().filter_map(Block::as_chart).collect();
        assert_eq!(charts.len(), 3);
        let heights: Vec<u64> = charts[0].bars.iter().map(|bar| bar.height).collect();
        assert_eq!((heights.len(), heights[0], heights[29], heights.iter().sum::<u64>()), (30, 100, 100, 200));
        assert_eq!(charts[1].bars[29].label, "2027-01-15: 8");
        let table = blocks.iter().find_map(Block::as_folded).unwrap().1;
        assert_eq!((table.rows.len(), table.rows[0].cells[3].text.as_str()), (2, "expired"));
        assert!(table.rows[0].cells[3].link.is_some(), "it has a page");
        assert!(month(today, &[]).iter().all(|block| block.as_chart().is_none()));
    }
}
