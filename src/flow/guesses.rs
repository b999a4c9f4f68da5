//! Slows down those who guess passwords and secrets, and nobody else.
//!
//! Failed logins are counted under three names: the account from one network, the account from all networks that it is
//! not known from (all nodes together, in the database), and the network. A user who logged in from a network before is
//! known there: neither what others do elsewhere nor what they do to other accounts makes that user wait. Failed client
//! authentication is counted under the client from one network, and under the network; never under the client alone, so
//! that nobody can silence a client by knowing its id. A right generated secret is never made to wait: nobody guesses
//! 256 bits.
//!
//! An attempt that has to wait is not judged, whether it was right or not. Attempts are judged again after the password
//! was hashed, so that guesses in parallel gain nothing; without failures, logins in parallel never wait.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use uuid::Uuid;

use super::limits::Limit;
use super::{App, Request, Result, Throttled};
use crate::clock::Clock;
use crate::oauth::guessing::{Allowance, Failures, Network};
use crate::oauth::identity::Identity;
use crate::oauth::time::Timestamp;
use crate::store::{Audited, LoginRecord, StoreError, account_digest};
use crate::token::sha256;

/// Failed logins to one account from one network.
const ACCOUNT_AND_NETWORK: Allowance = Allowance { free: 10, forgiven_after: 600, longest: 900 };
/// The same, where the user is known: somebody else there may be guessing.
const KNOWN: Allowance = Allowance { free: 10, forgiven_after: 60, longest: 60 };
/// Failed logins to one account from all networks that it is not known from.
const ACCOUNT: Allowance = Allowance { free: 100, forgiven_after: 600, longest: 900 };
/// Failed logins from one network, to accounts that are not known there.
const NETWORK: Allowance = Allowance { free: 300, forgiven_after: 10, longest: 60 };
/// Failed authentications of one client from one network.
const CLIENT_AND_NETWORK: Allowance = Allowance { free: 20, forgiven_after: 60, longest: 60 };
/// Failed authentications of clients from one network.
const CLIENTS_OF_NETWORK: Allowance = Allowance { free: 300, forgiven_after: 10, longest: 60 };

/// The most names under which a node counts; those not met for longest are forgotten.
const NAMES: usize = 50_000;
/// Failed logins to an account that a node counts before it tells the others.
const TOLD_TOGETHER: i64 = 5;
/// Milliseconds after which the login of a known user is noted again.
const NOTED_AGAIN: i64 = 24 * 3600 * 1000;

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

/// What a node counted.
#[derive(Debug)]
pub(super) struct Guesses {
    counted: Cache<Name, Arc<Mutex<Failures>>>,
    /// Users and the networks that were noted for them, and when.
    noted: Cache<(Uuid, Network), Timestamp>,
    audits: Limit,
}

impl Guesses {
    pub(super) fn new(clock: &Clock) -> Self {
        Self { counted: Cache::new(NAMES), noted: Cache::new(NAMES), audits: Limit::of_audits(clock) }
    }

    fn held(&self, name: Name) -> Option<Failures> {
        self.counted.get(&name).map(|held| *held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts one failure and gives the count.
    fn add(&self, name: Name, allowance: Allowance, now: Timestamp) -> i64 {
        let none = || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(Failures { count: 0, last: now })));
        let Ok(held) = self.counted.get_or_insert_with(&name, none);
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = allowance.and(Some(*held), 1, now);
        held.count
    }

    /// Takes what is to be told to the other nodes, once there is enough of it.
    fn take(&self, name: Name, now: Timestamp) -> Option<i64> {
        let held = self.counted.get(&name)?;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        (held.count >= TOLD_TOGETHER).then(|| std::mem::replace(&mut *held, Failures { count: 0, last: now }).count)
    }
}

/// A login that is being judged.
pub(super) struct Login {
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
    pub(super) fn new(username: &str, request: &Request<'_>, record: &LoginRecord) -> Self {
        Self {
            account: account_digest(username),
            network: Network::from(request.address),
            address: request.address,
            request_id: request.request_id,
            shared: record.failures,
            user: record.user.as_ref().map(|user| user.id),
            is_known: record.is_known_network,
        }
    }

    fn here(&self) -> (Name, Allowance) {
        let allowance = if self.is_known { KNOWN } else { ACCOUNT_AND_NETWORK };
        (Name::AccountAndNetwork(self.account, self.network), allowance)
    }

    /// Whether the login may be judged now.
    ///
    /// # Errors
    /// [`Throttled`](super::Failure::Throttled) when there were too many failures.
    pub(super) fn check(&self, app: &App) -> Result<()> {
        if !app.settings.throttling {
            return Ok(());
        }
        let now = app.clock.now();
        let wait = |(name, allowance): (Name, Allowance)| {
            (app.guesses.held(name).map_or(0, |failures| allowance.wait(failures, now)), name)
        };
        let here = wait(self.here());
        if self.is_known {
            return refuse_if_any(app, &[here], "too many failed logins");
        }
        let network = wait((Name::Network(self.network), NETWORK));
        let account = (self.wait_of_account(app, now), Name::Account(self.account));
        refuse_if_any(app, &[here, network, account], "too many failed logins")
    }

    /// By what all nodes counted, and what this one has not told them yet.
    fn wait_of_account(&self, app: &App, now: Timestamp) -> i64 {
        let own = app.guesses.held(Name::Account(self.account));
        let together = match (self.shared, own) {
            (Some(shared), Some(own)) => {
                Failures { count: ACCOUNT.left(shared, now) + ACCOUNT.left(own, now), last: shared.last.max(own.last) }
            }
            (shared, own) => match shared.or(own) {
                Some(failures) => failures,
                None => return 0,
            },
        };
        ACCOUNT.wait(together, now)
    }

    /// Counts a failure. What goes to the database goes there beside the answer, which takes as long for a name that
    /// exists as for one that does not.
    pub(super) fn failed(&self, app: &App) {
        if !app.settings.throttling {
            return;
        }
        let (now, from) = (app.clock.now(), self.network);
        let whose = self.user.map_or("unknown user".to_owned(), |user| format!("user {user}"));
        let (name, allowance) = self.here();
        if allowance.is_used_up_by(1, app.guesses.add(name, allowance, now)) {
            self.audit(app, &whose, format!("failed logins from {from}"));
        }
        if self.is_known {
            return;
        }
        if NETWORK.is_used_up_by(1, app.guesses.add(Name::Network(from), NETWORK, now)) {
            self.audit(app, "many users", format!("failed logins from {from}"));
        }
        app.guesses.add(Name::Account(self.account), ACCOUNT, now);
        let Some(untold) = app.guesses.take(Name::Account(self.account), now) else { return };
        let together = self.shared.map_or(0, |shared| ACCOUNT.left(shared, now)) + untold;
        if ACCOUNT.is_used_up_by(untold, together) {
            self.audit(app, &whose, "failed logins from networks it is not known from".to_owned());
        }
        let (store, account) = (app.store.clone(), self.account);
        beside(async move { store.guesses_add(account, untold, ACCOUNT, now).await });
    }

    /// The password was right: failures from here were slips, and the user is known here from now on.
    pub(super) fn succeeded(&self, app: &App) {
        let Some(user) = self.user.filter(|_| app.settings.throttling) else { return };
        let (now, guesses) = (app.clock.now(), &app.guesses);
        guesses.counted.remove(&self.here().0);
        let noted = guesses.noted.get(&(user, self.network));
        if noted.is_some_and(|at| (0..NOTED_AGAIN).contains(&(now.millis() - at.millis()))) {
            return;
        }
        guesses.noted.insert((user, self.network), now);
        let (store, network) = (app.store.clone(), self.network);
        beside(async move { store.network_note(user, network, now).await });
    }

    fn audit(&self, app: &App, target: &str, detail: String) {
        audit(app, "login.throttled", target.to_owned(), detail, (self.request_id, self.address));
    }
}

/// A client that is being authenticated.
#[derive(Clone, Copy)]
pub(super) struct Authentication<'a> {
    pub(super) client_id: &'a str,
    pub(super) request: &'a Request<'a>,
}

impl Authentication<'_> {
    fn names(&self) -> [(Name, Allowance); 2] {
        let network = Network::from(self.request.address);
        [
            (Name::ClientAndNetwork(sha256(self.client_id.as_bytes()), network), CLIENT_AND_NETWORK),
            (Name::ClientsOfNetwork(network), CLIENTS_OF_NETWORK),
        ]
    }

    /// Whether the client may be refused, or a password hashed for it, now.
    ///
    /// # Errors
    /// [`Throttled`](super::Failure::Throttled) when there were too many failures.
    pub(super) fn check(&self, app: &App) -> Result<()> {
        if !app.settings.throttling {
            return Ok(());
        }
        let now = app.clock.now();
        let waits = self.names().map(|(name, allowance)| {
            (app.guesses.held(name).map_or(0, |failures| allowance.wait(failures, now)), name)
        });
        refuse_if_any(app, &waits, "too many failed authentications")
    }

    /// Counts a failure; `exists` tells whether there is such a client.
    pub(super) fn failed(&self, app: &App, exists: bool) {
        if !app.settings.throttling {
            return;
        }
        for (name, allowance) in self.names() {
            if allowance.is_used_up_by(1, app.guesses.add(name, allowance, app.clock.now())) {
                let target = match name {
                    Name::ClientAndNetwork(..) if exists => format!("client {}", self.client_id),
                    Name::ClientAndNetwork(..) => "unknown client".to_owned(),
                    _ => "many clients".to_owned(),
                };
                let detail = format!("failed authentications from {}", Network::from(self.request.address));
                audit(app, "client.throttled", target, detail, (self.request.request_id, self.request.address));
            }
        }
    }
}

fn refuse_if_any(app: &App, waits: &[(i64, Name)], reason: &'static str) -> Result<()> {
    match waits.iter().max_by_key(|(wait, _)| *wait) {
        Some((wait, name)) if *wait > 0 => {
            app.metrics.throttled(name.label());
            Err(Throttled { seconds: *wait, reason, about: Identity::default() }.into())
        }
        _ => Ok(()),
    }
}

/// Tells the administrators; in an attack some are enough.
fn audit(app: &App, action: &'static str, target: String, detail: String, (id, address): (Uuid, IpAddr)) {
    tracing::warn!(action, target, detail, request_id = %id, "guessing is slowed down");
    if !app.guesses.audits.allows("") {
        return;
    }
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
    tokio::spawn(async move {
        if let Err(error) = work.await {
            tracing::debug!(%error, "what was noted of a login was not written");
        }
    });
}
