//! Failed logins.
//!
//! A user who has logged in from a network before is known there, and does not wait because of attacks from elsewhere
//! or on other accounts. Whether an account exists changes neither the counts nor the statements that an answer waits
//! for.

use std::sync::Arc;

use tokio::sync::SemaphorePermit;
use uuid::Uuid;

use crate::passwords::queue::{Precedence, Requester};
use crate::protocol::backoff::Failures;
use crate::protocol::time::Timestamp;
use crate::store::{LoginRecord, account_digest};
use crate::throttle::audit::in_background;
use crate::throttle::counters::CounterKey;
use crate::throttle::{Attempt, Source, Throttle, Throttled};

/// Failures of an account that a node counts before it reports them to the other nodes.
const REPORTED_TOGETHER: i64 = 5;
/// Milliseconds after which another login of a known user is recorded.
const RECORDED_AGAIN: i64 = 24 * 3600 * 1000;
const REASON: &str = "too many failed logins";

/// A login whose user may be looked up.
pub(crate) struct Lookup<'a> {
    throttle: &'a Throttle,
    account: [u8; 32],
    source: Source,
    _permit: Option<SemaphorePermit<'a>>,
}

/// A login whose password is being judged.
pub(crate) struct LoginAttempt<'a> {
    throttle: &'a Throttle,
    account: [u8; 32],
    source: Source,
    user: Option<Uuid>,
    is_known: bool,
    /// What all nodes had counted for the account when the user was looked up.
    shared: Option<Failures>,
}

impl Throttle {
    /// Admits a login to the database, which throttled callers never reach. If only known users of the network are not
    /// throttled, a few logins at a time may find out whether theirs is known.
    pub(crate) fn admit_login(&self, username: &str, source: Source) -> Result<Lookup<'_>, Throttled> {
        let (account, network, now) = (account_digest(username), source.network(), self.clock.now());
        let wait = |key| (key, self.logins.wait(key, now));
        self.check(&[wait(CounterKey::AccountAndNetwork(account, network))], REASON)?;
        let of_network = wait(CounterKey::Network(network));
        let permit = match of_network {
            (_, 0) => None,
            _ => match self.lookups.try_acquire() {
                Ok(permit) => Some(permit),
                Err(_) => self.check(&[of_network], REASON).map(|()| None)?,
            },
        };
        Ok(Lookup { throttle: self, account, source, _permit: permit })
    }
}

impl<'a> Lookup<'a> {
    /// The login, now that its user has been looked up.
    pub(crate) fn found(self, record: &LoginRecord) -> LoginAttempt<'a> {
        LoginAttempt {
            throttle: self.throttle,
            account: self.account,
            source: self.source,
            user: record.user.as_ref().map(|user| user.id),
            is_known: record.is_known_network,
            shared: record.failures,
        }
    }
}

impl LoginAttempt<'_> {
    fn here(&self) -> CounterKey {
        CounterKey::AccountAndNetwork(self.account, self.source.network())
    }

    /// In a storm of logins, known users go first.
    pub(crate) fn requester(&self) -> Requester {
        let precedence = if self.is_known { Precedence::Known } else { Precedence::Unknown };
        Requester { precedence, network: self.source.network(), account: self.account }
    }

    /// The wait for the failures that all nodes counted and those that this one has not reported yet.
    fn wait_of_account(&self, key: CounterKey, now: Timestamp) -> i64 {
        let (shared, own) = (self.shared, self.throttle.logins.get(key));
        let Some(last) = shared.iter().chain(&own).map(|failures| failures.last).max() else { return 0 };
        let count = shared.iter().chain(&own).map(|failures| key.backoff().left(*failures, last)).sum();
        key.backoff().wait(Failures { count, last }, now)
    }

    /// The password was right: earlier failures from this network were typos, and the user is known here from now on.
    pub(crate) fn succeeded(&self) {
        let Some(user) = self.user.filter(|_| self.throttle.enabled) else { return };
        let (known, now) = ((user, self.source.network()), self.throttle.clock.now());
        self.throttle.logins.forget(self.here());
        let recorded = &self.throttle.recorded;
        if recorded.get(&known).is_some_and(|at| (0..RECORDED_AGAIN).contains(&(now.millis() - at.millis()))) {
            return;
        }
        recorded.insert(known, now);
        let (store, recorded) = (self.throttle.store.clone(), Arc::clone(recorded));
        in_background(async move {
            let written = store.network_note(user, known.1, now).await;
            if written.is_err() {
                recorded.remove(&known);
            }
            written
        });
    }

    /// Counts a failure for the account, and reports several at once to the other nodes.
    fn failed_for_account(&self, whose: String, now: Timestamp) {
        let (key, counters) = (CounterKey::Account(self.account), &self.throttle.logins);
        counters.add(key, 1, now);
        let Some(unreported) = counters.take(key, REPORTED_TOGETHER, now) else { return };
        let together = self.shared.map_or(0, |shared| key.backoff().left(shared, now)) + unreported;
        if key.backoff().is_used_up_by(unreported, together) {
            let detail = "failed logins from networks it is not known from".to_owned();
            self.throttle.audit("login.throttled", whose, detail, self.source);
        }
        let (store, account, counters) = (self.throttle.store.clone(), self.account, Arc::clone(counters));
        in_background(async move {
            let reported = store.login_failures_add(account, unreported, key.backoff(), now).await;
            if reported.is_err() {
                counters.add(key, unreported, now);
            }
            reported.map(drop)
        });
    }
}

impl Attempt for LoginAttempt<'_> {
    fn check(&self) -> Result<(), Throttled> {
        let now = self.throttle.clock.now();
        let wait = |key| (key, self.throttle.logins.wait(key, now));
        let here = wait(self.here());
        if self.is_known {
            return self.throttle.check(&[here], REASON);
        }
        let account = CounterKey::Account(self.account);
        let account = (account, self.wait_of_account(account, now));
        self.throttle.check(&[here, wait(CounterKey::Network(self.source.network())), account], REASON)
    }

    fn failed(&self) {
        if !self.throttle.enabled {
            return;
        }
        let (now, counters) = (self.throttle.clock.now(), &self.throttle.logins);
        let whose = self.user.map_or_else(|| "unknown user".to_owned(), |user| format!("user {user}"));
        let from = format!("failed logins from {}", self.source.network());
        if counters.add(self.here(), 1, now) {
            self.throttle.audit("login.throttled", whose.clone(), from.clone(), self.source);
        }
        if self.is_known {
            return;
        }
        if counters.add(CounterKey::Network(self.source.network()), 1, now) {
            self.throttle.audit("login.throttled", "many users".to_owned(), from, self.source);
        }
        self.failed_for_account(whose, now);
    }
}
