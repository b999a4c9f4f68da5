//! Would a token of another issuer be accepted? Which condition fails, with which value? The token is read once, for the answer; it is
//! neither kept nor used up nor shown again.

use crate::admin::AdminError;
use crate::admin::issuers::TokenTest;
use crate::admin::powers::READ_CLIENTS;
use crate::app::Failure;
use crate::console::page::{Block, Button, Cell, Field, FieldKind, Form, Page, Row, Table};
use crate::console::typed::{Answered, put_beside};
use crate::console::visit::{Content, Outcome, Visit, sentence};
use crate::console::{clients, issuers};
use crate::federation::{RuleReport, TokenReport};
use crate::protocol::trusted_issuer::IssuerUse;

const PATH: &str = "console/issuer-test";

/// The uses that a token can be judged for, with the most likely one first.
const USES: [(&str, &str); 4] = [
    ("", "what it is most likely for"),
    (IssuerUse::ClientAssertion.name(), "to prove a client"),
    (IssuerUse::JwtBearer.name(), "to be exchanged for a token of its subject"),
    (IssuerUse::IdentityAssertion.name(), "as an identity assertion"),
];

pub(super) fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_CLIENTS)?;
    Ok(page(Answered::GOOD, Vec::new(), fields("")).into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_CLIENTS)?;
    // 1. What is asked?
    let used_for = visit.text("used_for")?;
    let mut fields = fields(&used_for);
    let asked = match (visit.raw("token")?, used_for.as_str()) {
        (None, _) => Err(AdminError::Invalid("token: paste a token".into())),
        (Some(token), "") => Ok((token, None)),
        (Some(token), name) => match name.parse::<IssuerUse>() {
            Ok(used_for) => Ok((token, Some(used_for))),
            Err(()) => Err(AdminError::Invalid("used_for: there is no such use".into())),
        },
    };
    let (token, used_for) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            let answered = put_beside(error, &mut fields, "token")?;
            return Ok(page(answered, Vec::new(), fields).into());
        }
    };
    // 2. Not too often? Keys may have to be fetched.
    visit.app.throttle.explanation(&visit.actor().name).map_err(Failure::from)?;
    // 3. What would become of it?
    match visit.app.issuer_test(TokenTest { token: token.to_owned(), used_for }).await {
        Ok(report) => Ok(page(Answered::GOOD, shown(&report), fields).into()),
        Err(AdminError::Unavailable(reason)) => {
            let text = "The token cannot be judged now: the host that has the keys of the issuer, or the database, does not answer. The \
                        log says which, under the id of this request.";
            let failure = Some(Failure::Unavailable(reason));
            let answered = Answered { status: 503, above: Some(text.to_owned()) };
            Ok(Page { failure, ..page(answered, Vec::new(), fields) }.into())
        }
        Err(error) => {
            let answered = put_beside(error, &mut fields, "token")?;
            Ok(page(answered, Vec::new(), fields).into())
        }
    }
}

fn fields(used_for: &str) -> Vec<Field> {
    let token = Field::new("token", "Token of another issuer", "");
    let used_for = Field::new("used_for", "Judge it", used_for);
    vec![
        Field { kind: FieldKind::Area, is_required: true, help: "It begins with eyJ.", ..token },
        Field { kind: FieldKind::Choice(USES.to_vec()), ..used_for },
    ]
}

fn page(answered: Answered, result: Vec<Block>, fields: Vec<Field>) -> Page {
    let form = Form::post("test", PATH, fields, vec![Button::new("test", "Test")]);
    let text = "Paste a token of a trusted issuer, and learn what would come of it: which condition fails, with which value. It is not \
                stored, not logged, not used up and not shown again.";
    let heading = if result.is_empty() { Vec::new() } else { vec![Block::heading("Another one")] };
    let page = answered.page("Test a token");
    page.with(Block::text(text)).with(result).with(heading).with(Block::Form(form))
}

fn shown(report: &TokenReport) -> Vec<Block> {
    let mut blocks = vec![match report.accepted {
        true => Block::notice("The token would be accepted."),
        false => Block::problem("The token would be refused."),
    }];
    let or_none = |cell: Option<Cell>| vec![cell.unwrap_or_else(|| Cell::text("none"))];
    let facts = [
        ("Judged as", vec![Cell::code(report.used_for.name())]),
        ("Issuer", or_none(report.issuer.as_deref().map(|name| Cell::link(name, issuers::one(name))))),
        ("Client that it proves", or_none(report.client_id.as_deref().map(|id| Cell::link(id, clients::one(id))))),
    ];
    blocks.push(Block::Facts(facts.map(|(name, cells)| (name.to_owned(), cells)).into()));
    if !report.problems.is_empty() {
        let rows = report.problems.iter().map(|problem| {
            let cause = problem.cause.name();
            let link = Cell { is_code: true, ..Cell::link(cause, format!("docs/errors/{cause}")) };
            Row::from(vec![link, Cell::text(sentence(&problem.reason))])
        });
        blocks.push(Block::heading("What speaks against it"));
        blocks.push(Block::Table(Table {
            caption: "What speaks against the token",
            columns: vec!["Cause", "How exactly"],
            rows: rows.collect(),
            empty: "Nothing.",
            next: None,
        }));
    }
    for rule in &report.rules {
        let verdict = if rule.matches { "matches" } else { "does not match" };
        let name = rule.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        blocks.push(Block::heading(format!("Rule {}{name} {verdict}", rule.number)));
        blocks.push(Block::Table(conditions(rule)));
    }
    blocks
}

fn conditions(rule: &RuleReport) -> Table {
    let rows = rule.conditions.iter().map(|condition| {
        let found = match condition.found.is_empty() {
            true => Cell::text("missing"),
            false => Cell::code(condition.found.join(", ")),
        };
        let state = Cell::state(if condition.holds { "holds" } else { "fails" }, condition.holds);
        Row::from(vec![Cell::code(condition.claim.as_str()), Cell::text(condition.condition.describe()), found, state])
    });
    Table {
        caption: "Conditions",
        columns: vec!["Claim", "Condition", "What it is", "State"],
        rows: rows.collect(),
        empty: "It has no conditions.",
        next: None,
    }
}
