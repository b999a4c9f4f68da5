//! Revocations: how many sessions one would end, before; which nodes have seen it, after.

use crate::admin::AdminError;
use crate::admin::powers::{READ_REVOCATIONS, REVOKE};
use crate::admin::revocations::{RevocationPreview, RevocationRequest, RevocationView, TargetView, check_reason};
use crate::app::App;
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, Form, LIVE, Page, Parts, Row, Table};
use crate::console::sessions;
use crate::console::visit::{Content, Outcome, Problem, Visit, address, sentence};
use crate::protocol::role::Role;

const LIST: &str = "console/revocations";
const ONE: &str = "console/revocation";
const NEW: &str = "console/revoke";
/// The part of the page that is kept current.
const RECEIPTS: &str = "receipts";

pub(super) async fn list(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_REVOCATIONS)?;
    let revocations = visit.app.revocation_list(&visit.part()?).await?;
    let rows = revocations.items.iter().map(|revocation| {
        let number = revocation.number.to_string();
        Row::from(vec![
            Cell::link(number.as_str(), one(&number)),
            Cell::text(name(&revocation.target)),
            Cell::code(revocation.cause.name()),
            Cell::text(revocation.reason.clone().unwrap_or_default()),
            Cell::text(revocation.actor.as_str()),
            Cell::moment(revocation.created_at),
        ])
    });
    let table = Table {
        caption: "Revocations, the newest first",
        columns: vec!["Number", "What", "Cause", "Reason", "By", "When"],
        rows: rows.collect(),
        empty: "Nothing was revoked.",
        next: revocations.next.as_deref().map(|cursor| address(LIST, &[("cursor", cursor)])),
    };
    let mut page = Page::new("Revocations");
    if visit.may(REVOKE) {
        page = page.with(Block::Form(question())).with(everything(visit));
    }
    Ok(page.with(Block::Table(table)).into())
}

/// Asks what to end; the next page says what that means.
fn question() -> Form {
    Form {
        id: "new",
        path: NEW.to_owned(),
        is_query: true,
        fields: vec![
            Field::new("user", "Everything of this user (name, id or sub)", ""),
            Field::new("client", "or everything of this client", ""),
            Field::new("session", "or this session", ""),
        ],
        buttons: vec![Button::new("", "See what this would end")],
    }
}

fn everything(visit: &Visit<'_>) -> Option<Block> {
    let link = Cell::link("End everything that was ever issued", address(NEW, &[("all", "true")]));
    (visit.role == Role::Admin).then(|| Block::Text(vec![link]))
}

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_REVOCATIONS)?;
    let revocation = visit.app.revocation_show(&visit.text("number")?).await?;
    let number = revocation.number.to_string();
    // Once every node has seen it, nothing changes any more.
    let is_complete = revocation.applied_everywhere == Some(true);
    let live = (!is_complete).then(|| address(LIVE, &[("revocation", &number)]));
    let page = Page { live, ..Page::new(format!("Revocation {number}")) };
    let by_hand = "Not every live node has reported yet that it has seen it. Load this page again.";
    let receipts = Block::Live(RECEIPTS, receipts(&revocation, by_hand));
    Ok(page.with(visit.done()?).with(Block::Facts(facts(&revocation))).with(receipts).into())
}

/// A revocation, for those who may see it.
pub(super) async fn find(visit: &Visit<'_>, number: &str) -> Outcome<RevocationView> {
    visit.needs(READ_REVOCATIONS)?;
    Ok(visit.app.revocation_show(number).await?)
}

/// What changes on the page of a revocation, and whether nothing will any more.
pub(super) async fn parts(app: &App, number: &str) -> Outcome<(Parts, bool)> {
    let revocation = app.revocation_show(number).await?;
    let receipts = receipts(&revocation, "Not every live node has reported yet that it has seen it.");
    Ok((vec![(RECEIPTS, receipts)], revocation.applied_everywhere == Some(true)))
}

/// What would be revoked, and how many sessions that would end.
pub(super) async fn preview(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(REVOKE)?;
    let asked = read(visit)?;
    Ok(question_before(visit, &asked, None).await?.into())
}

/// The page that says what a revocation would end, perhaps with what is wrong with the reason.
async fn question_before(visit: &Visit<'_>, asked: &RevocationRequest, problem: Option<String>) -> Outcome<Page> {
    let RevocationPreview { target, ends } = visit.app.revocation_preview(asked, &visit.actor()).await?;
    let what = match target.kind {
        "user" => "The user is logged out everywhere and can log in again.",
        "client" => "The client can ask for new tokens.",
        "session" => "The refresh token of the session, and its access tokens, stop working.",
        _ => "Everybody is logged out, and every client has to ask for new tokens.",
    };
    let named = [("user", &asked.user), ("client", &asked.client), ("session", &asked.session)];
    let mut fields: Vec<Field> =
        named.into_iter().filter_map(|(name, value)| Some(Field::hidden(name, value.as_deref()?))).collect();
    if asked.all == Some(true) {
        fields.push(Field::hidden("all", "true"));
    }
    let status = if problem.is_some() { 400 } else { 200 };
    let reason = Field::new("reason", "Why (for the records)", visit.text("reason")?);
    fields.push(Field { help: "At most 500 bytes.", problem, ..reason });
    let form = Form::post("revoke", NEW, fields, vec![Button::new("revoke", "Revoke")]);
    let page = Page { status, ..Page::new(format!("Revoke {}?", name(&target))) };
    Ok(page
        .with(Block::problem(format!("This ends {}, on every node, and cannot be undone.", sessions::ends(ends))))
        .with(Block::text(what))
        .with(Block::Form(form))
        .with(Block::Text(vec![Cell::link("Cancel", LIST)])))
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(REVOKE)?;
    let asked = read(visit)?;
    // What cannot be done is said before the person is asked for a password.
    if let Err(AdminError::Invalid(problem)) = check_reason(asked.reason.as_ref()) {
        let without_reason = RevocationRequest { reason: None, ..asked };
        return Ok(question_before(visit, &without_reason, Some(sentence(&problem))).await?.into());
    }
    visit.app.revocation_check(&asked, &visit.actor()).await?;
    confirm(visit, &["action", "user", "client", "session", "all", "reason"]).await?;
    let revocation = visit.app.revoke(asked, &visit.actor()).await?;
    Ok(Content::Elsewhere(address(ONE, &[("number", &revocation.number.to_string()), ("done", "revoked")])))
}

fn read(visit: &Visit<'_>) -> Outcome<RevocationRequest> {
    let one = |name| Ok::<_, Problem>(visit.one(name)?.map(str::to_owned));
    Ok(RevocationRequest {
        token: None,
        session: one("session")?,
        user: one("user")?,
        client: one("client")?,
        all: visit.one("all")?.map(|all| all == "true"),
        reason: one("reason")?,
    })
}

/// The address of the page of a revocation.
fn one(number: &str) -> String {
    address(ONE, &[("number", number)])
}

fn name(target: &TargetView) -> String {
    match &target.id {
        Some(id) => format!("{} {id}", target.kind),
        None => "everything".to_owned(),
    }
}

fn facts(revocation: &RevocationView) -> Vec<(String, Vec<Cell>)> {
    let facts = [
        ("What", Cell::text(name(&revocation.target))),
        ("Cause", Cell::code(revocation.cause.name())),
        ("Reason", Cell::text(revocation.reason.clone().unwrap_or_else(|| "none was given".to_owned()))),
        ("By", Cell::text(revocation.actor.as_str())),
        ("When", Cell::moment(revocation.created_at)),
    ];
    facts.map(|(name, cell)| (name.to_owned(), vec![cell])).into()
}

/// Which nodes have seen it, and what is said while some have not.
fn receipts(revocation: &RevocationView, meanwhile: &str) -> Vec<Block> {
    let rows = revocation.applied_by.iter().flatten().map(|node| {
        Row::from(vec![
            Cell::text(node.name.as_str()),
            Cell::state(if node.applied { "has seen it" } else { "has not reported it yet" }, node.applied),
            Cell::moment(node.heartbeat_at),
        ])
    });
    let table = Table {
        caption: "Nodes",
        columns: vec!["Node", "State", "Last heard from"],
        rows: rows.collect(),
        empty: "No node is running.",
        next: None,
    };
    let summary = match revocation.applied_everywhere {
        Some(true) => Block::notice("Every live node has seen it."),
        _ => Block::problem(meanwhile),
    };
    vec![Block::heading("Which nodes have seen it"), summary, Block::Table(table)]
}
