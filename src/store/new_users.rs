//! Creating users.

use crate::protocol::role::Role;
use crate::protocol::user::{User, username_key};
use crate::store::database::Transaction;
use crate::store::row::{to_json, values};
use crate::store::users::ROLE_CHANGED;
use crate::store::{Audited, Result, Store, StoreError, SubHolder};

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
        if let Some(holder) = self.sub_take(&user.sub, SubHolder::User).await? {
            return Ok(Some(StoreError::SubTaken(holder)));
        }
        if user.role.is_some()
            && let Some(refusal) = self.use_roles(audited.at).await?
        {
            return Ok(Some(refusal));
        }
        let sql = "INSERT INTO users (id, sub, sub_key, username, username_key, password_hash, scope, claims, enabled, \
                   version, created_at, profile, role) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
        let values = values![
            user.id,
            &user.sub,
            username_key(&user.sub),
            &user.username,
            username_key(&user.username),
            user.password_hash.clone(),
            user.scope.as_ref().map(ToString::to_string),
            to_json(&user.claims)?,
            user.enabled,
            user.version,
            user.created_at,
            to_json(&user.profile)?,
            user.role.map(Role::name)
        ];
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
