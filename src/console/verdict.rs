//! The verdict of the token doctor as plain data: to show it, and to keep it for colleagues. It never holds the text that it is about.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::admin::AdminError;
use crate::admin::powers::READ;
use crate::browser::form;
use crate::console::figures::cell_of_cause;
use crate::console::page::{Block, Button, Cell, Field, Form, Page, Row, Table};
use crate::console::users;
use crate::console::visit::{Content, Outcome, Problem, Visit, address};
use crate::crypto::{base64url, from_base64url, random, sha256};
use crate::diagnosis::explanation::{Expect, Explanation};
use crate::diagnosis::pasted;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::time::Timestamp;
use crate::store::{Audited, KeptVerdict, StoreError, VerdictLimits};
use crate::tokens::sealed::Purpose;

const PATH: &str = "console/verdict";
/// Seconds for which a verdict is kept.
const LIFE: i64 = 7 * 24 * 3600;
/// The most that are kept.
const LIMITS: VerdictLimits = VerdictLimits { all: 1000, of_one: 100 };
/// The largest verdict that can be kept, in bytes: it has to go through a form.
const LARGEST: usize = 20_000;
/// The bytes of the id in a link.
const ID_LENGTH: usize = 16;
/// Seconds for which a verdict can be kept after it was shown.
const SHOWN_FOR: i64 = 12 * 3600;

/// A verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Verdict {
    /// The id of the request for it, by which it is found in the audit trail.
    request_id: String,
    /// What is wrong with the request: the text, and what to do.
    problems: Vec<(String, String)>,
    /// What is said of its token, if it has one.
    token: Option<OfToken>,
}

/// What is said of a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OfToken {
    is_good: bool,
    title: String,
    detail: String,
    cause: Option<String>,
    other_causes: Vec<String>,
    damage: Vec<String>,
    /// Who, and what to do.
    fixes: Vec<(String, String)>,
    /// What, its value, and whether this server vouches for it.
    evidence: Vec<(String, String, bool)>,
    expected: Vec<(String, String)>,
    challenge: Option<String>,
}

/// A verdict in the form of the page that shows it.
#[derive(Serialize, Deserialize)]
struct Sealed {
    verdict: Verdict,
    /// Who it was shown to.
    user: Uuid,
    /// When, in seconds since the epoch.
    at: i64,
}

impl Verdict {
    pub(super) fn new(request_id: String, problems: &[pasted::Problem], explained: Option<&Explanation>) -> Self {
        let problem = |problem: &pasted::Problem| {
            let name = problem.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
            (format!("The request{name}: {}", problem.detail), problem.fix.to_owned())
        };
        Self { request_id, problems: problems.iter().map(problem).collect(), token: explained.map(OfToken::new) }
    }

    /// As it is shown.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        for (problem, fix) in &self.problems {
            blocks.extend([Block::problem(problem.as_str()), Block::Text(Cell::prose(fix))]);
        }
        match &self.token {
            Some(token) => blocks.extend(token.blocks()),
            None => blocks.push(Block::problem("There is no token in the request.")),
        }
        blocks
    }

    /// The form that keeps it for colleagues; none if it is too large for that.
    pub(super) fn keep_form(&self, visit: &Visit<'_>) -> Outcome<Option<Block>> {
        let at = visit.app.clock.now().seconds();
        let sealed = Sealed { verdict: self.clone(), user: visit.record.user.id, at };
        let text = form::seal(visit.app, visit.request.issuer, Purpose::Verdict, &sealed)?;
        Ok((text.len() <= LARGEST).then(|| {
            Block::Form(Form::post(
                "keep",
                PATH,
                vec![Field::hidden("verdict", text)],
                vec![Button::quiet("keep", "Make a link for a colleague")],
            ))
        }))
    }
}

impl OfToken {
    fn new(explained: &Explanation) -> Self {
        let title = match explained.cause {
            Some(cause) => format!("{} ({cause})", explained.title),
            None => explained.title.to_owned(),
        };
        let damage = explained.damage.iter().map(|damage| {
            let proof =
                if damage.proved { "proved: without it, the text is a token of this server" } else { "not proved" };
            format!("Damage ({proof}): {} {}", damage.detail, damage.repair)
        });
        let evidence = explained.evidence.iter().map(|fact| {
            let value = fact.value.as_str().map_or_else(|| fact.value.to_string(), str::to_owned);
            (fact.fact.replace('_', " "), value, fact.verified)
        });
        let fix = &explained.fix;
        let fixes = [
            ("The client", &fix.client),
            ("The resource server", &fix.resource_server),
            ("The administrator", &fix.administrator),
        ];
        Self {
            is_good: explained.active,
            title,
            detail: explained.detail.clone(),
            cause: explained.cause.map(|cause| cause.name().to_owned()),
            other_causes: explained.all_causes.iter().skip(1).map(|cause| cause.name().to_owned()).collect(),
            damage: damage.collect(),
            fixes: fixes.map(|(who, what)| (who.to_owned(), what.clone())).into(),
            evidence: evidence.collect(),
            expected: explained.expect.as_ref().map(expected).unwrap_or_default(),
            challenge: explained
                .www_authenticate
                .as_ref()
                .map(|challenge| format!("{}\nWWW-Authenticate: {challenge}", explained.status)),
        }
    }

    /// The verdict, why, and what to do.
    fn blocks(&self) -> Vec<Block> {
        let title = self.title.as_str();
        let verdict = if self.is_good { Block::notice(title) } else { Block::problem(title) };
        let mut blocks = vec![verdict, Block::Text(Cell::prose(&self.detail))];
        if !self.other_causes.is_empty() {
            blocks.push(Block::text(format!("Also: {}.", self.other_causes.join(", "))));
        }
        blocks.extend(self.damage.iter().map(|damage| Block::text(damage.as_str())));
        blocks.push(Block::heading("What to do"));
        let fixes = self.fixes.iter().map(|(who, what)| (who.clone(), Cell::prose(what)));
        blocks.push(Block::Facts(fixes.collect()));
        if let Some(cause) = &self.cause {
            let link = cell_of_cause(cause).link;
            blocks.extend(link.map(|link| Block::Text(vec![Cell::link("More about this cause", link)])));
        }
        blocks.push(Block::heading("Evidence"));
        blocks.push(Block::Table(self.evidence()));
        if !self.expected.is_empty() {
            blocks.push(Block::heading("What the resource server must expect"));
            let expected = self.expected.iter().map(|(name, value)| (name.clone(), vec![Cell::code(value.as_str())]));
            blocks.push(Block::Facts(expected.collect()));
        }
        if let Some(challenge) = &self.challenge {
            blocks.push(Block::heading("What the resource server should answer"));
            blocks.push(Block::Code(challenge.clone()));
        }
        blocks
    }

    fn evidence(&self) -> Table {
        let rows = self.evidence.iter().map(|(fact, value, is_verified)| {
            let basis = if *is_verified { Cell::state("verified", true) } else { Cell::state("claimed", false) };
            Row::from(vec![Cell::text(fact.as_str()), Cell::code(value.as_str()), basis])
        });
        Table {
            caption: "Evidence",
            columns: vec!["What", "Value", "Basis"],
            rows: rows.collect(),
            empty: "The text shows nothing.",
            next: None,
        }
    }
}

fn expected(expect: &Expect) -> Vec<(String, String)> {
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
    facts.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Keeps a verdict under a link. Only what this server showed to this person is kept.
pub(super) async fn keep(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    let (app, actor) = (visit.app, visit.actor());
    let text = visit.raw("verdict")?.unwrap_or_default();
    let now = app.clock.now();
    let sealed: Option<Sealed> = form::open(app, visit.request, Purpose::Verdict, text).await?;
    let is_shown = |sealed: &Sealed| {
        sealed.user == visit.record.user.id && (now.seconds() - SHOWN_FOR..=now.seconds() + 60).contains(&sealed.at)
    };
    let Some(Sealed { verdict, .. }) = sealed.filter(is_shown) else {
        let text = "This page is out of date: have the token explained again.";
        return Err(Refusal::new(ErrorCode::InvalidForm, text)
            .because("the verdict was not shown to this person")
            .into());
    };
    let id: [u8; ID_LENGTH] = random();
    let kept = KeptVerdict {
        made_by: visit.record.user.id,
        verdict: serde_json::to_string(&verdict).unwrap_or_default(),
        created_at: now,
        expires_at: now.plus_seconds(LIFE),
    };
    let target = format!("explanation {}", verdict.request_id);
    let audited = Audited { actor: actor.name, request_id: actor.request_id, address: actor.address, at: now };
    app.store.verdict_create(sha256(&id), &kept, LIMITS, target, &audited).await.map_err(|error| match error {
        StoreError::TooMany(most) => {
            AdminError::Conflict(format!("{most} verdicts are kept already, which is the most; each goes after 7 days"))
        }
        error => error.into(),
    })?;
    Ok(Content::Elsewhere(address(PATH, &[("id", &base64url(id)), ("done", "kept")])))
}

/// Shows a verdict that somebody keeps.
pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    let id = visit.text("id")?;
    let found = match from_base64url(&id).filter(|bytes| bytes.len() == ID_LENGTH) {
        Some(bytes) => visit.app.store.verdict_find(sha256(&bytes), visit.app.clock.now()).await?,
        None => None,
    };
    let verdict = found.as_ref().and_then(|kept| serde_json::from_str::<Verdict>(&kept.verdict).ok());
    let (Some(kept), Some(verdict)) = (found, verdict) else { return Err(Problem::NoSuchPage) };
    let link = format!("{}/{}", visit.request.issuer.url(), address(PATH, &[("id", &id)]));
    Ok(Page::new("A verdict of the token doctor")
        .with(visit.done()?)
        .with(Block::Facts(origin(visit, &kept).await?))
        .with(verdict.blocks())
        .with(Block::heading("Link for colleagues"))
        .with(Block::text("Whoever may read everything here can open it, for 7 days from when it was made:"))
        .with(Block::Code(link))
        .into())
}

/// Who keeps it, since when, and until when.
async fn origin(visit: &Visit<'_>, kept: &KeptVerdict) -> Outcome<Vec<(String, Vec<Cell>)>> {
    let names = visit.app.usernames(&[kept.made_by]).await?;
    let id = kept.made_by.to_string();
    let by = names.get(&kept.made_by).map_or_else(|| format!("user {id}"), Clone::clone);
    let moment = |at: Timestamp| vec![Cell::text(at.to_string())];
    let facts = [
        ("Kept by", vec![Cell::link(by, users::one(&id))]),
        ("When", moment(kept.created_at)),
        ("Kept until", moment(kept.expires_at)),
    ];
    Ok(facts.map(|(name, cells)| (name.to_owned(), cells)).into())
}
