//! The token doctor: why is this token refused? What is pasted is read once, for the answer; it is neither kept nor shown again.
//! The verdict, which does not hold it, may be kept for colleagues (`kept_verdict.rs`).

use crate::admin::powers::READ;
use crate::app::Failure;
use crate::console::page::{Block, Button, Field, FieldKind, Form, Page};
use crate::console::verdict::Verdict;
use crate::console::visit::{Content, Outcome, Visit};
use crate::console::{kept_verdict, remedy};
use crate::diagnosis::judge::Requirements;
use crate::diagnosis::pasted::{self, Pasted, Problem};
use crate::endpoints::explain::{ExplainRequest, explain_to_operator};
use crate::protocol::scope::Scope;

pub(super) fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    let page = Page::new("Token doctor").with(visit.done()?).with(introduction());
    Ok(page.with(Block::Form(form(&Asked::default()))).into())
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
    visit.app.throttle.explanation(&visit.actor().name).map_err(Failure::from)?;
    // 3. What is wrong with the request, and with its token?
    let (problems, token) = read(text);
    let audience = Some(asked.audience.clone()).filter(|audience| !audience.is_empty());
    let required = Requirements { audience, scope };
    let explained = match token {
        Some(text) => {
            let accepts_refresh_token = asked.is_refresh_token;
            let question = ExplainRequest { text, required: required.clone(), accepts_refresh_token };
            Some(explain_to_operator(visit.app, visit.request.issuer, &question, &visit.audited()).await?)
        }
        None => None,
    };
    // 4. What helps?
    let commands = remedy::of(visit, &problems, explained.as_ref(), &required).await?;
    let verdict = Verdict::new(visit.request.request_id.to_string(), &problems, explained.as_ref(), commands);
    Ok(Page::new("Token doctor")
        .with(verdict.blocks())
        .with(kept_verdict::keep_form(visit, &verdict)?)
        .with(Block::heading("Another one"))
        .with(Block::Form(form(&asked)))
        .into())
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
