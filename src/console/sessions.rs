//! Sessions: what one client got for one user.

use uuid::Uuid;

use crate::admin::powers::{READ_CLIENTS, READ_REVOCATIONS, READ_USERS, REVOKE};
use crate::admin::revocations::SessionCount;
use crate::admin::sessions::SessionView;
use crate::admin::{AdminError, ListRequest};
use crate::console::page::{Block, Button, Cell, Field, Form, Page, Row, Table};
use crate::console::visit::{Content, Outcome, Problem, Visit, address, sentence};

const LIST: &str = "console/sessions";
/// The most sessions on the page of a client or a user.
const FIRST: i64 = 10;

pub(super) async fn list(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_REVOCATIONS)?;
    let (user, client) = (visit.text("user")?, visit.text("client")?);
    let mut page = Page::new("Active sessions");
    let (table, problem) = match table(visit, &user, &client, &visit.part()?).await {
        Ok(table) => (Some(table), None),
        Err(Problem::Admin(error @ AdminError::NotFound(_))) => {
            page.status = 404;
            (None, Some(sentence(&error.to_string())))
        }
        Err(problem) => return Err(problem),
    };
    let form = Form::query(
        "filter",
        LIST,
        vec![
            Field { problem, ..Field::new("user", "Username, id or sub of the user", user.as_str()) },
            Field::new("client", "Client", client.as_str()),
        ],
        vec![Button::new("", "Show")],
    );
    Ok(page.with(Block::Form(form)).with(table.map(Block::Table)).into())
}

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_REVOCATIONS)?;
    let session = visit.app.session_show(&visit.text("id")?).await?;
    let id = session.id.to_string();
    let state = match &session.revoked {
        Some(revoked) => vec![
            Cell::state(format!("ended ({})", revoked.cause), false),
            Cell::link(
                format!("revocation {}", revoked.number),
                address("console/revocation", &[("number", &revoked.number.to_string())]),
            ),
        ],
        None if session.expires_at <= visit.app.clock.now() => vec![Cell::state("expired", false)],
        None => vec![Cell::state("active", true)],
    };
    let is_active = state.len() == 1 && state[0].is_good;
    let facts = [
        ("State", state),
        ("User", vec![user(visit, &session, None)]),
        ("Client", vec![client(visit, &session)]),
        ("Scope", vec![Cell::code(session.scope.to_string())]),
        ("Audiences", session.audiences.iter().map(|audience| Cell::code(audience.as_str())).collect()),
        ("Began", vec![Cell::moment(session.created_at)]),
        ("Last refreshed", vec![Cell::moment(session.last_refreshed_at)]),
        ("Ends by itself", vec![Cell::text(session.expires_at.to_string())]),
    ];
    let mut page = Page::new(format!("Session {id}"));
    page = page.with(Block::Facts(facts.map(|(name, cells)| (name.to_owned(), cells)).into()));
    if is_active && visit.may(REVOKE) {
        let revoke = address("console/revoke", &[("session", &id)]);
        page = page.with(Block::Text(vec![Cell::link("End this session", revoke)]));
    }
    Ok(page.into())
}

/// The newest active sessions of a client.
pub(super) async fn of_client(visit: &Visit<'_>, client_id: &str) -> Outcome<Table> {
    table(visit, "", client_id, &ListRequest { limit: Some(FIRST), cursor: None }).await
}

/// The newest active sessions of a user.
pub(super) async fn of_user(visit: &Visit<'_>, id: &str) -> Outcome<Table> {
    table(visit, id, "", &ListRequest { limit: Some(FIRST), cursor: None }).await
}

async fn table(visit: &Visit<'_>, user: &str, client: &str, part: &ListRequest) -> Outcome<Table> {
    let filter = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let (of_user, of_client) = (filter(user), filter(client));
    let sessions = visit.app.session_list_active(of_user.as_deref(), of_client.as_deref(), part).await?;
    // Who may not read users sees their ids alone, as in the API.
    let may_read_users = visit.may(READ_USERS);
    let ids = sessions.items.iter().filter(|_| may_read_users).map(|session| session.user).collect::<Vec<Uuid>>();
    let names = visit.app.usernames(&ids).await?;
    let filters = [("user", user), ("client", client)];
    let next = sessions.next.as_deref().map(|cursor| address(LIST, &[filters[0], filters[1], ("cursor", cursor)]));
    Ok(Table {
        caption: "Active sessions, the newest first",
        columns: vec!["Session", "User", "Client", "Scope", "Began", "Last refreshed"],
        rows: sessions.items.iter().map(|session| row(visit, session, names.get(&session.user))).collect(),
        empty: "There are none.",
        next,
    })
}

/// A session, with the name of its user, unless that was deleted.
fn row(visit: &Visit<'_>, session: &SessionView, username: Option<&String>) -> Row {
    let id = session.id.to_string();
    Row::from(vec![
        Cell::link(id.as_str(), address("console/session", &[("id", &id)])),
        user(visit, session, username),
        client(visit, session),
        Cell::code(session.scope.to_string()),
        Cell::moment(session.created_at),
        Cell::moment(session.last_refreshed_at),
    ])
}

/// The user of a session, with a link for who may follow it.
fn user(visit: &Visit<'_>, session: &SessionView, username: Option<&String>) -> Cell {
    let id = session.user.to_string();
    let name = username.unwrap_or(&id).as_str();
    match visit.may(READ_USERS) {
        true => Cell::link(name, address("console/user", &[("id", &id)])),
        false => Cell::text(name),
    }
}

/// The client of a session, with a link for who may follow it.
fn client(visit: &Visit<'_>, session: &SessionView) -> Cell {
    let id = session.client_id.as_str();
    match visit.may(READ_CLIENTS) {
        true => Cell::link(id, address("console/client", &[("id", id)])),
        false => Cell::text(id),
    }
}

/// A number of sessions in words.
pub(super) fn ends(count: SessionCount) -> String {
    match (count.sessions, count.or_more) {
        (None, _) => "its active sessions, which could not be counted in time".to_owned(),
        (Some(0), true) => {
            "an unknown number of active sessions: none of the newest is active, and there are too many to count"
                .to_owned()
        }
        (Some(1), true) => "at least 1 active session; there are too many to count".to_owned(),
        (Some(count), true) => format!("at least {count} active sessions; there are too many to count"),
        (Some(0), false) => "no active session".to_owned(),
        (Some(1), false) => "1 active session".to_owned(),
        (Some(count), false) => format!("{count} active sessions"),
    }
}
