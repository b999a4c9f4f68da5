//! The keys of clients and of trusted issuers: those that were registered, parsed once, and those at their `jwks_uri`, fetched when they
//! are needed. Where the keys of an issuer are, its discovery document may say, which is fetched and kept in the same way.
//!
//! Fetched keys are used for as long as their server says, within bounds. Requests that need the same ones at the same time share
//! one call, which goes on when its request is gone. After a call, there is no other to the same address for [`PAUSE`] seconds:
//! until then a call that failed fails again at once, and a key that was not there is not looked for.

mod discovery;

use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use tokio::sync::OwnedMutexGuard;
use url::Url;

use crate::calling_out::{Answer, Caller, Purpose};
use crate::clock::Clock;
use crate::current_request;
use crate::jose::key_set::KeySet;
use crate::protocol::client::{Client, Jwks};
use crate::protocol::time::Timestamp;
use crate::protocol::trusted_issuer::TrustedIssuer;
use discovery::Discovery;

/// The most clients and issuers whose registered keys are kept parsed.
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

/// Something could not be fetched. That is never a reason to refuse a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at {address} could not be fetched: {problem}")]
pub struct Unfetched {
    what: &'static str,
    address: Arc<str>,
    problem: String,
}

/// What is fetched.
pub trait Content: Sized + Send + Sync + 'static {
    /// What it is, for the log.
    const WHAT: &'static str;

    /// Reads the answer of a server.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(body: &[u8]) -> Result<Self, String>;
}

impl Content for KeySet {
    const WHAT: &'static str = "the keys";

    fn read(body: &[u8]) -> Result<Self, String> {
        Self::in_document(body).ok_or_else(|| "its answer is no set of keys".to_owned())
    }
}

/// Keys, or where they are, as they were fetched.
#[derive(Debug)]
pub struct Fetched<C = KeySet> {
    content: Arc<C>,
    /// When the call began.
    at: Timestamp,
    /// Seconds for which they are used before they are fetched anew.
    fresh_for: i64,
    etag: Option<String>,
}

impl Fetched {
    /// The keys.
    pub fn keys(&self) -> &KeySet {
        &self.content
    }
}

impl<C: Content> Fetched<C> {
    fn of(answer: Answer, before: Option<&Self>, at: Timestamp) -> Result<Self, String> {
        let age = answer.max_age.map_or(USUALLY_FRESH, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        let content = match before {
            Some(before) if answer.is_unchanged => Arc::clone(&before.content),
            _ => Arc::new(C::read(&answer.body)?),
        };
        let etag =
            answer.etag.or_else(|| before.filter(|_| answer.is_unchanged).and_then(|before| before.etag.clone()));
        Ok(Self { content, at, fresh_for: age.clamp(*FRESH.start(), *FRESH.end()), etag })
    }
}

/// Whether a moment lies less than so many seconds back. One in the future, before a clock was set back, does not.
fn is_within(at: Timestamp, seconds: i64, now: Timestamp) -> bool {
    (0..seconds * 1000).contains(&now.millis().saturating_sub(at.millis()))
}

/// An address with keys.
#[derive(Debug)]
struct Source<C> {
    address: Arc<str>,
    state: Mutex<State<C>>,
    /// Held during a call.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct State<C> {
    fetched: Option<Arc<Fetched<C>>>,
    /// Since then, if the last call failed.
    failed: Option<(Timestamp, Unfetched)>,
}

impl<C> Default for State<C> {
    fn default() -> Self {
        Self { fetched: None, failed: None }
    }
}

impl<C> Clone for State<C> {
    fn clone(&self) -> Self {
        Self { fetched: self.fetched.clone(), failed: self.failed.clone() }
    }
}

impl<C> State<C> {
    fn recent_failure(&self, now: Timestamp) -> Option<&Unfetched> {
        self.failed.as_ref().filter(|(at, _)| is_within(*at, PAUSE, now)).map(|(_, problem)| problem)
    }
}

impl<C: Content> Source<C> {
    fn new(address: &str) -> Self {
        Self { address: address.into(), state: Mutex::default(), turn: Arc::default() }
    }

    fn state(&self) -> State<C> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls, and keeps what comes of it.
    async fn call(&self, caller: &Caller, clock: &Clock) -> Result<Arc<Fetched<C>>, Unfetched> {
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
                let unfetched = Unfetched { what: C::WHAT, address: Arc::clone(&self.address), problem };
                state.failed = Some((clock.now(), unfetched.clone()));
                Err(unfetched)
            }
        }
    }
}

/// Calls in a task of its own: whoever asked for it may leave, while others wait for it. It stays within the request that asked.
async fn call<C: Content>(
    source: &Arc<Source<C>>,
    caller: &Caller,
    clock: &Clock,
    turn: OwnedMutexGuard<()>,
) -> Result<Arc<Fetched<C>>, Unfetched> {
    let task = tokio::spawn({
        let (source, caller, clock) = (Arc::clone(source), caller.clone(), clock.clone());
        current_request::within(current_request::current(), async move {
            let outcome = source.call(&caller, &clock).await;
            drop(turn);
            outcome
        })
    });
    let ended = |error: tokio::task::JoinError| {
        Err(Unfetched { what: C::WHAT, address: Arc::clone(&source.address), problem: error.to_string() })
    };
    task.await.unwrap_or_else(ended)
}

/// What is fetched from many addresses.
#[derive(Debug)]
struct Sources<C>(Cache<String, Arc<Source<C>>>);

impl<C: Content> Sources<C> {
    fn new() -> Self {
        Self(Cache::new(MOST_ADDRESSES))
    }

    fn at(&self, address: &str) -> Arc<Source<C>> {
        let new = || Ok::<_, Infallible>(Arc::new(Source::new(address)));
        let Ok(source) = self.0.get_or_insert_with(address, new);
        source
    }
}

/// The keys of clients and issuers.
#[derive(Debug)]
pub struct KeySets {
    clock: Clock,
    registered: Cache<String, Arc<(Jwks, KeySet)>>,
    sources: Sources<KeySet>,
    discoveries: Sources<Discovery>,
}

impl KeySets {
    /// Without any keys yet.
    pub fn new(clock: Clock) -> Self {
        let registered = Cache::new(MOST_CLIENTS);
        Self { clock, registered, sources: Sources::new(), discoveries: Sources::new() }
    }

    /// The keys that are registered for a client, if there are any.
    pub fn registered(&self, client: &Client) -> Option<Arc<(Jwks, KeySet)>> {
        self.parsed(&client.client_id, client.settings.jwks.as_ref()?)
    }

    /// The keys that are registered for an issuer, if there are any.
    pub fn registered_for(&self, issuer: &TrustedIssuer) -> Option<Arc<(Jwks, KeySet)>> {
        // No client_id has a NUL.
        self.parsed(&format!("\0{}", issuer.issuer), issuer.settings.jwks.as_ref()?)
    }

    fn parsed(&self, holder: &str, jwks: &Jwks) -> Option<Arc<(Jwks, KeySet)>> {
        if let Some(known) = self.registered.get(holder)
            && known.0 == *jwks
        {
            return Some(known);
        }
        let parsed = Arc::new((jwks.clone(), KeySet::usable(&jwks.0)?));
        self.registered.insert(holder.to_owned(), Arc::clone(&parsed));
        Some(parsed)
    }

    /// Where the keys of an issuer are that publishes a discovery document (OpenID Connect Discovery §4).
    ///
    /// # Errors
    /// [`Unfetched`], also if the document is that of another issuer.
    pub async fn discover(&self, caller: &Caller, issuer: &str) -> Result<String, Unfetched> {
        let address = discovery::address(issuer);
        let found = self.from(&self.discoveries.at(&address), caller).await?;
        found.content.keys_of(issuer).map(str::to_owned).map_err(|problem| Unfetched {
            what: Discovery::WHAT,
            address: address.into(),
            problem,
        })
    }

    /// Where the keys of an issuer are by now, if that is somewhere else; `None` also if it was asked a moment ago.
    ///
    /// # Errors
    /// [`Unfetched`]; then nobody knows.
    pub async fn rediscover(&self, caller: &Caller, issuer: &str, than: &str) -> Result<Option<String>, Unfetched> {
        let source = self.discoveries.at(&discovery::address(issuer));
        let before = source.state().fetched;
        if self.newer_at(&source, caller, before.as_ref()).await?.is_none() {
            return Ok(None);
        }
        let address = self.discover(caller, issuer).await?;
        Ok((address != than).then_some(address))
    }

    /// The keys at an address.
    ///
    /// # Errors
    /// [`Unfetched`] if there are none, or only such as are too old.
    pub async fn at(&self, caller: &Caller, address: &str) -> Result<Arc<Fetched>, Unfetched> {
        self.from(&self.sources.at(address), caller).await
    }

    async fn from<C: Content>(&self, source: &Arc<Source<C>>, caller: &Caller) -> Result<Arc<Fetched<C>>, Unfetched> {
        let (state, now) = (source.state(), self.clock.now());
        let usable = state.fetched.as_ref().filter(|fetched| is_within(fetched.at, LONGEST_USE, now));
        let Some(old) = usable else {
            let newer = self.newer_at(source, caller, state.fetched.as_ref()).await?;
            // There is one: none that was there before is recent.
            let too_old = || Unfetched {
                what: C::WHAT,
                address: Arc::clone(&source.address),
                problem: "they are too old".into(),
            };
            return newer.ok_or_else(too_old);
        };
        if is_within(old.at, old.fresh_for, now) || state.recent_failure(now).is_some() {
            return Ok(Arc::clone(old));
        }
        // Only one request waits for the new ones.
        let Ok(turn) = Arc::clone(&source.turn).try_lock_owned() else { return Ok(Arc::clone(old)) };
        match call(source, caller, &self.clock, turn).await {
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
        self.newer_at(&self.sources.at(address), caller, Some(than)).await
    }

    async fn newer_at<C: Content>(
        &self,
        source: &Arc<Source<C>>,
        caller: &Caller,
        before: Option<&Arc<Fetched<C>>>,
    ) -> Result<Option<Arc<Fetched<C>>>, Unfetched> {
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
}

#[cfg(test)]
mod tests;
