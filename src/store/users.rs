//! Users.

use std::collections::HashMap;

use uuid::Uuid;

use crate::protocol::backoff::{Failures, Network};
use crate::protocol::object::Kind;
use crate::protocol::revocation::{NewRevocation, SequenceNumber};
use crate::protocol::role::Role;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::protocol::user::{User, username_key};
use crate::store::changes::{LogTransaction, Logged, Notice, Written};
use crate::store::database::{Dialect, Transaction};
use crate::store::login_failures::account_digest;
use crate::store::row::{Row, Value, array, to_json, unreadable, values};
use crate::store::{Audited, Page, Result, Store, StoreError};

/// The columns of `users u` that [`user`] reads.
macro_rules! user_columns {
    () => {
        "u.id AS user_id, u.sub AS user_sub, u.username, u.password_hash, u.scope AS user_scope, u.claims AS user_claims, \
         u.profile AS user_profile, u.enabled AS user_enabled, u.role AS user_role, u.created_at AS user_created_at, \
         u.version AS user_version, EXISTS (SELECT 1 FROM second_factors WHERE user_id = u.id) AS has_second_factor"
    };
}
pub(super) use user_columns;

macro_rules! users {
    ($($rest:literal),+) => {
        concat!("SELECT ", $crate::store::users::user_columns!(), " FROM users u ", $($rest),+)
    };
}
pub(super) use users;

pub(super) fn user(row: &Row) -> Result<User> {
    let scope: Option<String> = row.get("user_scope")?;
    let role: Option<String> = row.get("user_role")?;
    let unknown_role = |()| unreadable("role", &"this program does not know it");
    Ok(User {
        id: row.get("user_id")?,
        sub: row.get("user_sub")?,
        username: row.get("username")?,
        password_hash: row.get("password_hash")?,
        scope: scope.map(|text| Scope::parse(&text).map_err(|error| unreadable("scope", &error))).transpose()?,
        claims: row.json("user_claims")?,
        profile: row.json("user_profile")?,
        enabled: row.get("user_enabled")?,
        role: role.map(|name| name.parse().map_err(unknown_role)).transpose()?,
        has_second_factor: row.get("has_second_factor")?,
        created_at: row.moment("user_created_at")?,
        version: row.get("user_version")?,
    })
}

/// What a change writes of a user, then its id and version.
pub(super) fn changeable(user: &User) -> Result<Vec<Value>> {
    Ok(values![
        &user.username,
        username_key(&user.username),
        user.password_hash.clone(),
        user.scope.as_ref().map(ToString::to_string),
        to_json(&user.claims)?,
        user.enabled,
        to_json(&user.profile)?,
        user.role.map(Role::name),
        user.id,
        user.version
    ])
}

/// The id after which a page begins. None is smaller than the nil one.
fn after(page: &Page) -> Uuid {
    page.after.as_deref().and_then(|key| key.parse().ok()).unwrap_or(Uuid::nil())
}

/// The actions, in the audit trail, of a user who gets another role or password.
pub(super) const ROLE_CHANGED: &str = "user.role";
const PASSWORD_CHANGED: &str = "user.password";

/// Which users to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserFilter<'a> {
    /// Only the one with this name.
    pub username: Option<&'a str>,
    /// Only the one with this `sub`.
    pub sub: Option<&'a str>,
    /// Only those with a role.
    pub with_role: bool,
}

/// Whether the user of a row is an administrator who can log in, as [`User::is_administrator`] says.
fn is_administrator(row: &Row) -> Result<bool> {
    let can_log_in = row.get("enabled")? && row.get::<Option<String>>("password_hash")?.is_some();
    Ok(can_log_in && row.get::<Option<String>>("role")?.as_deref() == Some(Role::Admin.name()))
}

/// Which users a deletion may remove.
struct Removes {
    with_role: bool,
    last_administrator: bool,
}

/// Everything that decides about a login, read at one moment.
#[derive(Clone, Debug)]
pub struct LoginRecord {
    /// The user of that name, if any.
    pub user: Option<User>,
    /// The log head.
    pub head: SequenceNumber,
    /// Failed logins under the name, counted by all nodes together.
    pub failures: Option<Failures>,
    /// Whether the user is known on the network.
    pub is_known_network: bool,
}

impl Store {
    /// Everything that decides about a login under this name from this network.
    pub async fn login_find(&self, username: &str, network: Network) -> Result<LoginRecord> {
        let sql = concat!(
            "SELECT ",
            user_columns!(),
            ", h.number AS head, g.failures AS failures, g.last_at AS failed_at, k.network AS known \
             FROM change_head h LEFT JOIN users u ON u.username_key = $1 LEFT JOIN login_failures g ON g.account = $2 \
             LEFT JOIN known_networks k ON k.user_id = u.id AND k.network = $3 WHERE h.id = 1"
        );
        let values = values![username_key(username), account_digest(username), network.to_string()];
        let missing = || unreadable("head", &"the table change_head is empty");
        let row = self.database.query_one(sql, values).await?.ok_or_else(missing)?;
        let found: Option<Uuid> = row.get("user_id")?;
        let (failures, failed_at): (Option<i64>, Option<i64>) = (row.get("failures")?, row.get("failed_at")?);
        let known: Option<String> = row.get("known")?;
        Ok(LoginRecord {
            user: found.map(|_| user(&row)).transpose()?,
            head: row.get("head")?,
            failures: failures
                .zip(failed_at)
                .map(|(count, last)| Failures { count, last: Timestamp::from_millis(last) }),
            is_known_network: known.is_some(),
        })
    }

    /// The user with this name.
    pub async fn user_named(&self, username: &str) -> Result<Option<User>> {
        self.one_user(users!("WHERE username_key = $1"), values![username_key(username)]).await
    }

    /// The user with this id.
    pub async fn user_find(&self, id: Uuid) -> Result<Option<User>> {
        self.one_user(users!("WHERE id = $1"), values![id]).await
    }

    /// The user with this `sub`.
    pub async fn user_with_sub(&self, sub: &str) -> Result<Option<User>> {
        self.one_user(users!("WHERE sub = $1"), values![sub]).await
    }

    /// The user with this id, `sub` or username. No text leads to two users: creation and renaming refuse that.
    pub async fn user_addressed(&self, text: &str) -> Result<Option<User>> {
        let sql = users!(
            "WHERE id = $1 OR sub = $2 OR username_key = $3 \
             ORDER BY CASE WHEN id = $1 THEN 0 WHEN sub = $2 THEN 1 ELSE 2 END LIMIT 1"
        );
        self.one_user(sql, values![text.parse::<Uuid>().ok(), text, username_key(text)]).await
    }

    async fn one_user(&self, sql: &'static str, values: Vec<Value>) -> Result<Option<User>> {
        self.database.query_one(sql, values).await?.map(|row| user(&row)).transpose()
    }

    /// Users by id, oldest first; the key of a page is the id.
    pub async fn user_list(&self, filter: &UserFilter<'_>, page: &Page) -> Result<Vec<User>> {
        // A text for each filter, so that each finds its index.
        macro_rules! listed {
            ($which:literal) => {
                match filter.with_role {
                    true => users!("WHERE role IS NOT NULL AND ", $which, "id > $1 ORDER BY id LIMIT $2"),
                    false => users!("WHERE ", $which, "id > $1 ORDER BY id LIMIT $2"),
                }
            };
        }
        let sql = match (filter.username, filter.sub) {
            (None, None) => listed!(""),
            (Some(_), None) => listed!("username_key = $3 AND "),
            (None, Some(_)) => listed!("sub = $3 AND "),
            (Some(_), Some(_)) => listed!("username_key = $3 AND sub = $4 AND "),
        };
        let mut values = values![after(page), page.limit];
        values.extend(filter.username.map(username_key).map(Value::from));
        values.extend(filter.sub.map(Value::from));
        self.database.query(sql, values).await?.iter().map(user).collect()
    }

    /// The names of these users, but for those that do not exist.
    pub async fn usernames(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, String>> {
        let (sql, asked) = match self.dialect() {
            Dialect::Postgres => {
                ("SELECT id, username FROM users WHERE id = ANY ($1::text::uuid[])", array(ids.iter()))
            }
            Dialect::Sqlite => {
                let hex: Vec<String> = ids.iter().map(|id| id.simple().to_string()).collect();
                ("SELECT id, username FROM users WHERE id IN (SELECT unhex(value) FROM json_each($1))", to_json(&hex)?)
            }
        };
        let rows = self.database.query(sql, values![asked]).await?;
        rows.iter().map(|row| Ok((row.get("id")?, row.get("username")?))).collect()
    }

    /// Replaces a user, unless it changed since `user.version`, and writes the revocation that goes with the change,
    /// which ends the links to set a password and the browser sessions too. Returns whether it was replaced.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the new name is taken, [`StoreError::Ambiguous`], [`StoreError::LastAdministrator`] when no
    /// administrator who can log in would be left, [`StoreError::UnknownFeature`] for a role.
    pub async fn user_update(
        &self,
        user: &User,
        action: &'static str,
        revocation: Option<&NewRevocation>,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        let written = transaction.update_user(user, action, revocation, audited).await?;
        transaction.end(written).await
    }

    /// Deletes a user and revokes what was issued to it. Returns whether there was one that may be deleted: one without a role, or
    /// any if `even_with_role`.
    ///
    /// # Errors
    /// [`StoreError::LastAdministrator`] when no administrator who can log in would be left.
    pub async fn user_delete(
        &self,
        id: Uuid,
        revocation: &NewRevocation,
        even_with_role: bool,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        self.user_remove(id, revocation, Removes { with_role: even_with_role, last_administrator: false }, audited)
            .await
    }

    /// The same for a user that may be the last administrator, because its password is well known.
    pub async fn user_delete_demo(
        &self,
        id: Uuid,
        revocation: &NewRevocation,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        self.user_remove(id, revocation, Removes { with_role: true, last_administrator: true }, audited).await
    }

    async fn user_remove(
        &self,
        id: Uuid,
        revocation: &NewRevocation,
        removes: Removes,
        audited: &Audited,
    ) -> Result<Logged<bool>> {
        let mut transaction = self.begin_logged().await?;
        transaction.lock_administrators().await?;
        // The user first, as everywhere, so that no two transactions wait for each other.
        if transaction.dialect() == Dialect::Postgres {
            transaction.query("SELECT id FROM users WHERE id = $1 FOR UPDATE", values![id]).await?;
        }
        transaction.browser_sessions_end_with_notices(id, audited.at).await?;
        let delete =
            "DELETE FROM users WHERE id = $1 AND (role IS NULL OR $2) RETURNING sub, role, enabled, password_hash";
        let Some(row) = transaction.query_one(delete, values![id, removes.with_role]).await? else {
            return transaction.roll_back(false).await;
        };
        if is_administrator(&row)? && !removes.last_administrator && !transaction.has_administrator().await? {
            return transaction.roll_back(()).await.and(Err(StoreError::LastAdministrator));
        }
        let sub: String = row.get("sub")?;
        transaction.sub_free(&sub).await?;
        transaction.disown(Kind::Role, &sub).await?;
        transaction.audit(audited, "user.delete", format!("user {id}"), None).await?;
        transaction.revoke(revocation, audited).await?;
        transaction.commit(true).await
    }
}

impl LogTransaction {
    /// Replaces a user, as [`Store::user_update`] does.
    pub(super) async fn update_user(
        &mut self,
        user: &User,
        action: &'static str,
        revocation: Option<&NewRevocation>,
        audited: &Audited,
    ) -> Result<Written> {
        let before = "SELECT username_key, role, enabled, password_hash FROM users WHERE id = $1";
        let Some(before) = self.query_one(before, values![user.id]).await? else { return Ok(Written::Outdated) };
        // A change of anything else needs no lock that others hold.
        let is_renamed = before.get::<String>("username_key")? != username_key(&user.username);
        if is_renamed && self.is_ambiguous(user).await? {
            return Ok(Written::Refused(StoreError::Ambiguous));
        }
        let is_removed = is_administrator(&before)? && !user.is_administrator();
        if is_removed {
            self.lock_administrators().await?;
        }
        let has_new_role = before.get::<Option<String>>("role")?.as_deref() != user.role.map(Role::name);
        if has_new_role
            && user.role.is_some()
            && let Some(refusal) = self.use_roles(audited.at).await?
        {
            return Ok(Written::Refused(refusal));
        }
        let sql = "UPDATE users SET username = $1, username_key = $2, password_hash = $3, scope = $4, claims = $5, enabled = $6, \
                   profile = $7, role = $8, version = version + 1 WHERE id = $9 AND version = $10 RETURNING id";
        if self.query_one(sql, changeable(user)?).await?.is_none() {
            return Ok(Written::Outdated);
        }
        if is_removed && !self.has_administrator().await? {
            return Ok(Written::Refused(StoreError::LastAdministrator));
        }
        if has_new_role && user.role.is_none() {
            self.disown(Kind::Role, &user.sub).await?;
        }
        let detail = has_new_role
            .then(|| user.role.map_or_else(|| "no role".to_owned(), |role| format!("role {}", role.name())));
        self.audit(audited, action, format!("user {}", user.id), detail.clone()).await?;
        // Who watches for these must not miss one that came with another change.
        if has_new_role && action != ROLE_CHANGED {
            self.audit(audited, ROLE_CHANGED, format!("user {}", user.id), detail).await?;
        }
        let has_new_password = before.get::<Option<String>>("password_hash")? != user.password_hash;
        if has_new_password && action != PASSWORD_CHANGED {
            self.audit(audited, PASSWORD_CHANGED, format!("user {}", user.id), None).await?;
        }
        match revocation {
            Some(revocation) => {
                self.query("DELETE FROM password_links WHERE user_id = $1", values![user.id]).await?;
                self.browser_sessions_end_with_notices(user.id, audited.at).await?;
                self.revoke(revocation, audited).await?
            }
            None => self.notify(Notice::User(&user.sub), audited).await?,
        };
        Ok(Written::Done)
    }
}

impl Transaction {
    /// Until the transaction ends, no other one asks or writes by which texts users are found.
    pub(super) async fn lock_users(&mut self) -> Result<()> {
        if self.dialect() == Dialect::Postgres {
            // The number is arbitrary, but never changes. SQLite has one writer.
            self.query("SELECT pg_advisory_xact_lock(7432)", vec![]).await?;
        }
        Ok(())
    }

    /// Whether a text could lead to this user and to another one: its `sub` is another's id or username, or its username
    /// is another's `sub`, as usernames are compared. Until the transaction ends, that stays so.
    pub(super) async fn is_ambiguous(&mut self, user: &User) -> Result<bool> {
        self.lock_users().await?;
        let sql =
            "SELECT 1 AS one FROM users WHERE id <> $1 AND (id = $2 OR username_key = $3 OR sub_key = $4) LIMIT 1";
        let values =
            values![user.id, user.sub.parse::<Uuid>().ok(), username_key(&user.sub), username_key(&user.username)];
        Ok(self.query_one(sql, values).await?.is_some())
    }
}
