//! Clients that nobody registered: the last good metadata document of each.

use crate::protocol::client::{Client, ClientSettings};
use crate::protocol::client_document::{MOST_UNUSED, kept_until};
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::time::Timestamp;
use crate::store::changes::{LogTransaction, Logged, Notice};
use crate::store::client_blocks::is_about;
use crate::store::database::{Database, Dialect};
use crate::store::row::{Row, array, to_json, values};
use crate::store::{Audited, Result, Store, StoreError, SubOwner};

/// How many documents are forgotten at once, when there are too many that nobody has logged in with.
const FORGOTTEN_AT_ONCE: i64 = 100;
/// Seconds after which a document that is in use is looked at again.
const BETWEEN_LOOKS: i64 = 24 * 3600;

/// The last good metadata document of a client.
#[derive(Clone, Debug)]
pub struct ClientDocument {
    /// The client that it describes. It is not enabled while somebody blocks it.
    pub client: Client,
    /// The document as it was fetched.
    pub document: String,
    /// By which it can be asked for again.
    pub etag: Option<String>,
    /// When its host last said that this is the document.
    pub fetched_at: Timestamp,
    /// Until when it is used without asking again.
    pub fresh_until: Timestamp,
}

/// A metadata document that was fetched and found good.
#[derive(Clone, Debug)]
pub struct FetchedDocument {
    /// The URL, which is the `client_id`.
    pub client_id: String,
    /// Its host.
    pub host: String,
    /// The document.
    pub document: String,
    /// The settings that follow from it.
    pub settings: ClientSettings,
    /// By which it can be asked for again.
    pub etag: Option<String>,
    /// When its host said that this is the document.
    pub fetched_at: Timestamp,
    /// Until when it is used without asking again.
    pub fresh_until: Timestamp,
}

/// How far a part of the cleanup came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpiredDocuments {
    /// Documents that were looked at. More may be due unless there were none.
    pub seen: usize,
    /// Those of them that were removed.
    pub removed: usize,
}

fn client(row: &Row) -> Result<Client> {
    let mut settings: ClientSettings = row.json("settings")?;
    settings.enabled &= !row.get::<bool>("is_blocked")?;
    Ok(Client {
        client_id: row.get("client_id")?,
        settings,
        secrets: vec![],
        created_at: row.moment("created_at")?,
        version: row.get("version")?,
    })
}

fn document(row: &Row) -> Result<ClientDocument> {
    Ok(ClientDocument {
        client: client(row)?,
        document: row.get("document")?,
        etag: row.get("etag")?,
        fetched_at: row.moment("fetched_at")?,
        fresh_until: row.moment("fresh_until")?,
    })
}

/// A client by its id, with the log head at or before that moment, or why it cannot be read.
type Known = (String, Result<(Client, SequenceNumber)>);

/// Finds clients by the URLs of their documents.
pub(in crate::store) async fn find_all(database: &Database, urls: &[&String]) -> Result<Vec<Known>> {
    let (sql, asked) = match database.dialect() {
        Dialect::Postgres => (
            "SELECT d.client_id, d.settings, d.version, d.is_blocked, d.created_at, h.number AS head \
             FROM change_head h, client_documents d WHERE h.id = 1 AND d.client_id = ANY ($1::text::text[])",
            array(urls.iter()),
        ),
        Dialect::Sqlite => (
            "SELECT d.client_id, d.settings, d.version, d.is_blocked, d.created_at, h.number AS head \
             FROM change_head h, client_documents d WHERE h.id = 1 AND d.client_id IN (SELECT value FROM json_each($1))",
            to_json(&urls)?,
        ),
    };
    let rows = database.query(sql, values![asked]).await?;
    rows.iter()
        .map(|row| Ok((row.get("client_id")?, client(row).and_then(|client| Ok((client, row.get("head")?))))))
        .collect()
}

impl Store {
    /// The last good document of a client.
    pub async fn client_document_find(&self, client_id: &str) -> Result<Option<ClientDocument>> {
        let sql = "SELECT client_id, document, settings, version, etag, is_blocked, created_at, fetched_at, fresh_until \
                   FROM client_documents WHERE client_id = $1";
        self.database.query_one(sql, values![client_id]).await?.as_ref().map(document).transpose()
    }

    /// Keeps a document in place of the one before. The nodes are told if the client has changed. If there are too many that nobody
    /// has logged in with, the oldest of those are forgotten.
    ///
    /// # Errors
    /// [`StoreError::SubTaken`] when a user has the URL as `sub`, or a client was registered with it; [`StoreError::IsAudience`],
    /// [`StoreError::UnknownFeature`].
    pub async fn client_document_put(&self, fetched: &FetchedDocument, audited: &Audited) -> Result<Logged<()>> {
        let mut transaction = self.begin_logged().await?;
        let refusal = match transaction.renew_document(fetched, audited).await? {
            Some(renewed) => renewed.err(),
            None => transaction.insert_document(fetched, audited).await?,
        };
        match refusal {
            None => transaction.commit(()).await,
            Some(refusal) => transaction.roll_back(()).await.and(Err(refusal)),
        }
    }

    /// Removes documents that have expired and whose client has no session, also none that has ended; looks at no more than `limit`.
    /// Nothing of such a client is left, so nothing is revoked.
    pub async fn client_documents_expire(&self, limit: i64, audited: &Audited) -> Result<Logged<ExpiredDocuments>> {
        let mut transaction = self.begin_logged().await?;
        let sql = match transaction.dialect() {
            Dialect::Postgres => {
                "SELECT d.client_id, (SELECT s.client_id FROM sessions s WHERE s.client_id = d.client_id LIMIT 1) AS holder \
                 FROM client_documents d WHERE d.expires_at <= $1 ORDER BY d.expires_at LIMIT $2 FOR UPDATE OF d SKIP LOCKED"
            }
            Dialect::Sqlite => {
                "SELECT d.client_id, (SELECT s.client_id FROM sessions s WHERE s.client_id = d.client_id LIMIT 1) AS holder \
                 FROM client_documents d WHERE d.expires_at <= $1 ORDER BY d.expires_at LIMIT $2"
            }
        };
        let rows = transaction.query(sql, values![audited.at, limit]).await?;
        let mut expired = ExpiredDocuments { seen: rows.len(), removed: 0 };
        for row in &rows {
            let client_id: String = row.get("client_id")?;
            if row.get::<Option<String>>("holder")?.is_some() {
                let sql = "UPDATE client_documents SET expires_at = $1 WHERE client_id = $2";
                transaction.query(sql, values![audited.at.plus_seconds(BETWEEN_LOOKS), &client_id]).await?;
                continue;
            }
            transaction.query("DELETE FROM client_documents WHERE client_id = $1", values![&client_id]).await?;
            transaction.forgot_document(&client_id, audited).await?;
            expired.removed += 1;
        }
        transaction.commit(expired).await
    }
}

/// Whether a new session may be one of a client with a document.
pub(in crate::store) enum Use {
    /// The document is kept as long as the session.
    Kept,
    /// The client has changed, or somebody blocks it.
    Outdated,
    /// No such client has a document.
    NoDocument,
}

/// What decides whether a session may begin with a document: it is blocked from the moment at which the block is written, also before
/// that was carried out.
macro_rules! to_use {
    () => {
        concat!(
            "SELECT d.version, d.is_used, d.is_blocked OR EXISTS (SELECT 1 FROM client_blocks b WHERE ",
            is_about!("d.client_id", "d.host"),
            ") AS is_blocked FROM client_documents d WHERE d.client_id = $1"
        )
    };
}

impl LogTransaction {
    /// Has the document of a client kept for a session that this transaction begins, whose client was read at this version.
    pub(in crate::store) async fn use_document(
        &mut self,
        client_id: &str,
        version: i64,
        audited: &Audited,
    ) -> Result<Use> {
        let sql = match self.dialect() {
            // It cannot be removed until the session is there.
            Dialect::Postgres => concat!(to_use!(), " FOR KEY SHARE OF d"),
            Dialect::Sqlite => to_use!(),
        };
        let Some(row) = self.query_one(sql, values![client_id]).await? else { return Ok(Use::NoDocument) };
        if row.get::<i64>("version")? != version || row.get("is_blocked")? {
            return Ok(Use::Outdated);
        }
        if row.get("is_used")? {
            return Ok(Use::Kept);
        }
        // Whoever blocks it at this moment comes before, or sees that there is something to end.
        let sql = "UPDATE client_documents SET is_used = $1 WHERE client_id = $2 AND NOT is_used AND NOT is_blocked \
                   RETURNING client_id";
        if self.query_one(sql, values![true, client_id]).await?.is_none() {
            return Ok(Use::Outdated);
        }
        // It counts for the metadata from now on.
        self.notify(Notice::Client(client_id), audited).await?;
        Ok(Use::Kept)
    }

    /// Renews the document of this client, if there is one.
    async fn renew_document(
        &mut self,
        fetched: &FetchedDocument,
        audited: &Audited,
    ) -> Result<Option<std::result::Result<(), StoreError>>> {
        let sql = match self.dialect() {
            Dialect::Postgres => {
                "SELECT settings, is_used FROM client_documents WHERE client_id = $1 FOR NO KEY UPDATE"
            }
            Dialect::Sqlite => "SELECT settings, is_used FROM client_documents WHERE client_id = $1",
        };
        let Some(row) = self.query_one(sql, values![&fetched.client_id]).await? else { return Ok(None) };
        // What cannot be read is replaced.
        let has_changed = row.json::<ClientSettings>("settings").ok().as_ref() != Some(&fetched.settings);
        if has_changed && let Some(refusal) = self.use_features(&fetched.settings, audited.at).await? {
            return Ok(Some(Err(refusal)));
        }
        let sql = "UPDATE client_documents SET document = $1, settings = $2, version = version + $3, etag = $4, \
                   fetched_at = $5, fresh_until = $6, expires_at = CASE WHEN expires_at > $7 THEN expires_at ELSE $7 END \
                   WHERE client_id = $8";
        let values = values![
            &fetched.document,
            to_json(&fetched.settings)?,
            i64::from(has_changed),
            fetched.etag.clone(),
            fetched.fetched_at,
            fetched.fresh_until,
            kept_until(fetched.fresh_until),
            &fetched.client_id
        ];
        self.query(sql, values).await?;
        if has_changed {
            if row.get("is_used")? {
                let target = format!("client {}", fetched.client_id);
                self.audit(audited, "client.document", target, None).await?;
            }
            self.notify(Notice::Client(&fetched.client_id), audited).await?;
        }
        Ok(Some(Ok(())))
    }

    /// Keeps a document. Taking its id locks the names, so no block is written meanwhile.
    async fn insert_document(&mut self, fetched: &FetchedDocument, audited: &Audited) -> Result<Option<StoreError>> {
        let client_id = &fetched.client_id;
        if let Some(owner) = self.sub_take(client_id, SubOwner::Client).await? {
            return Ok(Some(StoreError::SubTaken(owner)));
        }
        if let Some(refusal) = self.refuse_client_id(client_id).await? {
            return Ok(Some(refusal));
        }
        if let Some(refusal) = self.use_features(&fetched.settings, audited.at).await? {
            return Ok(Some(refusal));
        }
        self.forget_unused_documents(audited).await?;
        let sql = concat!(
            "INSERT INTO client_documents (client_id, host, document, settings, version, etag, is_used, is_blocked, \
             created_at, fetched_at, fresh_until, expires_at) SELECT $1, $2, $3, $4, 1, $5, $6, \
             EXISTS (SELECT 1 FROM client_blocks b WHERE ",
            is_about!("$1", "$2"),
            "), $7, $8, $9, $10"
        );
        let values = values![
            client_id,
            &fetched.host,
            &fetched.document,
            to_json(&fetched.settings)?,
            fetched.etag.clone(),
            false,
            audited.at,
            fetched.fetched_at,
            fetched.fresh_until,
            kept_until(fetched.fresh_until)
        ];
        self.query(sql, values).await?;
        Ok(None)
    }

    /// Forgets the oldest documents that nobody has logged in with, if there are too many of them.
    async fn forget_unused_documents(&mut self, audited: &Audited) -> Result<()> {
        let row = self.query_one("SELECT count(*) AS count FROM client_documents WHERE NOT is_used", vec![]).await?;
        if row.map_or(Ok(0), |row| row.get::<i64>("count"))? < MOST_UNUSED {
            return Ok(());
        }
        let sql = match self.dialect() {
            Dialect::Postgres => {
                "DELETE FROM client_documents WHERE client_id IN (SELECT client_id FROM client_documents WHERE NOT is_used \
                 ORDER BY fetched_at LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING client_id"
            }
            Dialect::Sqlite => {
                "DELETE FROM client_documents WHERE client_id IN (SELECT client_id FROM client_documents WHERE NOT is_used \
                 ORDER BY fetched_at LIMIT $1) RETURNING client_id"
            }
        };
        for row in &self.query(sql, values![FORGOTTEN_AT_ONCE]).await? {
            self.forgot_document(&row.get::<String>("client_id")?, audited).await?;
        }
        Ok(())
    }

    /// Frees the id of a client whose document this transaction has removed, and tells the nodes.
    async fn forgot_document(&mut self, client_id: &str, audited: &Audited) -> Result<()> {
        self.sub_free(client_id).await?;
        self.notify(Notice::Client(client_id), audited).await.map(drop)
    }
}
