//! Finding sessions.

use uuid::Uuid;

use crate::store::database::{Database, Dialect};
use crate::store::row::{array, to_json, values};
use crate::store::sessions::record::{SessionRecord, by_id, record, session_records};
use crate::store::{Page, Result, Store};

/// Which sessions to list.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Those of this user.
    pub user: Option<Uuid>,
    /// Those of this client.
    pub client: Option<String>,
}

/// An answer for each session that was asked for.
pub(super) type Answers = Vec<Result<Option<SessionRecord>>>;

/// Finds several sessions with one statement.
pub(in crate::store) async fn find_all(database: &Database, ids: Vec<Uuid>) -> Result<Answers> {
    let (sql, asked) = match database.dialect() {
        Dialect::Postgres => (session_records!("sessions", "WHERE s.id = ANY ($1::text::uuid[])"), array(ids.iter())),
        Dialect::Sqlite => {
            let hex: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
            (session_records!("sessions", "WHERE s.id IN (SELECT unhex(value) FROM json_each($1))"), to_json(&hex)?)
        }
    };
    let rows = database.query(sql, values![asked]).await?;
    let found = by_id(&rows)?;
    Ok(ids.iter().map(|id| found.get(id).cloned().transpose()).collect())
}

impl Store {
    /// A session with its user and the first revocation that covers it. Concurrent calls share a statement.
    pub async fn session_find(&self, id: Uuid) -> Result<Option<SessionRecord>> {
        self.finds.ask(id).await
    }

    /// Sessions by id, oldest first; the key of a page is the id.
    pub async fn session_list(&self, filter: &SessionFilter, page: &Page) -> Result<Vec<SessionRecord>> {
        let sql = session_records!(
            "sessions",
            "WHERE ($1 IS NULL OR s.user_id = $1) AND ($2 IS NULL OR s.client_id = $2) \
             AND ($3 IS NULL OR s.id > $3) ORDER BY s.id LIMIT $4"
        );
        let after = page.after.as_deref().and_then(|key| key.parse::<Uuid>().ok());
        let values = values![filter.user, filter.client.clone(), after, page.limit];
        self.database.query(sql, values).await?.iter().map(record).collect()
    }
}
