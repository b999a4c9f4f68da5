//! Administration of users.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::admin::clients::merge_patch;
use crate::admin::{Actor, AdminError, Administration, List, ListRequest, Result, list, no_such};
use crate::protocol::cause::Cause;
use crate::protocol::claims::{self, ExtraClaims};
use crate::protocol::revocation::Target;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::protocol::user::{User, check_username, is_credential};
use crate::store::StoreError;

/// A user as it is shown: never with its password.
#[derive(Clone, Debug, Serialize)]
pub struct UserView {
    /// Its id.
    pub id: Uuid,
    /// Its name as it was written.
    pub username: String,
    /// What it may be granted; absent: whatever the client may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Claims that go into its tokens.
    pub claims: ExtraClaims,
    /// Whether it may log in.
    pub enabled: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A user that is to be created.
#[derive(Debug)]
pub struct NewUser {
    /// Its name.
    pub username: String,
    /// Its password; without one it cannot log in.
    pub password: Option<SecretString>,
    /// What it may be granted.
    pub scope: Option<Scope>,
    /// Claims that go into its tokens.
    pub claims: ExtraClaims,
    /// Whether it may log in.
    pub enabled: bool,
}

fn view(user: User) -> UserView {
    UserView {
        id: user.id,
        username: user.username,
        scope: user.scope,
        claims: user.claims,
        enabled: user.enabled,
        created_at: user.created_at,
    }
}

impl Administration {
    /// Creates a user.
    ///
    /// # Errors
    /// When something about it is not acceptable, or its name is taken.
    pub async fn user_create(&self, new: NewUser, actor: &Actor) -> Result<UserView> {
        let password_hash = match new.password {
            Some(password) => Some(self.hash_password(password).await?),
            None => None,
        };
        let user = User {
            id: Uuid::now_v7(),
            username: new.username,
            password_hash,
            scope: new.scope,
            claims: new.claims,
            enabled: new.enabled,
            created_at: self.clock.now(),
            version: 1,
        };
        check(&user)?;
        self.store.user_create(&user, &actor.audited).await.map_err(|error| taken(error, &user))?;
        Ok(view(user))
    }

    /// A user, by id or by name.
    ///
    /// # Errors
    /// When there is none.
    pub async fn user_show(&self, id_or_name: &str) -> Result<UserView> {
        Ok(view(self.find_user(id_or_name).await?))
    }

    /// Users, oldest first.
    ///
    /// # Errors
    /// When the cursor or the limit is not acceptable.
    pub async fn user_list(&self, username: Option<&str>, request: &ListRequest) -> Result<List<UserView>> {
        let page = request.page("users")?;
        let users = self.store.user_list(username, &page).await?;
        Ok(list("users", &page, users, |user| user.id.to_string(), view))
    }

    /// Changes a user by a merge patch (RFC 7396). Disabling it ends what was issued to it, and so does a new password.
    ///
    /// # Errors
    /// When there is none, something is not acceptable, or it was changed at the same time.
    pub async fn user_update(&self, id_or_name: &str, patch: Map<String, Value>, actor: &Actor) -> Result<UserView> {
        let mut user = self.find_user(id_or_name).await?;
        let was_enabled = user.enabled;
        let mut new_password = false;
        for (name, value) in patch {
            let wrong = |what: &str| AdminError::Invalid(format!("{name} {what}"));
            match (name.as_str(), value) {
                ("username", Value::String(text)) => user.username = text,
                ("username", _) => return Err(wrong("is a text")),
                ("password", Value::String(text)) => {
                    user.password_hash = Some(self.hash_password(SecretString::from(text)).await?);
                    new_password = true;
                }
                ("password", _) => return Err(wrong("is a text")),
                ("scope", Value::Null) => user.scope = None,
                ("scope", Value::String(text)) => {
                    user.scope = Some(Scope::parse(&text).map_err(|error| wrong(&format!("is no scope: {error}")))?);
                }
                ("scope", _) => return Err(wrong("is a text or null")),
                ("claims", Value::Null) => user.claims = ExtraClaims::new(),
                ("claims", patch @ Value::Object(_)) => {
                    let mut merged = Value::Object(user.claims);
                    merge_patch(&mut merged, patch);
                    user.claims = merged.as_object().cloned().unwrap_or_default();
                }
                ("claims", _) => return Err(wrong("is an object or null")),
                ("enabled", Value::Bool(enabled)) => user.enabled = enabled,
                ("enabled", Value::Null) => user.enabled = true,
                ("enabled", _) => return Err(wrong("is true or false")),
                _ => return Err(wrong("is no member of a user that can be changed")),
            }
        }
        check(&user)?;
        let target = Target::User(user.id);
        let (action, revocation) = match (was_enabled, user.enabled) {
            (true, false) => ("user.disable", Some(self.revocation(target, Cause::UserDisabled, None))),
            (was, is) => {
                let reason = Some("the password was changed".to_owned());
                let revocation = new_password.then(|| self.revocation(target, Cause::UserRevoked, reason));
                (if was == is { "user.update" } else { "user.enable" }, revocation)
            }
        };
        let written = self.store.user_update(&user, action, revocation.as_ref(), &actor.audited).await;
        self.written(written, user)
    }

    /// Sets a password and ends what was issued to the user.
    ///
    /// # Errors
    /// When there is no such user, or the password is not acceptable.
    pub async fn user_set_password(&self, id_or_name: &str, password: SecretString, actor: &Actor) -> Result<UserView> {
        let mut user = self.find_user(id_or_name).await?;
        user.password_hash = Some(self.hash_password(password).await?);
        let reason = Some("the password was changed".to_owned());
        let revocation = self.revocation(Target::User(user.id), Cause::UserRevoked, reason);
        let written = self.store.user_update(&user, "user.password", Some(&revocation), &actor.audited).await;
        self.written(written, user)
    }

    /// Deletes a user and ends what was issued to it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn user_delete(&self, id_or_name: &str, actor: &Actor) -> Result<()> {
        let user = self.find_user(id_or_name).await?;
        let revocation = self.revocation(Target::User(user.id), Cause::UserDeleted, None);
        if self.store.user_delete(user.id, &revocation, &actor.audited).await? {
            Ok(())
        } else {
            Err(not_found(id_or_name))
        }
    }

    pub(crate) async fn find_user(&self, id_or_name: &str) -> Result<User> {
        if !is_credential(id_or_name) {
            return Err(not_found(id_or_name));
        }
        // A username never has the form of an id, so there is no doubt about what is meant.
        let found = match id_or_name.parse::<Uuid>() {
            Ok(id) => self.store.user_find(id).await?,
            Err(_) => self.store.user_named(id_or_name).await?,
        };
        found.ok_or_else(|| not_found(id_or_name))
    }

    async fn hash_password(&self, password: SecretString) -> Result<String> {
        let text = password.expose_secret();
        // What makes a good password is for the application to say that registers its users.
        if !is_credential(text) {
            return Err(AdminError::Invalid("password is 1 to 1024 bytes without control characters".into()));
        }
        Ok(self.passwords.hash(password).await?)
    }

    fn written(&self, written: crate::store::Result<bool>, user: User) -> Result<UserView> {
        match written {
            Ok(true) => Ok(view(user)),
            Ok(false) => {
                Err(AdminError::Conflict(format!("the user {} was changed at the same time; try again", user.id)))
            }
            Err(error) => Err(taken(error, &user)),
        }
    }
}

fn not_found(id_or_name: &str) -> AdminError {
    no_such("user", id_or_name)
}

fn taken(error: StoreError, user: &User) -> AdminError {
    match error {
        StoreError::Exists => AdminError::Conflict(format!("there is a user {:?} already", user.username)),
        StoreError::Unavailable(_) => error.into(),
    }
}

fn check(user: &User) -> Result<()> {
    check_username(&user.username).map_err(AdminError::Invalid)?;
    if user.scope.as_ref().is_some_and(Scope::has_reserved) {
        return Err(AdminError::Invalid("scope: the jeton: scopes are never granted to users".into()));
    }
    claims::check_extra(&user.claims).map_err(|problem| AdminError::Invalid(format!("claims: {problem}")))
}
