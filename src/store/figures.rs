//! Figures: what all nodes counted, hour by hour; and what each counted in the last minutes.

use serde_json::json;
use uuid::Uuid;

use crate::protocol::figures::{Figures, HOUR};
use crate::protocol::time::Timestamp;
use crate::store::database::Dialect;
use crate::store::row::{Row, array, to_json, values};
use crate::store::{Result, Store};

/// Milliseconds of a day.
const DAY: i64 = 24 * 3600 * 1000;
/// The most nodes whose figures are read.
const MOST_NODES: i64 = 100;

/// What a node counted in the last minutes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFigures {
    /// The node.
    pub node: Uuid,
    /// When they were taken.
    pub at: Timestamp,
    /// Since when they were counted.
    pub since: Timestamp,
    /// The most logins that waited at a time.
    pub most_waiting: i64,
    /// What was counted.
    pub figures: Figures,
}

fn node_figures(row: &Row) -> Result<NodeFigures> {
    Ok(NodeFigures {
        node: row.get("node")?,
        at: row.moment("at")?,
        since: row.moment("since")?,
        most_waiting: row.get("most_waiting")?,
        figures: row.json("figures")?,
    })
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The statements that add to the figures of the hour that begins at `$1`, and that sum up those of the day from `$1` up to `$3`. A sum, since
/// nodes of an earlier version write those of the hour alone.
macro_rules! add {
    ($name:literal, $count:literal, $from:literal) => {
        [
            concat!(
                "INSERT INTO figures (at, name, count) SELECT $1, ",
                $name,
                ", ",
                $count,
                $from,
                " WHERE true ON CONFLICT (at, name) DO UPDATE SET count = figures.count + excluded.count"
            ),
            concat!(
                "INSERT INTO figures_by_day (at, name, count) SELECT $1, name, CAST(sum(count) AS BIGINT) FROM figures \
                 WHERE at >= $1 AND at < $3 AND name IN (SELECT ",
                $name,
                $from,
                ") GROUP BY name ORDER BY name ON CONFLICT (at, name) DO UPDATE SET count = excluded.count"
            ),
        ]
    };
}

impl Store {
    /// Adds figures to those of the hour and of the day (UTC) of this moment. Nodes may do so at the same time.
    pub async fn figures_add(&self, now: Timestamp, figures: &Figures) -> Result<()> {
        let begin = |length: i64| Timestamp::from_millis(now.millis().div_euclid(length) * length);
        // Both lists are in the order of the names, so that no two nodes wait for each other.
        let ([of_hour, of_day], counts) = match self.dialect() {
            Dialect::Postgres => (
                add!(
                    "split_part(pair, ' ', 1)",
                    "split_part(pair, ' ', 2)::bigint",
                    " FROM unnest($2::text::text[]) AS pair"
                ),
                array(figures.iter().map(|(name, count)| format!("{name} {}", number(count)))),
            ),
            Dialect::Sqlite => (
                add!("value ->> 'name'", "value ->> 'count'", " FROM json_each($2)"),
                to_json(
                    &figures
                        .iter()
                        .map(|(name, count)| json!({"name": name, "count": number(count)}))
                        .collect::<Vec<_>>(),
                )?,
            ),
        };
        let mut transaction = self.database.begin().await?;
        transaction.query(of_hour, values![begin(HOUR * 1000), &counts]).await?;
        let day = begin(DAY);
        transaction.query(of_day, values![day, counts, Timestamp::from_millis(day.millis() + DAY)]).await?;
        transaction.commit().await
    }

    /// The figures of each day (UTC) that has some, from the one that has this moment; the newest first.
    pub async fn figures_by_day(&self, from: Timestamp) -> Result<Vec<(Timestamp, Figures)>> {
        let sql = "SELECT at, name, count FROM figures_by_day WHERE at >= $1 ORDER BY at DESC, name";
        let first = Timestamp::from_millis(from.millis().div_euclid(DAY) * DAY);
        let mut days: Vec<(Timestamp, Figures)> = Vec::new();
        for row in self.database.query(sql, values![first]).await? {
            let day = row.moment("at")?;
            if days.last().is_none_or(|(last, _)| *last != day) {
                days.push((day, Figures::default()));
            }
            if let Some((_, figures)) = days.last_mut() {
                figures.add(row.get::<String>("name")?, row.get::<i64>("count")?.unsigned_abs());
            }
        }
        Ok(days)
    }

    /// The figures of the hours that begin from one moment on, and before another one.
    pub async fn figures_between(&self, from: Timestamp, to: Timestamp) -> Result<Figures> {
        let sql =
            "SELECT name, CAST(sum(count) AS BIGINT) AS count FROM figures WHERE at >= $1 AND at < $2 GROUP BY name";
        let rows = self.database.query(sql, values![from, to]).await?;
        rows.iter().map(|row| Ok((row.get::<String>("name")?, row.get::<i64>("count")?.unsigned_abs()))).collect()
    }

    /// Records what a node counted in the last minutes, in place of what it recorded before.
    pub async fn node_figures_write(&self, of: &NodeFigures) -> Result<()> {
        let sql = "INSERT INTO node_figures (node, at, since, most_waiting, figures) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (node) DO UPDATE SET at = $2, since = $3, most_waiting = $4, figures = $5";
        let values = values![of.node, of.at, of.since, of.most_waiting, to_json(&of.figures)?];
        self.database.write(sql, values).await.map(drop)
    }

    /// What nodes that are on the list recorded after a moment, by their ids.
    pub async fn node_figures_list(&self, after: Timestamp) -> Result<Vec<NodeFigures>> {
        let sql = "SELECT f.node, f.at, f.since, f.most_waiting, f.figures FROM node_figures f JOIN nodes n ON n.id = f.node \
                   WHERE f.at > $1 ORDER BY f.node LIMIT $2";
        self.database.query(sql, values![after, MOST_NODES]).await?.iter().map(node_figures).collect()
    }
}
