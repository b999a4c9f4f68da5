//! Verdicts of the token doctor that somebody keeps for colleagues, under a link that can be withdrawn.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::admin::AdminError;
use crate::admin::powers::{ADMIN, READ};
use crate::browser::form;
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, Form, Page};
use crate::console::users;
use crate::console::verdict::Verdict;
use crate::console::visit::{Content, Outcome, Problem, Visit, address, unknown_action};
use crate::crypto::{base64url, from_base64url, random, sha256};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::time::Timestamp;
use crate::store::{KeptVerdict, StoreError, VerdictLimits};
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

/// A verdict in the form of the page that shows it.
#[derive(Serialize, Deserialize)]
struct Sealed {
    verdict: Verdict,
    /// Who it was shown to.
    user: Uuid,
    /// When, in seconds since the epoch.
    at: i64,
}

/// The form that keeps it for colleagues; none if it is too large for that.
pub(super) fn keep_form(visit: &Visit<'_>, verdict: &Verdict) -> Outcome<Option<Block>> {
    let at = visit.app.clock.now().seconds();
    let sealed = Sealed { verdict: verdict.clone(), user: visit.record.user.id, at };
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

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    match visit.one("action")? {
        Some("keep") => keep(visit).await,
        Some("withdraw") => withdraw(visit).await,
        _ => Err(unknown_action()),
    }
}

/// Keeps a verdict under a link. Only what this server showed to this person is kept.
async fn keep(visit: &Visit<'_>) -> Outcome<Content> {
    let app = visit.app;
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
    app.store.verdict_create(sha256(&id), &kept, LIMITS, verdict.target(), &visit.audited()).await.map_err(
        |error| match error {
            StoreError::TooMany(most) => AdminError::Conflict(format!(
                "{most} verdicts are kept already, which is the most; each goes after 7 days"
            )),
            error => error.into(),
        },
    )?;
    Ok(Content::Elsewhere(address(PATH, &[("id", &base64url(id)), ("done", "kept")])))
}

/// Takes the link back: nobody sees the verdict any more.
async fn withdraw(visit: &Visit<'_>) -> Outcome<Content> {
    let (hash, kept, verdict) = find(visit, &visit.text("id")?).await?;
    if !may_withdraw(visit, &kept) {
        return Err(Problem::NoPower(ADMIN));
    }
    confirm(visit, &["action", "id"]).await?;
    match visit.app.store.verdict_delete(hash, verdict.target(), &visit.audited()).await? {
        true => Ok(Content::Elsewhere(address("console/doctor", &[("done", "withdrawn")]))),
        false => Err(Problem::NoSuchPage),
    }
}

/// Whether the person may withdraw the link: whoever made it, or an administrator.
fn may_withdraw(visit: &Visit<'_>, kept: &KeptVerdict) -> bool {
    kept.made_by == visit.record.user.id || visit.may(ADMIN)
}

/// The verdict that a link leads to, and its hash.
async fn find(visit: &Visit<'_>, id: &str) -> Outcome<([u8; 32], KeptVerdict, Verdict)> {
    let hash = from_base64url(id).filter(|bytes| bytes.len() == ID_LENGTH).map(|bytes| sha256(&bytes));
    let hash = hash.ok_or(Problem::NoSuchPage)?;
    let found = visit.app.store.verdict_find(hash, visit.app.clock.now()).await?;
    let verdict = found.as_ref().and_then(|kept| serde_json::from_str(&kept.verdict).ok());
    found.zip(verdict).map(|(kept, verdict)| (hash, kept, verdict)).ok_or(Problem::NoSuchPage)
}

/// Shows a verdict that somebody keeps.
pub(super) async fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ)?;
    let id = visit.text("id")?;
    let (_, kept, verdict) = find(visit, &id).await?;
    let link = format!("{}/{}", visit.request.issuer.url(), address(PATH, &[("id", &id)]));
    let withdraw = Form::post(
        "withdraw",
        PATH,
        vec![Field::hidden("id", id)],
        vec![Button::quiet("withdraw", "Withdraw the link")],
    );
    Ok(Page::new("A verdict of the token doctor")
        .with(visit.done()?)
        .with(Block::Facts(origin(visit, &kept).await?))
        .with(verdict.blocks())
        .with(Block::heading("Link for colleagues"))
        .with(Block::text("Whoever may read everything here can open it, for 7 days from when it was made:"))
        .with(Block::Code(link))
        .with(may_withdraw(visit, &kept).then_some(Block::Form(withdraw)))
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
