//! What a node keeps in memory, and how it is kept true.
//!
//! The truth is the numbered log in the database. A node follows it, so that its memory holds everything up to the
//! number it has *applied*; the *age* of the view is the time since the last complete look at the log began. Past the
//! allowed age nothing is answered from memory: the log is read first, and if that fails the answer is 503.

mod age;
mod clients;
mod follower;
mod measures;
mod membership;
mod poll;
mod revocations;

use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};

pub use follower::Follower;
pub use measures::Measures;
pub use membership::SILENCE;

use crate::clock::Clock;
use crate::issuer::{CurrentKeys, Issuer};
use crate::keys::master::MasterKeys;
use crate::protocol::cause::Cause;
use crate::protocol::claims::{AccessClaims, LEEWAY};
use crate::protocol::client::{Client, check_client_id};
use crate::protocol::revocation::{Revocation, SequenceNumber};
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::store::{self, ClientsInUse, Covered, Logged, Pace, Store, StoreError};
use age::{LastTime, Watch};
use clients::ClientCache;
use membership::Membership;
use revocations::Revocations;

/// The most usernames that are remembered.
const MOST_USERNAMES: usize = 20_000;
/// The most verified tokens that are remembered.
const MOST_VERIFIED: usize = 20_000;
/// The least time between two looks at the log that strangers can cause.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// The longest wait for the answer to a question about what memory lacks.
const QUESTION_LIMIT: Duration = Duration::from_secs(1);
/// Seconds for which a revocation stays in memory when all that it covers has expired.
pub const KEPT_WHEN_OVER: i64 = 3600;
/// Questions about the past that are asked at the same time.
const HISTORY_TURNS: usize = 4;

/// The view cannot be trusted and the database did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// What a node keeps in memory.
pub struct NodeState {
    store: Store,
    clock: Clock,
    /// None before it is loaded.
    masters: OnceLock<Arc<MasterKeys>>,
    issuer: Arc<Issuer>,
    max_staleness: Duration,
    applied: AtomicI64,
    revocations: RwLock<Revocations>,
    clients: ClientCache,
    clients_in_use: ArcSwap<Option<ClientsInUse>>,
    usernames: Cache<String, Arc<str>>,
    verified: Cache<[u8; 32], (u64, Arc<AccessClaims>)>,
    watch: Watch,
    /// When the last complete look at the log began.
    looked_at: LastTime,
    /// The node that this view serves, if it serves one.
    membership: Membership,
    /// Counts what may have made an answer of the database stale.
    changes: AtomicU64,
    pace: Pace,
    /// Counts the looks that have begun.
    looks_begun: AtomicU64,
    /// Which look was the last to succeed, so that one look serves all who wait for it.
    last_good_look: AtomicU64,
    looking: AsyncMutex<()>,
    history_turns: Semaphore,
    /// The latest moment by which revocations were forgotten, in milliseconds.
    forgot_by: AtomicI64,
    /// Why the last look at the log failed, if it did.
    trouble: Mutex<Option<String>>,
    /// What is measured.
    pub measures: Measures,
}

impl std::fmt::Debug for NodeState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "NodeState(applied {})", self.applied())
    }
}

impl NodeState {
    /// A state that is not loaded: it holds nothing, and nothing may be answered from it.
    pub fn new(store: Store, clock: Clock, issuer: Arc<Issuer>, max_staleness: Duration) -> Self {
        let watch = Watch::new(clock.clone());
        Self {
            store,
            clock,
            masters: OnceLock::new(),
            issuer,
            max_staleness,
            applied: AtomicI64::new(0),
            revocations: RwLock::default(),
            clients: ClientCache::default(),
            clients_in_use: ArcSwap::default(),
            usernames: Cache::new(MOST_USERNAMES),
            verified: Cache::new(MOST_VERIFIED),
            looked_at: LastTime::new(watch.now()),
            membership: Membership::new(watch.now()),
            watch,
            changes: AtomicU64::default(),
            pace: Pace::new(BETWEEN_LOOKS),
            looks_begun: AtomicU64::new(0),
            last_good_look: AtomicU64::new(0),
            looking: AsyncMutex::default(),
            history_turns: Semaphore::new(HISTORY_TURNS),
            forgot_by: AtomicI64::new(i64::MIN),
            trouble: Mutex::default(),
            measures: Measures::default(),
        }
    }

    /// Loads everything from the database.
    ///
    /// # Errors
    /// When the database cannot be reached, or a key cannot be unwrapped with this master key.
    pub async fn load(&self, masters: Arc<MasterKeys>) -> Result<(), Unavailable> {
        let begun = self.watch.now();
        _ = self.masters.set(masters);
        self.load_all().await?;
        self.looked_at.set(begun);
        Ok(())
    }

    /// The master keys that it was loaded with.
    pub fn master_keys(&self) -> Option<Arc<MasterKeys>> {
        self.masters.get().cloned()
    }

    /// Runs a write and returns its outcome once this node has applied what the write appended to the log. The command
    /// line has nothing loaded and leaves that to the servers.
    ///
    /// # Errors
    /// Those of the write. If this node cannot read the log afterwards, the write stands all the same, and this node
    /// applies it within the bound that holds for every node.
    pub async fn honour<T>(&self, write: impl Future<Output = store::Result<Logged<T>>>) -> store::Result<T> {
        let apply = async {
            match self.masters.get() {
                Some(_) => self.catch_up().await.map_err(|Unavailable(reason)| StoreError::Unavailable(reason)),
                None => Ok(()),
            }
        };
        write.await?.once_applied(apply).await
    }

    /// The log number up to which everything is applied.
    pub fn applied(&self) -> SequenceNumber {
        self.applied.load(Ordering::Acquire)
    }

    /// The time since the last complete look at the log began.
    pub fn age(&self) -> Duration {
        self.looked_at.elapsed(self.watch.now())
    }

    /// Whether the view is young enough to answer from.
    pub fn is_fresh(&self) -> bool {
        let now = self.watch.now();
        self.looked_at.elapsed(now) <= self.max_staleness
            && !self.membership.has_lapsed(now)
            && !self.forgot_too_early()
    }

    /// Whether the clock went back behind a moment by which revocations were forgotten: some may be in force again.
    fn forgot_too_early(&self) -> bool {
        self.clock.now().millis() < self.forgot_by.load(Ordering::Acquire)
    }

    /// What was over by this moment is forgotten. It is well past, so that a token that was revoked and then expired is
    /// told from one that only expired, and that this clock may be a little ahead.
    fn forgotten_by(&self) -> Timestamp {
        self.clock.now().plus_seconds(-KEPT_WHEN_OVER)
    }

    /// What is in the way of answering from memory, if anything is: one sentence for operators.
    pub fn obstacle(&self) -> Option<String> {
        if self.is_fresh() {
            return None;
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let why = trouble.unwrap_or_else(|| "the database does not answer".into());
        let (now, age) = (self.watch.now(), self.age());
        Some(if age > self.max_staleness {
            format!("the log of changes was last read {} ms ago: {why}", age.as_millis())
        } else if self.membership.has_lapsed(now) {
            format!("this node could not tell the others for too long that it is alive: {why}")
        } else {
            "the clock went back; everything is loaded anew".to_owned()
        })
    }

    /// Notes how a look at the log went.
    fn note_trouble(&self, outcome: &Result<(), Unavailable>) {
        let trouble = outcome.as_ref().err().map(|Unavailable(text)| text.clone());
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// How many revocations are in force.
    pub fn revocations_held(&self) -> usize {
        self.revocations.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The cause for which an access token is revoked, if it is.
    ///
    /// # Errors
    /// When memory is too old and the database does not answer.
    pub async fn revocation_of(&self, claims: &AccessClaims) -> Result<Option<Cause>, Unavailable> {
        self.ensure_fresh().await?;
        Ok(self.revocations.read().unwrap_or_else(PoisonError::into_inner).covering(claims))
    }

    /// Every revocation in memory that covers an access token: the cause, and about when.
    pub fn revocations_of(&self, claims: &AccessClaims) -> Vec<(Cause, Timestamp)> {
        let revocations = self.revocations.read().unwrap_or_else(PoisonError::into_inner);
        // A number is the time of its commit, unless many were committed at once.
        revocations.all_covering(claims).map(|(cause, number)| (cause, Timestamp::from_millis(number))).collect()
    }

    /// What the log tells of the revocations that cover something. Few are asked at the same time: who is not patient is
    /// turned away when others are asking.
    ///
    /// # Errors
    /// When the database does not answer, or is asked too much.
    pub async fn history(&self, covered: &Covered, is_patient: bool) -> Result<Vec<Revocation>, Unavailable> {
        let busy = || Unavailable("the log is asked too much".into());
        within_limit(async {
            let turn = if is_patient {
                self.history_turns.acquire().await.ok()
            } else {
                self.history_turns.try_acquire().ok()
            };
            let _turn = turn.ok_or_else(busy)?;
            Ok(self.store.revocations_covering(covered).await?)
        })
        .await
    }

    /// Goes on at once while the view is young enough; otherwise looks at the log first, within a second.
    ///
    /// # Errors
    /// When the database does not answer.
    async fn ensure_fresh(&self) -> Result<(), Unavailable> {
        if self.is_fresh() {
            return Ok(());
        }
        self.measures.fallbacks.inc();
        within_limit(self.catch_up()).await
    }

    /// Looks at the log within a second, before something is refused because of what memory lacks; a bounded number of
    /// times a second, each time for all that wait by then.
    ///
    /// # Errors
    /// When the database does not answer, or is asked too much.
    pub async fn ensure_current(&self) -> Result<(), Unavailable> {
        within_limit(self.catch_up_in_turn(Some(&self.pace))).await
    }

    /// The client of this id, if it is in memory.
    ///
    /// # Errors
    /// When memory is too old and the database does not answer.
    pub async fn client_in_memory(&self, client_id: &str) -> Result<Option<Arc<Client>>, Unavailable> {
        self.ensure_fresh().await?;
        Ok(self.clients.get(client_id))
    }

    /// The sequence number up to which a fresh node has applied the log: what it issues from here on is covered by whatever
    /// is revoked later.
    ///
    /// # Errors
    /// When memory is too old and the database does not answer.
    pub async fn fresh_sequence_number(&self) -> Result<SequenceNumber, Unavailable> {
        self.ensure_fresh().await?;
        Ok(self.applied())
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

    /// The scope that a token grants now: a reserved scope counts only as long as its client still has it.
    ///
    /// # Errors
    /// When memory lacks the client and the database does not answer.
    pub async fn scope_held(&self, claims: &AccessClaims) -> Result<Scope, Unavailable> {
        let granted = claims.scope.clone().unwrap_or_default();
        if !granted.has_reserved() {
            return Ok(granted);
        }
        let client = self.client(&claims.client_id).await?;
        Ok(client.map(|client| granted.intersection(&client.settings.scope)).unwrap_or_default())
    }

    /// Whether a token carries a sequence number beyond the log and beyond the present. No revocation could ever cover
    /// it: it comes from another database, or from one that was restored since.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_beyond_log(&self, claims: &AccessClaims) -> Result<bool, Unavailable> {
        let now = self.clock.now().seconds();
        if claims.log <= self.applied().max((now + LEEWAY) * 1000) {
            return Ok(false);
        }
        self.ensure_current().await?;
        Ok(claims.log > self.applied())
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
        let as_of = self.changes.load(Ordering::Acquire);
        let fresh = Arc::new(Some(within_limit(async { Ok(self.store.clients_in_use().await?) }).await?));
        self.clients_in_use.store(Arc::clone(&fresh));
        // What may have changed while it was read is not kept.
        if self.changes.load(Ordering::Acquire) != as_of {
            self.clients_in_use.store(Arc::default());
        }
        Ok(fresh)
    }

    /// The name of a user, for introspection.
    ///
    /// # Errors
    /// When it is not in memory and the database does not answer.
    pub async fn username(&self, sub: &str) -> Result<Option<Arc<str>>, Unavailable> {
        if let Some(name) = self.usernames.get(sub) {
            return Ok(Some(name));
        }
        let as_of = self.changes.load(Ordering::Acquire);
        let found = within_limit(async { Ok(self.store.user_with_sub(sub).await?) }).await?;
        let Some(user) = found else { return Ok(None) };
        let name: Arc<str> = user.username.into();
        self.usernames.insert(sub.to_owned(), Arc::clone(&name));
        // What may have changed while it was read is not kept.
        if self.changes.load(Ordering::Acquire) != as_of {
            self.usernames.remove(sub);
        }
        Ok(Some(name))
    }

    /// The claims of a token that was verified before with the keys that this issuer still has.
    ///
    /// # Errors
    /// When memory is too old (a key may have been withdrawn) and the database does not answer.
    pub async fn verified(&self, issuer: &Issuer, hash: &[u8; 32]) -> Result<Option<Arc<AccessClaims>>, Unavailable> {
        self.ensure_fresh().await?;
        let Some((generation, claims)) = self.verified.get(hash) else { return Ok(None) };
        Ok(issuer.has_keys_of(generation).then_some(claims))
    }

    /// Remembers that a token was verified with these keys.
    pub fn remember_verified(&self, hash: [u8; 32], keys: &CurrentKeys, claims: Arc<AccessClaims>) {
        self.verified.insert(hash, (keys.generation(), claims));
    }

    /// Drops what no longer covers anything.
    pub fn forget_what_is_over(&self) {
        let over = self.forgotten_by();
        self.forgot_by.fetch_max(over.millis(), Ordering::AcqRel);
        self.revocations.write().unwrap_or_else(PoisonError::into_inner).forget_before(over);
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
