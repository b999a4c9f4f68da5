//! Creating users.

use crate::protocol::user::{User, username_key};
use crate::store::database::Transaction;
use crate::store::row::values;
use crate::store::users::{ROLE_CHANGED, changeable};
use crate::store::{Audited, Result, Store, StoreError, SubOwner};

impl Store {
    /// Creates a user.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is taken, [`StoreError::SubTaken`] when the `sub` is,
    /// [`StoreError::Ambiguous`], [`StoreError::UnknownFeature`] for a role.
    pub async fn user_create(&self, user: &User, audited: &Audited) -> Result<()> {
        let mut transaction = self.database.begin().await?;
        match transaction.insert_user(user, audited).await? {
            None => transaction.commit().await,
            Some(refusal) => transaction.roll_back().await.and(Err(refusal)),
        }
    }
}

impl Transaction {
    /// Creates a user, as [`Store::user_create`] does. After a refusal the transaction must not be committed.
    pub(super) async fn insert_user(&mut self, user: &User, audited: &Audited) -> Result<Option<StoreError>> {
        if self.is_ambiguous(user).await? {
            return Ok(Some(StoreError::Ambiguous));
        }
        if let Some(owner) = self.sub_take(&user.sub, SubOwner::User).await? {
            return Ok(Some(StoreError::SubTaken(owner)));
        }
        if user.role.is_some()
            && let Some(refusal) = self.use_roles(audited.at).await?
        {
            return Ok(Some(refusal));
        }
        let sql = "INSERT INTO users (username, username_key, password_hash, scope, claims, enabled, profile, role, id, version, \
                   sub, sub_key, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
        let mut values = changeable(user)?;
        values.extend(values![&user.sub, username_key(&user.sub), user.created_at]);
        match self.query(sql, values).await {
            Err(StoreError::Exists) => return Ok(Some(StoreError::Exists)),
            inserted => inserted?,
        };
        let detail = user.role.map(|role| format!("role {}", role.name()));
        self.audit(audited, "user.create", format!("user {}", user.id), detail.clone()).await?;
        if detail.is_some() {
            self.audit(audited, ROLE_CHANGED, format!("user {}", user.id), detail).await?;
        }
        Ok(None)
    }
}
