//! `/auth/explain`: says why a token is refused, to callers who may know.

mod caller;

use crate::app::{App, Request, Result};
use crate::client_auth;
use crate::diagnosis::explanation::{self, Explanation};
use crate::diagnosis::investigate;
use crate::diagnosis::judge::{self, Requirements};
use crate::diagnosis::{Diagnosis, MAX_REPAIR_CHECKS, apart};
use crate::issuer::Issuer;
use crate::protocol::bearer;
use crate::protocol::cause::Cause;
use crate::protocol::error::Refusal;
use crate::protocol::identity::Identity;
use crate::protocol::scope::Scope;
use crate::store::Audited;
use crate::tokens::verify::VerifyError;
use crate::validation;
use caller::Caller;

/// A token to explain.
#[derive(Debug, Default)]
pub struct ExplainRequest {
    /// The text presented as a token.
    pub text: String,
    /// What the caller requires of it.
    pub required: Requirements,
    /// Whether it may be a refresh token; otherwise an access token is expected.
    pub accepts_refresh_token: bool,
}

/// Answers a request for an explanation.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Explanation> {
    // 1. Who asks?
    let caller = Caller::authenticate(app, request).await?;
    let actor = format!("client {}", caller.client_id());
    // 2. Not too often?
    app.throttle.explanation(&actor)?;
    // 3. What is asked?
    let Some(text) = request.parameters.one_or_empty("token")? else {
        return Err(Refusal::invalid_request("The parameter token is missing.").into());
    };
    let scope = Scope::parse(request.parameters.one("scope")?.unwrap_or_default()).map_err(|_| {
        Refusal::invalid_request("The parameter scope is not a list of names separated by single spaces.")
    })?;
    let audience = request.parameters.one("audience")?.map(str::to_owned);
    let question = ExplainRequest {
        text: text.to_owned(),
        required: Requirements { audience, scope },
        accepts_refresh_token: request.parameters.one("token_type_hint")? == Some("refresh_token"),
    };
    let audited = Audited {
        actor,
        request_id: Some(request.request_id.to_string()),
        address: Some(request.address.to_string()),
        at: app.clock.now(),
    };
    // 4. What may the caller see? 5. Explain that.
    let explanation = explain(
        app,
        request.issuer,
        &question,
        async |diagnosis: &Diagnosis| caller.may_see_all(app, diagnosis).await,
        &audited,
    )
    .await?;
    if let Some(cause) = explanation.cause {
        app.metrics.refused(request.endpoint, cause.name());
    }
    Ok(explanation)
}

/// Whether the head of a request makes the caller known, by a Bearer token or by Basic credentials. Others can only have
/// credentials in the body.
///
/// # Errors
/// It presents either, and they are refused; or it could not be decided.
pub async fn is_known(app: &App, head: &Request<'_>) -> Result<bool> {
    if !head.header("authorization").iter().any(|header| bearer::is_token(header) || client_auth::is_basic(header)) {
        return Ok(false);
    }
    Caller::authenticate(app, head).await.map(|_| true)
}

/// Explains a token to an operator, who has the database and the keys.
pub async fn explain_to_operator(
    app: &App,
    issuer: &Issuer,
    question: &ExplainRequest,
    audited: &Audited,
) -> Result<Explanation> {
    explain(app, issuer, question, async |_: &Diagnosis| Ok(true), audited).await
}

async fn explain(
    app: &App,
    issuer: &Issuer,
    question: &ExplainRequest,
    may_see_all: impl AsyncFnOnce(&Diagnosis) -> Result<bool>,
    audited: &Audited,
) -> Result<Explanation> {
    let text = question.text.as_str();
    // Includes what was revoked on another node a moment ago.
    app.state.ensure_current().await?;
    let found = validation::verify(app, issuer, text).await?;
    let reading = apart::examine_to_explain(issuer, text, found, MAX_REPAIR_CHECKS).await;
    let sees_all = may_see_all(&reading).await?;
    let mut diagnosis = if sees_all {
        investigate::complete(app, reading, &question.required).await?
    } else {
        // As if it were not authentic: the answer must not reveal whether it is.
        let mut shown = apart::examine_to_explain(issuer, text, Err(VerifyError::NotOurs), 0).await;
        shown.add(judge::claimed_expiry(&shown.facts, app.clock.now()));
        shown
    };
    if question.accepts_refresh_token {
        diagnosis = diagnosis.accepting_refresh_tokens();
    }
    let identity = diagnosis.identity();
    let target = match (&identity.jti, &identity.session) {
        (Some(jti), _) => format!("token {jti}"),
        (None, Some(session)) => format!("session {session}"),
        (None, None) => format!("a text of {} characters", text.chars().count()),
    };
    let request_id = audited.request_id.clone().unwrap_or_default();
    let explanation = if sees_all {
        explanation::of(app, issuer, diagnosis, request_id)
    } else {
        explanation::of_bytes_alone(app, issuer, diagnosis, request_id)
    };
    let cause = explanation.cause.map(Cause::name);
    if sees_all {
        // Recorded before the answer. What the bytes show to anyone is not recorded, or strangers could fill the audit
        // trail.
        app.store.audit_write(audited, "token.explain", target, cause.map(str::to_owned)).await?;
    }
    let Identity { client, subject, session, jti } = identity;
    let session = session.map(|id| id.to_string());
    let jti = jti.map(|id| id.to_string());
    tracing::info!(actor = audited.actor, cause, client, subject, session, jti, "token explained");
    Ok(explanation)
}
