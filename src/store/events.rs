//! Events: the audit trail in an order that others can follow.
//!
//! A trigger makes an event of each audit record; its number comes later. Whoever gives numbers holds the row of the head, so that
//! numbers appear in their order. In the same transaction webhooks get their messages: an event is sent if it has a number.

use uuid::Uuid;

use crate::protocol::event::Event;
use crate::protocol::time::Timestamp;
use crate::protocol::webhook::{MESSAGE_LIFE, MOST_WAITING};
use crate::store::database::{Dialect, Transaction};
use crate::store::row::{Row, values};
use crate::store::{Result, Store};

/// How far events have their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbered {
    /// The last number.
    pub head: i64,
    /// How many events got theirs now.
    pub count: usize,
    /// The webhooks that are not told of these events, because too many wait for them already, each with how many it misses.
    pub full: Vec<(Uuid, usize)>,
}

/// Reads events by a condition and an order.
macro_rules! events {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.number, e.previous, a.at, a.actor, a.action, a.target, a.request_id \
             FROM events e JOIN audit a ON a.id = e.id WHERE ",
            $rest
        )
    };
}

fn event(row: &Row) -> Result<Event> {
    Ok(Event {
        number: row.get("number")?,
        previous: row.get("previous")?,
        id: row.get("id")?,
        event_type: row.get("action")?,
        at: row.moment("at")?,
        actor: row.get("actor")?,
        target: row.get("target")?,
        request_id: row.get("request_id")?,
    })
}

impl Store {
    /// Gives at most `limit` events their numbers, which are never smaller than the time in milliseconds, and makes the messages
    /// of webhooks. If several nodes do so at the same time, one waits for the other.
    pub async fn events_number(&self, now: Timestamp, limit: i64) -> Result<Numbered> {
        let sql = "SELECT h.number, (SELECT count(*) FROM (SELECT e.id FROM events e WHERE e.number IS NULL LIMIT 1) n) AS waiting \
                   FROM event_head h WHERE h.id = 1";
        let row = self.database.query_one(sql, vec![]).await?;
        let (head, waiting) = match &row {
            Some(row) => (row.get("number")?, row.get::<i64>("waiting")?),
            None => (0, 0),
        };
        if waiting == 0 {
            return Ok(Numbered { head, ..Numbered::default() });
        }
        let mut transaction = self.database.begin().await?;
        // It changes nothing, but no other transaction passes.
        let lock = "UPDATE event_head SET number = number WHERE id = 1 RETURNING number";
        let before: i64 = transaction.query_one(lock, vec![]).await?.map_or(Ok(0), |row| row.get("number"))?;
        let first = (before + 1).max(now.millis());
        // A statement of its own, which sees what the last holder of the lock wrote.
        let sql = "UPDATE events SET number = $1 + n.place, \
                   previous = CASE WHEN n.place = 0 THEN $2 ELSE $1 + n.place - 1 END \
                   FROM (SELECT w.id AS event, row_number() OVER (ORDER BY w.id) - 1 AS place \
                   FROM (SELECT id FROM events WHERE number IS NULL ORDER BY id LIMIT $3) w) n \
                   WHERE id = n.event RETURNING id";
        let count = transaction.query(sql, values![first, before, limit]).await?.len();
        let head = first + i64::try_from(count).unwrap_or(i64::MAX) - 1;
        if count == 0 {
            transaction.roll_back().await?;
            return Ok(Numbered { head: before, ..Numbered::default() });
        }
        transaction.query("UPDATE event_head SET number = $1 WHERE id = 1", values![head]).await?;
        let full = transaction.webhook_messages_add(before, head, now).await?;
        transaction.commit().await?;
        Ok(Numbered { head, count, full })
    }

    /// The last number.
    pub async fn event_head(&self) -> Result<i64> {
        let row = self.database.query_one("SELECT number FROM event_head WHERE id = 1", vec![]).await?;
        row.map_or(Ok(0), |row| row.get("number"))
    }

    /// At most `limit` events after a number, in their order.
    pub async fn events_after(&self, number: i64, limit: i64) -> Result<Vec<Event>> {
        let sql = events!("e.number > $1 ORDER BY e.number LIMIT $2");
        self.database.query(sql, values![number, limit]).await?.iter().map(event).collect()
    }

    /// The event of an audit record, if it has a number and is still kept.
    pub async fn event_find(&self, id: Uuid) -> Result<Option<Event>> {
        let row = self.database.query_one(events!("e.id = $1 AND e.number IS NOT NULL"), values![id]).await?;
        row.as_ref().map(event).transpose()
    }
}

/// The events between two numbers of which a webhook wants to be told, after what is read of them.
macro_rules! wanted {
    ($read:literal, $find:literal, $group:literal) => {
        concat!(
            $read,
            " FROM webhooks w, events e JOIN audit a ON a.id = e.id \
             WHERE w.id = $1 AND e.number > $2 AND e.number <= $3 AND (w.types = '' OR ",
            $find,
            "(w.types, ' ' || a.action || ' ') > 0 OR ",
            $find,
            "(w.types, ' ' || ",
            $group,
            " || '.* ') > 0)"
        )
    };
}

/// The two statements of a dialect: making the messages, and counting what a webhook misses.
macro_rules! statements {
    ($find:literal, $group:literal) => {
        (
            concat!(
                "INSERT INTO webhook_messages (webhook, event, attempts, due_at, expires_at) ",
                wanted!("SELECT w.id, e.id, 0, $4, $5", $find, $group),
                " ON CONFLICT (webhook, event) DO NOTHING"
            ),
            wanted!("SELECT count(*) AS missed", $find, $group),
        )
    };
}

impl Transaction {
    /// Makes the messages for the events after `after` up to `head`. Returns the webhooks for which too many wait already, each with
    /// how many events it misses.
    async fn webhook_messages_add(&mut self, after: i64, head: i64, now: Timestamp) -> Result<Vec<(Uuid, usize)>> {
        let sql = "SELECT w.id, (SELECT count(*) FROM (SELECT m.event FROM webhook_messages m WHERE m.webhook = w.id LIMIT $1) n) \
                   AS waiting FROM webhooks w WHERE w.enabled ORDER BY w.id";
        let (insert, count) = match self.dialect() {
            Dialect::Postgres => statements!("strpos", "split_part(a.action, '.', 1)"),
            Dialect::Sqlite => statements!("instr", "substr(a.action, 1, instr(a.action || '.', '.') - 1)"),
        };
        let mut full = Vec::new();
        for row in self.query(sql, values![MOST_WAITING]).await? {
            let id: Uuid = row.get("id")?;
            if row.get::<i64>("waiting")? >= MOST_WAITING {
                let missed = self.query_one(count, values![id, after, head]).await?;
                let missed = missed.map_or(Ok(0), |row| row.get::<i64>("missed"))?;
                full.push((id, usize::try_from(missed).unwrap_or(0)));
                continue;
            }
            self.query(insert, values![id, after, head, now, now.plus_seconds(MESSAGE_LIFE)]).await?;
        }
        Ok(full)
    }
}
