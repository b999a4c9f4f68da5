//! What needs attention: what the checks found, and what the figures and the records tell.

use crate::admin::findings::Check;
use crate::console::figures::{Day, cell_of_cause};
use crate::console::page::{Block, Cell};
use crate::console::visit::{Outcome, Visit};
use crate::console::{clients, refusals};
use crate::keys::lifecycle::KeyState;
use crate::protocol::figures::{Figures, HOUR, REFUSED};
use crate::protocol::time::Timestamp;

/// Days after which a secret counts as unused.
const UNUSED_DAYS: i64 = 90;
/// The most secrets that are named.
const MOST_SECRETS: i64 = 10;
/// Refusals of the last hours that are too few to be unusual.
const FEW: u64 = 50;
/// How many times as many as usual are unusual.
const TIMES: u64 = 5;
/// The days before today that tell what is usual, and how many of them it takes.
const USUAL_DAYS: usize = 7;
const LEAST_DAYS: usize = 3;

/// A cause for which more was refused than usual: the cause, how often in the last hours, and how often usually.
type Unusual<'a> = (&'a str, u64, u64);

pub(super) async fn blocks(visit: &Visit<'_>, checks: &[Check], today: Timestamp, days: &[Day]) -> Outcome<Vec<Block>> {
    let app = visit.app;
    let problems = checks.iter().filter(|check| !check.ok);
    let mut blocks: Vec<Block> =
        problems.map(|check| Block::problem(format!("{}: {}", check.check, check.finding))).collect();
    blocks.extend(refusals::failing(visit));
    let now = app.clock.now();
    let hour_before = Timestamp::from_seconds((now.seconds().div_euclid(HOUR) - 1) * HOUR);
    let lately = app.store.figures_between(hour_before, now.plus_seconds(1)).await?;
    for (cause, count, usual) in unusual(&lately, today, days) {
        blocks.push(Block::Text(vec![
            Cell::state("refusals", false),
            Cell::text(format!("Since {hour_before}, {count} requests were refused because of")),
            cell_of_cause(cause),
            Cell::text(format!("where {usual} are usual.")),
        ]));
    }
    let unused = app.store.client_secrets_unused(now.plus_seconds(-UNUSED_DAYS * 24 * 3600), MOST_SECRETS + 1).await?;
    if !unused.is_empty() {
        let text = format!("Not used for {UNUSED_DAYS} days, so perhaps they can be retired: secrets of");
        let mut cells = vec![Cell::state("secrets", false), Cell::text(text)];
        let named = usize::try_from(MOST_SECRETS).unwrap_or(usize::MAX);
        let mut names: Vec<&str> = unused.iter().take(named).map(|(client, _)| client.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        cells.extend(names.into_iter().map(|client| Cell::link(client, clients::one(client))));
        if unused.len() > named {
            cells.push(Cell::text("and others."));
        }
        blocks.push(Block::Text(cells));
    }
    let large = app.large_tokens.lately(now);
    if !large.is_empty() {
        let text = "Many servers refuse headers as long as that: this node issued access tokens of more than 4 KB to";
        let mut cells = vec![Cell::state("large tokens", false), Cell::text(text)];
        for (client, size) in large {
            cells.push(Cell::link(client.as_str(), clients::one(&client)));
            cells.push(Cell::text(format!("({size} bytes)")));
        }
        blocks.push(Block::Text(cells));
    }
    let announced = app.key_list().await?.into_iter().filter(|key| key.state == KeyState::Announced);
    if let Some(next) = announced.map(|key| key.activates_at).min() {
        blocks.push(Block::Text(vec![
            Cell::text("A new key becomes active at"),
            Cell::text(format!("{next}.")),
            Cell::link("Keys", "console/keys"),
        ]));
    }
    if blocks.is_empty() {
        blocks.push(Block::text("Nothing."));
    }
    Ok(blocks)
}

/// The causes for which many more were refused in the last one to two hours than usually in two.
fn unusual<'a>(lately: &'a Figures, today: Timestamp, days: &[Day]) -> Vec<Unusual<'a>> {
    let before: Vec<&Figures> =
        days.iter().filter(|(day, _)| *day < today).take(USUAL_DAYS).map(|(_, figures)| figures).collect();
    if before.len() < LEAST_DAYS {
        return Vec::new();
    }
    let count = u64::try_from(before.len()).unwrap_or(u64::MAX);
    let causes = lately.causes().into_iter().map(|(cause, number)| {
        let name = format!("{REFUSED}/{cause}");
        let sum = before.iter().map(|figures| figures.get(&name)).fold(0, u64::saturating_add);
        (cause, number, sum.div_ceil(count * 12))
    });
    causes.filter(|(_, number, usual)| *number >= FEW && *number > usual.saturating_mul(TIMES)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_more_refusals_than_usual_are_told_once_it_is_known_what_is_usual() {
        let today = Timestamp::from_seconds(1_800_000_000 / 86_400 * 86_400);
        let figures =
            |count: u64| -> Figures { [("refused/expired", count), ("issued/password", 9)].into_iter().collect() };
        let days = |counts: &[u64]| -> Vec<Day> {
            (0..).zip(counts).map(|(back, count)| (today.plus_seconds(-back * 86_400), figures(*count))).collect()
        };
        // 120 a day are 10 in two hours.
        let usual = days(&[100_000, 120, 120, 120]);
        assert_eq!(unusual(&figures(51), today, &usual), [("expired", 51, 10)]);
        assert_eq!(unusual(&figures(50), today, &usual), []);
        assert_eq!(unusual(&figures(51), today, &days(&[0, 120, 120])), [], "nobody knows yet");
        assert_eq!(unusual(&figures(49), today, &days(&[0, 0, 0, 0])), [], "few are not unusual");
        assert_eq!(unusual(&figures(50), today, &days(&[0, 0, 0, 0])), [("expired", 50, 0)]);
    }
}
