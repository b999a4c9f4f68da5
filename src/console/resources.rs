//! Resources: the APIs that tokens are for. Finding them, one page for each, making and changing them.

use serde_json::{Map, Value, json};

use crate::admin::body::read_members;
use crate::admin::powers::{CLIENTS, READ_CLIENTS};
use crate::admin::resources::{NewResource, ResourcePatch, ResourceView};
use crate::admin::{AdminError, Result};
use crate::console::clients;
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, FieldKind, Form, Page, Row, Table};
use crate::console::typed::{Answered, Typed, changed_meanwhile, page_of_change, page_of_new, put_beside, state_of};
use crate::console::visit::{Content, Outcome, Visit, address, sentence, unknown_action};
use crate::protocol::client::{AccessTokenFormat, AccessTokenTyp};
use crate::protocol::resource::{OpenTo, ResourceSettings};
use crate::protocol::role::Role;

const LIST: &str = "console/resources";
const ONE: &str = "console/resource";
const NEW: &str = "console/new-resource";
const CHANGE: &str = "console/change-resource";

/// The fields of a form for a resource.
const NAMES: [&str; 10] = [
    "resource",
    "seen",
    "name",
    "scopes",
    "open_to",
    "serves",
    "access_token_format",
    "access_token_typ",
    "access_token_ttl",
    "claims",
];

pub(super) async fn list(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_CLIENTS)?;
    let typed = visit.text("resource")?;
    let mut page = Page::new("Resources").with(visit.done()?);
    let mut problem = None;
    if !typed.is_empty() {
        match visit.app.resource_show(&typed).await {
            Ok(resource) => return Ok(Content::Elsewhere(one(&resource.resource))),
            Err(error @ AdminError::NotFound(_)) => {
                page.status = 404;
                problem = Some(sentence(&error.to_string()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let find = Field { problem, ..Field::new("resource", "URI of a resource", typed.as_str()) };
    let form = Form::query("find", LIST, vec![find], vec![Button::new("", "Find")]);
    let resources = visit.app.resource_list(None, &visit.part()?).await?;
    let rows = resources.items.iter().map(|resource| {
        let settings = &resource.settings;
        let scopes: Vec<&str> = settings.scopes.keys().take(10).map(String::as_str).collect();
        let more = if settings.scopes.len() > scopes.len() { " …" } else { "" };
        Row::from(vec![
            Cell::link(resource.resource.as_str(), one(&resource.resource)),
            Cell::text(settings.name.clone().unwrap_or_default()),
            Cell::text(open_to(settings.open_to)),
            Cell::text(format!("{}{more}", scopes.join(" "))),
            Cell::moment(resource.created_at),
        ])
    });
    let table = Table {
        caption: "Resources",
        columns: vec!["Resource", "Name", "Open to", "Scopes", "Created"],
        rows: rows.collect(),
        empty: "There are none. Tokens are for the audiences of their clients, or for the default audience.",
        next: resources.next.as_deref().map(|cursor| address(LIST, &[("cursor", cursor)])),
    };
    if visit.may(CLIENTS) {
        page = page.with(Block::Text(vec![Cell::link("Add a resource", NEW)]));
    }
    Ok(page.with(Block::Form(form)).with(Block::Table(table)).into())
}

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_CLIENTS)?;
    let resource = visit.app.resource_show(&visit.text("resource")?).await?;
    let uri = resource.resource.as_str();
    let mut page = Page::new(format!("Resource {uri}")).with(visit.done()?).with(Block::Facts(facts(&resource)));
    page = page.with(Block::heading("Scopes")).with(Block::Table(scopes(&resource.settings)));
    if !resource.settings.claims.is_empty() {
        let text = serde_json::to_string_pretty(&resource.settings.claims).unwrap_or_default();
        page = page.with(Block::Details("Claims in tokens for it".to_owned(), text));
    }
    if may_change(visit, &resource) {
        let delete =
            Form::post("delete", ONE, vec![Field::hidden("resource", uri)], vec![Button::quiet("delete", "Delete")]);
        let text = "Tokens that were issued for a deleted resource are good until they expire. New ones are issued only to clients that \
                    have it among their audiences, and without its limits on scopes.";
        page = page
            .with(Block::heading("Change it"))
            .with(Block::Text(vec![Cell::link("Change the settings", address(CHANGE, &[("resource", uri)]))]))
            .with(Block::text(text))
            .with(Block::Form(delete));
    }
    Ok(page.into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    if visit.one("action")? != Some("delete") {
        return Err(unknown_action());
    }
    let uri = visit.text("resource")?;
    // What is not there, or not in the person's power, is said before the password is asked for.
    let resource = visit.app.resource_show(&uri).await?;
    if may_change(visit, &resource) {
        confirm(visit, &["action", "resource"]).await?;
    }
    visit.app.resource_delete(&uri, &visit.actor()).await?;
    Ok(Content::Elsewhere(address(LIST, &[("done", "resource_deleted")])))
}

pub(super) fn show_new(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    Ok(new_page(Answered::GOOD, fields_of_new(visit, &Typed::default())).into())
}

pub(super) async fn create(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    // A resource decides what its tokens say and who may ask about them.
    confirm(visit, &NAMES).await?;
    let typed = Typed::read(visit, &NAMES)?;
    let created = match new_resource(&typed) {
        Ok(new) => visit.app.resource_create(new, &visit.actor()).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(resource) => Ok(Content::Elsewhere(saved(&resource.resource))),
        Err(error) => {
            let otherwise = if matches!(error, AdminError::NeedsAdmin(_)) { "open_to" } else { "resource" };
            let mut fields = fields_of_new(visit, &typed);
            let answered = put_beside(error, &mut fields, otherwise)?;
            Ok(new_page(answered, fields).into())
        }
    }
}

pub(super) async fn show_change(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    let resource = visit.app.resource_show(&visit.text("resource")?).await?;
    let uri = resource.resource.as_str();
    let fields = fields_of_change(visit, uri, &typed_of(&resource));
    Ok(page_of_change(Answered::GOOD, uri, CHANGE, fields, one(uri)).into())
}

pub(super) async fn change(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    confirm(visit, &NAMES).await?;
    let typed = Typed::read(visit, &NAMES)?;
    let uri = typed.get("resource");
    match visit.app.resource_change(uri, |settings| patch(&typed, settings), &visit.actor()).await {
        Ok(_) => Ok(Content::Elsewhere(saved(uri))),
        Err(error @ AdminError::NotFound(_)) => Err(error.into()),
        Err(error) => {
            let otherwise = if matches!(error, AdminError::NeedsAdmin(_)) { "open_to" } else { "name" };
            let mut fields = fields_of_change(visit, uri, &typed);
            let answered = put_beside(error, &mut fields, otherwise)?;
            Ok(page_of_change(answered, uri, CHANGE, fields, one(uri)).into())
        }
    }
}

/// The address of the page of a resource.
fn one(uri: &str) -> String {
    address(ONE, &[("resource", uri)])
}

fn saved(uri: &str) -> String {
    address(ONE, &[("resource", uri), ("done", "resource_saved")])
}

/// What is open to clients whom nobody registered is for administrators alone.
fn may_change(visit: &Visit<'_>, resource: &ResourceView) -> bool {
    visit.may(CLIENTS) && (visit.role == Role::Admin || resource.settings.open_to != OpenTo::Anybody)
}

const fn open_to(open_to: OpenTo) -> &'static str {
    match open_to {
        OpenTo::Listed => "clients that have it among their audiences",
        OpenTo::Registered => "every client that an administrator registered",
        OpenTo::Anybody => "every client, also those that nobody registered",
    }
}

fn facts(resource: &ResourceView) -> Vec<(String, Vec<Cell>)> {
    let settings = &resource.settings;
    let of_client = || "the client's".to_owned();
    let format = settings.access_token_format.map_or_else(of_client, |format| name_of(format).to_owned());
    let typ = settings.access_token_typ.map_or_else(of_client, |typ| typ.name().to_owned());
    let life = settings.access_token_ttl.map_or_else(of_client, |ttl| format!("{ttl} seconds"));
    let servers = match settings.serves.is_empty() {
        true => vec![Cell::text("none")],
        false => settings.serves.iter().map(|id| Cell::link(id.as_str(), clients::one(id))).collect(),
    };
    let facts = [
        ("Name", vec![Cell::text(settings.name.clone().unwrap_or_else(|| "none".to_owned()))]),
        ("Open to", vec![Cell::text(open_to(settings.open_to))]),
        ("Clients that are its server", servers),
        ("Form of its tokens", vec![Cell::text(format)]),
        ("typ of its JWTs", vec![Cell::text(typ)]),
        ("Life of its tokens", vec![Cell::text(life)]),
        ("Created", vec![Cell::moment(resource.created_at)]),
    ];
    facts.map(|(name, cells)| (name.to_owned(), cells)).into()
}

fn scopes(settings: &ResourceSettings) -> Table {
    let rows = settings.scopes.iter();
    Table {
        caption: "Scopes",
        columns: vec!["Scope", "What people read who are asked for it"],
        rows: rows
            .map(|(name, about)| Row::from(vec![Cell::code(name.as_str()), Cell::text(about.as_str())]))
            .collect(),
        empty: "It has none, so it limits none.",
        next: None,
    }
}

const fn name_of(format: AccessTokenFormat) -> &'static str {
    match format {
        AccessTokenFormat::Jwt => "jwt",
        AccessTokenFormat::Opaque => "opaque",
    }
}

/// What a form holds that shows the settings as they are.
fn typed_of(resource: &ResourceView) -> Typed {
    let settings = &resource.settings;
    let scopes: Vec<String> = settings.scopes.iter().map(|(name, about)| format!("{name} {about}")).collect();
    let claims = match settings.claims.is_empty() {
        true => String::new(),
        false => serde_json::to_string_pretty(&settings.claims).unwrap_or_default(),
    };
    Typed::default()
        .with("seen", state_of(settings))
        .with("name", settings.name.clone().unwrap_or_default())
        .with("scopes", scopes.join("\n"))
        .with("open_to", value_of(settings.open_to))
        .with("serves", settings.serves.join("\n"))
        .with("access_token_format", settings.access_token_format.map_or("", name_of))
        .with("access_token_typ", settings.access_token_typ.map_or("", AccessTokenTyp::name))
        .with("access_token_ttl", settings.access_token_ttl.map(|ttl| ttl.to_string()).unwrap_or_default())
        .with("claims", claims)
}

const fn value_of(open_to: OpenTo) -> &'static str {
    match open_to {
        OpenTo::Listed => "listed",
        OpenTo::Registered => "registered",
        OpenTo::Anybody => "anybody",
    }
}

/// The members that a form sets. What is empty is `null`, which stands for the default.
fn members(typed: &Typed) -> Result<Map<String, Value>> {
    let mut scopes = Map::new();
    // A description is kept as it is; only the name before it has no spaces.
    for line in typed.get("scopes").lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (name, about) = line.split_once(' ').unwrap_or((line, ""));
        if scopes.insert(name.to_owned(), about.into()).is_some() {
            return Err(AdminError::Invalid(format!("scopes: {name:?} is there twice")));
        }
    }
    let members = json!({
        "name": typed.text("name"),
        "scopes": scopes,
        "open_to": typed.text("open_to"),
        "serves": typed.lines("serves"),
        "access_token_format": typed.text("access_token_format"),
        "access_token_typ": typed.text("access_token_typ"),
        "access_token_ttl": typed.number("access_token_ttl")?,
        "claims": typed.object("claims")?.unwrap_or_default(),
    });
    Ok(members.as_object().cloned().unwrap_or_default())
}

fn new_resource(typed: &Typed) -> Result<NewResource> {
    let uri = typed.text("resource").ok_or_else(|| AdminError::Invalid("resource: type in its URI".to_owned()))?;
    let mut members = members(typed)?;
    members.insert("resource".to_owned(), uri.into());
    read_members(members)
}

/// The patch that makes the settings what the form says.
fn patch(typed: &Typed, settings: &ResourceSettings) -> Result<ResourcePatch> {
    let mut members = members(typed)?;
    if typed.get("seen") != state_of(settings) {
        return Err(changed_meanwhile());
    }
    // These two are merged member by member, so what is gone has to be named.
    for (name, old) in [("scopes", json!(settings.scopes)), ("claims", json!(settings.claims))] {
        let new = members.remove(name).unwrap_or_default();
        members.insert(name.to_owned(), difference(&old, &new));
    }
    read_members(members)
}

/// The merge patch (RFC 7396) that makes one object of another.
fn difference(old: &Value, new: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (old, new) else { return new.clone() };
    let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let changed = after.iter().filter_map(|(name, value)| match before.get(name) {
        Some(same) if same == value => None,
        Some(other) => Some((name.clone(), difference(other, value))),
        None => Some((name.clone(), value.clone())),
    });
    Value::Object(gone.chain(changed).collect())
}

fn fields_of_new(visit: &Visit<'_>, typed: &Typed) -> Vec<Field> {
    let uri = Field::new("resource", "URI of the API", typed.get("resource"));
    let help = "Such as https://api.example.com. It becomes the aud of tokens for it, and never changes.";
    let mut fields = vec![Field { is_required: true, help, ..uri }];
    fields.extend(settings_fields(visit, typed));
    fields
}

fn fields_of_change(visit: &Visit<'_>, uri: &str, typed: &Typed) -> Vec<Field> {
    let mut fields = vec![Field::hidden("resource", uri), Field::hidden("seen", typed.get("seen"))];
    fields.extend(settings_fields(visit, typed));
    fields
}

fn settings_fields(visit: &Visit<'_>, typed: &Typed) -> Vec<Field> {
    let of = |name: &'static str, label: &'static str| Field::new(name, label, typed.get(name));
    let area = |name, label, help| Field { kind: FieldKind::Area, help, ..of(name, label) };
    let choice = |name, label, choices: &[(&'static str, &'static str)]| Field {
        kind: FieldKind::Choice(choices.to_vec()),
        ..of(name, label)
    };
    let open = [OpenTo::Listed, OpenTo::Registered, OpenTo::Anybody].map(|one| (value_of(one), open_to(one)));
    // What the person may not choose is no choice, unless it is so already.
    let has_all = visit.role == Role::Admin || typed.get("open_to") == value_of(OpenTo::Anybody);
    vec![
        Field { help: "People read it when they are asked to allow access.", ..of("name", "Name") },
        area(
            "scopes",
            "Scopes",
            "One a line: the name, a space, and what people read who are asked for it. Without scopes, the resource limits none.",
        ),
        choice("open_to", "Open to", if has_all { &open[..] } else { &open[..2] }),
        area(
            "serves",
            "Clients that are its server",
            "One client_id a line. They may introspect and explain tokens for it.",
        ),
        choice(
            "access_token_format",
            "Form of its tokens",
            &[("", "the client's"), ("jwt", "JWT"), ("opaque", "opaque")],
        ),
        choice("access_token_typ", "typ of its JWTs", &[("", "the client's"), ("at+jwt", "at+jwt"), ("JWT", "JWT")]),
        Field { help: "Empty: the client's.", ..of("access_token_ttl", "Life of its tokens, in seconds") },
        area("claims", "Claims in tokens for it", "A JSON object, or nothing."),
    ]
}

fn new_page(answered: Answered, fields: Vec<Field>) -> Page {
    let form = Form::post("new", NEW, fields, vec![Button::new("create", "Add the resource")]);
    let text = "A resource is an API that tokens are for. It has a URI, and scopes of its own.";
    page_of_new(answered, ("Add a resource", text), form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::time::Timestamp;

    fn view(settings: &Value) -> ResourceView {
        ResourceView {
            resource: "https://a.example".to_owned(),
            settings: serde_json::from_value(settings.clone()).unwrap(),
            created_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_form_that_is_sent_as_it_was_shown_changes_nothing() {
        let view = view(&json!({
            "name": "N", "scopes": {"read": "Read  it ", "write": ""}, "open_to": "registered", "serves": ["api"],
            "access_token_format": "opaque", "access_token_typ": "JWT", "access_token_ttl": 60,
            "claims": {"a": {"b": [1, null]}},
        }));
        let members = members(&typed_of(&view)).unwrap();
        for (name, value) in json!(view.settings).as_object().unwrap() {
            assert_eq!(&members[name], value, "{name}");
        }
        assert!(patch(&typed_of(&view), &view.settings).is_ok());
        let stale = typed_of(&view).with("seen", "other");
        assert!(matches!(patch(&stale, &view.settings), Err(AdminError::Conflict(_))));
    }

    #[test]
    fn what_a_form_leaves_out_is_removed() {
        let old = json!({"a": 1, "b": {"c": 1, "d": 2}, "e": [1], "f": {"g": 1}});
        let new = json!({"b": {"d": 2}, "e": [2], "f": "g", "h": {"i": 1}});
        let expected = json!({"a": null, "b": {"c": null}, "e": [2], "f": "g", "h": {"i": 1}});
        assert_eq!(difference(&old, &new), expected);
        assert_eq!(difference(&old, &old), json!({}));
    }

    #[test]
    fn what_is_wrong_is_said_of_the_field() {
        for (name, value) in [
            ("scopes", "read Read\nread Again"),
            ("access_token_ttl", "soon"),
            ("claims", "[]"),
            ("claims", "{"),
            ("open_to", "everyone"),
        ] {
            let error = new_resource(&Typed::default().with("resource", "https://a.example").with(name, value));
            assert!(error.unwrap_err().to_string().starts_with(name), "{name}");
        }
        assert!(new_resource(&Typed::default()).unwrap_err().to_string().starts_with("resource"));
    }
}
