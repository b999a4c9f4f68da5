//! What would a client get? The token that would be issued, with the setting that each claim comes from; or why there is none.

use serde_json::Value;

use crate::admin::AdminError;
use crate::admin::clients::ClientView;
use crate::admin::powers::READ;
use crate::admin::preview::{Preview, PreviewRequest, PreviewToken};
use crate::console::page::{Block, Button, Cell, Field, FieldKind, Form, Page, Row, Table};
use crate::console::typed::{Answered, Typed, put_beside};
use crate::console::visit::{Content, Outcome, Visit, address};
use crate::protocol::client::{AccessTokenFormat, GrantType};

const PATH: &str = "console/preview";
const NAMES: [&str; 5] = ["client", "grant", "user", "resource", "scope"];

/// The grants that can be previewed, and what they are.
const GRANTS: [(GrantType, &str); 4] = [
    (GrantType::ClientCredentials, "client_credentials: the client, for itself"),
    (GrantType::AuthorizationCode, "authorization_code: a user at a browser"),
    (GrantType::DeviceCode, "device_code: a user of a device"),
    (GrantType::Password, "password: a user whose password the client has"),
];

/// The address of the preview for a client, or for a user.
pub(super) fn of_client(client_id: &str) -> String {
    address(PATH, &[("client", client_id)])
}

/// The same for a user.
pub(super) fn of_user(id: &str) -> String {
    address(PATH, &[("user", id)])
}

/// Links name a client or a user by the id. What people type is posted, so that no names, scopes and resources get into histories and
/// the logs of proxies.
pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    let (client, user) = (visit.text("client")?, visit.text("user")?);
    let typed = Typed::default().with("client", client.as_str()).with("user", user.as_str());
    if client.is_empty() {
        return Ok(page(Answered::GOOD, fields(&typed), Vec::new()).into());
    }
    match visit.app.client_show(&client).await {
        Ok(client) => {
            let grant = likely(&client, !user.is_empty());
            let typed = typed.with("grant", grant.name());
            if grant == GrantType::ClientCredentials || !user.is_empty() {
                return Ok(answer(visit, &typed).await?.into());
            }
            Ok(page(Answered::GOOD, fields(&typed), Vec::new()).into())
        }
        Err(error) => {
            let mut fields = fields(&typed);
            let answered = Answered { status: 404, ..put_beside(error, &mut fields, "client")? };
            Ok(page(answered, fields, Vec::new()).into())
        }
    }
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    let typed = Typed::read(visit, &NAMES)?;
    Ok(answer(visit, &typed).await?.into())
}

/// The grant that is meant most likely: one that the client may use.
fn likely(client: &ClientView, has_user: bool) -> GrantType {
    let may = |grant: GrantType| client.settings.grant_types.contains(&grant);
    let fits = |grant: GrantType| may(grant) && !(has_user && grant == GrantType::ClientCredentials);
    let usable = GRANTS.iter().map(|(grant, _)| *grant).find(|grant| fits(*grant));
    usable.unwrap_or(if has_user { GrantType::AuthorizationCode } else { GrantType::ClientCredentials })
}

async fn answer(visit: &Visit<'_>, typed: &Typed) -> Outcome<Page> {
    let mut fields = fields(typed);
    let previewed = match request(typed) {
        Ok(request) => visit.app.preview(&request).await,
        Err(error) => Err(error),
    };
    match previewed {
        Ok(preview) => Ok(page(Answered::GOOD, fields, shown(&preview))),
        Err(error) => {
            let otherwise = match &error {
                AdminError::NotFound(_) if visit.app.client_show(typed.get("client").trim()).await.is_ok() => "user",
                AdminError::NotFound(_) => "client",
                _ => "resource",
            };
            let answered = put_beside(error, &mut fields, otherwise)?;
            Ok(page(answered, fields, Vec::new()))
        }
    }
}

fn request(typed: &Typed) -> Result<PreviewRequest, AdminError> {
    let invalid = |text: &str| AdminError::Invalid(text.to_owned());
    let resources = typed.lines("resource");
    Ok(PreviewRequest {
        client_id: typed.text("client").ok_or_else(|| invalid("client: name a client"))?,
        grant_type: typed.get("grant").parse::<GrantType>().map_err(|()| invalid("grant: there is no such grant"))?,
        user: typed.text("user"),
        scope: typed.text("scope"),
        resource: Some(resources).filter(|resources| !resources.is_empty()),
        sender_constrained: None,
        pushed: None,
    })
}

fn fields(typed: &Typed) -> Vec<Field> {
    let of = |name: &'static str, label: &'static str| Field::new(name, label, typed.get(name));
    let grants = GRANTS.iter().map(|(grant, about)| (grant.name(), *about)).collect();
    vec![
        Field { is_required: true, ..of("client", "Client") },
        Field { kind: FieldKind::Choice(grants), ..of("grant", "Grant") },
        Field { help: "Name, id or sub. Leave it empty if the client asks for itself.", ..of("user", "User") },
        Field { help: "Names with spaces between them. Empty: what the client has.", ..of("scope", "Scope") },
        Field {
            kind: FieldKind::Area,
            help: "One URI a line. Empty: what the client has.",
            ..of("resource", "Resources")
        },
    ]
}

fn page(answered: Answered, fields: Vec<Field>, result: Vec<Block>) -> Page {
    let form = Form::post("preview", PATH, fields, vec![Button::new("preview", "Show what it would get")]);
    let text = "What would a client get for a request? Nothing is issued, signed or written.";
    let heading = if result.is_empty() { Vec::new() } else { vec![Block::heading("Another request")] };
    answered.page("Preview").with(Block::text(text)).with(result).with(heading).with(Block::Form(form))
}

fn shown(preview: &Preview) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(refused) = &preview.refused {
        blocks.push(Block::problem(format!("The request would be refused. {}", refused.error_description)));
        let facts =
            [("Error", Cell::code(refused.error.name())), ("The log would say", Cell::text(refused.reason.as_str()))];
        blocks.push(Block::Facts(facts.map(|(name, cell)| (name.to_owned(), vec![cell])).into()));
    }
    if let Some(token) = &preview.token {
        blocks.push(Block::notice(format!("The client would get an access token of {} bytes.", token.size)));
        blocks.extend(preview.notes.iter().map(Block::problem));
        blocks.extend(preview.assumed.iter().map(|text| Block::text(format!("Assumed: {text}"))));
        blocks.push(Block::Facts(facts(token)));
        blocks.push(Block::heading("Its claims"));
        blocks.push(Block::Table(claims(token)));
    }
    if !preview.left_out.is_empty() {
        let rows = preview
            .left_out
            .iter()
            .map(|left_out| Row::from(vec![Cell::code(left_out.scope.as_str()), Cell::text(left_out.why.as_str())]));
        blocks.push(Block::heading("Scopes of the client that it would not have"));
        blocks.push(Block::Table(Table {
            caption: "Scopes that are left out",
            columns: vec!["Scope", "Why not"],
            rows: rows.collect(),
            empty: "None.",
            next: None,
        }));
    }
    blocks
}

fn facts(token: &PreviewToken) -> Vec<(String, Vec<Cell>)> {
    let format = match (token.format, token.typ) {
        (AccessTokenFormat::Opaque, _) => "opaque".to_owned(),
        (AccessTokenFormat::Jwt, None) => "JWT".to_owned(),
        (AccessTokenFormat::Jwt, Some(typ)) => format!("JWT, typ {}", typ.name()),
    };
    let yes_or_no = |is: bool| if is { "yes" } else { "no" };
    let facts = [
        ("Format", Cell::text(format)),
        ("Size", Cell::text(format!("{} bytes", token.size))),
        ("Life", Cell::text(format!("{} seconds", token.expires_in))),
        ("Refresh token", Cell::text(yes_or_no(token.refresh_token))),
        ("ID token", Cell::text(yes_or_no(token.id_token))),
    ];
    facts.map(|(name, cell)| (name.to_owned(), vec![cell])).into()
}

fn claims(token: &PreviewToken) -> Table {
    let rows = token.claims.iter().map(|claim| {
        let value = match &claim.value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let varies = if claim.varies { "another one for each token" } else { "" };
        Row::from(vec![
            Cell::code(claim.claim.as_str()),
            Cell::code(value),
            Cell::text(claim.from.as_str()),
            Cell::text(varies),
        ])
    });
    Table {
        caption: "Claims, and where they come from",
        columns: vec!["Claim", "Value", "Comes from", "Varies"],
        rows: rows.collect(),
        empty: "It has none.",
        next: None,
    }
}
