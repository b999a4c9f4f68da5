//! Clients: finding them, and one page for each.

use crate::admin::body::Patch;
use crate::admin::clients::{ClientPatch, ClientView};
use crate::admin::powers::{CLIENTS, READ, READ_CLIENTS, READ_REVOCATIONS};
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, Form, Page, Row, Table};
use crate::console::visit::{Content, Outcome, Visit, address, unknown_action};
use crate::console::{preview, refusals, sessions, snippets, trail};
use crate::protocol::client::GrantType;
use crate::protocol::revocation::Target;

const LIST: &str = "console/clients";
pub(super) const ONE: &str = "console/client";

/// What the forms of a page ask for.
const ACTIONS: [&str; 5] = ["enable", "disable", "delete", "add_secret", "retire_secret"];

pub(super) async fn list(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_CLIENTS)?;
    let (search, part) = (visit.text("search")?, visit.part()?);
    let clients = match search.is_empty() {
        true => visit.app.client_list(None, &part).await?,
        false => visit.app.client_search(&search, &part).await?,
    };
    let rows = clients.items.iter().map(|client| {
        Row::from(vec![
            Cell::link(client.client_id.as_str(), one(&client.client_id)),
            Cell::text(client.settings.client_name.clone().unwrap_or_default()),
            Cell::text(grants(client)),
            Cell::enabled(client.settings.enabled),
            Cell::moment(client.created_at),
        ])
    });
    let next = clients.next.as_deref().map(|cursor| address(LIST, &[("search", &search), ("cursor", cursor)]));
    let form = Form::query(
        "search",
        LIST,
        vec![Field::new("search", "A part of the client's id", search.as_str())],
        vec![Button::new("", "Search")],
    );
    let table = Table {
        caption: "Clients",
        columns: vec!["Client", "Name", "Grants", "State", "Created"],
        rows: rows.collect(),
        empty: if search.is_empty() { "There are none." } else { "No client ID contains this text." },
        next,
    };
    let new = visit.may(CLIENTS).then(|| Block::Text(vec![Cell::link("New client", "console/new-client")]));
    Ok(Page::new("Clients").with(visit.done()?).with(new).with(Block::Form(form)).with(Block::Table(table)).into())
}

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_CLIENTS)?;
    let client = visit.app.client_show(&visit.text("id")?).await?;
    let id = client.client_id.as_str();
    let mut page = Page::new(format!("Client {id}")).with(visit.done()?).with(Block::Facts(facts(&client)));
    let settings = serde_json::to_string_pretty(&client.settings).unwrap_or_default();
    page = page.with(Block::Details("All settings".to_owned(), settings));
    if visit.may(READ) {
        page = page.with(trail::links(&format!("client {id}"), "What this client did", "Who changed this client"));
        page = page.with(Block::Text(vec![Cell::link("What this client would get", preview::of_client(id))]));
    }
    let may_change = visit.may(CLIENTS) && !client.settings.is_of_document();
    if may_change {
        let change = address("console/client-settings", &[("id", id)]);
        page = page.with(Block::Text(vec![Cell::link("Change the settings", change)]));
    }
    if client.settings.token_endpoint_auth_method.uses_secret() {
        page = page.with(secrets(visit, &client));
    }
    page = page.with(refusals::of(visit, id));
    if visit.may(READ_REVOCATIONS) {
        page = page.with(Block::heading("Active sessions")).with(Block::Table(sessions::of_client(visit, id).await?));
    }
    page = page.with(snippets::of(visit.request.issuer, &client));
    if may_change {
        let ends = visit.app.sessions_covered(&Target::Client(id.to_owned())).await;
        page = page.with(actions(&client, &sessions::ends(ends)));
    }
    Ok(page.into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    let id = visit.text("id")?;
    let (app, actor) = (visit.app, visit.actor());
    let set_enabled = |enabled| ClientPatch { enabled: Patch::Set(enabled), ..ClientPatch::default() };
    // What gives power is asked for as what cannot be undone is: a secret is the client.
    let action = visit.one("action")?.filter(|action| ACTIONS.contains(action)).ok_or_else(unknown_action)?;
    confirm(visit, &["action", "id", "secret"]).await?;
    let done = match action {
        "enable" => {
            app.client_update(&id, set_enabled(true), &actor).await?;
            "enabled"
        }
        "add_secret" => {
            let new = app.client_secret_add(&id, &actor).await?;
            return Ok(new_secret(&id, new.client_secret).into());
        }
        "disable" => {
            app.client_update(&id, set_enabled(false), &actor).await?;
            "disabled"
        }
        "delete" => {
            app.client_delete(&id, &actor).await?;
            return Ok(Content::Elsewhere(address(LIST, &[("done", "deleted")])));
        }
        "retire_secret" => {
            app.client_secret_retire(&id, &visit.text("secret")?, false, &actor).await?;
            "secret_retired"
        }
        _ => return Err(unknown_action()),
    };
    Ok(Content::Elsewhere(address(ONE, &[("id", &id), ("done", done)])))
}

/// The address of the page of a client.
pub(super) fn one(client_id: &str) -> String {
    address(ONE, &[("id", client_id)])
}

fn grants(client: &ClientView) -> String {
    let names: Vec<&str> = client.settings.grant_types.iter().map(|grant| short(*grant)).collect();
    names.join(", ")
}

fn short(grant: GrantType) -> &'static str {
    match grant {
        GrantType::DeviceCode => "device_code",
        grant => grant.name(),
    }
}

fn facts(client: &ClientView) -> Vec<(String, Vec<Cell>)> {
    let settings = &client.settings;
    let texts = |texts: &[String], none: &str| match texts.is_empty() {
        true => vec![Cell::text(none)],
        false => texts.iter().map(|text| Cell::code(text.as_str())).collect(),
    };
    let ttl = |seconds: Option<i64>| {
        seconds.map_or_else(|| "the server's default".to_owned(), |ttl| format!("{ttl} seconds"))
    };
    let scopes: Vec<String> = settings.scope.tokens().map(str::to_owned).collect();
    let mut facts = vec![
        ("Name", vec![Cell::text(settings.client_name.clone().unwrap_or_else(|| "none".to_owned()))]),
        ("State", vec![Cell::enabled(settings.enabled)]),
        ("Authenticates by", vec![Cell::code(settings.token_endpoint_auth_method.name())]),
        ("Grants", vec![Cell::text(grants(client))]),
        ("Scope", texts(&scopes, "none")),
        ("Audiences", texts(&settings.audiences, "the default audience")),
        ("Life of an access token", vec![Cell::text(ttl(settings.access_token_ttl))]),
        ("Created", vec![Cell::moment(client.created_at)]),
    ];
    if settings.grant_types.iter().any(|grant| grant.begins_at_browser()) {
        facts.push(("Redirect URIs", texts(&settings.redirect_uris, "none")));
        facts.push(("Consent", vec![Cell::code(settings.consent.name())]));
    }
    if settings.is_self_registered() {
        facts.push(("Registered by", vec![Cell::text("itself: nobody vouches for it")]));
    }
    facts.into_iter().map(|(name, cells)| (name.to_owned(), cells)).collect()
}

/// The secrets, and how one takes the place of another without an outage.
fn secrets(visit: &Visit<'_>, client: &ClientView) -> Vec<Block> {
    let id = client.client_id.as_str();
    let may_change = visit.may(CLIENTS);
    // Without its only secret the client could not authenticate: disabling it says what is meant.
    let may_retire = may_change && client.secrets.len() > 1;
    let rows = client.secrets.iter().map(|secret| {
        let form = Form::post(
            "retire",
            ONE,
            vec![Field::hidden("id", id), Field::hidden("secret", secret.id.to_string())],
            vec![Button::quiet("retire_secret", "Retire").about(format!("secret {}", secret.id))],
        );
        Row {
            cells: vec![
                Cell::code(secret.id.to_string()),
                Cell::moment(secret.created_at),
                Cell::moment_or(secret.last_used_at, "never"),
            ],
            form: may_retire.then_some(form),
        }
    });
    let table = Table {
        caption: "Secrets",
        columns: vec!["Secret", "Made", "Last used"],
        rows: rows.collect(),
        empty: "The client has no secret, so it cannot authenticate.",
        next: None,
    };
    let add = Form::post("add", ONE, vec![Field::hidden("id", id)], vec![Button::new("add_secret", "Add a secret")]);
    let text = "To rotate a secret without an outage: add a second one, have the client use it, wait until the old one is no longer \
                used, and retire it.";
    let mut blocks = vec![Block::heading("Secrets"), Block::text(text), Block::Table(table)];
    if may_change && client.secrets.len() < 2 {
        blocks.push(Block::Form(add));
    }
    blocks
}

fn new_secret(id: &str, secret: String) -> Page {
    Page::new("A new secret")
        .with(Block::text(format!(
            "This is the new secret of the client {id}. It is shown only now: copy it to where the client reads it."
        )))
        .with(Block::Code(secret))
        .with(Block::text("A secret that the client had before works until you retire it."))
        .with(Block::Text(vec![Cell::link("Back to the client", one(id))]))
}

fn actions(client: &ClientView, ends: &str) -> Vec<Block> {
    let change = match client.settings.enabled {
        true => Button::quiet("disable", "Disable"),
        false => Button::quiet("enable", "Enable"),
    };
    let form = Form::post(
        "change",
        ONE,
        vec![Field::hidden("id", client.client_id.as_str())],
        vec![change, Button::quiet("delete", "Delete")],
    );
    let revoke = address("console/revoke", &[("client", &client.client_id)]);
    vec![
        Block::heading("Change it"),
        Block::text(format!("Disabling or deleting the client ends {ends}, and its tokens.")),
        Block::Form(form),
        Block::Text(vec![Cell::link("End what was issued to it, and let it go on", revoke)]),
    ]
}
