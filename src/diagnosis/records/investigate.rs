//! Completes a diagnosis with what this server knows: from memory, from the log, from sessions.

use std::borrow::Cow;

use crate::app::{App, Failure, Result};
use crate::diagnosis::apart;
use crate::diagnosis::finding::{Fact, Finding};
use crate::diagnosis::records::chain;
use crate::diagnosis::records::judge::{self, KnownRevocation, Requirements};
use crate::diagnosis::report::Diagnosis;
use crate::issuer::Issuer;
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::identity::Identity;
use crate::protocol::scope::Scope;
use crate::protocol::session::Session;
use crate::protocol::time::Timestamp;
use crate::state::KEPT_WHEN_OVER;
use crate::store::{Revocable, SessionRecord};
use crate::tokens::refresh::RefreshToken;
use crate::tokens::verify::{Verified, VerifyError};

/// How deep to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Memory, keys and, for a refresh token, its session: enough for a yes or no.
    YesOrNo,
    /// Also the log, for a token that expired long ago: enough to name the first cause.
    FirstCause,
    /// Everything, including the log and repairs.
    Full,
}

/// Finds every reason to refuse an examined text, for a caller with these requirements.
pub(crate) async fn complete(app: &App, examined: Diagnosis, required: &Requirements) -> Result<Diagnosis> {
    let mut diagnosis = investigate(app, examined, Depth::Full).await?;
    if let Some(claims) = diagnosis.claims() {
        let unmet = unmet_requirements(app, claims, required).await?;
        diagnosis.add(unmet);
    }
    add_history(app, &mut diagnosis).await?;
    Ok(diagnosis)
}

/// Adds what only an explanation says: who deleted a key, whether user and client are enabled again, the session's
/// dates.
async fn add_history(app: &App, diagnosis: &mut Diagnosis) -> Result<()> {
    if let Some(kid) = &diagnosis.retired_kid {
        for revocation in app.state.history(&Revocable::by_key(kid), true).await? {
            let reason = revocation.reason.map(|reason| format!(" Reason: {reason}.")).unwrap_or_default();
            let detail = format!(" It was deleted by {}.{reason}", revocation.actor);
            diagnosis.add_detail(Cause::RetiredKey, &detail, None);
        }
    }
    let claims = match &diagnosis.authentic {
        Some(Verified::Access(claims)) => claims,
        Some(Verified::Refresh(token)) => {
            let record = app.store.session_find(token.session).await?.filter(|record| record.has_nonce_of(token));
            diagnosis.facts.extend(record.iter().flat_map(dates));
            return Ok(());
        }
        None => return Ok(()),
    };
    let mut state = vec![];
    for (named, origin) in claims.named().skip(1).zip(&claims.exchanged_from) {
        let revoked = app.state.revocations_naming(named).await?;
        let mut broken: Vec<_> = revoked.into_iter().map(|(cause, at)| (cause, Some(at))).collect();
        broken.extend(app.state.deleted_key_of(origin).map(|at| (Cause::RetiredKey, Some(at))));
        broken.extend(app.state.has_lost_trust(origin).await?.then_some((Cause::TokenRevoked, None)));
        state.push(broken);
    }
    let chain = chain::facts(claims, &state);
    let (user, session, client_id) = (claims.subject().user().map(str::to_owned), claims.sid, claims.client_id.clone());
    let user_is_back = match user.filter(|_| diagnosis.has(Cause::UserDisabled)) {
        Some(sub) => app.store.user_with_sub(&sub).await?.is_some_and(|user| user.enabled),
        None => false,
    };
    let client_is_back = diagnosis.has(Cause::ClientDisabled)
        && app.state.client_from_database(&client_id).await?.is_some_and(|client| client.settings.enabled);
    let record = match session {
        Some(id) => Some(app.store.session_find(id).await?),
        None => None,
    };
    if user_is_back {
        let detail = " The user has been enabled again, but earlier tokens stay invalid.";
        diagnosis.add_detail(Cause::UserDisabled, detail, Some("Log the user in again: the user is enabled again."));
    }
    if client_is_back {
        let detail = " The client has been enabled again, but earlier tokens stay invalid.";
        diagnosis.add_detail(Cause::ClientDisabled, detail, Some("Get a new token: the client is enabled again."));
    }
    diagnosis.facts.extend(chain);
    match record {
        Some(Some(record)) => diagnosis.facts.extend(dates(&record)),
        Some(None) => {
            let text = "not in this database: the session ended long ago, or the database was restored from a backup";
            diagnosis.facts.push(Fact::verified("session_record", text));
        }
        None => {}
    }
    Ok(())
}

/// The dates of a session.
fn dates(record: &SessionRecord) -> [Fact; 3] {
    let Session { created_at, last_refreshed_at, .. } = &record.session;
    [
        Fact::verified("session_began", created_at.to_string()),
        Fact::verified("session_refreshed", last_refreshed_at.to_string()),
        Fact::verified("session_ends", record.session.ends_at().to_string()),
    ]
}

/// The requirements that an access token does not meet.
pub(crate) async fn unmet_requirements(
    app: &App,
    claims: &AccessClaims,
    required: &Requirements,
) -> Result<Vec<Finding>> {
    let granted = match &claims.scope {
        Some(scope) if !required.scope.is_empty() && scope.has_reserved() => {
            Cow::Owned(app.state.current_scope(claims).await?)
        }
        Some(scope) => Cow::Borrowed(scope),
        None => Cow::Owned(Scope::default()),
    };
    Ok(judge::unmet(claims, &granted, required))
}

/// Finds out why a text is refused, given the result of verifying it.
pub(crate) async fn refused(
    app: &App,
    issuer: &Issuer,
    text: &str,
    verified: std::result::Result<Verified, VerifyError>,
    depth: Depth,
) -> Result<Box<Diagnosis>> {
    let examined = apart::examine(issuer, text, verified).await;
    investigate(app, examined, depth).await.map(Box::new)
}

async fn investigate(app: &App, mut diagnosis: Diagnosis, depth: Depth) -> Result<Diagnosis> {
    let findings = match &diagnosis.authentic {
        None => vec![],
        Some(Verified::Access(claims)) => of_access_token(app, claims, depth).await?,
        // No resource server accepts it, whatever the state of its session.
        Some(Verified::Refresh(_)) if depth == Depth::FirstCause => vec![],
        Some(Verified::Refresh(token)) => {
            let record = app.store.session_find(token.session).await?;
            of_session(app, token, record.as_ref(), depth).await?
        }
    };
    diagnosis.add(findings);
    Ok(diagnosis)
}

async fn of_access_token(app: &App, claims: &AccessClaims, depth: Depth) -> Result<Vec<Finding>> {
    let now = app.clock.now();
    let mut named = claims.named();
    let remembered = match named.next() {
        Some(own) => app.state.revocations_naming(own).await?,
        None => vec![],
    };
    // Memory may have forgotten revocations of tokens that expired long ago.
    let reads_log = match depth {
        Depth::YesOrNo => false,
        Depth::FirstCause => {
            claims.exp.saturating_add(KEPT_WHEN_OVER) < now.seconds()
                || (remembered.is_empty() && claims.is_expired(now))
        }
        Depth::Full => true,
    };
    let revocations = if reads_log {
        revocations_of(app, &claims.into(), remembered, depth).await?
    } else {
        remembered.into_iter().map(remembered_only).collect()
    };
    let mut findings = judge::access_token(claims, &revocations, now);
    for origin in named {
        let remembered = app.state.revocations_naming(origin).await?;
        let revocations = if reads_log {
            revocations_of(app, &origin.into(), remembered, depth).await?
        } else {
            remembered.into_iter().map(remembered_only).collect()
        };
        findings.extend(chain::broken(origin, &revocations));
    }
    for origin in &claims.exchanged_from {
        findings.extend(app.state.deleted_key_of(origin).map(|at| chain::without_key(origin, at)));
        if app.state.has_lost_trust(origin).await? {
            findings.extend(origin.trust.as_ref().map(chain::without_trust));
        }
    }
    if app.state.is_beyond_log(claims).await? {
        findings.push(judge::never_issued(
            "the log of this database has not reached its number: it comes from another database, or the database was restored from a backup",
        ));
    }
    Ok(findings)
}

/// The reasons to refuse an authentic refresh token, given its session.
pub(crate) async fn of_session(
    app: &App,
    token: &RefreshToken,
    record: Option<&SessionRecord>,
    depth: Depth,
) -> Result<Vec<Finding>> {
    let Some(record) = record else {
        return Ok(vec![judge::no_session(token, app.clock.now(), app.settings.history)]);
    };
    if !record.has_nonce_of(token) {
        return Ok(vec![judge::never_issued("its session has a different secret: it comes from another database")]);
    }
    let revocations = match record.revoked_because.zip(record.revoked_by) {
        None => vec![],
        Some((cause, number)) => {
            let remembered = vec![(cause, Timestamp::from_millis(number))];
            revocations_of(app, &Revocable::from(&record.session), remembered, depth).await?
        }
    };
    let mut findings = judge::refresh_token(token, &record.session, &revocations, app.clock.now());
    let is_found = |cause: Cause| findings.iter().any(|finding| finding.cause == cause);
    if let Some(cause) = record.lost_user().filter(|cause| !is_found(*cause)) {
        findings.push(judge::without_user(cause));
    }
    Ok(findings)
}

fn remembered_only((cause, at): (Cause, Timestamp)) -> KnownRevocation {
    KnownRevocation::Remembered(cause, at)
}

/// The revocations that the log records, and those that only memory knows. Only a full investigation waits for the log.
async fn revocations_of(
    app: &App,
    covered: &Revocable,
    remembered: Vec<(Cause, Timestamp)>,
    depth: Depth,
) -> Result<Vec<KnownRevocation>> {
    let recorded = match app.state.history(covered, depth == Depth::Full).await {
        Err(unavailable) if depth == Depth::Full => return Err(Failure::from(unavailable)),
        recorded => recorded.unwrap_or_default(),
    };
    let is_recorded = |cause: Cause| recorded.iter().any(|revocation| revocation.cause == cause);
    let unrecorded: Vec<_> = remembered.into_iter().filter(|(cause, _)| !is_recorded(*cause)).collect();
    Ok(recorded.into_iter().map(KnownRevocation::Recorded).chain(unrecorded.into_iter().map(remembered_only)).collect())
}

/// Counts a refusal and logs it in one line: never the token, and of an unverified one only the cause.
pub fn note_refusal(app: &App, endpoint: &'static str, diagnosis: &Diagnosis) {
    let Some(cause) = diagnosis.cause().map(Cause::name) else { return };
    app.metrics.refused(endpoint, cause);
    let Identity { client, subject, session, jti } = diagnosis.identity();
    app.metrics.client_refused(client.as_deref(), endpoint, cause, app.clock.now());
    let (session, jti) = (session.map(|id| id.to_string()), jti.map(|id| id.to_string()));
    tracing::info!(cause, client, subject, session, jti, "token refused");
}
