//! The token doctor: why is this token refused? What is pasted is read once, for the answer; it is neither kept nor shown again.

use crate::admin::powers::READ;
use crate::app::Failure;
use crate::console::page::{Block, Button, Cell, Field, FieldKind, Form, Page, Row, Table};
use crate::console::visit::{Content, Outcome, Visit};
use crate::diagnosis::explanation::{Expect, Explanation};
use crate::diagnosis::judge::Requirements;
use crate::diagnosis::pasted::{self, Pasted, Problem};
use crate::endpoints::explain::{ExplainRequest, explain_to_operator};
use crate::protocol::scope::Scope;
use crate::store::Audited;

pub(super) fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    Ok(Page::new("Token doctor").with(introduction()).with(Block::Form(form(&Asked::default()))).into())
}

/// What the form asks, but for the text.
#[derive(Default)]
struct Asked {
    scope: String,
    audience: String,
    is_refresh_token: bool,
    /// What is wrong with the text, and with the scope.
    text_problem: Option<String>,
    scope_problem: Option<String>,
}

pub(super) async fn explain(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    // 1. What is asked? The audience is compared, never stored.
    let mut asked = Asked {
        scope: visit.text("scope")?,
        audience: visit.text("audience")?,
        is_refresh_token: visit.one("refresh_token")?.is_some(),
        ..Asked::default()
    };
    let text = visit.raw("text")?.unwrap_or_default();
    if text.trim().is_empty() {
        asked.text_problem = Some("Paste a token, a curl command or the headers of a request.".to_owned());
    }
    let scope = Scope::parse(&asked.scope).unwrap_or_else(|error| {
        asked.scope_problem = Some(format!("This is no scope: {error}."));
        Scope::default()
    });
    if asked.text_problem.is_some() || asked.scope_problem.is_some() {
        let page = Page { status: 400, ..Page::new("Token doctor") };
        return Ok(page.with(introduction()).with(Block::Form(form(&asked))).into());
    }
    // 2. Not too often?
    let actor = visit.actor();
    visit.app.throttle.explanation(&actor.name).map_err(Failure::from)?;
    // 3. What is wrong with the request, and with its token?
    let (problems, token) = read(text);
    let mut page = Page::new("Token doctor").with(problems.iter().flat_map(about_request));
    match token {
        Some(text) => {
            let audience = Some(asked.audience.clone()).filter(|audience| !audience.is_empty());
            let required = Requirements { audience, scope };
            let question = ExplainRequest { text, required, accepts_refresh_token: asked.is_refresh_token };
            let audited = Audited {
                actor: actor.name,
                request_id: actor.request_id,
                address: actor.address,
                at: visit.app.clock.now(),
            };
            let explained = explain_to_operator(visit.app, visit.request.issuer, &question, &audited).await?;
            page = page.with(verdict(explained));
        }
        None => page = page.with(Block::problem("There is no token in the request.")),
    }
    Ok(page.with(Block::heading("Another one")).with(Block::Form(form(&asked))).into())
}

/// What is wrong with a request that was pasted, and its token; or the text as a token, without the line break at its end.
fn read(text: &str) -> (Vec<Problem>, Option<String>) {
    match pasted::read(text) {
        Ok(Pasted { problems, token, .. }) => (problems, token),
        Err(_) => {
            let token = text.strip_suffix("\r\n").or(text.strip_suffix('\n')).unwrap_or(text);
            (Vec::new(), Some(token.to_owned()))
        }
    }
}

fn introduction() -> Block {
    Block::text(
        "Paste what was sent, and learn why it is refused and what to do. It is not stored, not logged and not shown again; the audit \
         trail records that you asked.",
    )
}

fn form(asked: &Asked) -> Form {
    let text = Field::new("text", "Token, curl command or request headers", "");
    let scope = Field::new("scope", "Scope that the API needs", asked.scope.as_str());
    let audience = Field::new("audience", "Audience that the API expects", asked.audience.as_str());
    let is_refresh_token = if asked.is_refresh_token { "yes" } else { "" };
    let refresh_token = Field::new("refresh_token", "It is a refresh token, and should be one", is_refresh_token);
    Form {
        id: "doctor",
        path: "console/doctor".to_owned(),
        is_query: false,
        fields: vec![
            Field { kind: FieldKind::Area, is_required: true, problem: asked.text_problem.clone(), ..text },
            Field { problem: asked.scope_problem.clone(), help: "Leave it empty if the API needs none.", ..scope },
            Field { help: "Leave it empty if you do not know.", ..audience },
            Field { kind: FieldKind::Check, ..refresh_token },
        ],
        buttons: vec![Button::new("explain", "Explain")],
    }
}

fn about_request(problem: &Problem) -> [Block; 2] {
    let name = problem.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
    [Block::problem(format!("The request{name}: {}", problem.detail)), Block::Text(Cell::prose(problem.fix))]
}

/// The verdict on a token, why, and what to do.
fn verdict(explained: Explanation) -> Vec<Block> {
    let title = match explained.cause {
        Some(cause) => format!("{} ({cause})", explained.title),
        None => explained.title.to_owned(),
    };
    let verdict = if explained.active { Block::notice(title) } else { Block::problem(title) };
    let mut blocks = vec![verdict, Block::Text(Cell::prose(&explained.detail))];
    let others: Vec<&str> = explained.all_causes.iter().skip(1).map(|cause| cause.name()).collect();
    if !others.is_empty() {
        blocks.push(Block::text(format!("Also: {}.", others.join(", "))));
    }
    for damage in &explained.damage {
        let proof = if damage.proved { "proved: without it, the text is a token of this server" } else { "not proved" };
        blocks.push(Block::text(format!("Damage ({proof}): {} {}", damage.detail, damage.repair)));
    }
    let fix = &explained.fix;
    let fixes = [
        ("The client", &fix.client),
        ("The resource server", &fix.resource_server),
        ("The administrator", &fix.administrator),
    ];
    blocks.push(Block::heading("What to do"));
    blocks.push(Block::Facts(fixes.map(|(who, what)| (who.to_owned(), Cell::prose(what))).into()));
    if let Some(cause) = explained.cause {
        blocks.push(Block::Text(vec![Cell::link("More about this cause", format!("docs/errors/{cause}"))]));
    }
    blocks.push(Block::heading("Evidence"));
    blocks.push(Block::Table(evidence(&explained)));
    if let Some(expect) = &explained.expect {
        blocks.push(Block::heading("What the resource server must expect"));
        blocks.push(Block::Facts(expected(expect)));
    }
    if let Some(challenge) = explained.www_authenticate {
        blocks.push(Block::heading("What the resource server should answer"));
        blocks.push(Block::Code(format!("{}\nWWW-Authenticate: {challenge}", explained.status)));
    }
    blocks
}

fn evidence(explained: &Explanation) -> Table {
    let rows = explained.evidence.iter().map(|fact| {
        let value = fact.value.as_str().map_or_else(|| fact.value.to_string(), str::to_owned);
        let basis = if fact.verified { Cell::state("verified", true) } else { Cell::state("claimed", false) };
        Row::from(vec![Cell::text(fact.fact.replace('_', " ")), Cell::code(value), basis])
    });
    Table {
        caption: "Evidence",
        columns: vec!["What", "Value", "Basis"],
        rows: rows.collect(),
        empty: "The text shows nothing.",
        next: None,
    }
}

fn expected(expect: &Expect) -> Vec<(String, Vec<Cell>)> {
    let or_none = |value: Option<&str>| value.unwrap_or("none (opaque token)").to_owned();
    let facts = [
        ("Issuer", expect.issuer.clone()),
        ("Audience", expect.audience.join(" ")),
        ("Algorithm", or_none(expect.algorithm)),
        ("Key", or_none(expect.kid.as_deref())),
        ("Keys", expect.jwks_uri.clone()),
        ("Introspection", expect.introspection_endpoint.clone()),
        ("Time of this server", expect.server_time.to_string()),
        ("Seconds left", expect.seconds_left.to_string()),
    ];
    facts.map(|(name, value)| (name.to_owned(), vec![Cell::code(value)])).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_from_a_token() {
        let (problems, token) = read("curl -H 'Authorization: Bearer abc.def.ghi' https://api.example.test/");
        assert_eq!((problems.len(), token.as_deref()), (0, Some("abc.def.ghi")));
        let (problems, token) = read("GET /x HTTP/1.1\r\nHost: api.example.test\r\nAuthorization: Basic YTpi\r\n");
        assert!(!problems.is_empty() && token.as_deref() != Some("Basic YTpi"));
        for text in ["eyJh.eyJi.c2ln", " eyJh.eyJi.c2ln ", "jat_live_abc"] {
            assert_eq!(read(&format!("{text}\r\n")), (Vec::new(), Some(text.to_owned())));
        }
    }
}
