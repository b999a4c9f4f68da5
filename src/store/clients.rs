//! Clients and their secrets.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::protocol::client::{Client, ClientSecret, ClientSettings, GrantType, MOST_SECRETS, SecretDigest};
use crate::protocol::revocation::{NewRevocation, SequenceNumber};
use crate::protocol::time::Timestamp;
use crate::store::database::{Database, Dialect};
use crate::store::log::{Logged, Notice};
use crate::store::row::{Row, array, to_json, values};
use crate::store::{Audited, Page, Result, Store, StoreError, SubHolder};

/// What the enabled clients use, for the metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientsInUse {
    /// The grants that at least one client may use.
    pub grants: BTreeSet<GrantType>,
    /// The scopes that at least one client may be granted.
    pub scopes: BTreeSet<String>,
}

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

const INSERT_SECRET: &str =
    "INSERT INTO client_secrets (id, client_id, sha256, argon2id, created_at) VALUES ($1, $2, $3, $4, $5)";

fn secret_values(client_id: &str, secret: &ClientSecret) -> Vec<crate::store::row::Value> {
    let (generated, chosen) = match &secret.digest {
        SecretDigest::Generated(hash) => (Some(hash.to_vec()), None),
        SecretDigest::Chosen(hash) => (None, Some(hash.clone())),
    };
    values![secret.id, client_id, generated, chosen, secret.created_at]
}

/// A client with its secrets, and the log head at or before that moment.
pub(super) type Found = Option<(Client, SequenceNumber)>;

/// Finds several clients with one statement. An id may occur more than once.
pub(super) async fn find_all(database: &Database, ids: Vec<String>) -> Result<Vec<Found>> {
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
    let mut found: HashMap<String, (Client, SequenceNumber)> = HashMap::new();
    for row in &database.query(sql, values![asked]).await? {
        let client = client(row)?;
        let head = row.get("head")?;
        let (client, _) = found.entry(client.client_id.clone()).or_insert((client, head));
        if row.get::<Option<Uuid>>("id")?.is_some() {
            let created_at = row.moment("secret_created_at")?;
            client.secrets.push(ClientSecret { created_at, ..secret(row)? });
        }
    }
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

impl Store {
    /// The client of this id with its secrets, and the log head at or before that moment.
    pub async fn client_find(&self, client_id: &str) -> Result<Option<(Client, SequenceNumber)>> {
        Ok(find_all(&self.database, vec![client_id.to_owned()]).await?.pop().flatten())
    }

    /// The same, for ids from unauthenticated callers. However many arrive, a bounded number of statements run each
    /// second, each for all callers that wait, so an answer is never older than its query.
    ///
    /// # Errors
    /// Also when too many callers wait.
    pub async fn client_find_shared(&self, client_id: &str) -> Result<Option<(Client, SequenceNumber)>> {
        self.client_finds.ask(client_id.to_owned()).await
    }

    /// Clients by id; the key of a page is the id.
    pub async fn client_list(&self, client_id: Option<&str>, page: &Page) -> Result<Vec<Client>> {
        let sql = "SELECT client_id, settings, version, created_at FROM clients \
                   WHERE ($1 IS NULL OR client_id = $1) AND ($2 IS NULL OR client_id > $2) ORDER BY client_id LIMIT $3";
        let values = values![client_id, page.after.clone(), page.limit];
        let mut clients: Vec<Client> =
            self.database.query(sql, values).await?.iter().map(client).collect::<Result<_>>()?;
        let sql = "SELECT id, client_id, sha256, argon2id, created_at, last_used_at FROM client_secrets \
                   WHERE client_id >= $1 AND client_id <= $2 ORDER BY id";
        if let (Some(first), Some(last)) = (clients.first(), clients.last()) {
            let rows = self.database.query(sql, values![&first.client_id, &last.client_id]).await?;
            for row in &rows {
                let owner: String = row.get("client_id")?;
                if let Some(client) = clients.iter_mut().find(|client| client.client_id == owner) {
                    client.secrets.push(secret(row)?);
                }
            }
        }
        Ok(clients)
    }

    /// What the enabled clients use.
    pub async fn clients_in_use(&self) -> Result<ClientsInUse> {
        let mut in_use = ClientsInUse::default();
        for row in &self.database.query("SELECT settings FROM clients", vec![]).await? {
            let settings: ClientSettings = row.json("settings")?;
            if settings.enabled {
                in_use.grants.extend(&settings.grant_types);
                in_use.scopes.extend(settings.scope.tokens().map(str::to_owned));
            }
        }
        Ok(in_use)
    }

    /// Creates a client with its secrets.
    ///
    /// # Errors
    /// [`StoreError::SubTaken`] when a client has the id, or a user has it as `sub`.
    pub async fn client_create(&self, client: &Client, audited: &Audited) -> Result<Logged<()>> {
        let mut transaction = self.begin_logged().await?;
        if let Some(holder) = transaction.sub_take(&client.client_id, SubHolder::Client).await? {
            return transaction.roll_back(()).await.and(Err(StoreError::SubTaken(holder)));
        }
        let sql = "INSERT INTO clients (client_id, settings, version, created_at) VALUES ($1, $2, $3, $4)";
        let values = values![&client.client_id, to_json(&client.settings)?, client.version, client.created_at];
        transaction.query(sql, values).await?;
        for secret in &client.secrets {
            transaction.query(INSERT_SECRET, secret_values(&client.client_id, secret)).await?;
        }
        transaction.audit(audited, "client.create", format!("client {}", client.client_id), None).await?;
        transaction.notify(Notice::Client(&client.client_id), audited).await?;
        transaction.commit(()).await
    }

    /// Replaces the settings of a client, unless they changed since `client.version`, and writes the revocation that
    /// goes with the change. Returns whether they were replaced.
    pub async fn client_update(
        &self,
        client: &Client,
        action: &'static str,
        revocation: Option<&NewRevocation>,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        let sql = "UPDATE clients SET settings = $1, version = version + 1 WHERE client_id = $2 AND version = $3 \
                   RETURNING client_id";
        let values = values![to_json(&client.settings)?, &client.client_id, client.version];
        if transaction.query_one(sql, values).await?.is_none() {
            return transaction.roll_back(false).await;
        }
        transaction.audit(audited, action, format!("client {}", client.client_id), None).await?;
        match revocation {
            Some(revocation) => transaction.revoke(revocation, audited).await?,
            None => transaction.notify(Notice::Client(&client.client_id), audited).await?,
        };
        transaction.commit(true).await
    }

    /// Deletes a client and revokes what was issued to it. Returns whether it existed.
    pub async fn client_delete(
        &self,
        client_id: &str,
        revocation: &NewRevocation,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        let sql = "DELETE FROM clients WHERE client_id = $1 RETURNING client_id";
        if transaction.query_one(sql, values![client_id]).await?.is_none() {
            return transaction.roll_back(false).await;
        }
        transaction.sub_free(client_id).await?;
        transaction.audit(audited, "client.delete", format!("client {client_id}"), None).await?;
        transaction.revoke(revocation, audited).await?;
        transaction.commit(true).await
    }

    /// Adds a secret, if the client exists and has fewer than two. Returns whether it was added.
    pub async fn client_secret_add(
        &self,
        client_id: &str,
        secret: &ClientSecret,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        // The lock on the client's row makes concurrent additions wait for each other.
        let lock = "UPDATE clients SET version = version WHERE client_id = $1 RETURNING client_id";
        if transaction.query_one(lock, values![client_id]).await?.is_none() {
            return transaction.roll_back(false).await;
        }
        let sql = "SELECT count(*) AS count FROM client_secrets WHERE client_id = $1";
        let row = transaction.query_one(sql, values![client_id]).await?;
        let count: i64 = row.map_or(Ok(0), |row| row.get("count"))?;
        if usize::try_from(count).unwrap_or(usize::MAX) >= MOST_SECRETS {
            return transaction.roll_back(false).await;
        }
        transaction.query(INSERT_SECRET, secret_values(client_id, secret)).await?;
        let detail = Some(format!("secret {}", secret.id));
        transaction.audit(audited, "client.secret.add", format!("client {client_id}"), detail).await?;
        transaction.notify(Notice::Client(client_id), audited).await?;
        transaction.commit(true).await
    }

    /// Retires a secret, and on request revokes what was issued to the client. Returns whether the secret existed.
    pub async fn client_secret_retire(
        &self,
        client_id: &str,
        id: Uuid,
        revocation: Option<&NewRevocation>,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        // A login that this secret authenticated must not create a session: creating one depends on the version.
        let bump = "UPDATE clients SET version = version + 1 WHERE client_id = $1";
        transaction.query(bump, values![client_id]).await?;
        let sql = "DELETE FROM client_secrets WHERE id = $1 AND client_id = $2 RETURNING id";
        if transaction.query_one(sql, values![id, client_id]).await?.is_none() {
            return transaction.roll_back(false).await;
        }
        let detail = Some(format!("secret {id}"));
        transaction.audit(audited, "client.secret.retire", format!("client {client_id}"), detail).await?;
        match revocation {
            Some(revocation) => transaction.revoke(revocation, audited).await?,
            None => transaction.notify(Notice::Client(client_id), audited).await?,
        };
        transaction.commit(true).await
    }

    /// Records when secrets were last used.
    pub async fn client_secrets_used(&self, used: &[(Uuid, Timestamp)]) -> Result<()> {
        // In the same order on every node, so that two nodes cannot deadlock, and few at a time, so that administrators
        // do not wait long for the rows.
        let mut used = used.to_vec();
        used.sort_unstable();
        for some in used.chunks(100) {
            let mut transaction = self.database.begin().await?;
            for (id, at) in some {
                let sql = "UPDATE client_secrets SET last_used_at = $1 WHERE id = $2";
                transaction.query(sql, values![*at, *id]).await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }
}
