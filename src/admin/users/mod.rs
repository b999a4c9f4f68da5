//! Administration of users.

mod access;
mod bodies;

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

pub use access::{NewPasswordLink, PasswordLinkView};
pub use bodies::{NewPassword, NewUser, UserPatch};

use crate::admin::body::Patch;
use crate::admin::error::no_such;
use crate::admin::{Actor, AdminError, List, ListRequest, Result};
use crate::app::App;
use crate::protocol::cause::Cause;
use crate::protocol::claims::{self, ExtraClaims};
use crate::protocol::profile;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::role::Role;
use crate::protocol::scope::Scope;
use crate::protocol::subject::check_sub;
use crate::protocol::time::Timestamp;
use crate::protocol::user::{User, check_username, is_credential};
use crate::store::{StoreError, SubOwner, UserFilter};

/// A user as it is shown: never with its password.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// The id.
    pub id: Uuid,
    /// The `sub` of its tokens. It never changes.
    pub sub: String,
    /// The name as it was entered.
    pub username: String,
    /// The scopes that it may be granted; if absent, whatever the client may.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Scope, required = false)]
    pub scope: Option<Scope>,
    /// Claims that go into its tokens.
    #[schema(value_type = Object)]
    pub claims: ExtraClaims,
    /// Claims of OpenID Connect, which go into ID tokens and UserInfo, by scope.
    #[schema(value_type = Object)]
    pub profile: ExtraClaims,
    /// Whether it may log in.
    pub enabled: bool,
    /// Whether it has a password, without which it cannot log in.
    pub has_password: bool,
    /// What it may administer in the console; null for nothing.
    #[schema(required)]
    pub role: Option<Role>,
    /// Whether it has a second factor, for which it is asked when it logs in at a browser.
    pub second_factor: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            sub: user.sub,
            username: user.username,
            scope: user.scope,
            claims: user.claims,
            profile: user.profile,
            enabled: user.enabled,
            has_password: user.password_hash.is_some(),
            role: user.role,
            second_factor: user.has_second_factor,
            created_at: user.created_at,
        }
    }
}

impl App {
    /// Creates a user.
    pub async fn user_create(&self, new: NewUser, actor: &Actor) -> Result<UserView> {
        check_role(new.role, actor)?;
        let password_hash = match new.password {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        let id = Uuid::now_v7();
        let user = User {
            id,
            sub: new.sub.unwrap_or_else(|| id.to_string()),
            username: new.username,
            password_hash,
            scope: new.scope,
            claims: new.claims.unwrap_or_default(),
            profile: new.profile.unwrap_or_default(),
            enabled: new.enabled.unwrap_or(true),
            role: new.role,
            has_second_factor: false,
            created_at: self.clock.now(),
            version: 1,
        };
        check(&user)?;
        self.store
            .user_create(&user, &self.dated(actor))
            .await
            .map_err(|error| taken(error, &user.username, &user.sub))?;
        Ok(user.into())
    }

    /// Shows a user, by id, `sub` or name.
    pub async fn user_show(&self, text: &str) -> Result<UserView> {
        self.find_user(text).await.map(UserView::from)
    }

    /// Lists users, oldest first.
    pub async fn user_list(&self, filter: &UserFilter<'_>, request: &ListRequest) -> Result<List<UserView>> {
        let page = request.page("users")?;
        let users = self.store.user_list(filter, &page).await?;
        Ok(List::new("users", &page, users, |user| user.id.to_string(), UserView::from))
    }

    /// The names of users, but for those that do not exist any more.
    pub async fn usernames(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, String>> {
        Ok(self.store.usernames(ids).await?)
    }

    /// Changes a user by a merge patch (RFC 7396). Disabling it, a new password or another role revokes what was issued to it
    /// and ends its logins at browsers.
    pub async fn user_update(&self, text: &str, patch: UserPatch, actor: &Actor) -> Result<UserView> {
        let mut user = self.find_user(text).await?;
        check_role(user.role, actor)?;
        if patch.role != Patch::Keep {
            needs_admin(actor)?;
        }
        let old_role = user.role;
        let was_enabled = user.enabled;
        let has_new_password = patch.password.is_some();
        if let Some(password) = patch.password {
            user.password_hash = Some(self.hash_password(password).await?);
        }
        if let Some(username) = patch.username {
            user.username = username;
        }
        patch.scope.apply_to_option(&mut user.scope);
        patch.claims.merge_into(&mut user.claims);
        patch.profile.merge_into(&mut user.profile);
        patch.enabled.apply(&mut user.enabled, true);
        patch.role.apply_to_option(&mut user.role);
        check(&user)?;
        let (action, revocation) = match (was_enabled, user.enabled) {
            (true, false) => {
                let target = Target::User(user.sub.clone());
                ("user.disable", Some(self.revocation(target, Cause::UserDisabled, None)))
            }
            (was, is) => {
                let has_new_role = user.role != old_role;
                let revocation = match (has_new_password, has_new_role) {
                    (true, _) => Some(self.password_revocation(&user)),
                    (false, true) => Some(self.role_revocation(&user)),
                    (false, false) => None,
                };
                let action = if was != is {
                    "user.enable"
                } else if has_new_role {
                    "user.role"
                } else {
                    "user.update"
                };
                (action, revocation)
            }
        };
        let written =
            self.state.honour(self.store.user_update(&user, action, revocation.as_ref(), &self.dated(actor))).await;
        answer(written, user)
    }

    /// Sets a password and revokes what was issued to the user.
    pub async fn user_set_password(&self, text: &str, password: SecretString, actor: &Actor) -> Result<UserView> {
        let mut user = self.find_user(text).await?;
        check_role(user.role, actor)?;
        user.password_hash = Some(self.hash_password(password).await?);
        let revocation = self.password_revocation(&user);
        let written = self
            .state
            .honour(self.store.user_update(&user, "user.password", Some(&revocation), &self.dated(actor)))
            .await;
        answer(written, user)
    }

    /// Deletes a user and revokes what was issued to it.
    pub async fn user_delete(&self, text: &str, actor: &Actor) -> Result<()> {
        let user = self.find_user(text).await?;
        check_role(user.role, actor)?;
        let revocation = self.revocation(Target::User(user.sub.clone()), Cause::UserDeleted, None);
        if self.state.honour(self.store.user_delete(user.id, &revocation, actor.is_admin, &self.dated(actor))).await? {
            Ok(())
        } else {
            Err(no_such("user", text))
        }
    }

    /// The same for a user whose password is well known, even if it is the last administrator.
    pub(super) async fn user_delete_demo(&self, text: &str, actor: &Actor) -> Result<()> {
        let user = self.find_user(text).await?;
        let revocation = self.revocation(Target::User(user.sub.clone()), Cause::UserDeleted, None);
        self.state.honour(self.store.user_delete_demo(user.id, &revocation, &self.dated(actor))).await?;
        Ok(())
    }

    /// The user with this id, `sub` or name.
    pub(super) async fn find_user(&self, text: &str) -> Result<User> {
        if !is_credential(text) {
            return Err(no_such("user", text));
        }
        self.store.user_addressed(text).await?.ok_or_else(|| no_such("user", text))
    }

    async fn hash_password(&self, password: SecretString) -> Result<String> {
        // How strong a password must be is up to the application that registers its users.
        if !is_credential(password.expose_secret()) {
            return Err(AdminError::Invalid("password is 1 to 1024 bytes without control characters".into()));
        }
        Ok(self.passwords.hash(password).await?)
    }

    fn password_revocation(&self, user: &User) -> NewRevocation {
        self.revocation(Target::User(user.sub.clone()), Cause::UserRevoked, "the password was changed".to_owned())
    }

    /// What ends with another role.
    pub(super) fn role_revocation(&self, user: &User) -> NewRevocation {
        self.revocation(Target::User(user.sub.clone()), Cause::UserRevoked, "the role was changed".to_owned())
    }
}

/// Whoever may change a user with a role, or give one, has the powers of that role.
pub(super) fn check_role(role: Option<Role>, actor: &Actor) -> Result<()> {
    if role.is_some() { needs_admin(actor) } else { Ok(()) }
}

fn needs_admin(actor: &Actor) -> Result<()> {
    if actor.is_admin {
        return Ok(());
    }
    Err(AdminError::NeedsAdmin(
        "a user with a role is administered with the scope jeton:admin, or the role admin".into(),
    ))
}

fn answer(written: crate::store::Result<bool>, user: User) -> Result<UserView> {
    match written {
        Ok(true) => Ok(user.into()),
        Ok(false) => Err(AdminError::Conflict(format!("the user {} was changed at the same time; try again", user.id))),
        Err(error) => Err(taken(error, &user.username, &user.sub)),
    }
}

/// Why a user of this name and `sub` cannot be written.
pub(super) fn taken(error: StoreError, username: &str, sub: &str) -> AdminError {
    match error {
        StoreError::Exists => AdminError::Conflict(format!("there is a user {username:?} already")),
        StoreError::SubTaken(SubOwner::User) => {
            AdminError::Conflict(format!("there is a user with the sub {sub:?} already"))
        }
        StoreError::SubTaken(SubOwner::Client) => {
            AdminError::Conflict(format!("the sub {sub:?} is the client_id of a client"))
        }
        StoreError::Ambiguous => AdminError::Conflict(format!(
            "the username {username:?} or the sub {sub:?} already leads to another user, as its id, sub or username"
        )),
        error => error.into(),
    }
}

fn check(user: &User) -> Result<()> {
    check_username(&user.username).map_err(AdminError::Invalid)?;
    check_sub(&user.sub).map_err(AdminError::Invalid)?;
    if user.scope.as_ref().is_some_and(Scope::has_reserved) {
        return Err(AdminError::Invalid("scope: the jeton: scopes are never granted to users".into()));
    }
    profile::check(&user.profile).map_err(|problem| AdminError::Invalid(format!("profile: {problem}")))?;
    claims::check_extra(&user.claims).map_err(|problem| AdminError::Invalid(format!("claims: {problem}")))
}
