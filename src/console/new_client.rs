//! A new client, made by its kind: first what kind of program it is, then the few settings that this kind needs. It ends with snippets
//! that work.

use serde_json::{Map, Value, json};

use crate::admin::body::read_members;
use crate::admin::clients::{ClientView, NewClient};
use crate::admin::powers::{ADMIN, CLIENTS, Powers};
use crate::admin::{AdminError, Result};
use crate::console::client_form::{
    ACCESS_TOKEN_TTL, AUDIENCES, CONSENT_SETTING, ID, NAME, REDIRECT_URIS, SCOPE, Setting, put_beside,
};
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, Form, Page, Row, Table};
use crate::console::typed::{Answered, Typed};
use crate::console::visit::{Content, Outcome, Visit, address, unknown_action};
use crate::console::{client_form, clients, snippets};
use crate::crypto::{base64url, random};
use crate::protocol::condition::Condition;
use crate::protocol::trusted_issuer::{IssuerSettings, IssuerUse, MOST_ISSUERS, Rule};
use crate::store;

const HERE: &str = "console/new-client";

/// The most issuers that are named as those to choose from.
const MOST_NAMED: usize = 20;

/// A kind of program.
struct Kind {
    name: &'static str,
    title: &'static str,
    what: &'static str,
    /// What it takes to make one.
    powers: Powers,
    settings: &'static [Setting],
    /// What stands in the fields at first.
    defaults: &'static [(&'static str, &'static str)],
}

/// The scope with which people log in.
const LOGIN_SCOPE: (&str, &str) = ("scope", "openid profile email");

const KINDS: [Kind; 6] = [
    Kind {
        name: "service",
        title: "Service",
        what: "A program on a server that acts for itself: a back end, a job. It has a secret.",
        powers: CLIENTS,
        settings: &[NAME, ID, SCOPE, AUDIENCES],
        defaults: &[],
    },
    Kind {
        name: "web",
        title: "Web application",
        what: "People log in, and a server of yours gets the tokens. It has a secret.",
        powers: CLIENTS,
        settings: &[NAME, ID, REDIRECT_URIS, SCOPE, AUDIENCES, CONSENT_SETTING],
        defaults: &[LOGIN_SCOPE, ("consent", "once")],
    },
    Kind {
        name: "single-page",
        title: "Single page application",
        what: "People log in, and the program in the browser gets the tokens. It can keep no secret, so it has none.",
        powers: CLIENTS,
        settings: &[NAME, ID, REDIRECT_URIS, SCOPE, AUDIENCES, CONSENT_SETTING],
        defaults: &[LOGIN_SCOPE, ("consent", "once")],
    },
    Kind {
        name: "native",
        title: "Native application",
        what: "A program on people's own devices: desktop, phone, command line. People log in at the browser; it has no secret.",
        powers: CLIENTS,
        settings: &[NAME, ID, REDIRECT_URIS, SCOPE, AUDIENCES],
        defaults: &[("redirect_uris", "http://127.0.0.1/callback"), ("scope", "openid profile email offline_access")],
    },
    Kind {
        name: "agent",
        title: "Agent",
        what: "A program that acts for a person with tools (MCP). The person is asked each time, and its tokens live five minutes.",
        powers: CLIENTS,
        settings: &[NAME, ID, REDIRECT_URIS, AUDIENCES, SCOPE, ACCESS_TOKEN_TTL],
        defaults: &[
            ("redirect_uris", "http://127.0.0.1/callback\nhttp://localhost/callback"),
            ("scope", "openid offline_access"),
            ("access_token_ttl", "300"),
        ],
    },
    Kind {
        name: "workload",
        title: "Workload",
        what: "A job in GitHub Actions, a pod in Kubernetes, a function in a cloud: the token of its platform proves who it is. It needs no \
               secret.",
        powers: ADMIN,
        settings: &[NAME, ID, SCOPE, AUDIENCES],
        defaults: &[("claim", "sub")],
    },
];

impl Kind {
    /// The settings that every client of this kind has.
    fn members(&self, typed: &Typed) -> Map<String, Value> {
        let by_code = ["authorization_code", "refresh_token"];
        let members = match self.name {
            "service" => json!({
                "token_endpoint_auth_method": "client_secret_basic", "grant_types": ["client_credentials"],
            }),
            "workload" => json!({
                "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
                "issuers": typed.text("issuer").into_iter().collect::<Vec<_>>(),
            }),
            "web" => json!({
                "token_endpoint_auth_method": "client_secret_basic", "grant_types": by_code, "application_type": "web",
            }),
            "single-page" => json!({
                "token_endpoint_auth_method": "none", "grant_types": by_code, "application_type": "web",
            }),
            _ => json!({
                "token_endpoint_auth_method": "none", "grant_types": by_code, "application_type": "native",
            }),
        };
        match members {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    fn is_workload(&self) -> bool {
        self.name == "workload"
    }

    fn begins_at_browser(&self) -> bool {
        self.settings.contains(&REDIRECT_URIS)
    }
}

/// The fields of a rule: what a token of the platform must be, of this issuer, with this claim.
const RULE: [&str; 3] = ["issuer", "claim", "value"];

fn rule(typed: &Typed, client_id: &str) -> Rule {
    let text = |name| typed.text(name).unwrap_or_default();
    let claims = [(text("claim"), Condition::Equals(text("value")))];
    Rule { name: None, client_id: Some(client_id.to_owned()), claims: claims.into() }
}

fn fields_of_rule(typed: &Typed) -> Vec<Field> {
    let field = |name, label, help| Field { is_required: true, help, ..Field::new(name, label, typed.get(name)) };
    vec![
        field("issuer", "Trusted issuer", "Who signs the token of the platform."),
        field("claim", "Claim", "What tells this workload from all others: sub, or repository_id, for instance."),
        field("value", "Its value", "The claim must be exactly this."),
    ]
}

/// Why there can be no such rule, as an error about a field of the form.
fn about_rule(error: AdminError) -> AdminError {
    let (name, text) = match &error {
        AdminError::NotFound(text) => ("issuer", text),
        AdminError::Invalid(text) if text.starts_with("issuer: ") => return error,
        AdminError::Invalid(text) if text.contains("client_id must") => (ID.name, text),
        AdminError::Invalid(text) if text.contains("claims.") => ("value", text),
        AdminError::Invalid(text) => ("claim", text),
        _ => return error,
    };
    // The place in the list of rules means nothing here.
    let rest = match text.split_once("]: ") {
        Some((place, rest)) if place.starts_with("rules[") => rest,
        _ => text,
    };
    AdminError::Invalid(format!("{name}: {rest}"))
}

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    let Some(kind) = visit.one("kind")? else { return Ok(choice(visit).into()) };
    let kind = find(kind)?;
    visit.needs(kind.powers)?;
    let defaults = kind.defaults.iter();
    // Whoever sends the form twice makes one client.
    let typed = Typed::default().with("spare_id", format!("c_{}", base64url(random::<12>())));
    let typed = defaults.fold(typed, |typed, (name, text)| typed.with(name, *text));
    Ok(page(visit, Answered::GOOD, kind, fields(kind, &typed)).await?.into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    if visit.one("action")? != Some("create") {
        return Err(unknown_action());
    }
    let kind = find(visit.one("kind")?.unwrap_or_default())?;
    visit.needs(kind.powers)?;
    // A client is power: its secret gets tokens.
    let mut names = client_form::names(kind.settings);
    names.extend(["action", "kind", "spare_id"].into_iter().chain(RULE));
    confirm(visit, &names).await?;
    // 1. What was typed? 2. Is it a client, and a rule?
    let typed = Typed::read(visit, &names)?;
    match create(visit, kind, &typed).await {
        Ok(client) => Ok(finish(visit, kind, client, &typed).await?.into()),
        // 3. If it is not, what was typed stays.
        Err(error) => {
            let mut fields = fields(kind, &typed);
            let answered = put_beside(error, &mut fields)?;
            Ok(page(visit, answered, kind, fields).await?.into())
        }
    }
}

fn find(name: &str) -> Outcome<&'static Kind> {
    const ALL: &[Kind] = &KINDS;
    let found = ALL.iter().find(|kind| kind.name == name);
    found.ok_or_else(|| AdminError::NotFound("there is no such kind of client".into()).into())
}

/// The first page: what kind of program is it?
fn choice(visit: &Visit<'_>) -> Page {
    let rows = KINDS.iter().map(|kind| {
        let name = match visit.may(kind.powers) {
            true => Cell::link(kind.title, address(HERE, &[("kind", kind.name)])),
            false => Cell::text(format!("{} (takes the role admin)", kind.title)),
        };
        Row::from(vec![name, Cell::text(kind.what)])
    });
    let table = Table {
        caption: "Kinds of clients",
        columns: vec!["Kind", "What it is"],
        rows: rows.collect(),
        empty: "There are none.",
        next: None,
    };
    Page::new("New client").with(Block::text("What kind of program is it?")).with(Block::Table(table))
}

fn fields(kind: &Kind, typed: &Typed) -> Vec<Field> {
    let mut fields = vec![Field::hidden("kind", kind.name), Field::hidden("spare_id", typed.get("spare_id"))];
    for mut field in client_form::fields(typed, kind.settings) {
        field.is_required = [NAME.name, REDIRECT_URIS.name].contains(&field.name);
        fields.push(field);
    }
    if kind.is_workload() {
        fields.extend(fields_of_rule(typed));
    }
    fields
}

/// The second page: the settings that this kind needs.
async fn page(visit: &Visit<'_>, answered: Answered, kind: &Kind, fields: Vec<Field>) -> Outcome<Page> {
    let mut page = answered.page(format!("New client: {}", kind.title)).with(Block::text(kind.what));
    if kind.is_workload() {
        page = page.with(issuers(visit).await?);
    }
    let form = Form::post("new", HERE, fields, vec![Button::new("create", "Create the client")]);
    Ok(page.with(Block::Form(form)).with(Block::Text(vec![Cell::link("Another kind", HERE)])))
}

/// The issuers to choose from.
async fn issuers(visit: &Visit<'_>) -> Outcome<Block> {
    let all = store::Page { limit: MOST_ISSUERS, after: None };
    let proves = |settings: &IssuerSettings| settings.enabled && settings.uses.contains(&IssuerUse::ClientAssertion);
    let trusted = visit.app.store.issuer_list(None, &all).await?.into_iter().filter(|one| proves(&one.settings));
    let names: Vec<String> = trusted.map(|issuer| issuer.issuer).collect();
    if names.is_empty() {
        return Ok(Block::text("No issuer is trusted for client assertions yet: that comes first."));
    }
    let others = names.len().saturating_sub(MOST_NAMED);
    let others = (others > 0).then(|| Cell::link(format!("and {others} more"), "console/issuers"));
    let names = names.into_iter().take(MOST_NAMED).map(Cell::code);
    Ok(Block::Text(std::iter::once(Cell::text("Trusted issuers:")).chain(names).chain(others).collect()))
}

/// The client, which a rule of the issuer is about if it is a workload. The rule itself is added when the client is there.
async fn create(visit: &Visit<'_>, kind: &Kind, typed: &Typed) -> Result<ClientView> {
    let needed = |name: &str, text: &str| match typed.text(name) {
        Some(_) => Ok(()),
        None => Err(AdminError::Invalid(format!("{name}: {text}"))),
    };
    needed(NAME.name, "this is needed")?;
    if kind.begins_at_browser() {
        needed(REDIRECT_URIS.name, "there must be at least one")?;
    }
    let id = typed.text(ID.name).unwrap_or_else(|| typed.get("spare_id").to_owned());
    let mut members = kind.members(typed);
    members.extend(client_form::members(typed, kind.settings)?);
    members.insert(ID.name.to_owned(), id.as_str().into());
    // Before the client is there, so that none is left without its rule.
    if kind.is_workload() {
        RULE.into_iter().try_for_each(|name| needed(name, "this is needed"))?;
        let issuer = typed.text("issuer").unwrap_or_default();
        let checked = visit.app.issuer_rule_check(&issuer, rule(typed, &id), &visit.actor()).await;
        checked.map_err(about_rule)?;
    }
    visit.app.client_create(read_members::<NewClient>(members)?, &visit.actor()).await
}

/// The last page: the secret, which is shown once, what may be a mistake, and snippets.
async fn finish(visit: &Visit<'_>, kind: &Kind, client: ClientView, typed: &Typed) -> Outcome<Page> {
    let id = client.client_id.as_str();
    let mut page = Page::new("The client is made").with(Block::Facts(vec![
        ("Id".to_owned(), vec![Cell::code(id)]),
        ("Name".to_owned(), vec![Cell::text(client.settings.client_name.clone().unwrap_or_default())]),
        ("Kind".to_owned(), vec![Cell::text(kind.title)]),
    ]));
    if let Some(secret) = &client.client_secret {
        page = page
            .with(Block::text("This is its secret. It is shown only now: copy it to where the client reads it."))
            .with(Block::Code(secret.clone()));
    }
    if kind.is_workload() {
        let [issuer, claim, value] = RULE.map(|name| typed.text(name).unwrap_or_default());
        page = page.with(match visit.app.issuer_rule_add(&issuer, rule(typed, id), &visit.actor()).await {
            Ok(_) => Block::text(format!("A token of {issuer} whose {claim} is {value} proves that it is this client.")),
            // Why the database does not answer is for the log.
            Err(AdminError::Unavailable(_) | AdminError::Overloaded) => Block::problem(
                "The issuer has no rule for the client yet, so the client cannot authenticate: the server was too busy. Add the rule to \
                 the issuer.",
            ),
            Err(error) => Block::problem(format!(
                "The issuer has no rule for the client yet, so the client cannot authenticate: {error}. Add the rule to the issuer."
            )),
        });
    }
    for warning in &client.warnings {
        page = page.with(Block::problem(*warning));
    }
    if kind.name == "single-page" {
        page = page.with(origins(visit, &client));
    }
    page = page.with(snippets::of(visit.request.issuer, &client));
    Ok(page.with(Block::Text(vec![Cell::link("To the client", clients::one(id))])))
}

/// The origins of a program in the browser that the server does not know.
fn origins(visit: &Visit<'_>, client: &ClientView) -> Option<Block> {
    let allowed = &visit.app.settings.cors_origins;
    let origins = client.settings.redirect_uris.iter().filter_map(|uri| url::Url::parse(uri).ok());
    let mut missing: Vec<String> = origins.map(|url| url.origin().ascii_serialization()).collect();
    missing.retain(|origin| !allowed.iter().any(|one| one == origin || one == "*"));
    missing.dedup();
    (!missing.is_empty()).then(|| {
        let text =
            "A browser lets the program ask for tokens only if its origin is in JETON_CORS_ORIGINS. These are not yet";
        Block::problem(format!("{text}: {}", missing.join(", ")))
    })
}
