//! The context that use cases work with.

mod binding;
pub(crate) mod document;
pub(crate) mod document_fetches;
mod failure;
mod figures;
mod granting;
mod large_tokens;
pub(crate) mod master_keys;
mod request;
mod signing_keys;
pub(crate) mod streams;
pub(crate) mod used_secrets;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use failure::{Failure, Result};
pub use request::{Peer, Request};

use uuid::Uuid;

use crate::app::document::Kept;
use crate::app::document_fetches::DocumentFetches;
use crate::app::figures::Keeping;
use crate::app::large_tokens::LargeTokens;
use crate::app::streams::Streams;
use crate::app::used_secrets::UsedSecrets;
use crate::calling_out::Caller;
use crate::clock::Clock;
use crate::issuer::Issuer;
use crate::key_sets::KeySets;
use crate::keys::master::MasterKeys;
use crate::passwords::pool::PasswordPool;
use crate::passwords::remembered::RememberedSecrets;
use crate::protocol::authorization::CODE_REUSE_ENDS_SESSION_FOR;
use crate::protocol::cause::Cause;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::feature;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::time::Timestamp;
use crate::protocol::trusted_issuer::TrustedIssuers;
use crate::settings::{MasterKeySettings, Settings};
use crate::state::{Follower, NodeState, Unavailable};
use crate::store::{Audited, ClientsInUse, NodeRecord, Store, StoreError};
use crate::telemetry::forwarding::Forwarding;
use crate::telemetry::metrics::{Metrics, SpanOutcome};
use crate::telemetry::outages::Outages;
use crate::telemetry::trace_export::{Exporter, TraceExport};
use crate::throttle::Throttle;
use crate::traces::Traces;

/// The longest time that writing the last figures may take at a stop.
const WRITE_AT_STOP: Duration = Duration::from_secs(1);

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

/// The context that use cases work with.
#[derive(Debug)]
pub struct App {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The one issuer of this server; use cases get it as an argument.
    pub issuer: Arc<Issuer>,
    /// The one clock.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// What this node keeps in memory.
    pub state: Arc<NodeState>,
    /// Hashes passwords.
    pub passwords: PasswordPool,
    /// Calls out.
    pub caller: Caller,
    /// The keys of clients.
    pub(crate) key_sets: KeySets,
    /// The metrics.
    pub metrics: Metrics,
    /// Begins traces, if this is a server that exports them.
    pub(crate) traces: OnceLock<Traces>,
    /// Logs requests that could not be decided.
    pub outages: Outages,
    /// Logs forwarding headers that are not believed.
    pub forwarding: Forwarding,
    pub(crate) remembered: RememberedSecrets,
    pub(crate) used_secrets: UsedSecrets,
    pub(crate) throttle: Throttle,
    pub(crate) document_fetches: DocumentFetches,
    pub(crate) event_streams: Arc<Streams>,
    /// The streams of pages of the console, which have bounds of their own.
    pub(crate) console_streams: Arc<Streams>,
    figures: Keeping,
    pub(crate) large_tokens: LargeTokens,
    /// The metadata, made from what clients use.
    pub(crate) metadata: Kept<(Arc<Option<ClientsInUse>>, Arc<TrustedIssuers>)>,
    /// The published keys, of one generation.
    pub(crate) key_set: Kept<u64>,
    /// Held while a signing key is made.
    making_keys: tokio::sync::Mutex<()>,
    /// When making a key failed last, for those who can do without it.
    no_key_at: tokio::sync::Mutex<Option<Timestamp>>,
    /// Whether every node knows bound tokens.
    binds: AtomicBool,
    /// Whether every node knows the exchange of tokens of other issuers.
    exchanges_foreign: AtomicBool,
    /// The id of this node, new at each start.
    pub node: Uuid,
}

impl App {
    /// The context on a database, as the command line uses it: it administers but answers nothing from memory.
    pub fn new(settings: Arc<Settings>, clock: Clock, store: Store) -> Self {
        let issuer = Arc::new(Issuer::new(settings.issuer.clone()));
        let limit = settings.max_staleness;
        let metrics = Metrics::default();
        Self {
            state: Arc::new(NodeState::new(store.clone(), clock.clone(), Arc::clone(&issuer), limit)),
            throttle: Throttle::new(settings.throttling, clock.clone(), store.clone(), metrics.clone()),
            passwords: PasswordPool::new(settings.password_threads),
            caller: Caller::new(settings.fetch.clone()),
            key_sets: KeySets::new(clock.clone()),
            traces: OnceLock::new(),
            outages: Outages::default(),
            forwarding: Forwarding::default(),
            remembered: RememberedSecrets::default(),
            used_secrets: UsedSecrets::default(),
            document_fetches: DocumentFetches::default(),
            event_streams: Arc::default(),
            console_streams: Arc::default(),
            figures: Keeping::default(),
            large_tokens: LargeTokens::default(),
            metadata: Kept::default(),
            key_set: Kept::default(),
            making_keys: tokio::sync::Mutex::default(),
            no_key_at: tokio::sync::Mutex::default(),
            binds: AtomicBool::default(),
            exchanges_foreign: AtomicBool::default(),
            node: Uuid::now_v7(),
            metrics,
            settings,
            issuer,
            clock,
            store,
        }
    }

    /// Prepares a server, or a command that judges tokens: measures the database's time, reads the master key, loads
    /// the node state, and creates the first keys if there are none.
    pub async fn load(&self) -> std::result::Result<(), StartError> {
        self.load_with(&self.settings.master_keys).await
    }

    /// The same with master keys that are no longer in the settings.
    pub(crate) async fn load_with(&self, master_keys: &MasterKeySettings) -> std::result::Result<(), StartError> {
        let before = self.clock.read();
        if let Some(millis) = self.store.database_clock().await? {
            self.clock.measured(before, millis);
        }
        let masters = Arc::new(master_keys::open(master_keys, &self.store).await?);
        if self.store.key_list().await?.is_empty() {
            master_keys::create_first_keys(self, &masters).await?;
        }
        Ok(self.state.load(masters).await?)
    }

    /// The master key, and the old one while it is being changed: those in use, or those in the settings. Fails if
    /// it is missing or unreadable, or the database was written with another one.
    pub async fn master_keys(&self) -> std::result::Result<Arc<MasterKeys>, StartError> {
        match self.state.master_keys() {
            Some(masters) => Ok(masters),
            None => master_keys::open(&self.settings.master_keys, &self.store).await.map(Arc::new),
        }
    }

    /// Follows the change log until the follower is dropped.
    pub async fn follow_log(&self) -> std::result::Result<Follower, StartError> {
        let now = self.clock.now();
        let node = NodeRecord {
            id: self.node,
            name: format!("{}, process {}", host_name(), std::process::id()),
            version: env!("CARGO_PKG_VERSION").into(),
            feature_level: feature::LEVEL,
            applied: self.state.applied(),
            applied_at: now,
            heartbeat_at: now,
            max_staleness: i64::try_from(self.settings.max_staleness.as_millis()).unwrap_or(i64::MAX),
        };
        let location = self.settings.database.clone();
        Ok(Follower::start(Arc::clone(&self.state), location, self.settings.poll_interval, node).await?)
    }

    /// Begins to export traces, if the settings name a collector.
    pub(crate) fn export_traces(&self) -> Option<TraceExport> {
        let otlp = self.settings.otlp.clone()?;
        let dropped = self.metrics.span_counter(SpanOutcome::Dropped);
        let (traces, spans) = Traces::new(self.clock.clone(), otlp.sample, dropped);
        self.traces.set(traces).ok()?;
        let exporter = Exporter {
            otlp,
            caller: self.caller.clone(),
            node: self.node,
            environment: self.issuer.environment().to_string(),
            metrics: self.metrics.clone(),
        };
        Some(TraceExport::start(exporter, spans))
    }

    /// At a graceful stop: writes when secrets were last used and what was counted, and leaves the list of nodes.
    pub async fn leave(&self) {
        self.write_used_secrets().await;
        // A database that hangs does not hold up the stop for the sake of a minute's figures.
        let _ = tokio::time::timeout(WRITE_AT_STOP, self.write_figures()).await;
        if let Err(error) = self.state.exchange_proofs(self.node).await {
            tracing::warn!(error = error.0, "the last DPoP proofs of this node were not written");
        }
        if let Err(error) = self.store.node_leave(self.node).await {
            tracing::debug!(%error, "this node could not leave the list of nodes");
        }
    }

    /// Writes when client secrets were last used.
    pub async fn write_used_secrets(&self) {
        let used = self.used_secrets.take();
        if !used.is_empty()
            && let Err(error) = self.store.client_secrets_used(&used).await
        {
            tracing::debug!(%error, "the times at which secrets were last used were not written");
        }
    }

    /// Checks that the default client exists and is public.
    pub async fn check_default_client(&self) -> std::result::Result<(), StartError> {
        let Some(client_id) = &self.settings.default_client else { return Ok(()) };
        match self.state.client(client_id).await?.as_deref() {
            Some(client) if client.is_public() => Ok(()),
            Some(_) => Err(StartError(format!("JETON_DEFAULT_CLIENT: {client_id} is not a public client"))),
            None => Err(StartError(format!("JETON_DEFAULT_CLIENT: there is no client {client_id}"))),
        }
    }

    /// The name of the service, as people know it.
    pub(crate) fn service_name(&self) -> &str {
        self.settings.brand.name.as_deref().unwrap_or_else(|| self.issuer.host())
    }

    /// A revocation of everything that was issued so far.
    pub(crate) fn revocation(&self, target: Target, cause: Cause, reason: impl Into<Option<String>>) -> NewRevocation {
        let covers_until = self.settings.covers_until(self.clock.now());
        NewRevocation { target, cause, reason: reason.into(), covers_until }
    }

    /// When a session of the client ends at the latest that begins now.
    pub(crate) fn session_expiry(&self, client: &Client, now: Timestamp) -> Timestamp {
        now.plus_seconds(client.settings.session_ttl.unwrap_or(self.settings.session_ttl))
    }

    /// When a session of the client ends if it is not refreshed from now on. Without refresh tokens it lasts as long as its access
    /// token, and at least as long as a second use of its code ends it.
    pub(crate) fn idle_expiry(&self, client: &Client, now: Timestamp) -> Timestamp {
        let settings = &client.settings;
        now.plus_seconds(match client.may_use(GrantType::RefreshToken) {
            true => settings.refresh_token_ttl.unwrap_or(self.settings.refresh_token_ttl),
            false => {
                settings.access_token_ttl.unwrap_or(self.settings.access_token_ttl).max(CODE_REUSE_ENDS_SESSION_FOR)
            }
        })
    }

    /// The audit data of a client's request.
    pub(crate) fn audited(&self, client: &Client, request: &Request<'_>) -> Audited {
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

#[cfg(test)]
impl App {
    /// A context on a new database in a folder.
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
