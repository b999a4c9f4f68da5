//! What a node keeps in memory, and how it is kept true.
//!
//! The truth is the numbered log in the database. A node follows it, so that its memory holds everything up to the
//! number it has *applied*; the *age* of the view is the time since the last complete look at the log began. Past the
//! allowed age nothing is answered from memory: the log is read first, and if that fails the answer is 503.

mod clients;
mod feed;
mod measures;
mod revocations;

use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;
use tokio::sync::Mutex as AsyncMutex;
use uuid::Uuid;

pub use feed::Feed;
pub use measures::Measures;

use crate::clock::Clock;
use crate::oauth::cause::Cause;
use crate::oauth::claims::AccessClaims;
use crate::oauth::client::{Client, check_client_id};
use crate::oauth::revocation::LogNumber;
use crate::store::{ClientsInUse, LogEntry, LogEvent, Store, StoreError};
use crate::token::keyring::KeyRing;
use crate::token::master::MasterKey;
use clients::ClientCache;
use revocations::Revocations;

/// Entries of the log that are read at a time.
const LOG_PAGE: i64 = 1000;
/// The most usernames that are remembered.
const MOST_USERNAMES: usize = 20_000;
/// The most verified tokens that are remembered.
const MOST_VERIFIED: usize = 20_000;
/// The longest wait for the answer to a question about what memory lacks.
const QUESTION_LIMIT: Duration = Duration::from_secs(1);

/// The view cannot be trusted and the database did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// The keys of a node, with a number that changes with them.
#[derive(Debug, Default)]
pub struct CurrentKeys {
    /// The keys.
    pub ring: KeyRing,
    /// Whether the database holds keys that this node cannot unwrap: then an unknown key proves nothing.
    pub incomplete: bool,
    generation: u64,
}

/// What a node keeps in memory.
pub struct View {
    store: Store,
    clock: Clock,
    master: Arc<MasterKey>,
    max_staleness: Duration,
    applied: AtomicI64,
    revocations: RwLock<Revocations>,
    keys: ArcSwap<CurrentKeys>,
    clients: ClientCache,
    clients_in_use: ArcSwap<Option<ClientsInUse>>,
    usernames: Cache<Uuid, Arc<str>>,
    verified: Cache<[u8; 32], (u64, Arc<AccessClaims>)>,
    /// When the last complete look at the log began.
    looked_at: Mutex<Instant>,
    /// Counts the looks that have begun.
    looks_begun: AtomicU64,
    /// Which look was the last to succeed, so that one look serves all who wait for it.
    last_good_look: AtomicU64,
    looking: AsyncMutex<()>,
    /// The latest moment by which revocations were forgotten, in milliseconds.
    forgot_by: AtomicI64,
    /// What is measured.
    pub measures: Measures,
}

impl std::fmt::Debug for View {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "View(applied {})", self.applied())
    }
}

impl View {
    /// Loads everything from the database.
    ///
    /// # Errors
    /// When the database cannot be reached, or a key cannot be unwrapped with this master key.
    pub async fn load(
        store: Store,
        clock: Clock,
        master: Arc<MasterKey>,
        max_staleness: Duration,
    ) -> Result<Self, Unavailable> {
        let view = Self {
            store,
            clock,
            master,
            max_staleness,
            applied: AtomicI64::new(0),
            revocations: RwLock::default(),
            keys: ArcSwap::default(),
            clients: ClientCache::default(),
            clients_in_use: ArcSwap::default(),
            usernames: Cache::new(MOST_USERNAMES),
            verified: Cache::new(MOST_VERIFIED),
            looked_at: Mutex::new(Instant::now()),
            looks_begun: AtomicU64::new(0),
            last_good_look: AtomicU64::new(0),
            looking: AsyncMutex::default(),
            forgot_by: AtomicI64::new(i64::MIN),
            measures: Measures::default(),
        };
        view.load_all().await?;
        Ok(view)
    }

    /// The log number up to which everything is applied.
    pub fn applied(&self) -> LogNumber {
        self.applied.load(Ordering::Acquire)
    }

    /// The time since the last complete look at the log began.
    pub fn age(&self) -> Duration {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Whether the view is young enough to answer from.
    pub fn is_fresh(&self) -> bool {
        self.age() <= self.max_staleness && !self.forgot_too_early()
    }

    /// Whether the clock went back behind a moment by which revocations were forgotten: some may be in force again.
    fn forgot_too_early(&self) -> bool {
        self.clock.now().millis().saturating_add(1000) < self.forgot_by.load(Ordering::Acquire)
    }

    /// How many revocations are in force.
    pub fn revocations_held(&self) -> usize {
        self.revocations.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The keys as of now.
    pub fn keys(&self) -> Arc<CurrentKeys> {
        self.keys.load_full()
    }

    /// The cause for which an access token is revoked, if it is. Call [`ensure_fresh`](Self::ensure_fresh) first.
    pub fn revocation_of(&self, claims: &AccessClaims) -> Option<Cause> {
        self.revocations.read().unwrap_or_else(PoisonError::into_inner).covering(claims)
    }

    /// Goes on at once while the view is young enough; otherwise looks at the log first, within a second.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ensure_fresh(&self) -> Result<(), Unavailable> {
        if self.is_fresh() {
            return Ok(());
        }
        self.measures.fallbacks.inc();
        within_limit(self.catch_up()).await
    }

    /// Looks at the log within a second, before something is refused because of what memory lacks.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ensure_current(&self) -> Result<(), Unavailable> {
        within_limit(self.catch_up()).await
    }

    /// Looks at the log; afterwards the view holds everything that was committed before the call.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn catch_up(&self) -> Result<(), Unavailable> {
        let before = self.looks_begun.load(Ordering::Acquire);
        let _looking = self.looking.lock().await;
        if self.last_good_look.load(Ordering::Acquire) > before {
            // A look that began after this call has succeeded meanwhile.
            return Ok(());
        }
        let begun = Instant::now();
        let this_look = self.looks_begun.fetch_add(1, Ordering::AcqRel) + 1;
        self.look().await?;
        self.last_good_look.store(this_look, Ordering::Release);
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = begun;
        Ok(())
    }

    /// The client of this id: from memory, else from the database.
    ///
    /// # Errors
    /// When memory lacks it and the database does not answer, or is asked too much.
    pub async fn client(&self, client_id: &str) -> Result<Option<Arc<Client>>, Unavailable> {
        match self.clients.get(client_id) {
            Some(client) => Ok(Some(client)),
            None => self.client_again(client_id).await,
        }
    }

    /// The client of this id, from the database: before anything is refused because of what memory holds. No earlier
    /// answer is used, since the client may have changed after it; instead all who ask at the same time share a
    /// statement, whoever they ask for, and there are few statements a second.
    ///
    /// # Errors
    /// When the database does not answer, or is asked too much.
    pub async fn client_again(&self, client_id: &str) -> Result<Option<Arc<Client>>, Unavailable> {
        if check_client_id(client_id).is_err() {
            // No client can have this id, and not every database can be asked for it.
            return Ok(None);
        }
        let question = async { Ok(self.store.client_find_shared(client_id).await?) };
        let Some((client, as_of)) = within_limit(question).await? else { return Ok(None) };
        let client = Arc::new(client);
        self.clients.put(Arc::clone(&client), as_of);
        Ok(Some(client))
    }

    /// What the enabled clients use.
    ///
    /// # Errors
    /// When it is not in memory and the database does not answer.
    pub async fn clients_in_use(&self) -> Result<Arc<Option<ClientsInUse>>, Unavailable> {
        let known = self.clients_in_use.load_full();
        if known.is_some() {
            return Ok(known);
        }
        let as_of = self.applied();
        let fresh = Arc::new(Some(within_limit(async { Ok(self.store.clients_in_use().await?) }).await?));
        // What changed while it was read will be read again.
        if self.applied() == as_of {
            self.clients_in_use.store(Arc::clone(&fresh));
        }
        Ok(fresh)
    }

    /// The name of a user, for introspection.
    ///
    /// # Errors
    /// When it is not in memory and the database does not answer.
    pub async fn username(&self, id: Uuid) -> Result<Option<Arc<str>>, Unavailable> {
        if let Some(name) = self.usernames.get(&id) {
            return Ok(Some(name));
        }
        let as_of = self.applied();
        let found = within_limit(async { Ok(self.store.user_find(id).await?) }).await?;
        let Some(user) = found else { return Ok(None) };
        let name: Arc<str> = user.username.into();
        if self.applied() == as_of {
            self.usernames.insert(id, Arc::clone(&name));
        }
        Ok(Some(name))
    }

    /// The claims of a token that was verified before with the keys of now.
    pub fn verified(&self, hash: &[u8; 32]) -> Option<Arc<AccessClaims>> {
        let (generation, claims) = self.verified.get(hash)?;
        (generation == self.keys.load().generation).then_some(claims)
    }

    /// Remembers that a token was verified with these keys.
    pub fn remember_verified(&self, hash: [u8; 32], keys: &CurrentKeys, claims: Arc<AccessClaims>) {
        self.verified.insert(hash, (keys.generation, claims));
    }

    /// Drops what no longer covers anything.
    pub fn forget_what_is_over(&self) {
        let now = self.clock.now();
        self.forgot_by.fetch_max(now.millis(), Ordering::AcqRel);
        self.revocations.write().unwrap_or_else(PoisonError::into_inner).forget_before(now);
    }

    async fn load_all(&self) -> Result<(), Unavailable> {
        let head = self.store.log_head().await?;
        let now = self.clock.now();
        let mut fresh = Revocations::default();
        let mut after = 0;
        loop {
            let page = self.store.revocations_in_force(after, now, LOG_PAGE).await?;
            for revocation in &page {
                after = revocation.number;
                fresh.add(revocation);
            }
            if i64::try_from(page.len()).unwrap_or(i64::MAX) < LOG_PAGE {
                break;
            }
        }
        self.load_keys().await?;
        *self.revocations.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.clients.clear(head);
        self.usernames.clear();
        self.clients_in_use.store(Arc::default());
        self.applied.store(head, Ordering::Release);
        self.forgot_by.store(now.millis(), Ordering::Release);
        Ok(())
    }

    async fn load_keys(&self) -> Result<(), Unavailable> {
        let records = self.store.key_list().await?;
        let held = self.keys.load_full();
        let mut incomplete = false;
        let ring = match KeyRing::open(&records, &self.master) {
            Ok(ring) => ring,
            Err(kid) if held.generation > 0 => {
                tracing::error!(kid, "a key cannot be unwrapped: the master key was changed; restart with the new one");
                incomplete = true;
                let kids: Vec<String> = records.into_iter().map(|record| record.kid).collect();
                held.ring.only(&kids)
            }
            Err(kid) => return Err(Unavailable(format!("the key {kid} cannot be unwrapped with this master key"))),
        };
        self.keys.store(Arc::new(CurrentKeys { ring, incomplete, generation: held.generation + 1 }));
        Ok(())
    }

    async fn look(&self) -> Result<(), Unavailable> {
        if self.forgot_too_early() {
            tracing::warn!("the clock went back; loading everything anew");
            return self.load_all().await;
        }
        loop {
            let applied = self.applied();
            let page = within_limit(async { Ok(self.store.log_after(applied, LOG_PAGE).await?) }).await?;
            if page.head < applied {
                let head = page.head;
                tracing::warn!(applied, head, "the log went back: the database was restored; loading everything anew");
                self.store.log_go_on_above(applied, self.clock.now()).await?;
                return self.load_all().await;
            }
            if page.is_broken {
                let head = page.head;
                tracing::warn!(
                    applied,
                    head,
                    "the log does not go on where this node left it: the database was restored, or this node was away \
                     too long; loading everything anew"
                );
                return self.load_all().await;
            }
            let keys_changed = page.entries.iter().any(|entry| entry.event.changes_keys());
            if keys_changed {
                self.load_keys().await?;
            }
            for entry in &page.entries {
                self.apply(entry);
            }
            self.clients.applied(page.complete_to);
            self.applied.store(page.complete_to, Ordering::Release);
            if page.complete_to >= page.head {
                return Ok(());
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a lag is small")]
    fn apply(&self, entry: &LogEntry) {
        let event = &entry.event;
        if let LogEvent::Revoked(revocation) = event {
            self.revocations.write().unwrap_or_else(PoisonError::into_inner).add(revocation);
            let lag = self.clock.now().millis() - entry.created_at.millis();
            self.measures.lag.observe(lag.max(0) as f64 / 1000.0);
        }
        if let Some(client_id) = event.changed_client() {
            self.clients.drop_older(client_id, entry.number);
            self.clients_in_use.store(Arc::default());
        }
        if let Some(user) = event.changed_user() {
            self.usernames.remove(&user);
        }
    }
}

/// On the heap, because it is seldom needed: a request that needs no database is not to carry room for one.
fn within_limit<'a, T: 'a>(
    question: impl Future<Output = Result<T, Unavailable>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>> {
    Box::pin(async {
        match tokio::time::timeout(QUESTION_LIMIT, question).await {
            Ok(answer) => answer,
            Err(_) => Err(Unavailable("the database did not answer within a second".into())),
        }
    })
}
