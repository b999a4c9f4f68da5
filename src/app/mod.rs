//! What every flow works with.

mod failure;
mod request;
pub(crate) mod used_secrets;

use std::sync::Arc;

pub use failure::{Failure, Result};
pub use request::{Peer, Request};

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::app::used_secrets::UsedSecrets;
use crate::clock::Clock;
use crate::issuer::Issuer;
use crate::keys::master::{MasterKey, MasterKeys};
use crate::keys::record::{KeyRecord, KeyUse};
use crate::passwords::pool::PasswordPool;
use crate::passwords::remembered::RememberedSecrets;
use crate::protocol::client::Client;
use crate::settings::{MasterKeySource, Settings};
use crate::state::{Follower, NodeState, Unavailable};
use crate::store::{Added, Audited, NodeRecord, Store, StoreError};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::outages::Outages;
use crate::throttle::Throttle;

/// Why a server cannot start; each is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<Unavailable> for StartError {
    fn from(Unavailable(text): Unavailable) -> Self {
        Self(text)
    }
}

/// What every flow works with.
#[derive(Debug)]
pub struct App {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The issuer that this server is; use cases get it as an argument.
    pub issuer: Arc<Issuer>,
    /// The one clock.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// What this node keeps in memory.
    pub state: Arc<NodeState>,
    /// Hashes passwords.
    pub passwords: PasswordPool,
    /// What is counted.
    pub metrics: Metrics,
    /// What the log says of requests that could not be decided.
    pub outages: Outages,
    pub(crate) remembered: RememberedSecrets,
    pub(crate) used_secrets: UsedSecrets,
    pub(crate) throttle: Throttle,
    /// The id of this node, new at each start.
    pub node: Uuid,
}

impl App {
    /// The context on a database, for the command line: it administers, and answers nothing from memory.
    pub fn new(settings: Arc<Settings>, clock: Clock, store: Store) -> Self {
        let issuer = Arc::new(Issuer::new(settings.issuer.clone()));
        let limit = settings.max_staleness;
        let metrics = Metrics::default();
        Self {
            state: Arc::new(NodeState::new(store.clone(), clock.clone(), Arc::clone(&issuer), limit)),
            throttle: Throttle::new(settings.throttling, clock.clone(), store.clone(), metrics.clone()),
            passwords: PasswordPool::new(settings.password_threads),
            outages: Outages::default(),
            remembered: RememberedSecrets::default(),
            used_secrets: UsedSecrets::default(),
            node: Uuid::now_v7(),
            metrics,
            settings,
            issuer,
            clock,
            store,
        }
    }

    /// The same context with the database's time, for a server or a command that judges tokens: reads the master key and
    /// loads the node state. A server whose database has no keys makes the first ones.
    ///
    /// # Errors
    /// When the master key is missing or wrong, or the database cannot be reached.
    pub async fn load(&self) -> std::result::Result<(), StartError> {
        let before = self.clock.read();
        if let Some(millis) = self.store.database_clock().await? {
            self.clock.measured(before, millis);
        }
        let masters = self.master_keys().await?;
        if self.store.key_list().await?.is_empty() {
            self.make_first_keys(&masters).await?;
        }
        Ok(self.state.load(masters).await?)
    }

    /// The master key, and the old one while it is being changed: those in use, or those in the settings.
    ///
    /// # Errors
    /// When it is missing or unreadable, or the database was written with another one.
    pub async fn master_keys(&self) -> std::result::Result<Arc<MasterKeys>, StartError> {
        match self.state.master_keys() {
            Some(masters) => Ok(masters),
            None => open_master_keys(&self.settings, &self.store).await.map(Arc::new),
        }
    }

    /// Makes the first keys; of nodes that start at once, one makes them.
    async fn make_first_keys(&self, masters: &MasterKeys) -> std::result::Result<(), StartError> {
        let now = self.clock.now();
        let audited = Audited { actor: "server".into(), request_id: None, address: None, at: now };
        loop {
            let check_value = self.store.master_key_check(masters.current.check_value()).await?;
            let Some(master) = masters.of(&check_value) else { return Err(another_master_key(masters)) };
            let first = [KeyUse::Signing, KeyUse::Token]
                .map(|key_use| KeyRecord::generate(key_use, self.settings.signing_algorithm, master, now, now));
            let made = self.state.honour(self.store.key_create_first(&first, &check_value, &audited)).await?;
            if made != Added::OtherMasterKey {
                return Ok(());
            }
        }
    }

    /// Starts to follow the log of changes, until what is returned is dropped.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn follow_log(&self) -> std::result::Result<Follower, StartError> {
        let now = self.clock.now();
        let node = NodeRecord {
            id: self.node,
            name: format!("{}, process {}", host_name(), std::process::id()),
            version: env!("CARGO_PKG_VERSION").into(),
            applied: self.state.applied(),
            applied_at: now,
            heartbeat_at: now,
            max_staleness: i64::try_from(self.settings.max_staleness.as_millis()).unwrap_or(i64::MAX),
        };
        let location = self.settings.database.clone();
        Ok(Follower::start(Arc::clone(&self.state), location, self.settings.poll_interval, node).await?)
    }

    /// Writes what was only noted, and leaves the list of nodes: at a graceful stop.
    pub async fn leave(&self) {
        self.write_notes().await;
        if let Err(error) = self.store.node_leave(self.node).await {
            tracing::debug!(%error, "this node could not leave the list of nodes");
        }
    }

    /// Writes what was only noted.
    pub async fn write_notes(&self) {
        let used = self.used_secrets.take();
        if !used.is_empty()
            && let Err(error) = self.store.client_secrets_used(&used).await
        {
            tracing::debug!(%error, "the times at which secrets were last used were not written");
        }
    }

    /// Whether a client can be the default client.
    ///
    /// # Errors
    /// When the default client is missing or not public, or the database cannot be reached.
    pub async fn check_default_client(&self) -> std::result::Result<(), StartError> {
        let Some(client_id) = &self.settings.default_client else { return Ok(()) };
        match self.state.client(client_id).await?.as_deref() {
            Some(client) if client.is_public() => Ok(()),
            Some(_) => Err(StartError(format!("JETON_DEFAULT_CLIENT: {client_id} is not a public client"))),
            None => Err(StartError(format!("JETON_DEFAULT_CLIENT: there is no client {client_id}"))),
        }
    }

    /// What the trail of audit says of a request of a client.
    pub(crate) fn audited(&self, client: &Client, request: &crate::app::Request<'_>) -> Audited {
        Audited {
            actor: format!("client {}", client.client_id),
            request_id: Some(request.request_id.to_string()),
            address: Some(request.address.to_string()),
            at: self.clock.now(),
        }
    }
}

/// The name of this machine, or of the container.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    name.map_or_else(|_| "unnamed host".to_owned(), |name| name.trim().to_owned())
}

/// Reads the master key, and the old one if it is set, and compares them with what the database was written with.
///
/// # Errors
/// When the master key is missing or unreadable, or the database was written with none of them.
async fn open_master_keys(settings: &Settings, store: &Store) -> std::result::Result<MasterKeys, StartError> {
    let text = match &settings.master_key {
        MasterKeySource::Given(text) => text.clone(),
        MasterKeySource::DevFile(path) => crate::keys::dev_key::read_or_create(path)
            .map(|text| SecretString::from(text.as_str()))
            .map_err(|error| StartError(format!("the master key file {}: {error}", path.display())))?,
        MasterKeySource::Missing => {
            return Err(StartError(
                "JETON_MASTER_KEY is not set: `jeton key generate-master` prints one; keep it safe, it is needed at \
                 every start"
                    .into(),
            ));
        }
    };
    let parse = |name: &str, text: &SecretString| {
        MasterKey::parse(text.expose_secret()).map_err(|problem| StartError(format!("{name} {problem}")))
    };
    let current = parse("JETON_MASTER_KEY", &text)?;
    let old = settings.master_key_old.as_ref().map(|text| parse("JETON_MASTER_KEY_OLD", text)).transpose()?;
    let masters = MasterKeys { current, old };
    let check_value = store.master_key_check(masters.current.check_value()).await?;
    if masters.of(&check_value).is_some() { Ok(masters) } else { Err(another_master_key(&masters)) }
}

fn another_master_key(masters: &MasterKeys) -> StartError {
    let names = if masters.old.is_some() {
        "neither JETON_MASTER_KEY nor JETON_MASTER_KEY_OLD is"
    } else {
        "JETON_MASTER_KEY is not"
    };
    StartError(format!(
        "{names} the one that this database was written with: set the right one, or, if it is lost, `jeton key reset` \
         makes new keys and ends all sessions"
    ))
}

#[cfg(test)]
impl App {
    /// What flows work with, on a new database in a folder.
    pub(crate) async fn for_a_test(folder: &std::path::Path) -> Self {
        let database = format!("sqlite://{}", folder.join("jeton.db").display());
        let environment = [("JETON_DATABASE_URL".to_owned(), database)].into();
        let resolved =
            crate::settings::Resolved::read(&crate::settings::Sources { dev: true, environment, ..Default::default() });
        let settings = Arc::new(Settings::check(&resolved, crate::settings::Needs::NOTHING).unwrap());
        let store = Store::connect(&settings.database).await.unwrap();
        store.migrate().await.unwrap();
        let app = Self::new(settings, Clock::system(), store);
        app.load().await.unwrap();
        app
    }
}
