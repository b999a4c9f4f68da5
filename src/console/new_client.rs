//! A new client, made by its kind: first what kind of program it is, then the few settings that this kind needs. It ends with snippets
//! that work.

use serde_json::{Map, Value, json};

use crate::admin::body::read_members;
use crate::admin::clients::{ClientView, NewClient};
use crate::admin::powers::{ADMIN, CLIENTS, Powers};
use crate::admin::{AdminError, ListRequest};
use crate::console::client_form::{
    ACCESS_TOKEN_TTL, AUDIENCES, CONSENT_SETTING, ID, NAME, REDIRECT_URIS, Refused, SCOPE, Setting, Texts,
};
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, Form, Page, Row, Table};
use crate::console::visit::{Content, Outcome, Problem, Visit, address, sentence, unknown_action};
use crate::console::{client_form, clients, snippets};
use crate::crypto::{base64url, random};
use crate::protocol::condition::Condition;
use crate::protocol::trusted_issuer::{IssuerUse, Rule};

const HERE: &str = "console/new-client";

/// The most issuers that are named as those to choose from.
const MOST_ISSUERS: usize = 20;

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
    fn members(&self, rule: Option<&TypedRule>) -> Map<String, Value> {
        let by_code = ["authorization_code", "refresh_token"];
        let members = match self.name {
            "service" => json!({
                "token_endpoint_auth_method": "client_secret_basic", "grant_types": ["client_credentials"],
            }),
            "workload" => json!({
                "token_endpoint_auth_method": "private_key_jwt", "grant_types": ["client_credentials"],
                "issuers": rule.iter().map(|rule| rule.issuer.as_str()).collect::<Vec<_>>(),
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

/// What a token of the platform must be: of this issuer, with this claim.
#[derive(Clone, Debug, Default)]
struct TypedRule {
    issuer: String,
    claim: String,
    value: String,
}

impl TypedRule {
    fn typed(visit: &Visit<'_>) -> Outcome<Self> {
        let text = |name| Ok::<_, Problem>(visit.text(name)?.trim().to_owned());
        Ok(Self { issuer: text("issuer")?, claim: text("claim")?, value: text("value")? })
    }

    fn rule(&self, client_id: &str) -> Rule {
        let claims = [(self.claim.clone(), Condition::Equals(self.value.clone()))];
        Rule { name: None, client_id: Some(client_id.to_owned()), claims: claims.into() }
    }

    fn fields(&self, problem: Option<&(&'static str, String)>) -> Vec<Field> {
        let field = |name: &'static str, label: &'static str, value: &str, help: &'static str| Field {
            problem: problem.filter(|(own, _)| *own == name).map(|(_, text)| text.clone()),
            is_required: true,
            help,
            ..Field::new(name, label, value)
        };
        vec![
            field("issuer", "Trusted issuer", &self.issuer, "Who signs the token of the platform."),
            field(
                "claim",
                "Claim",
                &self.claim,
                "What tells this workload from all others: sub, or repository_id, for instance.",
            ),
            field("value", "Its value", &self.value, "The claim must be exactly this."),
        ]
    }

    /// What is missing, or why there can be no such rule.
    async fn check(&self, visit: &Visit<'_>, client_id: &str) -> Outcome<Option<Refused>> {
        for (name, text) in [("issuer", &self.issuer), ("claim", &self.claim), ("value", &self.value)] {
            if text.is_empty() {
                return Ok(Some(Refused::field(name, "This is needed.")));
            }
        }
        let error = match visit.app.issuer_rule_check(&self.issuer, self.rule(client_id), &visit.actor()).await {
            Ok(()) => return Ok(None),
            Err(error) => error,
        };
        let refused = match &error {
            AdminError::NotFound(text) => Refused::field("issuer", clean(text)),
            AdminError::Invalid(text) if text.starts_with("issuer: ") => Refused::field("issuer", clean(text)),
            AdminError::Invalid(text) if text.contains("client_id must") => Refused::field(ID.name, clean(text)),
            AdminError::Invalid(text) if text.contains("claims.") => Refused::field("value", clean(text)),
            AdminError::Invalid(text) => Refused::field("claim", clean(text)),
            _ => Refused::by(error, &[])?,
        };
        Ok(Some(refused))
    }
}

/// A text of administration about a rule, without the place in the list of rules.
fn clean(text: &str) -> String {
    let rest = match text.split_once("]: ") {
        Some((place, rest)) if place.starts_with("rules[") => rest,
        _ => text.strip_prefix("issuer: ").unwrap_or(text),
    };
    sentence(rest)
}

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    let Some(kind) = visit.one("kind")? else { return Ok(choice(visit).into()) };
    let kind = find(kind)?;
    visit.needs(kind.powers)?;
    let (mut texts, mut rule) = (Texts::default(), TypedRule::default());
    for (name, text) in kind.defaults {
        match *name {
            "claim" => rule.claim = (*text).to_owned(),
            name => texts.set(name, *text),
        }
    }
    // Whoever sends the form twice makes one client.
    let spare_id = format!("c_{}", base64url(random::<12>()));
    form(visit, kind, (&texts, &rule, &spare_id), None).await.map(Content::from)
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(CLIENTS)?;
    if visit.one("action")? != Some("create") {
        return Err(unknown_action());
    }
    let kind = find(visit.one("kind")?.unwrap_or_default())?;
    visit.needs(kind.powers)?;
    // A client is power: its secret gets tokens.
    let mut fields = client_form::names(kind.settings);
    fields.extend(["action", "kind", "spare_id", "issuer", "claim", "value"]);
    confirm(visit, &fields).await?;
    // 1. What was typed?
    let texts = Texts::typed(visit, kind.settings)?;
    let rule = if kind.is_workload() { Some(TypedRule::typed(visit)?) } else { None };
    let spare_id = visit.text("spare_id")?;
    // 2. Is it a client, and a rule?
    let made = create(visit, kind, (&texts, rule.as_ref(), &spare_id)).await?;
    let refused = match made {
        Ok(client) => return finish(visit, kind, client, rule).await.map(Content::from),
        Err(refused) => refused,
    };
    // 3. If it is not, what was typed stays.
    let rule = rule.unwrap_or_default();
    form(visit, kind, (&texts, &rule, &spare_id), Some(refused)).await.map(Content::from)
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

/// The second page: the settings that this kind needs.
async fn form(
    visit: &Visit<'_>,
    kind: &Kind,
    (texts, rule, spare_id): (&Texts, &TypedRule, &str),
    refused: Option<Refused>,
) -> Outcome<Page> {
    let mut page = Page::new(format!("New client: {}", kind.title)).with(Block::text(kind.what));
    let mut beside = None;
    if let Some(refused) = refused {
        page.status = refused.status;
        page = page.with(refused.above.map(Block::problem));
        beside = refused.beside;
    }
    if kind.is_workload() {
        page = page.with(issuers(visit).await?);
    }
    let mut fields = vec![Field::hidden("kind", kind.name), Field::hidden("spare_id", spare_id)];
    for mut field in texts.fields(kind.settings, beside.as_ref()) {
        field.is_required = [NAME.name, REDIRECT_URIS.name].contains(&field.name);
        fields.push(field);
    }
    if kind.is_workload() {
        fields.extend(rule.fields(beside.as_ref()));
    }
    let buttons = vec![Button::new("create", "Create the client")];
    let form = Form::post("new", HERE, fields, buttons);
    Ok(page.with(Block::Form(form)).with(Block::Text(vec![Cell::link("Another kind", HERE)])))
}

/// The issuers to choose from.
async fn issuers(visit: &Visit<'_>) -> Outcome<Block> {
    let part = ListRequest { limit: None, cursor: None };
    let issuers = visit.app.issuer_list(None, &part).await?.items;
    let proves = |uses: &[IssuerUse]| uses.contains(&IssuerUse::ClientAssertion);
    let names = issuers.into_iter().filter(|issuer| proves(&issuer.settings.uses)).map(|issuer| issuer.issuer);
    let names: Vec<Cell> = names.take(MOST_ISSUERS).map(Cell::code).collect();
    Ok(if names.is_empty() {
        Block::text("No issuer is trusted for client assertions yet: that comes first.")
    } else {
        Block::Text(std::iter::once(Cell::text("Trusted issuers:")).chain(names).collect())
    })
}

/// The client, or what is wrong with the form.
async fn create(
    visit: &Visit<'_>,
    kind: &Kind,
    (texts, rule, spare_id): (&Texts, Option<&TypedRule>, &str),
) -> Outcome<Result<ClientView, Refused>> {
    if texts.get(NAME.name).is_empty() {
        return Ok(Err(Refused::field(NAME.name, "This is needed.")));
    }
    if kind.begins_at_browser() && texts.get(REDIRECT_URIS.name).is_empty() {
        return Ok(Err(Refused::field(REDIRECT_URIS.name, "There must be at least one.")));
    }
    let mut texts = texts.clone();
    if texts.get(ID.name).is_empty() {
        texts.set(ID.name, spare_id);
    }
    let mut members = kind.members(rule);
    members.extend(texts.members(kind.settings));
    // Before the client is there, so that none is left without its rule.
    if let Some(rule) = rule
        && let Some(refused) = rule.check(visit, texts.get(ID.name)).await?
    {
        return Ok(Err(refused));
    }
    let made = match read_members::<NewClient>(members) {
        Ok(new) => visit.app.client_create(new, &visit.actor()).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(client) => Ok(Ok(client)),
        Err(error) => Refused::by(error, kind.settings).map(Err),
    }
}

/// The last page: the secret, which is shown once, what may be a mistake, and snippets.
async fn finish(visit: &Visit<'_>, kind: &Kind, client: ClientView, rule: Option<TypedRule>) -> Outcome<Page> {
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
    if let Some(rule) = rule {
        page = page.with(match visit.app.issuer_rule_add(&rule.issuer, rule.rule(id), &visit.actor()).await {
            Ok(_) => Block::text(format!(
                "A token of {} whose {} is {} proves that it is this client.",
                rule.issuer, rule.claim, rule.value
            )),
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
