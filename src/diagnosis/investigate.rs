//! The diagnosis of a presented token: what its bytes and the keys show, what this node and the log know of it, and what
//! whoever asks expects. Everything that says why a token is refused says it from here.

use std::borrow::Cow;
use std::net::IpAddr;

use uuid::Uuid;

use crate::app::{App, Failure, Result};
use crate::diagnosis::judge::{self, Expected, Taken};
use crate::diagnosis::{Diagnosis, Fact, Finding};
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::identity::Identity;
use crate::protocol::scope::Scope;
use crate::protocol::session::Session;
use crate::protocol::time::Timestamp;
use crate::state::KEPT_WHEN_OVER;
use crate::store::{Covered, SessionRecord};
use crate::tokens::refresh::RefreshToken;
use crate::tokens::verify::{Verified, VerifyError};

/// How much is done to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// What memory and the keys tell, and for a refresh token its session: the answer is only yes or no.
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
pub(crate) async fn complete(app: &App, reading: Diagnosis, expected: &Expected) -> Result<Diagnosis> {
    let mut diagnosis = judged(app, reading, Effort::Explanation).await?;
    if let Some(claims) = diagnosis.claims() {
        let unmet = expectation(app, claims, expected).await?;
        diagnosis.add(unmet);
    }
    add_story(app, &mut diagnosis).await?;
    Ok(diagnosis)
}

/// Adds what only an explanation tells: who withdrew a key, how things stand with the holder now, the record of the
/// session.
async fn add_story(app: &App, diagnosis: &mut Diagnosis) -> Result<()> {
    if let Some(kid) = &diagnosis.retired {
        for revocation in app.state.history(&Covered::by_key(kid), true).await? {
            let reason = revocation.reason.map(|reason| format!(" Reason: {reason}.")).unwrap_or_default();
            diagnosis.tell(Cause::RetiredKey, format!(" It was withdrawn by {}.{reason}", revocation.actor), None);
        }
    }
    let Some(Verified::Access(claims)) = &diagnosis.authentic else { return Ok(()) };
    let (user, session, client_id) = (claims.subject().user().map(str::to_owned), claims.sid, claims.client_id.clone());
    let has = |cause: Cause| diagnosis.findings.iter().any(|finding| finding.cause == cause);
    let user_is_back = match user.filter(|_| has(Cause::UserDisabled)) {
        Some(sub) => app.store.user_with_sub(&sub).await?.is_some_and(|user| user.enabled),
        None => false,
    };
    let client_is_back = has(Cause::ClientDisabled)
        && app.state.client_again(&client_id).await?.is_some_and(|client| client.settings.enabled);
    let record = match session {
        Some(id) => Some(app.store.session_find(id).await?),
        None => None,
    };
    let again = " It is enabled again since; what ended stays ended.";
    if user_is_back {
        diagnosis.tell(Cause::UserDisabled, again.into(), Some("Log the user in again: the user is enabled again."));
    }
    if client_is_back {
        diagnosis.tell(Cause::ClientDisabled, again.into(), Some("Get a new token: the client is enabled again."));
    }
    match record {
        Some(Some(held)) => {
            let Session { created_at, last_refreshed_at, .. } = &held.session;
            diagnosis.facts.push(Fact::verified("session_began", created_at.to_string()));
            diagnosis.facts.push(Fact::verified("session_refreshed", last_refreshed_at.to_string()));
            diagnosis.facts.push(Fact::verified("session_ends", held.session.ends_at().to_string()));
        }
        Some(None) => {
            let text = "not in this database: it was over long ago, or the database was restored";
            diagnosis.facts.push(Fact::verified("session_record", text));
        }
        None => {}
    }
    Ok(())
}

/// What is expected of an access token and not met.
///
/// # Errors
/// When it could not be found out.
pub(crate) async fn expectation(app: &App, claims: &AccessClaims, expected: &Expected) -> Result<Vec<Finding>> {
    let held = match &claims.scope {
        Some(scope) if !expected.scope.is_empty() && scope.has_reserved() => {
            Cow::Owned(app.state.scope_held(claims).await?)
        }
        Some(scope) => Cow::Borrowed(scope),
        None => Cow::Owned(Scope::default()),
    };
    Ok(judge::expectation(claims, &held, expected))
}

/// Finds everything that speaks against a text, of which it is known whether it is authentic.
pub(crate) async fn refused(
    app: &App,
    text: &str,
    found: std::result::Result<Verified, VerifyError>,
    effort: Effort,
) -> Result<Box<Diagnosis>> {
    let reading = Diagnosis::of(text, found, app.origin(&app.state.keys()), 0);
    judged(app, reading, effort).await.map(Box::new)
}

async fn judged(app: &App, mut diagnosis: Diagnosis, effort: Effort) -> Result<Diagnosis> {
    let findings = match &diagnosis.authentic {
        None => vec![],
        Some(Verified::Access(claims)) => of_claims(app, claims, effort).await?,
        // No resource server takes it, whatever its session says.
        Some(Verified::Refresh(_)) if effort == Effort::Cause => vec![],
        Some(Verified::Refresh(token)) => {
            let held = app.store.session_find(token.session).await?;
            of_session(app, token, held.as_ref(), effort).await?
        }
    };
    diagnosis.add(findings);
    Ok(diagnosis)
}

async fn of_claims(app: &App, claims: &AccessClaims, effort: Effort) -> Result<Vec<Finding>> {
    let now = app.clock.now();
    let remembered = app.state.revocations_of(claims);
    // Of what expired long ago memory may have forgotten a part.
    let asks_the_log = match effort {
        Effort::Verdict => false,
        Effort::Cause => {
            claims.exp.saturating_add(KEPT_WHEN_OVER) < now.seconds()
                || (remembered.is_empty() && claims.is_expired(now))
        }
        Effort::Explanation => true,
    };
    let taken = if asks_the_log {
        taken_back(app, &claims.into(), remembered, effort).await?
    } else {
        forget_details(remembered)
    };
    let mut findings = judge::access_token(claims, &taken, now);
    if app.state.is_beyond_log(claims).await? {
        findings.push(judge::never_issued(
            "the log of this database has not reached its place: it is of another database, or of one that was restored",
        ));
    }
    Ok(findings)
}

/// What speaks against an authentic refresh token, told from its session.
///
/// # Errors
/// When it could not be found out.
pub(crate) async fn of_session(
    app: &App,
    token: &RefreshToken,
    held: Option<&SessionRecord>,
    effort: Effort,
) -> Result<Vec<Finding>> {
    let Some(held) = held else {
        return Ok(vec![judge::no_session(token, app.clock.now(), app.settings.history)]);
    };
    if !held.has_nonce_of(token) {
        return Ok(vec![judge::never_issued("its session has another secret: it is of another database")]);
    }
    let taken = match held.revoked_because.zip(held.revoked_by) {
        None => vec![],
        Some((cause, number)) => {
            let remembered = vec![(cause, Timestamp::from_millis(number))];
            taken_back(app, &Covered::from(&held.session), remembered, effort).await?
        }
    };
    let mut findings = judge::refresh_token(token, &held.session, &taken, app.clock.now());
    let is_told = |cause: Cause| findings.iter().any(|finding| finding.cause == cause);
    if let Some(cause) = held.lost_user().filter(|cause| !is_told(*cause)) {
        findings.push(judge::holder(cause));
    }
    Ok(findings)
}

fn forget_details(remembered: Vec<(Cause, Timestamp)>) -> Vec<Taken> {
    remembered.into_iter().map(|(cause, at)| Taken::Remembered(cause, at)).collect()
}

/// What memory knows, and the whole story of it and of what memory has forgotten. An explanation waits for the story; any
/// other answer goes on without, if the log cannot be asked at once.
async fn taken_back(
    app: &App,
    covered: &Covered,
    remembered: Vec<(Cause, Timestamp)>,
    effort: Effort,
) -> Result<Vec<Taken>> {
    let recorded = match app.state.history(covered, effort == Effort::Explanation).await {
        Err(unavailable) if effort == Effort::Explanation => return Err(Failure::from(unavailable)),
        recorded => recorded.unwrap_or_default(),
    };
    let is_recorded = |cause: Cause| recorded.iter().any(|revocation| revocation.cause == cause);
    let unrecorded: Vec<_> = remembered.into_iter().filter(|(cause, _)| !is_recorded(*cause)).collect();
    Ok(recorded.into_iter().map(Taken::Recorded).chain(forget_details(unrecorded)).collect())
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
pub(crate) fn identity(diagnosis: &Diagnosis) -> Identity {
    match &diagnosis.authentic {
        Some(Verified::Access(claims)) => Identity::from(&**claims),
        Some(Verified::Refresh(token)) => Identity::of_session(token.session),
        None => Identity::default(),
    }
}
