//! Slows down those who guess passwords and secrets, and nobody else.
//!
//! Failed logins are counted under three names: the account from one network, the account from all networks that it is
//! not known from (all nodes together, in the database), and the network. A user who logged in from a network before is
//! known there: neither what others do elsewhere nor what they do to other accounts makes that user wait. Failed client
//! authentication is counted under the client from one network, and under the network; never under the client alone, so
//! that nobody can silence a client by knowing its id. A right generated secret is never made to wait: nobody guesses
//! 256 bits.
//!
//! An attempt that has to wait is not judged, whether it was right or not. Attempts are judged for it again after the
//! password was hashed, so that guesses in parallel gain nothing; without failures, logins in parallel never wait. Whoever
//! goes away before the verdict has failed: a hash that was begun is made to its end.

pub(crate) mod limits;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use crate::app::{App, Request, Result, Throttled};
use crate::clock::Clock;
use crate::crypto::sha256;
use crate::passwords::pool::{Overloaded, Precedence};
use crate::protocol::backoff::{Backoff, Failures, Network};
use crate::protocol::identity::Identity;
use crate::protocol::time::Timestamp;
use crate::store::{Audited, LoginRecord, StoreError, account_digest};
use crate::throttle::limits::Limit;

/// Failed logins to one account from one network; the same for a user who is known there and for one who does not exist.
const ACCOUNT_AND_NETWORK: Backoff = Backoff { free: 10, forgiven_after: 60, longest: 60 };
/// Failed logins to one account from all networks that it is not known from.
const ACCOUNT: Backoff = Backoff { free: 100, forgiven_after: 600, longest: 900 };
/// Failed logins from one network, to accounts that are not known there.
const NETWORK: Backoff = Backoff { free: 300, forgiven_after: 10, longest: 60 };
/// Failed authentications of one client from one network.
const CLIENT_AND_NETWORK: Backoff = Backoff { free: 20, forgiven_after: 60, longest: 60 };
/// Failed authentications of clients from one network.
const CLIENTS_OF_NETWORK: Backoff = Backoff { free: 300, forgiven_after: 10, longest: 60 };

/// The most names of logins, and of clients, under which a node counts; those not met for longest are forgotten.
const NAMES: usize = 50_000;
/// Failed logins to an account that a node counts before it tells the others.
const TOLD_TOGETHER: i64 = 5;
/// Milliseconds after which the login of a known user is noted again.
const NOTED_AGAIN: i64 = 24 * 3600 * 1000;
/// Logins from networks that have to wait which may ask the database at the same time whether the user is known there.
const ASKING: usize = 4;

/// What failures are counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Name {
    AccountAndNetwork([u8; 32], Network),
    /// Only what the other nodes were not told yet.
    Account([u8; 32]),
    Network(Network),
    ClientAndNetwork([u8; 32], Network),
    ClientsOfNetwork(Network),
}

impl Name {
    /// The value of the metric's label.
    fn label(self) -> &'static str {
        match self {
            Self::AccountAndNetwork(..) => "account_and_network",
            Self::Account(_) => "account",
            Self::Network(_) => "network",
            Self::ClientAndNetwork(..) => "client_and_network",
            Self::ClientsOfNetwork(_) => "clients_of_network",
        }
    }
}

/// Failures by name.
type Counted = Cache<Name, Arc<Mutex<Failures>>>;

/// What a node counted.
#[derive(Debug)]
pub(crate) struct Throttle {
    logins: Arc<Counted>,
    /// Apart from the logins: these cost whoever fails no hash, and must not push the others out.
    clients: Counted,
    /// Users and the networks that were noted for them, and when.
    noted: Arc<Cache<(Uuid, Network), Timestamp>>,
    asking: Semaphore,
    audits: Limit,
}

impl Throttle {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            logins: Arc::new(Cache::new(NAMES)),
            clients: Cache::new(NAMES),
            noted: Arc::new(Cache::new(NAMES)),
            asking: Semaphore::new(ASKING),
            audits: Limit::of_audits(clock),
        }
    }
}

fn held(counted: &Counted, name: Name) -> Option<Failures> {
    counted.get(&name).map(|held| *held.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Counts failures and gives the count.
fn add(counted: &Counted, name: Name, more: i64, allowance: Backoff, now: Timestamp) -> i64 {
    let none = || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(Failures { count: 0, last: now })));
    let Ok(held) = counted.get_or_insert_with(&name, none);
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    *held = allowance.and(Some(*held), more, now);
    held.count
}

/// Takes what is to be told to the other nodes, once there is enough of it.
fn take(counted: &Counted, name: Name, now: Timestamp) -> Option<i64> {
    let held = counted.get(&name)?;
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    (held.count >= TOLD_TOGETHER).then(|| std::mem::replace(&mut *held, Failures { count: 0, last: now }).count)
}

/// Seconds that whoever has this name has to wait.
fn wait(counted: &Counted, (name, allowance): (Name, Backoff), now: Timestamp) -> (i64, Name) {
    (held(counted, name).map_or(0, |failures| allowance.wait(failures, now)), name)
}

/// A login that is being judged.
pub(crate) struct Login {
    account: [u8; 32],
    network: Network,
    address: IpAddr,
    request_id: Uuid,
    /// What all nodes counted for the account when the login was read.
    shared: Option<Failures>,
    user: Option<Uuid>,
    is_known: bool,
}

impl Login {
    /// Reads what a login under this name is judged by, with what is known of it there.
    ///
    /// # Errors
    /// [`Throttled`](crate::app::Failure::Throttled) when there were so many failures that not even the database is asked; or
    /// it cannot be reached.
    pub(crate) async fn read(app: &App, username: &str, request: &Request<'_>) -> Result<(Self, LoginRecord)> {
        let mut login = Self {
            account: account_digest(username),
            network: Network::from(request.address),
            address: request.address,
            request_id: request.request_id,
            shared: None,
            user: None,
            is_known: false,
        };
        let permit = login.may_ask(app)?;
        let record = app.store.login_find(username, login.network).await?;
        drop(permit);
        login.shared = record.failures;
        login.user = record.user.as_ref().map(|user| user.id);
        login.is_known = record.is_known_network;
        Ok((login, record))
    }

    /// Whoever has to wait, known or not, costs the database nothing; and of those who have to wait unless they are known
    /// a few at a time may cost it something.
    fn may_ask<'a>(&self, app: &'a App) -> Result<Option<SemaphorePermit<'a>>> {
        if !app.settings.throttling {
            return Ok(None);
        }
        let now = app.clock.now();
        refuse_if_any(app, &[wait(&app.throttle.logins, self.here(), now)], REASON)?;
        let network = wait(&app.throttle.logins, (Name::Network(self.network), NETWORK), now);
        if network.0 == 0 {
            return Ok(None);
        }
        match app.throttle.asking.try_acquire() {
            Ok(permit) => Ok(Some(permit)),
            Err(_) => refuse_if_any(app, &[network], REASON).map(|()| None),
        }
    }

    fn here(&self) -> (Name, Backoff) {
        (Name::AccountAndNetwork(self.account, self.network), ACCOUNT_AND_NETWORK)
    }

    /// In a storm of logins, those of users who are known where they come from go first.
    pub(crate) fn precedence(&self) -> Precedence {
        if self.is_known { Precedence::Known } else { Precedence::Anybody }
    }

    /// By what all nodes counted, and what this one has not told them yet.
    fn wait_of_account(&self, app: &App, now: Timestamp) -> i64 {
        let own = held(&app.throttle.logins, Name::Account(self.account));
        let together = match (self.shared, own) {
            (Some(shared), Some(own)) => {
                let last = shared.last.max(own.last);
                Failures { count: ACCOUNT.left(shared, last) + ACCOUNT.left(own, last), last }
            }
            (shared, own) => match shared.or(own) {
                Some(failures) => failures,
                None => return 0,
            },
        };
        ACCOUNT.wait(together, now)
    }

    /// The password was right: failures from here were slips, and the user is known here from now on.
    pub(crate) fn succeeded(&self, app: &App) {
        let Some(user) = self.user.filter(|_| app.settings.throttling) else { return };
        let (now, guesses) = (app.clock.now(), &app.throttle);
        guesses.logins.remove(&self.here().0);
        let noted = guesses.noted.get(&(user, self.network));
        if noted.is_some_and(|at| (0..NOTED_AGAIN).contains(&(now.millis() - at.millis()))) {
            return;
        }
        guesses.noted.insert((user, self.network), now);
        let (store, noted, network) = (app.store.clone(), Arc::clone(&guesses.noted), self.network);
        beside(async move {
            let written = store.network_note(user, network, now).await;
            if written.is_err() {
                noted.remove(&(user, network));
            }
            written
        });
    }

    fn audit(&self, app: &App, target: &str, detail: String) {
        audit(app, "login.throttled", target.to_owned(), detail, (self.request_id, self.address));
    }
}

impl Attempt for Login {
    fn check(&self, app: &App) -> Result<()> {
        if !app.settings.throttling {
            return Ok(());
        }
        let now = app.clock.now();
        let here = wait(&app.throttle.logins, self.here(), now);
        if self.is_known {
            return refuse_if_any(app, &[here], REASON);
        }
        let network = wait(&app.throttle.logins, (Name::Network(self.network), NETWORK), now);
        let account = (self.wait_of_account(app, now), Name::Account(self.account));
        refuse_if_any(app, &[here, network, account], REASON)
    }

    /// What goes to the database goes there beside the answer, which takes as long for a name that exists as for one that
    /// does not.
    fn failed(&self, app: &App) {
        if !app.settings.throttling {
            return;
        }
        let (now, from, counted) = (app.clock.now(), self.network, &app.throttle.logins);
        let whose = self.user.map_or("unknown user".to_owned(), |user| format!("user {user}"));
        let (name, allowance) = self.here();
        if allowance.is_used_up_by(1, add(counted, name, 1, allowance, now)) {
            self.audit(app, &whose, format!("failed logins from {from}"));
        }
        if self.is_known {
            return;
        }
        if NETWORK.is_used_up_by(1, add(counted, Name::Network(from), 1, NETWORK, now)) {
            self.audit(app, "many users", format!("failed logins from {from}"));
        }
        let name = Name::Account(self.account);
        add(counted, name, 1, ACCOUNT, now);
        let Some(untold) = take(counted, name, now) else { return };
        let together = self.shared.map_or(0, |shared| ACCOUNT.left(shared, now)) + untold;
        if ACCOUNT.is_used_up_by(untold, together) {
            self.audit(app, &whose, "failed logins from networks it is not known from".to_owned());
        }
        let (store, account, counted) = (app.store.clone(), self.account, Arc::clone(counted));
        beside(async move {
            let told = store.login_failures_add(account, untold, ACCOUNT, now).await;
            if told.is_err() {
                add(&counted, name, untold, ACCOUNT, now);
            }
            told
        });
    }
}

/// What is being judged, and counts as failed unless it is said otherwise.
pub(crate) trait Attempt {
    /// Whether it may be judged now.
    ///
    /// # Errors
    /// [`Throttled`](crate::app::Failure::Throttled) when there were too many failures.
    fn check(&self, app: &App) -> Result<()>;

    /// Counts a failure.
    fn failed(&self, app: &App);

    /// Begins a verdict that takes time: on a password, or a secret that somebody chose.
    ///
    /// # Errors
    /// As [`Self::check`].
    fn begin<'a>(&'a self, app: &'a App) -> Result<Verdict<'a, Self>>
    where
        Self: Sized,
    {
        self.check(app)?;
        Ok(Verdict { attempt: self, app, is_open: true })
    }
}

/// A verdict that takes time. Dropped while it is open, because whoever asked has gone, it counts as a failure.
pub(crate) struct Verdict<'a, A: Attempt> {
    attempt: &'a A,
    app: &'a App,
    is_open: bool,
}

impl<A: Attempt> Verdict<'_, A> {
    /// Ends it with what came of it; what could not be found out is no failure.
    ///
    /// # Errors
    /// That; or [`Throttled`](crate::app::Failure::Throttled) when others failed meanwhile.
    pub(crate) fn end<T>(mut self, outcome: std::result::Result<T, Overloaded>) -> Result<T> {
        self.is_open = false;
        let outcome = outcome?;
        self.attempt.check(self.app)?;
        Ok(outcome)
    }
}

impl<A: Attempt> Drop for Verdict<'_, A> {
    fn drop(&mut self) {
        if self.is_open {
            self.attempt.failed(self.app);
        }
    }
}

/// A client that is being authenticated.
#[derive(Clone, Copy)]
pub(crate) struct Authentication<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) request: &'a Request<'a>,
}

impl Authentication<'_> {
    fn names(&self) -> [(Name, Backoff); 2] {
        let network = Network::from(self.request.address);
        [
            (Name::ClientAndNetwork(sha256(self.client_id.as_bytes()), network), CLIENT_AND_NETWORK),
            (Name::ClientsOfNetwork(network), CLIENTS_OF_NETWORK),
        ]
    }
}

impl Attempt for Authentication<'_> {
    fn check(&self, app: &App) -> Result<()> {
        if !app.settings.throttling {
            return Ok(());
        }
        let now = app.clock.now();
        let waits = self.names().map(|named| wait(&app.throttle.clients, named, now));
        refuse_if_any(app, &waits, "too many failed authentications")
    }

    fn failed(&self, app: &App) {
        if !app.settings.throttling {
            return;
        }
        for (name, allowance) in self.names() {
            if allowance.is_used_up_by(1, add(&app.throttle.clients, name, 1, allowance, app.clock.now())) {
                let target = match name {
                    // What does not exist may be a secret in the wrong place.
                    Name::ClientAndNetwork(..) => match app.state.client_in_memory(self.client_id) {
                        Some(client) => format!("client {}", client.client_id),
                        None => "unknown client".to_owned(),
                    },
                    _ => "many clients".to_owned(),
                };
                let detail = format!("failed authentications from {}", Network::from(self.request.address));
                audit(app, "client.throttled", target, detail, (self.request.request_id, self.request.address));
            }
        }
    }
}

/// Why logins wait, for the log.
const REASON: &str = "too many failed logins";

fn refuse_if_any(app: &App, waits: &[(i64, Name)], reason: &'static str) -> Result<()> {
    match waits.iter().max_by_key(|(wait, _)| *wait) {
        Some((wait, name)) if *wait > 0 => {
            app.metrics.throttled(name.label());
            Err(Throttled { seconds: *wait, reason, about: Identity::default() }.into())
        }
        _ => Ok(()),
    }
}

/// Tells the administrators, in the log and the audit trail; in an attack some times are enough.
fn audit(app: &App, action: &'static str, target: String, detail: String, (id, address): (Uuid, IpAddr)) {
    // What is made up, as names of users are, leaves room for what is there: "unknown user", "user …", "many users".
    let kind = format!("{action} {}", target.split(' ').next().unwrap_or_default());
    if !app.throttle.audits.allows(&kind) {
        tracing::debug!(action, target, detail, request_id = %id, "guessing is slowed down");
        return;
    }
    tracing::warn!(action, target, detail, request_id = %id, "guessing is slowed down");
    let audited = Audited {
        actor: "nobody".into(),
        request_id: Some(id.to_string()),
        address: Some(address.to_string()),
        at: app.clock.now(),
    };
    let store = app.store.clone();
    beside(async move { store.audit_write(&audited, action, target, Some(detail)).await });
}

/// Does it beside the answer. If it fails, one node knows a little less of an attack.
fn beside(work: impl Future<Output = std::result::Result<(), StoreError>> + Send + 'static) {
    // Without a runtime the server has ended.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        if let Err(error) = work.await {
            tracing::debug!(%error, "what was noted of a login was not written");
        }
    });
}
