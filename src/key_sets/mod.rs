//! The keys of clients: those that were registered, parsed once, and those at their `jwks_uri`, fetched when they are needed.
//!
//! Fetched keys are used for as long as their server says, within bounds. Requests that need the same ones at the same time share
//! one call, which goes on when its request is gone. After a call, there is no other to the same address for [`PAUSE`] seconds:
//! until then a call that failed fails again at once, and a key that was not there is not looked for.

use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use tokio::sync::OwnedMutexGuard;
use url::Url;

use crate::calling_out::{Answer, Caller, Purpose};
use crate::clock::Clock;
use crate::jose::key_set::KeySet;
use crate::protocol::client::{Client, Jwks};
use crate::protocol::time::Timestamp;

/// The most clients whose registered keys are kept parsed.
const MOST_CLIENTS: usize = 10_000;
/// The most addresses whose keys are kept.
const MOST_ADDRESSES: usize = 1000;

/// Seconds between two calls to one address.
pub const PAUSE: i64 = 10;
/// Seconds for which keys are used before they are fetched anew, whatever their server says.
const FRESH: RangeInclusive<i64> = 60..=3600;
/// The same if their server says nothing.
const USUALLY_FRESH: i64 = 300;
/// Seconds for which keys are used if they cannot be fetched anew.
const LONGEST_USE: i64 = 2 * 3600;

/// Keys could not be fetched. That is never a reason to refuse a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys at {address} could not be fetched: {problem}")]
pub struct Unfetched {
    address: Arc<str>,
    problem: String,
}

/// Keys as they were fetched.
#[derive(Debug)]
pub struct Fetched {
    keys: Arc<KeySet>,
    /// When the call began.
    at: Timestamp,
    /// Seconds for which they are used before they are fetched anew.
    fresh_for: i64,
    etag: Option<String>,
}

impl Fetched {
    /// The keys.
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    fn of(answer: Answer, before: Option<&Self>, at: Timestamp) -> Result<Self, String> {
        let age = answer.max_age.map_or(USUALLY_FRESH, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        let keys = match before {
            Some(before) if answer.is_unchanged => Arc::clone(&before.keys),
            _ => Arc::new(KeySet::in_document(&answer.body).ok_or("its answer is no set of keys")?),
        };
        let etag =
            answer.etag.or_else(|| before.filter(|_| answer.is_unchanged).and_then(|before| before.etag.clone()));
        Ok(Self { keys, at, fresh_for: age.clamp(*FRESH.start(), *FRESH.end()), etag })
    }
}

/// Whether a moment lies less than so many seconds back. One in the future, before a clock was set back, does not.
fn is_within(at: Timestamp, seconds: i64, now: Timestamp) -> bool {
    (0..seconds * 1000).contains(&now.millis().saturating_sub(at.millis()))
}

/// An address with keys.
#[derive(Debug)]
struct Source {
    address: Arc<str>,
    state: Mutex<State>,
    /// Held during a call.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    fetched: Option<Arc<Fetched>>,
    /// Since then, if the last call failed.
    failed: Option<(Timestamp, Unfetched)>,
}

impl State {
    fn recent_failure(&self, now: Timestamp) -> Option<&Unfetched> {
        self.failed.as_ref().filter(|(at, _)| is_within(*at, PAUSE, now)).map(|(_, problem)| problem)
    }
}

impl Source {
    fn new(address: &str) -> Self {
        Self { address: address.into(), state: Mutex::default(), turn: Arc::default() }
    }

    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls, and keeps what comes of it.
    async fn call(&self, caller: &Caller, clock: &Clock) -> Result<Arc<Fetched>, Unfetched> {
        let (begun, before) = (clock.now(), self.state().fetched);
        let etag = before.as_ref().and_then(|before| before.etag.as_deref());
        let answer = match Url::parse(&self.address) {
            Ok(url) => caller.get(Purpose::KeySet, &url, etag).await.map_err(|refused| refused.to_string()),
            Err(_) => Err("it is no URL".to_owned()),
        };
        let fetched = answer.and_then(|answer| Fetched::of(answer, before.as_deref(), begun));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(fetched) => {
                let fetched = Arc::new(fetched);
                *state = State { fetched: Some(Arc::clone(&fetched)), failed: None };
                Ok(fetched)
            }
            Err(problem) => {
                let unfetched = Unfetched { address: Arc::clone(&self.address), problem };
                state.failed = Some((clock.now(), unfetched.clone()));
                Err(unfetched)
            }
        }
    }
}

/// Calls in a task of its own: whoever asked for it may leave, while others wait for it.
async fn call(
    source: &Arc<Source>,
    caller: &Caller,
    clock: &Clock,
    turn: OwnedMutexGuard<()>,
) -> Result<Arc<Fetched>, Unfetched> {
    let task = tokio::spawn({
        let (source, caller, clock) = (Arc::clone(source), caller.clone(), clock.clone());
        async move {
            let outcome = source.call(&caller, &clock).await;
            drop(turn);
            outcome
        }
    });
    let ended = |error: tokio::task::JoinError| {
        Err(Unfetched { address: Arc::clone(&source.address), problem: error.to_string() })
    };
    task.await.unwrap_or_else(ended)
}

/// The keys of clients.
#[derive(Debug)]
pub struct KeySets {
    clock: Clock,
    registered: Cache<String, Arc<(Jwks, KeySet)>>,
    sources: Cache<String, Arc<Source>>,
}

impl KeySets {
    /// Without any keys yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, registered: Cache::new(MOST_CLIENTS), sources: Cache::new(MOST_ADDRESSES) }
    }

    /// The keys that are registered for a client, if there are any.
    pub fn registered(&self, client: &Client) -> Option<Arc<(Jwks, KeySet)>> {
        let jwks = client.settings.jwks.as_ref()?;
        if let Some(known) = self.registered.get(client.client_id.as_str())
            && known.0 == *jwks
        {
            return Some(known);
        }
        let parsed = Arc::new((jwks.clone(), KeySet::usable(&jwks.0)?));
        self.registered.insert(client.client_id.clone(), Arc::clone(&parsed));
        Some(parsed)
    }

    /// The keys at an address.
    ///
    /// # Errors
    /// [`Unfetched`] if there are none, or only such as are too old.
    pub async fn at(&self, caller: &Caller, address: &str) -> Result<Arc<Fetched>, Unfetched> {
        let source = self.source(address);
        let (state, now) = (source.state(), self.clock.now());
        let usable = state.fetched.as_ref().filter(|fetched| is_within(fetched.at, LONGEST_USE, now));
        let Some(old) = usable else {
            let newer = self.newer_at(&source, caller, state.fetched.as_ref()).await?;
            // There is one: none that was there before is recent.
            return newer.ok_or_else(|| Unfetched { address: address.into(), problem: "they are too old".into() });
        };
        if is_within(old.at, old.fresh_for, now) || state.recent_failure(now).is_some() {
            return Ok(Arc::clone(old));
        }
        // Only one request waits for the new ones.
        let Ok(turn) = Arc::clone(&source.turn).try_lock_owned() else { return Ok(Arc::clone(old)) };
        match call(&source, caller, &self.clock, turn).await {
            Ok(newer) => Ok(newer),
            Err(problem) => {
                tracing::warn!(%problem, "the keys of a client that were fetched before are used");
                Ok(Arc::clone(old))
            }
        }
    }

    /// Keys that were fetched after these, to look for one that is not among them; `None` if these are recent.
    ///
    /// # Errors
    /// [`Unfetched`]; then nobody knows.
    pub async fn newer(
        &self,
        caller: &Caller,
        address: &str,
        than: &Arc<Fetched>,
    ) -> Result<Option<Arc<Fetched>>, Unfetched> {
        self.newer_at(&self.source(address), caller, Some(than)).await
    }

    async fn newer_at(
        &self,
        source: &Arc<Source>,
        caller: &Caller,
        before: Option<&Arc<Fetched>>,
    ) -> Result<Option<Arc<Fetched>>, Unfetched> {
        // Whoever waited here takes what came of the call.
        let turn = Arc::clone(&source.turn).lock_owned().await;
        let (state, now) = (source.state(), self.clock.now());
        if let Some(fetched) = state.fetched.as_ref()
            && before.is_none_or(|before| !Arc::ptr_eq(before, fetched))
        {
            return Ok(Some(Arc::clone(fetched)));
        }
        if let Some(problem) = state.recent_failure(now) {
            return Err(problem.clone());
        }
        if before.is_some_and(|before| is_within(before.at, PAUSE, now)) {
            return Ok(None);
        }
        call(source, caller, &self.clock, turn).await.map(Some)
    }

    fn source(&self, address: &str) -> Arc<Source> {
        let new = || Ok::<_, Infallible>(Arc::new(Source::new(address)));
        let Ok(source) = self.sources.get_or_insert_with(address, new);
        source
    }
}

#[cfg(test)]
mod tests;
