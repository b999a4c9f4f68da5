//! Resources. No `client_id` is a resource or an audience: an ID token, whose audience is the client, could pass for an
//! access token of that resource (RFC 9068 §5).

use crate::protocol::client::{Client, ClientSettings};
use crate::protocol::feature;
use crate::protocol::object::Kind;
use crate::protocol::resource::{MOST_RESOURCES, Resource, ResourceSettings, check_uri, other_spelling};
use crate::store::changes::{LogTransaction, Logged, Notice, Written};
use crate::store::database::{Dialect, Transaction};
use crate::store::row::{Row, array, to_json, values};
use crate::store::{Audited, Page, Result, Store, StoreError};

fn resource(row: &Row) -> Result<Resource> {
    Ok(Resource {
        resource: row.get("resource")?,
        settings: row.json("settings")?,
        created_at: row.moment("created_at")?,
        version: row.get("version")?,
    })
}

impl Store {
    /// Creates a resource.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is one with this URI, in either spelling; [`StoreError::IsClientId`],
    /// [`StoreError::NoSuchClient`], [`StoreError::TooMany`], [`StoreError::UnknownFeature`].
    pub async fn resource_create(&self, resource: &Resource, audited: &Audited) -> Result<Logged<()>> {
        let mut transaction = self.begin_logged().await?;
        match transaction.insert_resource(resource, audited).await? {
            None => transaction.commit(()).await,
            Some(refusal) => transaction.roll_back(()).await.and(Err(refusal)),
        }
    }

    /// Replaces the settings of a resource, unless they changed since `resource.version`. Returns whether they were
    /// replaced.
    ///
    /// # Errors
    /// [`StoreError::NoSuchClient`].
    pub async fn resource_update(&self, resource: &Resource, audited: &Audited) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        let written = transaction.update_resource(resource, audited).await?;
        transaction.end(written).await
    }

    /// Deletes a resource. Returns whether it existed.
    pub async fn resource_delete(&self, uri: &str, audited: &Audited) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        let written = transaction.delete_resource(uri, audited).await?;
        transaction.end(written).await
    }

    /// The resource with exactly this URI.
    pub async fn resource_find(&self, uri: &str) -> Result<Option<Resource>> {
        let sql = "SELECT resource, settings, version, created_at FROM resources WHERE resource = $1";
        self.database.query_one(sql, values![uri]).await?.as_ref().map(resource).transpose()
    }

    /// The resources with these URIs, for a node that follows the log.
    pub async fn resource_find_all(&self, uris: &[&str]) -> Result<Vec<Resource>> {
        let (sql, asked) = match self.dialect() {
            Dialect::Postgres => (
                "SELECT resource, settings, version, created_at FROM resources WHERE resource = ANY ($1::text::text[])",
                array(uris.iter()),
            ),
            Dialect::Sqlite => (
                "SELECT resource, settings, version, created_at FROM resources \
                 WHERE resource IN (SELECT value FROM json_each($1))",
                to_json(&uris)?,
            ),
        };
        self.for_nodes.query(sql, values![asked]).await?.iter().map(resource).collect()
    }

    /// Resources by URI; the key of a page is the URI.
    pub async fn resource_list(&self, uri: Option<&str>, page: &Page) -> Result<Vec<Resource>> {
        let sql = "SELECT resource, settings, version, created_at FROM resources \
                   WHERE ($1 IS NULL OR resource = $1) AND ($2 IS NULL OR resource > $2) ORDER BY resource LIMIT $3";
        self.database.query(sql, values![uri, page.after.clone(), page.limit]).await?.iter().map(resource).collect()
    }
}

impl Transaction {
    /// Until the transaction ends, no other one compares or writes the names of clients, resources and issuers, or takes a `sub`. Taken
    /// after the lock of users, and before any row.
    pub(super) async fn lock_names(&mut self) -> Result<()> {
        if self.dialect() == Dialect::Postgres {
            // The number is arbitrary, but never changes. SQLite has one writer.
            self.query("SELECT pg_advisory_xact_lock(7433)", vec![]).await?;
        }
        Ok(())
    }

    /// The same without waiting. Returns whether this transaction has the lock.
    pub(super) async fn try_lock_names(&mut self) -> Result<bool> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(true);
        }
        let row = self.query_one("SELECT pg_try_advisory_xact_lock(7433) AS locked", vec![]).await?;
        row.map_or(Ok(false), |row| row.get("locked"))
    }

    async fn refuse_new_resource(&mut self, new: &Resource, audited: &Audited) -> Result<Option<StoreError>> {
        self.lock_names().await?;
        let uri = &new.resource;
        let other = other_spelling(uri).unwrap_or_else(|| uri.clone());
        let same = "SELECT resource FROM resources WHERE resource = $1 OR resource = $2";
        if self.query_one(same, values![uri, &other]).await?.is_some() {
            return Ok(Some(StoreError::Exists));
        }
        if self.is_client_id(uri).await? {
            return Ok(Some(StoreError::IsClientId(uri.clone())));
        }
        let count = self.query_one("SELECT count(*) AS count FROM resources", vec![]).await?;
        if count.map_or(Ok(0), |row| row.get::<i64>("count"))? >= MOST_RESOURCES {
            return Ok(Some(StoreError::TooMany(MOST_RESOURCES)));
        }
        if let Some(missing) = self.missing_client(&new.settings.serves).await? {
            return Ok(Some(StoreError::NoSuchClient(missing)));
        }
        self.use_feature(feature::named(feature::RESOURCES), audited.at).await
    }

    /// Whether a client has this id, registered or known by its document.
    async fn is_client_id(&mut self, id: &str) -> Result<bool> {
        let sql = "SELECT client_id FROM clients WHERE client_id = $1 \
                   UNION ALL SELECT client_id FROM client_documents WHERE client_id = $1";
        Ok(self.query_one(sql, values![id]).await?.is_some())
    }

    /// The first of these ids that no registered client has.
    pub(super) async fn missing_client(&mut self, ids: &[String]) -> Result<Option<String>> {
        for id in ids {
            if self.query_one("SELECT client_id FROM clients WHERE client_id = $1", values![id]).await?.is_none() {
                return Ok(Some(id.clone()));
            }
        }
        Ok(None)
    }

    /// Refuses the id of a new client, which this transaction has taken as a `sub`, if it is a resource or an audience. Only a URI can
    /// be one.
    pub(super) async fn refuse_client_id(&mut self, id: &str) -> Result<Option<StoreError>> {
        if check_uri(id).is_err() {
            return Ok(None);
        }
        let same = "SELECT resource FROM resources WHERE resource = $1";
        let mut is_audience = self.query_one(same, values![id]).await?.is_some();
        let naming = match self.dialect() {
            Dialect::Postgres => "SELECT settings FROM clients WHERE strpos(settings, $1) > 0",
            Dialect::Sqlite => "SELECT settings FROM clients WHERE instr(settings, $1) > 0",
        };
        for row in self.query(naming, values![to_json(&id)?]).await? {
            is_audience |= row.json::<ClientSettings>("settings")?.audiences.iter().any(|audience| audience == id);
        }
        Ok(is_audience.then(|| StoreError::IsAudience(id.to_owned())))
    }

    /// Refuses an audience that a client is to get if it is a `client_id`.
    pub(super) async fn refuse_audiences(&mut self, client: &Client) -> Result<Option<StoreError>> {
        let (id, audiences) = (&client.client_id, &client.settings.audiences);
        if audiences.is_empty() {
            return Ok(None);
        }
        self.lock_names().await?;
        let row = self.query_one("SELECT settings FROM clients WHERE client_id = $1", values![id]).await?;
        let had = row.map_or(Ok(vec![]), |row| row.json::<ClientSettings>("settings").map(|was| was.audiences))?;
        let new: Vec<String> = audiences.iter().filter(|audience| !had.contains(audience)).cloned().collect();
        let mut taken = new.iter().find(|audience| *audience == id).cloned();
        for audience in new {
            let is_client = self.is_client_id(&audience).await?;
            taken = taken.or(is_client.then_some(audience));
        }
        Ok(taken.map(StoreError::IsClientId))
    }
}

impl LogTransaction {
    /// Adds a resource. Returns the refusal, if there is one.
    pub(super) async fn insert_resource(
        &mut self,
        resource: &Resource,
        audited: &Audited,
    ) -> Result<Option<StoreError>> {
        if let Some(refusal) = self.refuse_new_resource(resource, audited).await? {
            return Ok(Some(refusal));
        }
        let sql = "INSERT INTO resources (resource, settings, version, created_at) VALUES ($1, $2, $3, $4)";
        let values = values![&resource.resource, to_json(&resource.settings)?, resource.version, resource.created_at];
        self.query(sql, values).await?;
        self.audit(audited, "resource.create", format!("resource {}", resource.resource), None).await?;
        self.notify(Notice::Resource(&resource.resource), audited).await?;
        Ok(None)
    }

    /// Replaces the settings of a resource, unless they changed since `resource.version`.
    pub(super) async fn update_resource(&mut self, resource: &Resource, audited: &Audited) -> Result<Written> {
        self.lock_names().await?;
        if let Some(missing) = self.missing_client(&resource.settings.serves).await? {
            return Ok(Written::Refused(StoreError::NoSuchClient(missing)));
        }
        let sql = "UPDATE resources SET settings = $1, version = version + 1 WHERE resource = $2 AND version = $3 \
                   RETURNING resource";
        let values = values![to_json(&resource.settings)?, &resource.resource, resource.version];
        if self.query_one(sql, values).await?.is_none() {
            return Ok(Written::Outdated);
        }
        self.audit(audited, "resource.update", format!("resource {}", resource.resource), None).await?;
        self.notify(Notice::Resource(&resource.resource), audited).await?;
        Ok(Written::Done)
    }

    /// Deletes a resource.
    pub(super) async fn delete_resource(&mut self, uri: &str, audited: &Audited) -> Result<Written> {
        let sql = "DELETE FROM resources WHERE resource = $1 RETURNING resource";
        if self.query_one(sql, values![uri]).await?.is_none() {
            return Ok(Written::Outdated);
        }
        self.disown(Kind::Resource, uri).await?;
        self.audit(audited, "resource.delete", format!("resource {uri}"), None).await?;
        self.notify(Notice::Resource(uri), audited).await?;
        Ok(Written::Done)
    }

    /// Takes a client that this transaction deletes, and holds the lock of names for, out of the resources that it served:
    /// a client that gets its id later is another one.
    pub(super) async fn stop_serving(&mut self, client_id: &str, audited: &Audited) -> Result<()> {
        let naming = match self.dialect() {
            Dialect::Postgres => "SELECT resource, settings FROM resources WHERE strpos(settings, $1) > 0",
            Dialect::Sqlite => "SELECT resource, settings FROM resources WHERE instr(settings, $1) > 0",
        };
        for row in self.query(naming, values![to_json(&client_id)?]).await? {
            let (uri, mut settings): (String, ResourceSettings) = (row.get("resource")?, row.json("settings")?);
            if !settings.serves.iter().any(|id| id == client_id) {
                continue;
            }
            settings.serves.retain(|id| id != client_id);
            let sql = "UPDATE resources SET settings = $1, version = version + 1 WHERE resource = $2";
            self.query(sql, values![to_json(&settings)?, &uri]).await?;
            self.notify(Notice::Resource(&uri), audited).await?;
        }
        Ok(())
    }
}
