//! The audit trail: who did what, and when; to read, and to take along.

use std::collections::HashMap;

use uuid::Uuid;

use crate::admin::ListRequest;
use crate::admin::audit::AuditRequest;
use crate::admin::powers::READ;
use crate::console::page::{Block, Button, Cell, Field, Form, Page, Row, Table};
use crate::console::trail::PATH;
use crate::console::visit::{Content, Outcome, Visit, address};
use crate::console::{File, clients, csv, users};
use crate::protocol::time::Timestamp;
use crate::store::AuditRecord;

/// The most parts of the list, each of so many records at most, in one file: 5,000 records.
const MOST_PARTS: usize = 25;
const AT_ONCE: i64 = 200;

/// The filters of the page.
struct Filter {
    actor: String,
    action: String,
    target: String,
    from: String,
    to: String,
}

impl Filter {
    fn read(visit: &Visit<'_>) -> Outcome<Self> {
        Ok(Self {
            actor: visit.text("actor")?,
            action: visit.text("action")?,
            target: visit.text("target")?,
            from: visit.text("from")?,
            to: visit.text("to")?,
        })
    }

    fn request(&self) -> AuditRequest {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        AuditRequest {
            actor: some(&self.actor),
            action: some(&self.action),
            target: some(&self.target),
            from: some(&self.from),
            to: some(&self.to),
        }
    }

    /// The address of a path with these filters.
    fn address(&self, path: &str, cursor: &str) -> String {
        let Self { actor, action, target, from, to } = self;
        let filters = [("actor", actor), ("action", action), ("target", target), ("from", from), ("to", to)];
        let mut parameters: Vec<(&str, &str)> = filters.map(|(name, value)| (name, value.as_str())).into();
        parameters.push(("cursor", cursor));
        address(path, &parameters)
    }
}

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    let filter = Filter::read(visit)?;
    let moment_problem = |text: &str| {
        let is_wrong = !text.is_empty() && Timestamp::parse(text).is_none();
        is_wrong.then(|| "Enter a time such as 2026-01-31T12:00:00Z, or seconds since the epoch.".to_owned())
    };
    let problems = [moment_problem(&filter.from), moment_problem(&filter.to)];
    if problems.iter().any(Option::is_some) {
        let page = Page { status: 400, ..Page::new("Audit") };
        return Ok(page.with(Block::Form(form(&filter, problems))).into());
    }
    let records = visit.app.audit_list(filter.request(), &visit.part()?).await?;
    let acted = records.items.iter().flat_map(|record| [&record.actor, &record.target]);
    let ids: Vec<Uuid> = acted.filter_map(|name| name.strip_prefix("user ")?.parse().ok()).collect();
    let names = visit.app.usernames(&ids).await?;
    let table = Table {
        caption: "Audit records, the newest first",
        columns: vec!["When", "Who", "What", "To what", "Detail", "From", "Request"],
        rows: records.items.iter().map(|record| row(record, &names)).collect(),
        empty: "No matching records.",
        next: records.next.as_deref().map(|cursor| filter.address(PATH, cursor)),
    };
    let exports = vec![
        Cell::text("These records as a file, at most 5,000:"),
        Cell::link("CSV", filter.address("console/audit.csv", "")),
        Cell::link("JSON", filter.address("console/audit.json", "")),
    ];
    Ok(Page::new("Audit")
        .with(Block::Form(form(&filter, [None, None])))
        .with(Block::Text(exports))
        .with(Block::Table(table))
        .into())
}

/// The filters, with what is wrong with the two moments.
fn form(filter: &Filter, [from_problem, to_problem]: [Option<String>; 2]) -> Form {
    let example = "Such as 2026-01-31T12:00:00Z.";
    let from = Field { help: example, problem: from_problem, ..Field::new("from", "Not before", filter.from.as_str()) };
    let to = Field { help: example, problem: to_problem, ..Field::new("to", "Before", filter.to.as_str()) };
    Form {
        id: "filter",
        path: PATH.to_owned(),
        is_query: true,
        fields: vec![
            Field { help: "Such as client ops, or user ID.", ..Field::new("actor", "Who", filter.actor.as_str()) },
            Field { help: "Such as client.create.", ..Field::new("action", "What", filter.action.as_str()) },
            Field { help: "Such as client billing.", ..Field::new("target", "To what", filter.target.as_str()) },
            from,
            to,
        ],
        buttons: vec![Button::new("", "Show")],
    }
}

fn row(record: &AuditRecord, names: &HashMap<Uuid, String>) -> Row {
    Row::from(vec![
        Cell::text(record.at.to_string()),
        actor(&record.actor, names),
        Cell::code(record.action.as_str()),
        actor(&record.target, names),
        Cell::text(record.detail.clone().unwrap_or_default()),
        Cell::text(record.address.clone().unwrap_or_default()),
        Cell::code(record.request_id.clone().unwrap_or_default()),
    ])
}

/// A user or a client leads to its page; a user who still exists has its present name.
fn actor(name: &str, names: &HashMap<Uuid, String>) -> Cell {
    match name.split_once(' ') {
        Some(("user", id)) => {
            let username = id.parse().ok().and_then(|id: Uuid| names.get(&id));
            let text = username.map_or_else(|| name.to_owned(), |username| format!("{username} ({name})"));
            Cell::link(text, users::one(id))
        }
        Some(("client", id)) => Cell::link(name, clients::one(id)),
        _ => Cell::text(name),
    }
}

pub(super) async fn export_csv(visit: &Visit<'_>) -> Outcome<Content> {
    let (records, next) = export(visit).await?;
    let names = ["id", "at", "actor", "action", "target", "detail", "address", "request_id"];
    let mut content = csv::line(names);
    for record in &records {
        let AuditRecord { id, at, actor, action, target, request_id, address, detail } = record;
        let (id, at) = (id.to_string(), at.to_string());
        let [detail, address, request_id] =
            [detail, address, request_id].map(|text| text.as_deref().unwrap_or_default());
        let (actor, action, target) = (actor.as_str(), action.as_str(), target.as_str());
        content.push_str(&csv::line([&*id, &*at, actor, action, target, detail, address, request_id]));
    }
    let name = if next.is_none() { "audit.csv" } else { "audit-incomplete.csv" };
    Ok(Content::File(File { name, media_type: "text/csv; charset=utf-8; header=present", content }))
}

pub(super) async fn export_json(visit: &Visit<'_>) -> Outcome<Content> {
    let (items, next) = export(visit).await?;
    let content = serde_json::json!({"items": items, "next": next}).to_string();
    Ok(Content::File(File { name: "audit.json", media_type: "application/json", content }))
}

/// The records that the filters select, the newest first, and where they go on if they are too many.
async fn export(visit: &Visit<'_>) -> Outcome<(Vec<AuditRecord>, Option<String>)> {
    visit.needs(READ)?;
    let filter = Filter::read(visit)?.request();
    let mut part = ListRequest { limit: Some(AT_ONCE), ..visit.part()? };
    let mut records = Vec::new();
    // A part may have few, or none, although others follow.
    for _ in 0..MOST_PARTS {
        let list = visit.app.audit_list(filter.clone(), &part).await?;
        records.extend(list.items);
        part.cursor = list.next;
        if part.cursor.is_none() {
            break;
        }
    }
    Ok((records, part.cursor))
}
