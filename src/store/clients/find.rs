//! Finding clients with their secrets.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::protocol::client::{Client, ClientSecret, SecretDigest};
use crate::protocol::client_document;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::time::Timestamp;
use crate::store::database::{Database, Dialect};
use crate::store::row::{Row, Value, array, to_json, values};
use crate::store::{Page, Result, Store, client_documents};

macro_rules! clients_with_secrets {
    ($rest:literal) => {
        concat!(
            "SELECT c.client_id, c.settings, c.version, c.created_at AS created_at, h.number AS head, \
             s.id AS id, s.sha256, s.argon2id, s.created_at AS secret_created_at, s.last_used_at \
             FROM change_head h, clients c LEFT JOIN client_secrets s ON s.client_id = c.client_id ",
            $rest
        )
    };
}

fn client(row: &Row) -> Result<Client> {
    Ok(Client {
        client_id: row.get("client_id")?,
        settings: row.json("settings")?,
        secrets: vec![],
        created_at: row.moment("created_at")?,
        version: row.get("version")?,
    })
}

fn secret(row: &Row) -> Result<ClientSecret> {
    let chosen: Option<String> = row.get("argon2id")?;
    let last_used_at: Option<i64> = row.get("last_used_at")?;
    Ok(ClientSecret {
        id: row.get("id")?,
        digest: match chosen {
            Some(hash) => SecretDigest::Chosen(hash),
            None => SecretDigest::Generated(row.hash("sha256")?),
        },
        created_at: row.moment("created_at")?,
        last_used_at: last_used_at.map(Timestamp::from_millis),
    })
}

/// What was read of a client, if anything. A newer program may have written a value that this one does not know.
pub(super) fn readable<T>(row: &Row, read: Result<T>) -> Option<T> {
    read.inspect_err(|error| {
        let client_id: String = row.get("client_id").unwrap_or_default();
        tracing::warn!(client_id, %error, "a client is left out: this program cannot read it");
    })
    .ok()
}

/// A client with its secrets, and the log head at or before that moment.
pub(in crate::store) type Found = Option<(Client, SequenceNumber)>;

/// Finds several clients with one statement, and one more if some may be known by a document. An id may occur more than once.
pub(in crate::store) async fn find_all(database: &Database, ids: Vec<String>) -> Result<Vec<Result<Found>>> {
    let distinct: BTreeSet<&String> = ids.iter().collect();
    let (sql, asked) = match database.dialect() {
        Dialect::Postgres => (
            clients_with_secrets!("WHERE h.id = 1 AND c.client_id = ANY ($1::text::text[]) ORDER BY s.id"),
            array(distinct.iter()),
        ),
        Dialect::Sqlite => (
            clients_with_secrets!("WHERE h.id = 1 AND c.client_id IN (SELECT value FROM json_each($1)) ORDER BY s.id"),
            to_json(&distinct)?,
        ),
    };
    // A client that this program cannot read fails its own query only.
    let mut found: HashMap<String, Result<(Client, SequenceNumber)>> = HashMap::new();
    for row in &database.query(sql, values![asked]).await? {
        let head = row.get("head")?;
        let entry = found.entry(row.get("client_id")?).or_insert_with(|| Ok((client(row)?, head)));
        if row.get::<Option<Uuid>>("id")?.is_none() {
            continue;
        }
        let created_at = row.moment("secret_created_at")?;
        match (entry.as_mut(), secret(row)) {
            (Ok((client, _)), Ok(secret)) => client.secrets.push(ClientSecret { created_at, ..secret }),
            (Ok(_), Err(error)) => *entry = Err(error),
            (Err(_), _) => {}
        }
    }
    // A registered client comes before a document at the same URL.
    let is_missing = |id: &&&String| client_document::is_url(id) && !found.contains_key(**id);
    let missing: Vec<&String> = distinct.iter().filter(is_missing).copied().collect();
    if !missing.is_empty() {
        found.extend(client_documents::find_all(database, &missing).await?);
    }
    Ok(ids.iter().map(|id| found.get(id).cloned().transpose()).collect())
}

impl Store {
    /// The client with this id with its secrets, and the log head at or before that moment.
    pub async fn client_find(&self, client_id: &str) -> Result<Option<(Client, SequenceNumber)>> {
        Ok(find_all(&self.database, vec![client_id.to_owned()]).await?.pop().transpose()?.flatten())
    }

    /// The same, for ids from unauthenticated callers. However many arrive, a bounded number of statements run each
    /// second, each for all callers that wait, so an answer is never older than its query. Fails
    /// when too many wait.
    pub async fn client_find_shared(&self, client_id: &str) -> Result<Option<(Client, SequenceNumber)>> {
        self.client_finds.ask(client_id.to_owned()).await
    }

    /// Clients by id, without those that this program cannot read; the key of a page is the id.
    pub async fn client_list(&self, client_id: Option<&str>, page: &Page) -> Result<Vec<Client>> {
        let sql = match client_id {
            None => {
                "SELECT client_id, settings, version, created_at FROM clients WHERE client_id > $1 ORDER BY client_id LIMIT $2"
            }
            Some(_) => {
                "SELECT client_id, settings, version, created_at FROM clients WHERE client_id > $1 AND client_id = $3 LIMIT $2"
            }
        };
        let (mut clients, mut after) = (Vec::new(), page.after.clone().unwrap_or_default());
        let limit = usize::try_from(page.limit).unwrap_or(0);
        while clients.len() < limit {
            let missing = page.limit - i64::try_from(clients.len()).unwrap_or(0);
            let mut values = values![&after, missing];
            values.extend(client_id.map(Value::from));
            let rows = self.database.query(sql, values).await?;
            clients.extend(rows.iter().filter_map(|row| readable(row, client(row))));
            let Some(last) = rows.last() else { break };
            after = last.get("client_id")?;
        }
        let sql = "SELECT id, client_id, sha256, argon2id, created_at, last_used_at FROM client_secrets \
                   WHERE client_id >= $1 AND client_id <= $2 ORDER BY id";
        if let (Some(first), Some(last)) = (clients.first(), clients.last()) {
            let rows = self.database.query(sql, values![&first.client_id, &last.client_id]).await?;
            for row in &rows {
                let owner: String = row.get("client_id")?;
                if let Some(client) = clients.iter_mut().find(|client| client.client_id == owner) {
                    client.secrets.extend(readable(row, secret(row)));
                }
            }
        }
        Ok(clients)
    }
}
