//! What a node keeps in memory, and how it is kept true.
//!
//! The truth is the numbered log in the database. A node follows it, so that its memory holds everything up to the
//! number that it has *applied*. The *age* of its memory is the time since the last complete poll of the log began.
//! Past the allowed age the node polls the log before it answers, and if that fails the answer is 503.

mod age;
mod client_cache;
mod follower;
mod freshness;
mod in_use;
mod issuers;
mod judgement;
mod load;
mod lookup;
mod measures;
mod membership;
mod poll;
mod proofs;
mod resources;
mod revocations;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use quick_cache::sync::Cache;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use uuid::Uuid;

pub use follower::Follower;
pub(crate) use issuers::trust_in;
pub(crate) use judgement::KEPT_WHEN_OVER;
pub use lookup::KnownUser;
pub use measures::Measures;
pub use proofs::{ProofId, ProofUse};

use crate::clock::Clock;
use crate::issuer::Issuer;
use crate::keys::master::MasterKeys;
use crate::protocol::claims::AccessClaims;
use crate::protocol::resource::Resources;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::trusted_issuer::TrustedIssuers;
use crate::store::{Pace, Store, StoreError};
use age::{LastTime, Watch};
use client_cache::ClientCache;
use in_use::InUse;
use lookup::Weight;
use membership::Membership;
use proofs::UsedProofs;
use revocations::Revocations;

/// The most users that are remembered.
const MOST_USERS: usize = 20_000;
/// The most room for them, in bytes.
const ROOM_FOR_USERS: u64 = 16 << 20;
/// The most sessions whose requests for claims are remembered.
const MOST_CLAIMS_REQUESTS: usize = 20_000;
/// The most verified tokens that are remembered.
const MOST_VERIFIED: usize = 20_000;
/// The least time between two polls of the log that unauthenticated callers can cause.
const BETWEEN_POLLS: Duration = Duration::from_millis(10);
/// The longest wait for what memory lacks.
const QUERY_LIMIT: Duration = Duration::from_secs(1);
/// Callers that may read the revocations of the past at the same time.
const HISTORY_TURNS: usize = 4;

/// Memory is too old, or lacks what is needed, and the database did not answer.
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
    /// Empty before the state is loaded.
    masters: OnceLock<Arc<MasterKeys>>,
    issuer: Arc<Issuer>,
    max_staleness: Duration,
    applied: AtomicI64,
    revocations: RwLock<Revocations>,
    clients: ClientCache,
    in_use: InUse,
    resources: ArcSwap<Resources>,
    trusted_issuers: ArcSwap<TrustedIssuers>,
    /// The names of the rules of those by which subjects are accepted.
    trusted_rules: ArcSwap<HashSet<String>>,
    users: Cache<String, Arc<KnownUser>, Weight>,
    claims_requests: Cache<Uuid, Arc<[String]>>,
    verified: Cache<[u8; 32], (u64, Arc<AccessClaims>)>,
    proofs: UsedProofs,
    /// When the last good exchange of proofs with the other nodes began.
    proofs_exchanged_at: LastTime,
    watch: Watch,
    /// When the last complete poll of the log began.
    polled_at: LastTime,
    /// This node on the list of nodes, if it is a server.
    membership: Membership,
    /// Counts changes, so that a row that was read before one is not kept after it.
    changes: AtomicU64,
    pace: Pace,
    /// Counts the polls that have begun.
    polls_begun: AtomicU64,
    /// The number of the last poll that succeeded, so that one poll serves all callers that wait for it.
    last_good_poll: AtomicU64,
    polling: AsyncMutex<()>,
    history_turns: Semaphore,
    /// The latest moment by which revocations were forgotten, in milliseconds.
    forgot_by: AtomicI64,
    /// Why the last poll failed, if it did.
    poll_error: Mutex<Option<String>>,
    /// Its metrics.
    pub measures: Measures,
}

impl std::fmt::Debug for NodeState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "NodeState(applied {})", self.applied())
    }
}

impl NodeState {
    /// An empty state. Load it before anything is answered from it.
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
            in_use: InUse::default(),
            resources: ArcSwap::default(),
            trusted_issuers: ArcSwap::default(),
            trusted_rules: ArcSwap::default(),
            users: Cache::with_weighter(MOST_USERS, ROOM_FOR_USERS, Weight),
            claims_requests: Cache::new(MOST_CLAIMS_REQUESTS),
            verified: Cache::new(MOST_VERIFIED),
            proofs: UsedProofs::default(),
            proofs_exchanged_at: LastTime::new(watch.now()),
            polled_at: LastTime::new(watch.now()),
            membership: Membership::new(watch.now()),
            watch,
            changes: AtomicU64::default(),
            pace: Pace::new(BETWEEN_POLLS),
            polls_begun: AtomicU64::new(0),
            last_good_poll: AtomicU64::new(0),
            polling: AsyncMutex::default(),
            history_turns: Semaphore::new(HISTORY_TURNS),
            forgot_by: AtomicI64::new(i64::MIN),
            poll_error: Mutex::default(),
            measures: Measures::default(),
        }
    }

    /// The master keys that it was loaded with, if it was loaded.
    pub fn master_keys(&self) -> Option<Arc<MasterKeys>> {
        self.masters.get().cloned()
    }

    /// The sequence number up to which everything is applied.
    pub fn applied(&self) -> SequenceNumber {
        self.applied.load(Ordering::Acquire)
    }
}

/// Waits for the database, for at most [`QUERY_LIMIT`]. Boxed because it is seldom needed: otherwise each request would
/// carry room for a query.
fn within_limit<'a, T: 'a>(
    query: impl Future<Output = Result<T, Unavailable>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>> {
    Box::pin(async {
        match tokio::time::timeout(QUERY_LIMIT, query).await {
            Ok(answer) => answer,
            Err(_) => Err(Unavailable("the database did not answer within a second".into())),
        }
    })
}
