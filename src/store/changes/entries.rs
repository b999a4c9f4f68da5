//! Following the log: its entries in order.

use crate::protocol::revocation::{Revocation, SequenceNumber, Target};
use crate::protocol::time::Timestamp;
use crate::store::changes::revocations::{revocation, target};
use crate::store::row::{Row, unreadable, values};
use crate::store::{Result, Store};

/// The event that an entry of the log reports.
#[derive(Clone, Debug)]
pub enum LogEvent {
    /// Tokens were revoked.
    Revoked(Revocation),
    /// A client was created or changed.
    ClientChanged(String),
    /// A user was changed, named by `sub`.
    UserChanged(String),
    /// A resource was created, changed or deleted.
    ResourceChanged(String),
    /// A trusted issuer was created, changed or deleted.
    IssuerChanged(String),
    /// Keys were made, changed or deleted.
    KeysChanged,
}

impl LogEvent {
    /// Whether the keys must be reloaded.
    pub fn changes_keys(&self) -> bool {
        match self {
            Self::KeysChanged => true,
            Self::Revoked(revocation) => matches!(revocation.target, Target::Key(_)),
            Self::ClientChanged(_) | Self::UserChanged(_) | Self::ResourceChanged(_) | Self::IssuerChanged(_) => false,
        }
    }

    /// The client that changed.
    pub fn changed_client(&self) -> Option<&str> {
        match self {
            Self::ClientChanged(client_id) => Some(client_id),
            Self::Revoked(revocation) => match &revocation.target {
                Target::Client(client_id) => Some(client_id),
                _ => None,
            },
            Self::UserChanged(_) | Self::ResourceChanged(_) | Self::IssuerChanged(_) | Self::KeysChanged => None,
        }
    }

    /// The `sub` of the user that changed.
    pub fn changed_user(&self) -> Option<&str> {
        match self {
            Self::UserChanged(sub) => Some(sub),
            Self::Revoked(revocation) => match &revocation.target {
                Target::User(sub) => Some(sub),
                _ => None,
            },
            Self::ClientChanged(_) | Self::ResourceChanged(_) | Self::IssuerChanged(_) | Self::KeysChanged => None,
        }
    }

    /// The URI of the resource that changed.
    pub fn changed_resource(&self) -> Option<&str> {
        match self {
            Self::ResourceChanged(uri) => Some(uri),
            _ => None,
        }
    }

    /// Whether trusted issuers must be reloaded.
    pub fn changes_issuers(&self) -> bool {
        matches!(self, Self::IssuerChanged(_))
    }
}

/// An entry of the change log.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Its sequence number: the time of its commit in milliseconds, or a little more when many commit at once.
    pub number: SequenceNumber,
    /// What happened.
    pub event: LogEvent,
}

/// A page of the log.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// The number of the newest entry.
    pub head: SequenceNumber,
    /// The entries that this program understands.
    pub entries: Vec<LogEntry>,
    /// The number up to which this page and the previous ones are complete.
    pub complete_to: SequenceNumber,
    /// Whether the entries do not continue from the number asked for, because some have expired or the database was
    /// restored. The node must then reload everything.
    pub is_broken: bool,
}

fn entry(row: &Row) -> Result<Option<LogEntry>> {
    let kind: String = row.get("kind")?;
    let event = match (target(row)?, kind.as_str()) {
        (Some(target), _) => LogEvent::Revoked(revocation(row, target)?),
        (None, "client_changed") => LogEvent::ClientChanged(row.get("target_name")?),
        (None, "user_changed") => LogEvent::UserChanged(row.get("target_name")?),
        (None, "resource_changed") => LogEvent::ResourceChanged(row.get("target_name")?),
        (None, "issuer_changed") => LogEvent::IssuerChanged(row.get("target_name")?),
        (None, "keys_changed") => LogEvent::KeysChanged,
        // A notice that only newer programs understand.
        (None, _) => return Ok(None),
    };
    Ok(Some(LogEntry { number: row.get("number")?, event }))
}

impl Store {
    /// The number of the newest entry.
    pub async fn log_head(&self) -> Result<SequenceNumber> {
        let row = self.for_nodes.query_one("SELECT number FROM change_head WHERE id = 1", vec![]).await?;
        row.map_or_else(|| Err(unreadable("change_head", &"it is empty")), |row| row.get("number"))
    }

    /// At most `limit` entries after `number`, in order. The head is read first, so every entry up to it is either
    /// among these or after the last of them.
    pub async fn log_after(&self, number: SequenceNumber, limit: i64) -> Result<LogPage> {
        let head = self.log_head().await?;
        if head <= number {
            return Ok(LogPage { head, entries: vec![], complete_to: head, is_broken: head < number });
        }
        let sql = "SELECT number, previous, kind, target_id, target_name, cause, reason, \
                   actor, created_at, covers_until FROM changes WHERE number > $1 ORDER BY number LIMIT $2";
        let rows = self.for_nodes.query(sql, values![number, limit]).await?;
        let mut is_broken = false;
        let mut last = number;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            is_broken |= row.get::<Option<SequenceNumber>>("previous")? != Some(last);
            last = row.get("number")?;
            entries.extend(entry(row)?);
        }
        let is_full = i64::try_from(rows.len()) == Ok(limit);
        is_broken |= !is_full && last < head;
        Ok(LogPage { head, entries, complete_to: last, is_broken })
    }

    /// Continues the log after the database was restored to a state before `number` was assigned: the next number is
    /// greater than `number` and no smaller than the time. The log is broken there, so every node reloads everything.
    pub async fn log_continue_above(&self, number: SequenceNumber, now: Timestamp) -> Result<()> {
        let sql = "UPDATE change_head SET number = $1 WHERE id = 1 AND number < $2";
        let above = (number + 1).max(now.millis());
        self.for_nodes.write(sql, values![above, number]).await.map(drop)
    }
}
