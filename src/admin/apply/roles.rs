//! The roles of a set: who administers in the console.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::admin::apply::plan::{Plan, at};
use crate::admin::apply::{Change, ChangeAction, Object};
use crate::admin::schema::Username;
use crate::admin::users::check_role;
use crate::admin::{Actor, AdminError, Result, body};
use crate::app::App;
use crate::protocol::object::Kind;
use crate::protocol::role::Role;
use crate::protocol::user::{User, check_username, username_key};
use crate::store::{Page, SetWrite, StoreError, UserFilter};

/// The role of a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRole {
    /// The name of the user, who is there already.
    #[schema(value_type = Username)]
    pub username: String,
    /// What the user may administer in the console.
    pub role: Role,
}

/// Reads a role and checks it as far as it goes by itself.
pub(super) fn read(object: &Object) -> Result<SetRole> {
    let set: SetRole = body::read_members(object.clone())?;
    check_username(&set.username).map_err(AdminError::Invalid)?;
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
    let mut demoted = None;
    for (index, SetRole { username, role }) in wanted.into_iter().enumerate() {
        let user = match holders.remove(&username_key(&username)) {
            Some(holder) => Some(holder),
            None => app.store.user_named(&username).await?,
        };
        let here = |error| at(Kind::Role, index, error);
        let missing = "username: there is no such user; a set gives roles to users who are there, and creates none";
        let user = user.ok_or_else(|| here(AdminError::Conflict(missing.into())))?;
        plan.claim(Kind::Role, &user.sub, &user.username).map_err(here)?;
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
            plan.keep(Kind::Role, &user.username, "This is the last enabled administrator.");
        } else {
            change(app, plan, ChangeAction::Delete, user, None, &mut administrators);
        }
    }
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
