//! The only way to append to the log: a transaction whose outcome a caller gets after its node has applied the entries.

use std::ops::{Deref, DerefMut};

use uuid::Uuid;

use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::time::Timestamp;
use crate::store::database::Transaction;
use crate::store::row::values;
use crate::store::{Audited, Result, Store, StoreError};

/// Milliseconds for which a notice is kept. A node that was away for longer reloads everything.
const NOTICE_LIFE: i64 = 24 * 3600 * 1000;
/// Milliseconds for which a revocation is kept: as long as a session may live (400 days), and 30 days more to explain
/// it.
const REVOCATION_LIFE: i64 = 430 * 24 * 3600 * 1000;

/// The outcome of a committed write that may have appended to the log. The node that wrote must apply the entries
/// before it answers, so it gets the outcome from `NodeState::honour`.
#[derive(Debug)]
#[must_use = "this node has not applied the write yet: pass the write to NodeState::honour"]
pub struct Logged<T> {
    outcome: T,
    has_entries: bool,
}

impl<T> Logged<T> {
    /// The outcome, once `apply` has made the node apply the log. `apply` does not run if nothing was appended.
    pub(crate) async fn once_applied(self, apply: impl Future<Output = Result<()>>) -> Result<T> {
        if self.has_entries {
            apply.await?;
        }
        Ok(self.outcome)
    }

    /// The outcome where no node keeps a state: in tests of the store alone.
    pub fn without_a_node(self) -> T {
        self.outcome
    }

    /// The outcome of a write that turned out not to be needed.
    pub(in crate::store) const fn without_entries(outcome: T) -> Self {
        Self { outcome, has_entries: false }
    }

    pub(in crate::store) fn map<U>(self, change: impl FnOnce(T) -> U) -> Logged<U> {
        Logged { outcome: change(self.outcome), has_entries: self.has_entries }
    }
}

/// A notice to the nodes that something they may have in memory has changed.
pub(in crate::store) enum Notice<'a> {
    Client(&'a str),
    User(&'a str),
    Resource(&'a str),
    Issuer(&'a str),
    Keys,
}

/// How a write within a transaction went.
pub(in crate::store) enum Written {
    /// It is written.
    Done,
    /// What was to be changed is not there any more, or was changed meanwhile.
    Outdated,
    /// It may not be written.
    Refused(StoreError),
}

/// A transaction that may append to the log.
pub(in crate::store) struct LogTransaction {
    transaction: Transaction,
    has_entries: bool,
}

impl Deref for LogTransaction {
    type Target = Transaction;

    fn deref(&self) -> &Transaction {
        &self.transaction
    }
}

impl DerefMut for LogTransaction {
    fn deref_mut(&mut self) -> &mut Transaction {
        &mut self.transaction
    }
}

impl Store {
    pub(in crate::store) async fn begin_logged(&self) -> Result<LogTransaction> {
        Ok(LogTransaction { transaction: self.database.begin().await?, has_entries: false })
    }
}

impl LogTransaction {
    pub(in crate::store) async fn commit<T>(self, outcome: T) -> Result<Logged<T>> {
        self.transaction.commit().await?;
        Ok(Logged { outcome, has_entries: self.has_entries })
    }

    pub(in crate::store) async fn roll_back<T>(self, outcome: T) -> Result<Logged<T>> {
        self.transaction.roll_back().await?;
        Ok(Logged { outcome, has_entries: false })
    }

    /// Ends a transaction of one write. Returns whether it was written.
    pub(in crate::store) async fn end(self, written: Written) -> Result<Logged<bool>> {
        match written {
            Written::Done => self.commit(true).await,
            Written::Outdated => self.roll_back(false).await,
            Written::Refused(refusal) => self.roll_back(()).await.and(Err(refusal)),
        }
    }

    /// Notifies the nodes of what this transaction changes.
    pub(in crate::store) async fn notify(&mut self, notice: Notice<'_>, audited: &Audited) -> Result<Uuid> {
        let (kind, name) = match notice {
            Notice::Client(client_id) => ("client_changed", Some(client_id.to_owned())),
            Notice::User(sub) => ("user_changed", Some(sub.to_owned())),
            Notice::Resource(uri) => ("resource_changed", Some(uri.to_owned())),
            Notice::Issuer(issuer) => ("issuer_changed", Some(issuer.to_owned())),
            Notice::Keys => ("keys_changed", None),
        };
        let expires_at = Timestamp::from_millis(audited.at.millis() + NOTICE_LIFE);
        self.append(kind, None, name, None, None, audited, expires_at, expires_at).await
    }

    /// Adds a revocation. The id that it returns leads to the sequence number after the commit.
    pub(in crate::store) async fn revoke(&mut self, revocation: &NewRevocation, audited: &Audited) -> Result<Uuid> {
        let target = &revocation.target;
        let (id, name) = match target {
            Target::Token(id) => (Some(Uuid::from_bytes(*id.bytes())), None),
            Target::Session(id) => (Some(*id), None),
            Target::User(name) | Target::Client(name) | Target::Key(name) => (None, Some(name.clone())),
            Target::All => (None, None),
        };
        // The revocation of a token is removed earlier, some time after the token has expired.
        let expires_at = Timestamp::from_millis(audited.at.millis() + REVOCATION_LIFE);
        let (cause, reason) = (Some(revocation.cause.name()), revocation.reason.clone());
        self.append(target.kind(), id, name, cause, reason, audited, revocation.covers_until, expires_at).await
    }

    #[expect(clippy::too_many_arguments, reason = "one argument per column, called from two places above")]
    async fn append(
        &mut self,
        kind: &str,
        target_id: Option<Uuid>,
        target_name: Option<String>,
        cause: Option<&str>,
        reason: Option<String>,
        audited: &Audited,
        covers_until: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Uuid> {
        let id = Uuid::now_v7();
        let sql = "INSERT INTO changes (id, kind, target_id, target_name, cause, reason, actor, created_at, covers_until, \
                   expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let values = values![
            id,
            kind,
            target_id,
            target_name,
            cause,
            reason,
            &audited.actor,
            audited.at,
            covers_until,
            expires_at
        ];
        self.has_entries = true;
        self.query(sql, values).await?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_outcome_is_handed_out_only_after_its_entries_are_applied() {
        let logged = |has_entries| Logged { outcome: (), has_entries };
        let failing = || std::future::ready(Err(StoreError::Unavailable("the log cannot be read".into())));
        assert!(logged(true).once_applied(std::future::ready(Ok(()))).await.is_ok());
        assert!(logged(true).map(|()| 1).once_applied(failing()).await.is_err());
        assert!(logged(false).once_applied(failing()).await.is_ok(), "nothing was appended, so nothing is applied");
    }
}
