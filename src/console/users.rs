//! Users: finding them, and one page for each.

use crate::admin::AdminError;
use crate::admin::body::Patch;
use crate::admin::powers::{ADMIN, READ, READ_REVOCATIONS, READ_USERS, REVOKE, USERS};
use crate::admin::users::{NewPasswordLink, UserPatch, UserView};
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, FieldKind, Form, Page, Row, Table};
use crate::console::visit::{Content, Outcome, Problem, Visit, address, sentence, unknown_action};
use crate::console::{preview, sessions, trail};
use crate::protocol::revocation::Target;
use crate::protocol::role::Role;
use crate::store::UserFilter;

const LIST: &str = "console/users";
const ONE: &str = "console/user";

/// What the forms of a page ask for.
const ACTIONS: [&str; 6] = ["enable", "disable", "delete", "password_link", "remove_second_factor", "set_role"];

pub(super) async fn list(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_USERS)?;
    let typed = visit.text("user")?;
    let mut page = Page::new("Users").with(visit.done()?);
    let mut problem = None;
    if !typed.is_empty() {
        match visit.app.user_show(&typed).await {
            Ok(user) => return Ok(Content::Elsewhere(one(&user.id.to_string()))),
            Err(error @ AdminError::NotFound(_)) => {
                page.status = 404;
                problem = Some(sentence(&error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let find = Field { problem, ..Field::new("user", "Username, id or sub", typed.as_str()) };
    let form = Form::query("find", LIST, vec![find], vec![Button::new("", "Find")]);
    let has_role = visit.one("with")? == Some("role");
    let filter = UserFilter { with_role: has_role, ..UserFilter::default() };
    let users = visit.app.user_list(&filter, &visit.part()?).await?;
    let (of_kind, other) = match has_role {
        true => ("role", Cell::link("All users", LIST)),
        false => ("", Cell::link("Only users with a role", address(LIST, &[("with", "role")]))),
    };
    let rows = users.items.iter().map(|user| {
        Row::from(vec![
            Cell::link(user.username.as_str(), one(&user.id.to_string())),
            Cell::text(user.role.map_or("", Role::name)),
            state(user),
            Cell::text(if user.second_factor { "yes" } else { "no" }),
            Cell::moment(user.created_at),
        ])
    });
    let table = Table {
        caption: "Users, the oldest first",
        columns: vec!["User", "Role", "State", "Second factor", "Created"],
        rows: rows.collect(),
        empty: "There are none.",
        next: users.next.as_deref().map(|cursor| address(LIST, &[("with", of_kind), ("cursor", cursor)])),
    };
    if visit.may(USERS) {
        page = page.with(Block::Text(vec![Cell::link("Create a user", "console/new-user")]));
    }
    Ok(page.with(Block::Form(form)).with(Block::Text(vec![other])).with(Block::Table(table)).into())
}

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_USERS)?;
    let user = visit.app.user_show(&visit.text("id")?).await?;
    let id = user.id.to_string();
    let mut page = Page::new(format!("User {}", user.username)).with(visit.done()?).with(Block::Facts(facts(&user)));
    for (summary, claims) in [("Claims in tokens", &user.claims), ("Profile", &user.profile)] {
        if !claims.is_empty() {
            let text = serde_json::to_string_pretty(claims).unwrap_or_default();
            page = page.with(Block::Details(summary.to_owned(), text));
        }
    }
    if visit.may(READ) {
        page = page.with(trail::links(&format!("user {id}"), "What this user did", "Who changed this user"));
        let would_get = Cell::link("What a client would get for this user", preview::of_user(&id));
        page = page.with(Block::Text(vec![would_get]));
    }
    if visit.may(READ_REVOCATIONS) {
        page = page.with(Block::heading("Active sessions")).with(Block::Table(sessions::of_user(visit, &id).await?));
    }
    if visit.may(REVOKE) {
        let revoke = address("console/revoke", &[("user", &id)]);
        page = page.with(Block::Text(vec![Cell::link("End all sessions and logins of this user", revoke)]));
    }
    // Whoever may administer users may not touch those who have power over others.
    if visit.may(ADMIN) || visit.may(USERS) && user.role.is_none() {
        let ends = visit.app.sessions_covered(&Target::User(user.sub.clone())).await;
        page = page.with(actions(&user, &sessions::ends(ends)));
    }
    if visit.may(ADMIN) {
        page = page.with(role_form(&user));
    }
    Ok(page.into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(USERS)?;
    let id = visit.text("id")?;
    let (app, actor) = (visit.app, visit.actor());
    let action = visit.one("action")?.filter(|action| ACTIONS.contains(action)).ok_or_else(unknown_action)?;
    confirm(visit, &["action", "id", "role"]).await?;
    let done = match action {
        "enable" => {
            let patch = UserPatch { enabled: Patch::Set(true), ..UserPatch::default() };
            app.user_update(&id, patch, &actor).await?;
            "enabled"
        }
        "disable" => {
            let patch = UserPatch { enabled: Patch::Set(false), ..UserPatch::default() };
            app.user_update(&id, patch, &actor).await?;
            "disabled"
        }
        "delete" => {
            app.user_delete(&id, &actor).await?;
            return Ok(Content::Elsewhere(address(LIST, &[("done", "deleted")])));
        }
        "password_link" => {
            let link = app.user_password_link(&id, &NewPasswordLink::default(), &actor).await?;
            return Ok(password_link(&id, link.url).into());
        }
        "remove_second_factor" => {
            app.user_second_factor_remove(&id, &actor).await?;
            "second_factor_removed"
        }
        "set_role" => {
            let role = read_role(visit)?;
            app.user_update(&id, UserPatch { role, ..UserPatch::default() }, &actor).await?;
            "role_changed"
        }
        _ => return Err(unknown_action()),
    };
    Ok(Content::Elsewhere(address(ONE, &[("id", &id), ("done", done)])))
}

/// The address of the page of a user.
pub(super) fn one(id: &str) -> String {
    address(ONE, &[("id", id)])
}

fn read_role(visit: &Visit<'_>) -> Outcome<Patch<Role>> {
    match visit.one("role")? {
        Some("none") => Ok(Patch::Reset),
        name => match name.unwrap_or_default().parse() {
            Ok(role) => Ok(Patch::Set(role)),
            Err(()) => Err(Problem::Admin(AdminError::Invalid("there is no such role".into()))),
        },
    }
}

fn state(user: &UserView) -> Cell {
    match (user.enabled, user.has_password) {
        (false, _) => Cell::state("disabled", false),
        (true, false) => Cell::state("no password yet", false),
        (true, true) => Cell::state("enabled", true),
    }
}

fn facts(user: &UserView) -> Vec<(String, Vec<Cell>)> {
    let scope = user.scope.as_ref().map_or_else(|| "whatever the client may".to_owned(), ToString::to_string);
    let facts = [
        ("Id", Cell::code(user.id.to_string())),
        ("sub of its tokens", Cell::code(user.sub.as_str())),
        ("State", state(user)),
        ("Role", Cell::text(user.role.map_or("none", Role::name))),
        ("Second factor", Cell::text(if user.second_factor { "yes" } else { "no" })),
        ("May be granted", Cell::text(if scope.is_empty() { "no scope".to_owned() } else { scope })),
        ("Created", Cell::moment(user.created_at)),
    ];
    facts.map(|(name, cell)| (name.to_owned(), vec![cell])).into()
}

fn actions(user: &UserView, ends: &str) -> Vec<Block> {
    let change = match user.enabled {
        true => Button::quiet("disable", "Disable"),
        false => Button::quiet("enable", "Enable"),
    };
    let mut buttons = vec![change, Button::quiet("password_link", "Link to set a password")];
    if user.second_factor {
        buttons.push(Button::quiet("remove_second_factor", "Remove the second factor"));
    }
    buttons.push(Button::quiet("delete", "Delete"));
    let form = Form::post("change", ONE, vec![Field::hidden("id", user.id.to_string())], buttons);
    vec![
        Block::heading("Change it"),
        Block::text(format!("Disabling or deleting the user, or a new password, ends {ends}, and all logins.")),
        Block::Form(form),
    ]
}

fn role_form(user: &UserView) -> Vec<Block> {
    let choices = [("none", "none")].into_iter().chain(Role::ALL.iter().map(|role| (role.name(), role.name())));
    let role = Field::new("role", "Role", user.role.map_or("none", Role::name));
    let form = Form::post(
        "role",
        ONE,
        vec![Field::hidden("id", user.id.to_string()), Field { kind: FieldKind::Choice(choices.collect()), ..role }],
        vec![Button::quiet("set_role", "Set the role")],
    );
    let text = "Another role ends what was issued to the user and its logins. Make sure that the password and the second factor are \
                the user's own: whoever knows them gets the role.";
    vec![Block::heading("Role"), Block::text(text), Block::Form(form)]
}

fn password_link(id: &str, url: String) -> Page {
    Page::new("A link to set a password")
        .with(Block::text("Send this link to the user. It works once, for a day, and is as secret as a password. It is shown only now."))
        .with(Block::Code(url))
        .with(Block::Text(vec![Cell::link("Back to the user", one(id))]))
}
