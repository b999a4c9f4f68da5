//! Roles of users: what holds whoever writes.

use crate::protocol::feature;
use crate::protocol::role::Role;
use crate::protocol::time::Timestamp;
use crate::store::database::{Dialect, Transaction};
use crate::store::row::values;
use crate::store::{Result, Store, StoreError};

impl Transaction {
    /// Records that roles are in use. Returns the refusal if a live node does not know them.
    pub(super) async fn use_roles(&mut self, now: Timestamp) -> Result<Option<StoreError>> {
        self.use_feature(feature::named(feature::ROLES), now).await
    }

    /// Lets those who remove administrators wait for each other, so that two do not remove the last two at once. Taken before the
    /// row of any user.
    pub(super) async fn lock_administrators(&mut self) -> Result<()> {
        if self.dialect() == Dialect::Postgres {
            // The number is arbitrary, but never changes. SQLite has one writer.
            self.query("SELECT pg_advisory_xact_lock(7435)", vec![]).await?;
        }
        Ok(())
    }

    /// Whether there is an administrator who can log in.
    pub(super) async fn has_administrator(&mut self) -> Result<bool> {
        let sql = "SELECT 1 AS one FROM users WHERE role = $1 AND enabled AND password_hash IS NOT NULL LIMIT 1";
        Ok(self.query_one(sql, values![Role::Admin.name()]).await?.is_some())
    }
}

impl Store {
    /// Whether a user has a role.
    pub async fn has_roles(&self) -> Result<bool> {
        Ok(self
            .database
            .query_one("SELECT 1 AS one FROM users WHERE role IS NOT NULL LIMIT 1", vec![])
            .await?
            .is_some())
    }
}
