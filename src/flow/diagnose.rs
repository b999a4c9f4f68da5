//! The diagnosis of a presented token: what its bytes and the keys show, what this node and the log know of it, and what
//! whoever asks expects. Everything that says why a token is refused says it from here.

use std::net::IpAddr;

use uuid::Uuid;

use super::check;
use super::{App, Result};
use crate::oauth::cause::Cause;
use crate::oauth::claims::AccessClaims;
use crate::oauth::identity::Identity;
use crate::oauth::time::Timestamp;
use crate::store::{Covered, HeldSession};
use crate::token::diagnosis::judge::{self, Expected, Taken};
use crate::token::diagnosis::{Diagnosis, Finding};
use crate::token::presented::{Authentic, Unread};
use crate::token::refresh::RefreshToken;

/// How much is done to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// What memory and the keys tell: the answer is only yes or no.
    Verdict,
    /// The same, and the log for what expired long ago: the answer names the cause.
    Cause,
    /// Everything: the log, and the proof of repairs.
    Explanation,
}

/// Finds everything that speaks against a text, of which the reading is known, for whoever expects this of it.
///
/// # Errors
/// When it could not be decided.
pub(super) async fn complete(app: &App, reading: Diagnosis, expected: &Expected) -> Result<Diagnosis> {
    let mut diagnosis = judged(app, reading, Effort::Explanation).await?;
    if let Some(claims) = diagnosis.claims() {
        let unmet = judge::expectation(claims, expected);
        diagnosis.add(unmet);
    }
    Ok(diagnosis)
}

/// Finds everything that speaks against a text, of which it is known whether it is authentic.
pub(super) async fn refused(
    app: &App,
    text: &str,
    found: std::result::Result<Authentic, Unread>,
    effort: Effort,
) -> Result<Box<Diagnosis>> {
    let reading = Diagnosis::of(text, found, app.origin(&app.view.keys()), 0);
    judged(app, reading, effort).await.map(Box::new)
}

async fn judged(app: &App, mut diagnosis: Diagnosis, effort: Effort) -> Result<Diagnosis> {
    let findings = match &diagnosis.authentic {
        None => vec![],
        Some(Authentic::Access(claims)) => of_claims(app, claims, effort).await?,
        // No resource server takes it, whatever its session says.
        Some(Authentic::Refresh(_)) if effort == Effort::Cause => vec![],
        Some(Authentic::Refresh(token)) => {
            let held = app.store.session_find(token.session).await?;
            of_session(app, token, held.as_ref(), effort).await
        }
    };
    diagnosis.add(findings);
    Ok(diagnosis)
}

async fn of_claims(app: &App, claims: &AccessClaims, effort: Effort) -> Result<Vec<Finding>> {
    let now = app.clock.now();
    let remembered = app.view.revocations_of(claims);
    // What memory has forgotten matters only if the token expired long ago.
    let asks_the_log = match effort {
        Effort::Verdict => false,
        Effort::Cause => remembered.is_empty() && claims.is_expired(now),
        Effort::Explanation => true,
    };
    let taken =
        if asks_the_log { taken_back(app, &claims.into(), remembered).await } else { forget_details(remembered) };
    let mut findings = judge::access_token(claims, &taken, now);
    if check::is_beyond_the_log(app, claims).await? {
        findings.push(judge::never_issued(
            "the log of this database has not reached its place: it is of another database, or of one that was restored",
        ));
    }
    Ok(findings)
}

/// What speaks against an authentic refresh token, told from its session.
pub(super) async fn of_session(
    app: &App,
    token: &RefreshToken,
    held: Option<&HeldSession>,
    effort: Effort,
) -> Vec<Finding> {
    let Some(held) = held else {
        return vec![judge::no_session(token, app.clock.now(), app.settings.history)];
    };
    if !check::has_nonce(held, token) {
        return vec![judge::never_issued("its session has another secret: it is of another database")];
    }
    let remembered =
        held.revoked_because.zip(held.revoked_by).map(|(cause, number)| (cause, Timestamp::from_millis(number)));
    let remembered: Vec<_> = remembered.into_iter().collect();
    let taken = if remembered.is_empty() || effort != Effort::Explanation {
        forget_details(remembered)
    } else {
        taken_back(app, &Covered::from(&held.session), remembered).await
    };
    let mut findings = judge::refresh_token(token, &held.session, &taken, app.clock.now());
    let is_told = |cause: Cause| findings.iter().any(|finding| finding.cause == cause);
    if let Some(cause) = check::lost_user(held).filter(|cause| !is_told(*cause)) {
        findings.push(judge::holder(cause));
    }
    findings
}

fn forget_details(remembered: Vec<(Cause, Timestamp)>) -> Vec<Taken> {
    remembered.into_iter().map(|(cause, at)| Taken::Remembered(cause, at)).collect()
}

/// What memory knows, and the whole story of it and of what memory has forgotten, as far as the log can be asked.
async fn taken_back(app: &App, covered: &Covered, remembered: Vec<(Cause, Timestamp)>) -> Vec<Taken> {
    let recorded = app.view.history(covered).await.unwrap_or_default();
    let is_recorded = |cause: Cause| recorded.iter().any(|revocation| revocation.cause == cause);
    let unrecorded: Vec<_> = remembered.into_iter().filter(|(cause, _)| !is_recorded(*cause)).collect();
    recorded.into_iter().map(Taken::Recorded).chain(forget_details(unrecorded)).collect()
}

/// Counts a refusal, and writes the one line of the log about it. Of what was not proved only the cause is told, and the
/// token never.
pub fn note_refusal(app: &App, endpoint: &'static str, diagnosis: &Diagnosis, request_id: Uuid, address: IpAddr) {
    let Some(cause) = diagnosis.cause().map(Cause::name) else { return };
    app.metrics.refused(endpoint, cause);
    let Identity { client, subject, session, jti } = identity(diagnosis);
    let text = |id: Option<Uuid>| id.map(|id| id.to_string());
    let (session, jti) = (text(session), text(jti));
    tracing::info!(endpoint, cause, client, subject, session, jti, %request_id, %address, "token refused");
}

/// Whom a diagnosis is about. Nothing is believed that was not proved.
pub(super) fn identity(diagnosis: &Diagnosis) -> Identity {
    match &diagnosis.authentic {
        Some(Authentic::Access(claims)) => Identity::from(&**claims),
        Some(Authentic::Refresh(token)) => Identity::of_session(token.session),
        None => Identity::default(),
    }
}
