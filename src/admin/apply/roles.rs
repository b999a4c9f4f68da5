//! The roles of a set: who administers in the console.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::admin::apply::plan::{Plan, at};
use crate::admin::apply::{Change, ChangeAction, Object};
use crate::admin::schema::Username;
use crate::admin::users::{check_role, taken};
use crate::admin::{Actor, AdminError, Result, body};
use crate::app::App;
use crate::protocol::object::Kind;
use crate::protocol::role::Role;
use crate::protocol::subject::check_sub;
use crate::protocol::user::{User, check_username, username_key};
use crate::store::{Page, SetWrite, StoreError, SubOwner, UserFilter};

/// The role of a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    /// The name of the user.
    #[schema(value_type = Username)]
    pub username: String,
    /// The `sub` of the user's tokens. With it, nobody else is meant who has or gets the name, and a user who is not there is created
    /// without a password. Without it, whoever has the name is meant, who must be there.
    #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    pub sub: Option<String>,
    /// What the user may administer in the console.
    pub role: Role,
    /// Only with `sub`: whether the user is created enabled. Does not change a user who exists.
    #[schema(default = true)]
    pub enabled: Option<bool>,
}

/// Reads a role and checks it as far as it goes by itself.
pub(super) fn read(object: &Object) -> Result<SetRole> {
    let set: SetRole = body::read_members(object.clone())?;
    check_username(&set.username).map_err(AdminError::Invalid)?;
    set.sub.as_deref().map_or(Ok(()), check_sub).map_err(AdminError::Invalid)?;
    if set.sub.is_none() && set.enabled.is_some() {
        return Err(AdminError::Invalid("enabled: only with sub, which says whom to create".into()));
    }
    Ok(set)
}

/// Decides what happens to the roles of the set, and to those that left it.
pub(super) async fn plan(app: &App, plan: &mut Plan<'_>, actor: &Actor) -> Result<()> {
    let mut wanted = Vec::new();
    plan.each(Kind::Role, read, |_, set| {
        check_role(Some(set.role), actor)?;
        wanted.push(set);
        Ok(())
    })?;
    let filter = UserFilter { with_role: true, ..UserFilter::default() };
    let holders = app.store.user_list(&filter, &Page { limit: i64::MAX, after: None }).await?;
    let mut administrators: BTreeSet<String> =
        holders.iter().filter(|user| user.is_administrator()).map(|user| user.sub.clone()).collect();
    let mut holders: BTreeMap<String, User> =
        holders.into_iter().map(|user| (username_key(&user.username), user)).collect();
    let (mut demoted, mut created) = (None, BTreeSet::new());
    for (index, SetRole { username, sub, role, enabled }) in wanted.into_iter().enumerate() {
        let here = |error| at(Kind::Role, index, error);
        let key = username_key(&username);
        let named = match holders.remove(&key) {
            Some(holder) => Some(holder),
            None => app.store.user_named(&username).await?,
        };
        let user = match (named, sub) {
            (Some(user), Some(sub)) if user.sub != sub => return Err(here(other_sub(&user, &sub))),
            (Some(user), _) => user,
            (None, None) => return Err(here(missing())),
            (None, Some(sub)) => match app.store.user_with_sub(&sub).await? {
                // The user was renamed since.
                Some(user) => user,
                None => {
                    plan.claim(Kind::Role, &sub, &username).map_err(here)?;
                    if !created.insert(key) {
                        let text = format!("username: the user {username} is named twice");
                        return Err(here(AdminError::Invalid(text)));
                    }
                    create(app, plan, username, sub, role, enabled.unwrap_or(true)).await.map_err(here)?;
                    continue;
                }
            },
        };
        plan.claim(Kind::Role, &user.sub, &username).map_err(here)?;
        if user.role == Some(role) {
            plan.is_unchanged(Kind::Role, &user.sub);
            continue;
        }
        let action = if user.role.is_none() { ChangeAction::Create } else { ChangeAction::Update };
        if change(app, plan, action, user, Some(role), &mut administrators) {
            demoted = Some(index);
        }
    }
    if let Some(index) = demoted.filter(|_| administrators.is_empty()) {
        return Err(at(Kind::Role, index, StoreError::LastAdministrator.into()));
    }
    let pruned = plan.pruned(Kind::Role);
    for user in holders.into_values().filter(|user| pruned.contains(&user.sub)) {
        check_role(user.role, actor)?;
        if administrators.contains(&user.sub) && administrators.len() == 1 {
            plan.keep(Kind::Role, &user.username, "This is the last enabled administrator with a password.");
        } else {
            change(app, plan, ChangeAction::Delete, user, None, &mut administrators);
        }
    }
    Ok(())
}

fn missing() -> AdminError {
    AdminError::Conflict(
        "username: there is no such user; create the user first, or name the sub with which the set is to create it"
            .into(),
    )
}

/// The error for an entry with another `sub` than the user of its name has: a name that somebody else got.
fn other_sub(user: &User, sub: &str) -> AdminError {
    AdminError::Conflict(format!(
        "sub: the user {} has the sub {:?}, not {sub:?}: correct the entry, or leave sub out if whoever has the name is meant",
        user.username, user.sub
    ))
}

/// Creates a user who has a role and cannot log in yet. It is no administrator who could be the last one.
async fn create(
    app: &App,
    plan: &mut Plan<'_>,
    username: String,
    sub: String,
    role: Role,
    enabled: bool,
) -> Result<()> {
    if app.store.sub_owner(&sub).await? == Some(SubOwner::Client) {
        return Err(taken(StoreError::SubTaken(SubOwner::Client), &username, &sub));
    }
    for text in [&username, &sub] {
        if app.store.user_addressed(text).await?.is_some() {
            return Err(taken(StoreError::Ambiguous, &username, &sub));
        }
    }
    let note = match enabled {
        true => "This user cannot log in before setting a password: `jeton user password-link USERNAME` prints a link.",
        false => "This user is created disabled, and without a password.",
    };
    let change = Change {
        creates_user: true,
        notes: vec![note.to_owned()],
        ..Change::new(ChangeAction::Create, Kind::Role, &username)
    }
    .of(&json!({"sub": null, "role": null, "enabled": true}), &json!({"sub": sub, "role": role, "enabled": enabled}));
    let user = User {
        id: Uuid::now_v7(),
        sub,
        username,
        password_hash: None,
        scope: None,
        claims: Default::default(),
        profile: Default::default(),
        enabled,
        role: Some(role),
        has_second_factor: false,
        created_at: app.clock.now(),
        version: 1,
    };
    plan.change(change, SetWrite::CreateUser(user));
    Ok(())
}

/// Gives a user another role, or none. Returns whether that is an administrator less.
fn change(
    app: &App,
    plan: &mut Plan<'_>,
    action: ChangeAction,
    mut user: User,
    role: Option<Role>,
    administrators: &mut BTreeSet<String>,
) -> bool {
    let mut change = Change::new(action, Kind::Role, &user.username);
    if role.is_some() {
        change = change.of(&json!({"role": user.role}), &json!({"role": role}));
    }
    user.role = role;
    let is_removed = administrators.remove(&user.sub);
    if user.is_administrator() {
        administrators.insert(user.sub.clone());
    }
    let revocation = app.role_revocation(&user);
    plan.change(change, SetWrite::ChangeRole { user, revocation });
    is_removed
}
