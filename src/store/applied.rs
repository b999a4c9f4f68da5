//! Applying a set of files: many changes in one transaction, and which set each object belongs to.

use std::collections::{BTreeMap, HashSet};

use crate::protocol::client::{Client, ClientSettings, GrantType};
use crate::protocol::object::Kind;
use crate::protocol::resource::Resource;
use crate::protocol::revocation::NewRevocation;
use crate::protocol::scope::ADMIN;
use crate::protocol::time::Timestamp;
use crate::protocol::trusted_issuer::TrustedIssuer;
use crate::protocol::user::User;
use crate::store::changes::{LogTransaction, Logged, Written};
use crate::store::clients;
use crate::store::database::{Dialect, Transaction};
use crate::store::row::{Row, values};
use crate::store::users::ROLE_CHANGED;
use crate::store::{Audited, ClientBlock, Page, Result, Store, StoreError};

/// How many clients are looked up by one statement.
const LOOKED_UP_AT_ONCE: usize = 500;

/// One change of a set.
#[derive(Debug)]
pub enum SetWrite {
    /// Creates a client.
    CreateClient(Client),
    /// Replaces the settings of a client.
    UpdateClient {
        /// The client as it shall be, of the version that it has.
        client: Client,
        /// The action in the audit trail.
        action: &'static str,
        /// What ends with the change.
        revocation: Option<NewRevocation>,
    },
    /// Deletes a client.
    DeleteClient {
        /// The client.
        client_id: String,
        /// What ends with it.
        revocation: NewRevocation,
    },
    /// Creates a resource.
    CreateResource(Resource),
    /// Replaces the settings of a resource.
    UpdateResource(Resource),
    /// Deletes a resource.
    DeleteResource(String),
    /// Trusts an issuer.
    CreateIssuer(TrustedIssuer),
    /// Replaces the settings of an issuer.
    UpdateIssuer(TrustedIssuer),
    /// Deletes an issuer.
    DeleteIssuer(String),
    /// Creates a user who has a role.
    CreateUser(User),
    /// Gives a user another role, or none.
    ChangeRole {
        /// The user as it shall be, of the version that it has.
        user: User,
        /// What ends with the change.
        revocation: NewRevocation,
    },
    /// Blocks clients that nobody registered.
    CreateBlock(ClientBlock),
    /// Replaces the reason of a block.
    UpdateBlock(ClientBlock),
    /// Ends a block.
    DeleteBlock(String),
}

impl SetWrite {
    /// What it changes.
    pub fn object(&self) -> (Kind, &str) {
        match self {
            Self::CreateClient(client) | Self::UpdateClient { client, .. } => (Kind::Client, &client.client_id),
            Self::DeleteClient { client_id, .. } => (Kind::Client, client_id),
            Self::CreateResource(resource) | Self::UpdateResource(resource) => (Kind::Resource, &resource.resource),
            Self::DeleteResource(uri) => (Kind::Resource, uri),
            Self::CreateIssuer(issuer) | Self::UpdateIssuer(issuer) => (Kind::Issuer, &issuer.issuer),
            Self::DeleteIssuer(name) => (Kind::Issuer, name),
            Self::CreateUser(user) | Self::ChangeRole { user, .. } => (Kind::Role, &user.sub),
            Self::CreateBlock(block) | Self::UpdateBlock(block) => (Kind::Block, &block.target),
            Self::DeleteBlock(target) => (Kind::Block, target),
        }
    }

    const fn creates(&self) -> bool {
        matches!(
            self,
            Self::CreateClient(_)
                | Self::CreateResource(_)
                | Self::CreateIssuer(_)
                | Self::CreateUser(_)
                | Self::CreateBlock(_)
        )
    }

    /// Its place in the order: clients exist before a resource names them as its servers or an issuer in its rules, and go after
    /// none does. Administrators come before others go, so that one is there all the time.
    fn turn(&self) -> u8 {
        match self {
            Self::DeleteResource(_) | Self::DeleteIssuer(_) => 0,
            Self::CreateClient(_) | Self::UpdateClient { .. } => 1,
            Self::ChangeRole { user, .. } if user.is_administrator() => 1,
            Self::CreateResource(_) | Self::UpdateResource(_) | Self::CreateIssuer(_) | Self::UpdateIssuer(_) => 2,
            Self::CreateUser(_) | Self::ChangeRole { .. } => 2,
            Self::CreateBlock(_) | Self::UpdateBlock(_) | Self::DeleteBlock(_) => 2,
            Self::DeleteClient { .. } => 3,
        }
    }
}

/// What applying a set changes, decided from what was read before.
#[derive(Debug)]
pub struct SetChanges {
    /// The name of the set.
    pub set: String,
    /// The changes, in any order.
    pub writes: Vec<SetWrite>,
    /// The objects that belong to the set from now on and did not before.
    pub gained: Vec<(Kind, String)>,
    /// Whether objects may be taken from other sets.
    pub takes_over: bool,
    /// Whether a client that is an administrator must be left.
    pub keeps_administrator: bool,
    /// Until when what its blocks revoke covers tokens.
    pub covers_until: Timestamp,
}

/// The set that an object belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetOwner {
    /// Its name.
    pub set: String,
    /// Since when.
    pub since: Timestamp,
}

/// Why nothing of a set was applied.
#[derive(Debug)]
pub enum SetRefusal {
    /// The object is not as it was read.
    Outdated(Kind, String),
    /// The object may not be written like this.
    Refused(Kind, String, StoreError),
    /// The object belongs to another set.
    OfOtherSet(Kind, String),
    /// No client that is an administrator would be left.
    NoAdministrator,
}

/// Whether a client of these settings administers everything.
pub(crate) fn is_administrator(settings: &ClientSettings) -> bool {
    settings.enabled && settings.scope.contains(ADMIN) && settings.grant_types.contains(&GrantType::ClientCredentials)
}

/// Whether a client can authenticate.
pub(crate) fn has_credential(settings: &ClientSettings, has_secret: bool) -> bool {
    has_secret || !settings.token_endpoint_auth_method.uses_secret()
}

impl Store {
    /// Applies a set: all of its changes, or none. Of what its blocks end, [`Store::client_blocks_carry_out`] may have to do more.
    pub async fn set_apply(
        &self,
        changes: &SetChanges,
        audited: &Audited,
    ) -> Result<Logged<std::result::Result<(), SetRefusal>>> {
        let mut transaction = self.begin_logged().await?;
        match transaction.apply(changes, audited).await? {
            None => transaction.commit(Ok(())).await,
            Some(refusal) => transaction.roll_back(Err(refusal)).await,
        }
    }

    /// The set of each object that belongs to one.
    pub async fn set_owners(&self) -> Result<BTreeMap<(Kind, String), SetOwner>> {
        let sql = "SELECT kind, id, set_name, applied_at FROM applied_objects";
        let mut owners = BTreeMap::new();
        for row in self.database.query(sql, vec![]).await? {
            // A kind that only a newer program knows belongs to no set of this one.
            if let Ok(kind) = row.get::<String>("kind")?.parse() {
                let owner = SetOwner { set: row.get("set_name")?, since: row.moment("applied_at")? };
                owners.insert((kind, row.get("id")?), owner);
            }
        }
        Ok(owners)
    }

    /// The registered clients that administer everything.
    pub async fn client_administrators(&self) -> Result<Vec<String>> {
        administrators_in(&self.database.query(settings_with(self.dialect()), values![ADMIN]).await?)
    }

    /// Those of these clients that exist, with their secrets.
    pub async fn client_find_many(&self, ids: &[String]) -> Result<BTreeMap<String, Client>> {
        let mut found = BTreeMap::new();
        for some in ids.chunks(LOOKED_UP_AT_ONCE) {
            for client in clients::find_all(&self.database, some.to_vec()).await? {
                if let Some((client, _)) = client? {
                    found.insert(client.client_id.clone(), client);
                }
            }
        }
        Ok(found)
    }

    /// Every resource.
    pub async fn resource_all(&self) -> Result<BTreeMap<String, Resource>> {
        let all = self.resource_list(None, &Page { limit: i64::MAX, after: None }).await?;
        Ok(all.into_iter().map(|resource| (resource.resource.clone(), resource)).collect())
    }

    /// Every trusted issuer.
    pub async fn issuer_by_name(&self) -> Result<BTreeMap<String, TrustedIssuer>> {
        let all = self.issuer_list(None, &Page { limit: i64::MAX, after: None }).await?;
        Ok(all.into_iter().map(|issuer| (issuer.issuer.clone(), issuer)).collect())
    }
}

impl LogTransaction {
    async fn apply(&mut self, changes: &SetChanges, audited: &Audited) -> Result<Option<SetRefusal>> {
        if self.dialect() == Dialect::Postgres {
            // Sets are applied one after the other. The number is arbitrary, but never changes. SQLite has one writer.
            self.query("SELECT pg_advisory_xact_lock(7434)", vec![]).await?;
        }
        // First, in the order of everybody else.
        if changes.writes.iter().any(|write| write.object().0 == Kind::Role) {
            self.lock_users().await?;
        }
        self.lock_names().await?;
        self.lock_administrators().await?;
        let own = self.objects_of(&changes.set).await?;
        let gained: HashSet<_> = changes.gained.iter().map(|(kind, id)| (*kind, id.as_str())).collect();
        let mut writes: Vec<&SetWrite> = changes.writes.iter().collect();
        writes.sort_by_key(|write| write.turn());
        for write in writes {
            let (kind, id) = write.object();
            // Another set may have taken it since, or somebody deleted it and made one that belongs to nobody.
            if !gained.contains(&(kind, id)) && !own.contains(&(kind, id.to_owned())) {
                return Ok(Some(SetRefusal::OfOtherSet(kind, id.to_owned())));
            }
            match self.write(write, audited).await? {
                Written::Done => {}
                Written::Outdated => return Ok(Some(SetRefusal::Outdated(kind, id.to_owned()))),
                Written::Refused(refusal) => return Ok(Some(SetRefusal::Refused(kind, id.to_owned(), refusal))),
            }
        }
        let created: HashSet<_> = changes.writes.iter().filter(|write| write.creates()).map(SetWrite::object).collect();
        for (kind, id) in &changes.gained {
            // Or the set would get whatever has this id later.
            if !created.contains(&(*kind, id.as_str())) && !self.keep(*kind, id).await? {
                return Ok(Some(SetRefusal::Outdated(*kind, id.clone())));
            }
            if !self.own(*kind, id, changes, audited).await? {
                return Ok(Some(SetRefusal::OfOtherSet(*kind, id.clone())));
            }
        }
        if changes.keeps_administrator && self.administrators().await?.is_empty() {
            return Ok(Some(SetRefusal::NoAdministrator));
        }
        if changes.writes.iter().any(|write| write.object().0 == Kind::Block) {
            self.carry_out_blocks(changes.covers_until, audited).await?;
        }
        let (writes, gained) = (changes.writes.len(), changes.gained.len());
        let detail = Some(format!("{writes} changed, {gained} new in the set"));
        self.audit(audited, "set.apply", format!("set {}", changes.set), detail).await?;
        Ok(None)
    }

    async fn write(&mut self, write: &SetWrite, audited: &Audited) -> Result<Written> {
        let created = |refusal: Option<StoreError>| refusal.map_or(Written::Done, Written::Refused);
        match write {
            SetWrite::CreateClient(client) => self.insert_client(client, audited).await.map(created),
            SetWrite::UpdateClient { client, action, revocation } => {
                self.update_client(client, action, revocation.as_ref(), audited).await
            }
            SetWrite::DeleteClient { client_id, revocation } => {
                self.delete_client(client_id, revocation, audited).await
            }
            SetWrite::CreateResource(resource) => self.insert_resource(resource, audited).await.map(created),
            SetWrite::UpdateResource(resource) => self.update_resource(resource, audited).await,
            SetWrite::DeleteResource(uri) => self.delete_resource(uri, audited).await,
            SetWrite::CreateIssuer(issuer) => self.insert_issuer(issuer, audited).await.map(created),
            SetWrite::UpdateIssuer(issuer) => self.update_issuer(issuer, audited).await,
            SetWrite::DeleteIssuer(name) => self.delete_issuer(name, audited).await,
            SetWrite::CreateUser(user) => self.insert_user(user, audited).await.map(created),
            SetWrite::ChangeRole { user, revocation } => {
                self.update_user(user, ROLE_CHANGED, Some(revocation), audited).await
            }
            SetWrite::CreateBlock(block) => self.create_block(block, audited).await,
            SetWrite::UpdateBlock(block) => self.update_block(block, audited).await,
            SetWrite::DeleteBlock(target) => self.delete_block(target, audited).await,
        }
    }

    async fn objects_of(&mut self, set: &str) -> Result<HashSet<(Kind, String)>> {
        let mut objects = HashSet::new();
        for row in self.query("SELECT kind, id FROM applied_objects WHERE set_name = $1", values![set]).await? {
            if let Ok(kind) = row.get::<String>("kind")?.parse() {
                objects.insert((kind, row.get("id")?));
            }
        }
        Ok(objects)
    }

    /// Whether an object exists, and does until this transaction ends.
    async fn keep(&mut self, kind: Kind, id: &str) -> Result<bool> {
        macro_rules! find {
            ($table_and_id:literal) => {
                find!($table_and_id, "KEY SHARE")
            };
            ($table_and_id:literal, $lock:literal) => {
                match self.dialect() {
                    Dialect::Postgres => concat!("SELECT 1 AS one FROM ", $table_and_id, " = $1 FOR ", $lock),
                    Dialect::Sqlite => concat!("SELECT 1 AS one FROM ", $table_and_id, " = $1"),
                }
            };
        }
        let sql = match kind {
            Kind::Client => find!("clients WHERE client_id"),
            Kind::Resource => find!("resources WHERE resource"),
            Kind::Issuer => find!("trusted_issuers WHERE issuer"),
            // A role can also be taken away.
            Kind::Role => find!("users WHERE role IS NOT NULL AND sub", "NO KEY UPDATE"),
            Kind::Block => find!("client_blocks WHERE target"),
        };
        Ok(self.query_one(sql, values![id]).await?.is_some())
    }

    /// Gives an object to the set. Returns false if it belongs to another one.
    async fn own(&mut self, kind: Kind, id: &str, changes: &SetChanges, audited: &Audited) -> Result<bool> {
        let sql = if changes.takes_over {
            "INSERT INTO applied_objects (kind, id, set_name, applied_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (kind, id) DO UPDATE SET set_name = excluded.set_name, applied_at = excluded.applied_at \
             RETURNING id"
        } else {
            "INSERT INTO applied_objects (kind, id, set_name, applied_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (kind, id) DO UPDATE SET set_name = excluded.set_name \
             WHERE applied_objects.set_name = excluded.set_name RETURNING id"
        };
        Ok(self.query_one(sql, values![kind.name(), id, &changes.set, audited.at]).await?.is_some())
    }
}

impl Transaction {
    /// Takes an object that this transaction deletes out of its set: one that gets its id later is another one.
    pub(super) async fn disown(&mut self, kind: Kind, id: &str) -> Result<()> {
        let sql = "DELETE FROM applied_objects WHERE kind = $1 AND id = $2";
        self.query(sql, values![kind.name(), id]).await.map(drop)
    }

    async fn administrators(&mut self) -> Result<Vec<String>> {
        let sql = settings_with(self.dialect());
        administrators_in(&self.query(sql, values![ADMIN]).await?)
    }
}

/// How many secrets a client has.
macro_rules! secrets {
    () => {
        "(SELECT count(*) FROM client_secrets s WHERE s.client_id = c.client_id) AS secrets"
    };
}

/// The clients whose settings have this text somewhere.
const fn settings_with(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            concat!("SELECT client_id, settings, ", secrets!(), " FROM clients c WHERE strpos(settings, $1) > 0")
        }
        Dialect::Sqlite => {
            concat!("SELECT client_id, settings, ", secrets!(), " FROM clients c WHERE instr(settings, $1) > 0")
        }
    }
}

fn administrators_in(rows: &[Row]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for row in rows {
        let settings = row.json("settings")?;
        if is_administrator(&settings) && has_credential(&settings, row.get::<i64>("secrets")? > 0) {
            found.push(row.get("client_id")?);
        }
    }
    Ok(found)
}
