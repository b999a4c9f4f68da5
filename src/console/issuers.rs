//! Trusted issuers: finding them, one page for each, making and changing them.

use serde_json::{Map, Value, json};

use crate::admin::body::{Patch, read_members};
use crate::admin::issuers::{IssuerPatch, IssuerView, NewIssuer};
use crate::admin::powers::{ADMIN, READ_CLIENTS};
use crate::admin::{AdminError, Result};
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, FieldKind, Form, Page, Row, Table};
use crate::console::typed::{Answered, Typed, changed_meanwhile, page_of_change, page_of_new, put_beside, state_of};
use crate::console::visit::{Content, Outcome, Visit, address, unknown_action};
use crate::console::{clients, issuer_rules};
use crate::protocol::trusted_issuer::{IssuerSettings, IssuerUse, LocalUsers, Rule};

const LIST: &str = "console/issuers";
const ONE: &str = "console/issuer";
const NEW: &str = "console/new-issuer";
const CHANGE: &str = "console/change-issuer";

/// The fields of a form for an issuer.
const NAMES: [&str; 12] = [
    "issuer",
    "seen",
    "name",
    "audience",
    "uses_client_assertion",
    "uses_jwt_bearer",
    "uses_identity_assertion",
    "max_age",
    "single_use",
    "local_users",
    "jwks_uri",
    "jwks",
];

/// Each use, its field, and what it is.
const USES: [(IssuerUse, &str, &str); 3] = [
    (IssuerUse::ClientAssertion, "uses_client_assertion", "Its tokens prove clients: workloads without secrets"),
    (IssuerUse::JwtBearer, "uses_jwt_bearer", "They are exchanged for tokens of their subjects"),
    (IssuerUse::IdentityAssertion, "uses_identity_assertion", "It gives identity assertions (ID-JAG)"),
];

/// What the forms of a page ask for.
const ACTIONS: [&str; 4] = ["enable", "remove_rule", "disable", "delete"];

pub(super) async fn list(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_CLIENTS)?;
    let issuers = visit.app.issuer_list(None, &visit.part()?).await?;
    let rows = issuers.items.iter().map(|issuer| {
        let settings = &issuer.settings;
        let uses: Vec<&str> = settings.uses.iter().map(|used_for| used_for.name()).collect();
        Row::from(vec![
            Cell::link(issuer.issuer.as_str(), one(&issuer.issuer)),
            Cell::text(settings.name.clone().unwrap_or_default()),
            Cell::text(uses.join(", ")),
            Cell::text(settings.rules.len().to_string()),
            Cell::enabled(settings.enabled),
            Cell::moment(issuer.created_at),
        ])
    });
    let table = Table {
        caption: "Trusted issuers",
        columns: vec!["Issuer", "Name", "Trusted for", "Rules", "State", "Added"],
        rows: rows.collect(),
        empty: "No other issuer is trusted.",
        next: issuers.next.as_deref().map(|cursor| address(LIST, &[("cursor", cursor)])),
    };
    let text = "Tokens of a trusted issuer say who a workload or somebody else's user is. Rules with conditions on their claims say who \
                that is here.";
    let mut page = Page::new("Issuers").with(visit.done()?).with(Block::text(text));
    if visit.may(ADMIN) {
        let github = Cell::link("Allow a GitHub workflow", "console/allow-github");
        page = page.with(Block::Text(vec![github])).with(Block::Text(vec![Cell::link("Trust another issuer", NEW)]));
    }
    let test = Cell::link("Test a token against the conditions", "console/issuer-test");
    Ok(page.with(Block::Text(vec![test])).with(Block::Table(table)).into())
}

pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_CLIENTS)?;
    let issuer = visit.app.issuer_show(&visit.text("issuer")?).await?;
    let name = issuer.issuer.as_str();
    let mut page = Page::new(format!("Issuer {name}")).with(visit.done()?).with(Block::Facts(facts(&issuer)));
    if let Some(jwks) = &issuer.settings.jwks {
        let text = serde_json::to_string_pretty(jwks).unwrap_or_default();
        page = page.with(Block::Details("Its registered keys".to_owned(), text));
    }
    let test = Cell::link("Test a token against the conditions", "console/issuer-test");
    page = page.with(Block::heading("Rules")).with(Block::Text(vec![test])).with(rules(visit, &issuer));
    if visit.may(ADMIN) {
        page = page.with(actions(&issuer));
    }
    Ok(page.into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(ADMIN)?;
    let name = visit.text("issuer")?;
    let (app, actor) = (visit.app, visit.actor());
    let set_enabled = |enabled| IssuerPatch { enabled: Patch::Set(enabled), ..IssuerPatch::default() };
    // Whose tokens are trusted decides who gets tokens here.
    let action = visit.one("action")?.filter(|action| ACTIONS.contains(action)).ok_or_else(unknown_action)?;
    confirm(visit, &["action", "issuer", "number", "seen"]).await?;
    let done = match action {
        "enable" => {
            app.issuer_update(&name, set_enabled(true), &actor).await?;
            "enabled"
        }
        "remove_rule" => {
            issuer_rules::remove(visit, &name).await?;
            "issuer_saved"
        }
        "delete" => {
            app.issuer_delete(&name, &actor).await?;
            return Ok(Content::Elsewhere(address(LIST, &[("done", "issuer_deleted")])));
        }
        "disable" => {
            app.issuer_update(&name, set_enabled(false), &actor).await?;
            "issuer_disabled"
        }
        _ => return Err(unknown_action()),
    };
    Ok(Content::Elsewhere(one_after(&name, done)))
}

pub(super) fn show_new(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(ADMIN)?;
    // Tokens that are meant for this server are the safest choice.
    let usual = IssuerSettings::default();
    let typed = Typed::default()
        .with("audience", visit.app.issuer.url())
        .with("uses_client_assertion", "yes")
        .with("max_age", usual.max_age.to_string())
        .with("local_users", usual.local_users.name());
    Ok(new_page(Answered::GOOD, fields_of_new(&typed)).into())
}

pub(super) async fn create(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(ADMIN)?;
    confirm(visit, &NAMES).await?;
    let typed = Typed::read(visit, &NAMES)?;
    let created = match new_issuer(&typed) {
        Ok(new) => visit.app.issuer_create(new, &visit.actor()).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(issuer) => Ok(Content::Elsewhere(one_after(&issuer.issuer, "issuer_saved"))),
        Err(error) => {
            let mut fields = fields_of_new(&typed);
            let answered = put_beside(about_uses(error), &mut fields, "issuer")?;
            Ok(new_page(answered, fields).into())
        }
    }
}

pub(super) async fn show_change(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(ADMIN)?;
    let issuer = visit.app.issuer_show(&visit.text("issuer")?).await?;
    let name = issuer.issuer.as_str();
    let fields = fields_of_change(name, &typed_of(&issuer.settings));
    Ok(page_of_change(Answered::GOOD, name, CHANGE, fields, one(name)).into())
}

pub(super) async fn change(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(ADMIN)?;
    confirm(visit, &NAMES).await?;
    let typed = Typed::read(visit, &NAMES)?;
    let name = typed.get("issuer");
    match visit.app.issuer_change(name, |settings| patch(&typed, settings), &visit.actor()).await {
        Ok(_) => Ok(Content::Elsewhere(one_after(name, "issuer_saved"))),
        Err(error @ AdminError::NotFound(_)) => Err(error.into()),
        Err(error) => {
            let mut fields = fields_of_change(name, &typed);
            let answered = put_beside(about_uses(error), &mut fields, "name")?;
            Ok(page_of_change(answered, name, CHANGE, fields, one(name)).into())
        }
    }
}

/// The address of the page of an issuer.
pub(super) fn one(name: &str) -> String {
    address(ONE, &[("issuer", name)])
}

/// The same after something was done.
fn one_after(name: &str, done: &str) -> String {
    address(ONE, &[("issuer", name), ("done", done)])
}

fn facts(issuer: &IssuerView) -> Vec<(String, Vec<Cell>)> {
    let settings = &issuer.settings;
    let codes = |texts: &[String]| texts.iter().map(|text| Cell::code(text.as_str())).collect();
    let uses = USES.into_iter().filter(|(used_for, ..)| settings.uses.contains(used_for));
    let keys = match (&settings.jwks, &settings.jwks_uri) {
        (Some(_), _) => Cell::text("registered, below"),
        (None, Some(uri)) => Cell::code(uri.as_str()),
        (None, None) => Cell::text("where its discovery document says"),
    };
    let facts = [
        ("Name", vec![Cell::text(settings.name.clone().unwrap_or_else(|| "none".to_owned()))]),
        ("State", vec![Cell::enabled(settings.enabled)]),
        ("Audience of its tokens", codes(&settings.audience)),
        ("Trusted for", uses.map(|(used_for, ..)| Cell::code(used_for.name())).collect()),
        ("Keys", vec![keys]),
        ("Age of its tokens", vec![Cell::text(format!("at most {} seconds", settings.max_age))]),
        ("Each token counts once", vec![Cell::text(single_use(settings.single_use))]),
        ("Its subjects are users of this server", vec![Cell::text(local_users(settings.local_users))]),
        ("Added", vec![Cell::moment(issuer.created_at)]),
    ];
    facts.map(|(name, cells)| (name.to_owned(), cells)).into()
}

const fn single_use(single_use: Option<bool>) -> &'static str {
    match single_use {
        None => "unless it proves a client",
        Some(true) => "yes",
        Some(false) => "no",
    }
}

const fn local_users(local_users: LocalUsers) -> &'static str {
    match local_users {
        LocalUsers::Never => "never",
        LocalUsers::BySub => "the one with the same sub",
        LocalUsers::ByEmail => "the one whose username is the verified email",
    }
}

fn rules(visit: &Visit<'_>, issuer: &IssuerView) -> Vec<Block> {
    let (name, settings) = (issuer.issuer.as_str(), &issuer.settings);
    let mut blocks = vec![Block::text(
        "Exactly one rule must match: those with a client for tokens that prove clients, those without for the other uses. All \
         conditions of a rule must hold.",
    )];
    let may_change = visit.may(ADMIN);
    let rows = settings.rules.iter().zip(1_usize..).map(|(rule, number)| {
        let form = Form::post(
            "remove",
            ONE,
            vec![
                Field::hidden("issuer", name),
                Field::hidden("number", number.to_string()),
                Field::hidden("seen", state_of(settings)),
            ],
            vec![Button::quiet("remove_rule", "Remove").about(format!("rule {number}"))],
        );
        let change = match may_change {
            true => Cell::link(number.to_string(), issuer_rules::one(name, number)),
            false => Cell::text(number.to_string()),
        };
        Row { cells: row(rule, change), form: may_change.then_some(form) }
    });
    blocks.push(Block::Table(Table {
        caption: "Rules",
        columns: vec!["Rule", "Name", "Client", "Conditions"],
        rows: rows.collect(),
        empty: "There is no rule, so no token of this issuer is accepted.",
        next: None,
    }));
    if may_change {
        blocks.push(Block::Text(vec![Cell::link("Add a rule", issuer_rules::new(name))]));
    }
    blocks
}

fn row(rule: &Rule, number: Cell) -> Vec<Cell> {
    let client = match &rule.client_id {
        Some(id) => Cell::link(id.as_str(), clients::one(id)),
        None => Cell::text("none: it is about the subject"),
    };
    let conditions: Vec<String> =
        rule.claims.iter().map(|(claim, condition)| format!("{claim} {}", condition.describe())).collect();
    vec![number, Cell::text(rule.name.clone().unwrap_or_default()), client, Cell::text(conditions.join("; "))]
}

fn actions(issuer: &IssuerView) -> Vec<Block> {
    let name = issuer.issuer.as_str();
    let change = match issuer.settings.enabled {
        true => Button::quiet("disable", "Disable"),
        false => Button::quiet("enable", "Enable"),
    };
    let form =
        Form::post("change", ONE, vec![Field::hidden("issuer", name)], vec![change, Button::quiet("delete", "Delete")]);
    let text = "Tokens of a disabled or deleted issuer are refused from then on, and what they were exchanged for by token exchange ends. \
                Other access tokens that they gave are good until they expire.";
    vec![
        Block::heading("Change it"),
        Block::Text(vec![Cell::link("Change the settings", address(CHANGE, &[("issuer", name)]))]),
        Block::text(text),
        Block::Form(form),
    ]
}

/// What a form holds that shows the settings as they are.
fn typed_of(settings: &IssuerSettings) -> Typed {
    let mut typed = Typed::default()
        .with("seen", state_of(settings))
        .with("name", settings.name.clone().unwrap_or_default())
        .with("audience", settings.audience.join("\n"))
        .with("max_age", settings.max_age.to_string())
        .with("single_use", settings.single_use.map_or("", |once| if once { "yes" } else { "no" }))
        .with("local_users", settings.local_users.name())
        .with("jwks_uri", settings.jwks_uri.clone().unwrap_or_default());
    for (_, field, _) in USES.into_iter().filter(|(used_for, ..)| settings.uses.contains(used_for)) {
        typed = typed.with(field, "yes");
    }
    match &settings.jwks {
        Some(jwks) => typed.with("jwks", serde_json::to_string_pretty(jwks).unwrap_or_default()),
        None => typed,
    }
}

/// The members that a form sets. What is empty is `null`, which stands for the default.
fn members(typed: &Typed) -> Result<Map<String, Value>> {
    let single_use = match typed.get("single_use") {
        "" => None,
        "yes" => Some(true),
        "no" => Some(false),
        _ => return Err(AdminError::Invalid("single_use: it is yes, no, or empty".into())),
    };
    let uses = USES.into_iter().filter(|(_, field, _)| typed.is_set(field));
    let members = json!({
        "name": typed.text("name"),
        "audience": typed.lines("audience"),
        "uses": uses.map(|(used_for, ..)| used_for.name()).collect::<Vec<_>>(),
        "max_age": typed.number("max_age")?,
        "single_use": single_use,
        "local_users": typed.text("local_users"),
        "jwks_uri": typed.text("jwks_uri"),
        "jwks": typed.object("jwks")?,
    });
    Ok(members.as_object().cloned().unwrap_or_default())
}

fn new_issuer(typed: &Typed) -> Result<NewIssuer> {
    let name =
        typed.text("issuer").ok_or_else(|| AdminError::Invalid("issuer: type in the iss of its tokens".into()))?;
    let mut members = members(typed)?;
    members.insert("issuer".to_owned(), name.into());
    read_members(members)
}

fn patch(typed: &Typed, settings: &IssuerSettings) -> Result<IssuerPatch> {
    if typed.get("seen") != state_of(settings) {
        return Err(changed_meanwhile());
    }
    read_members(members(typed)?)
}

/// An error about `uses` is shown beside the first of its fields.
fn about_uses(error: AdminError) -> AdminError {
    match error {
        AdminError::Invalid(text) if text.starts_with("uses") => {
            AdminError::Invalid(format!("{}: choose at least one use", USES[0].1))
        }
        error => error,
    }
}

fn fields_of_new(typed: &Typed) -> Vec<Field> {
    let name = Field::new("issuer", "Issuer", typed.get("issuer"));
    let help = "The iss of its tokens, exactly: an https URL, or spiffe:// and a trust domain. It never changes.";
    let mut fields = vec![Field { is_required: true, help, ..name }];
    fields.extend(settings_fields(typed));
    fields
}

fn fields_of_change(name: &str, typed: &Typed) -> Vec<Field> {
    let mut fields = vec![Field::hidden("issuer", name), Field::hidden("seen", typed.get("seen"))];
    fields.extend(settings_fields(typed));
    fields
}

fn settings_fields(typed: &Typed) -> Vec<Field> {
    let of = |name: &'static str, label: &'static str| Field::new(name, label, typed.get(name));
    let choice = |name, label, choices: &[(&'static str, &'static str)]| Field {
        kind: FieldKind::Choice(choices.to_vec()),
        ..of(name, label)
    };
    let locals: Vec<_> = LocalUsers::ALL.iter().map(|one| (one.name(), local_users(*one))).collect();
    let once = [None, Some(true), Some(false)].map(single_use);
    let mut fields = vec![
        of("name", "Name"),
        Field {
            kind: FieldKind::Area,
            help: "One a line: what the aud of its tokens may be. A token that names somebody else as well is refused.",
            ..of("audience", "Audience of its tokens")
        },
    ];
    fields.extend(USES.into_iter().map(|(_, field, about)| Field { kind: FieldKind::Check, ..of(field, about) }));
    fields.extend([
        Field {
            help: "For how long after its iat a token is accepted, in seconds; empty for an hour.",
            ..of("max_age", "Age of its tokens")
        },
        choice("single_use", "Each token counts once", &[("", once[0]), ("yes", once[1]), ("no", once[2])]),
        choice("local_users", "Its subjects are users of this server", &locals),
        Field {
            help: "Leave this and the next one empty if its discovery document says where they are.",
            ..of("jwks_uri", "Where its keys are (https)")
        },
        Field {
            kind: FieldKind::Area,
            help: "A JSON Web Key Set, where this server cannot or should not fetch them.",
            ..of("jwks", "Its keys")
        },
    ]);
    fields
}

fn new_page(answered: Answered, fields: Vec<Field>) -> Page {
    let form = Form::post("new", NEW, fields, vec![Button::new("create", "Trust the issuer")]);
    let text = "Nobody's token is accepted before there is a rule for it: the next page has them.";
    page_of_new(answered, ("Trust an issuer", text), form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_is_sent_as_it_was_shown_changes_nothing() {
        let settings = json!({
            "name": "N", "audience": ["https://a.example", "b"], "uses": ["client_assertion", "jwt_bearer"], "max_age": 60,
            "single_use": false, "local_users": "sub", "jwks": null, "jwks_uri": "https://idp.example/keys", "enabled": false,
        });
        let settings: IssuerSettings = serde_json::from_value(settings).unwrap();
        let whole = json!(settings);
        for (name, value) in members(&typed_of(&settings)).unwrap() {
            assert_eq!(whole[&name], value, "{name}");
        }
        assert!(patch(&typed_of(&settings), &settings).is_ok());
        let stale = typed_of(&settings).with("seen", "other");
        assert!(matches!(patch(&stale, &settings), Err(AdminError::Conflict(_))));
    }

    #[test]
    fn what_is_wrong_is_said_of_the_field() {
        let good = || Typed::default().with("issuer", "https://idp.example").with("audience", "a");
        for (name, value) in
            [("max_age", "soon"), ("single_use", "perhaps"), ("local_users", "all"), ("jwks", "{"), ("jwks", "[]")]
        {
            let error = new_issuer(&good().with(name, value)).unwrap_err().to_string();
            assert!(error.starts_with(name), "{name}: {error}");
        }
        assert!(new_issuer(&good()).is_ok());
        let error = about_uses(AdminError::Invalid("uses names at least one use, and each once".into()));
        assert!(error.to_string().starts_with("uses_client_assertion: "), "{error}");
    }
}
