//! The audit trail: who did what to what, when, by which request.

use uuid::Uuid;

use crate::protocol::event;
use crate::protocol::time::Timestamp;
use crate::store::database::Transaction;
use crate::store::row::{Row, Value, values};
use crate::store::{Looked, Page, Result, Store};

/// The actor of a change, for the audit trail. Every administrative change carries one.
#[derive(Clone, Debug)]
pub struct Audited {
    /// Who: `client ID` or `command line, user NAME`.
    pub actor: String,
    /// The id of the request, if any.
    pub request_id: Option<String>,
    /// The address that the request came from, if any.
    pub address: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A record of the audit trail.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct AuditRecord {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who, such as `client ops`.
    pub actor: String,
    /// What was done, such as `client.create`.
    pub action: String,
    /// To what, such as `client billing`.
    pub target: String,
    /// The id of the request, if any.
    #[schema(required)]
    pub request_id: Option<String>,
    /// The address that the request came from, if any.
    #[schema(required)]
    pub address: Option<String>,
    /// Details; never a secret.
    #[schema(required)]
    pub detail: Option<String>,
}

/// Which records to list.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this actor.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// Of this target.
    pub target: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

impl Store {
    /// Records an action that changed nothing else in the database.
    pub async fn audit_write(
        &self,
        audited: &Audited,
        action: &'static str,
        target: String,
        detail: Option<String>,
    ) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        transaction.audit(audited, action, target, detail).await?;
        transaction.commit().await
    }
}

impl Transaction {
    /// Adds a record to the transaction whose change it describes.
    pub(super) async fn audit(
        &mut self,
        audited: &Audited,
        action: &'static str,
        target: String,
        detail: Option<String>,
    ) -> Result<()> {
        debug_assert!(event::TYPES.contains(&action), "{action} is in no list of types of events");
        let sql = "INSERT INTO audit (id, at, actor, action, target, request_id, address, detail) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = values![
            Uuid::now_v7(),
            audited.at,
            &audited.actor,
            action,
            target,
            audited.request_id.clone(),
            audited.address.clone(),
            detail
        ];
        self.query(sql, values).await.map(drop)
    }
}

fn record(row: &Row) -> Result<AuditRecord> {
    Ok(AuditRecord {
        id: row.get("id")?,
        at: row.moment("at")?,
        actor: row.get("actor")?,
        action: row.get("action")?,
        target: row.get("target")?,
        request_id: row.get("request_id")?,
        address: row.get("address")?,
        detail: row.get("detail")?,
    })
}

/// The records that a condition selects, newest first. Each condition and the order are those of an index.
macro_rules! records {
    ($condition:literal) => {
        concat!(
            "SELECT id, at, actor, action, target, request_id, address, detail FROM audit WHERE ",
            $condition,
            "at >= $1 AND at < $2 AND (at, id) < ($3, $4) ORDER BY at DESC, id DESC LIMIT $5"
        )
    };
}

/// The moment of the last of so many records that fit one filter.
macro_rules! last {
    ($column:literal) => {
        concat!(
            "SELECT at FROM audit WHERE ",
            $column,
            " = $6 AND at >= $1 AND at < $2 AND (at, id) < ($3, $4) ORDER BY at DESC, id DESC LIMIT 1 OFFSET $5"
        )
    };
}

impl AuditRecord {
    /// The key of a page that follows it.
    pub fn key(&self) -> String {
        key(self.at, self.id)
    }
}

/// The key of a page that follows this position.
fn key(at: Timestamp, id: Uuid) -> String {
    format!("{} {id}", at.millis())
}

/// The moment and the id in the key of a page.
fn position(key: &str) -> Option<(Timestamp, Uuid)> {
    let (at, id) = key.split_once(' ')?;
    Some((Timestamp::from_millis(at.parse().ok()?), id.parse().ok()?))
}

impl Store {
    /// Records, newest first. Of those that fit the first of several filters, at most `looks` are looked at.
    pub async fn audit_list(&self, filter: &AuditFilter, page: &Page, looks: i64) -> Result<Looked<AuditRecord>> {
        let (earliest, latest) = (Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX));
        let (before, id) = page.after.as_deref().and_then(position).unwrap_or((latest, Uuid::max()));
        // The tighter of the two bounds, because SQLite begins to read at this one.
        let to = filter.to.unwrap_or(latest).min(Timestamp::from_millis(before.millis().saturating_add(1)));
        let mut from = filter.from.unwrap_or(earliest);
        // Of two filters, the first has an index, and the other one is kept from using its own, which may lead to more. There are few
        // of one target.
        let (sql, first) = match (&filter.target, &filter.actor, &filter.action) {
            (None, None, None) => (records!(""), None),
            (None, Some(_), None) => (records!("actor = $6 AND "), None),
            (None, None, Some(_)) => (records!("action = $6 AND "), None),
            (None, Some(_), Some(_)) => (records!("actor = $6 AND action || '' = $7 AND "), Some(last!("actor"))),
            (Some(_), None, None) => (records!("target = $6 AND "), None),
            (Some(_), Some(_), None) => (records!("target = $6 AND actor || '' = $7 AND "), Some(last!("target"))),
            (Some(_), None, Some(_)) => (records!("target = $6 AND action || '' = $7 AND "), Some(last!("target"))),
            (Some(_), Some(_), Some(_)) => {
                (records!("target = $6 AND actor || '' = $7 AND action || '' = $8 AND "), Some(last!("target")))
            }
        };
        let of = [&filter.target, &filter.actor, &filter.action].into_iter().flatten().map(Value::from);
        let of: Vec<Value> = of.collect();
        let mut looked_to = None;
        if let Some(last) = first {
            let mut values = values![from, to, before, id, looks - 1];
            values.extend(of.first().cloned());
            if let Some(row) = self.database.query_one(last, values).await? {
                // Everything of that moment is looked at, and the next page goes on before it.
                from = row.moment("at")?;
                looked_to = Some(key(from, Uuid::nil()));
            }
        }
        let mut values = values![from, to, before, id, page.limit];
        values.extend(of);
        let rows = self.database.query(sql, values).await?;
        let found = rows.iter().map(record).collect::<Result<Vec<_>>>()?;
        let is_full = i64::try_from(found.len()) == Ok(page.limit);
        Ok(Looked { found, looked_to: looked_to.filter(|_| !is_full) })
    }
}
