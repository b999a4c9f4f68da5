//! `/auth/explain`: why a token is refused, told to those who may know.
//!
//! 1. Who asks: a client with its secret, or an administrator with a token. 2. Not too often. 3. What the bytes show is told
//!    to any of them; what takes a key or the state of this server, only to those with the permission and to the client
//!    that the token was issued to. 4. The record of audit is written before more than the bytes show is told.

use crate::app::{App, Request, Result, Throttled};
use crate::diagnosis::explanation::{self, Explanation};
use crate::diagnosis::investigate;
use crate::diagnosis::judge::{self, Requirements};
use crate::diagnosis::public;
use crate::diagnosis::{Diagnosis, MAX_REPAIR_CHECKS, examine};
use crate::protocol::bearer::{self, Sent};
use crate::protocol::cause::Cause;
use crate::protocol::client::{Client, Permission};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::protocol::scope::Scope;
use crate::store::Audited;
use crate::tokens::verify::{Verified, VerifyError};
use crate::validation::administrator;
use crate::{client_auth, validation};

/// A request for an explanation.
#[derive(Debug, Default)]
pub struct ExplainRequest {
    /// What was presented as a token.
    pub text: String,
    /// What the caller requires of an access token.
    pub required: Requirements,
    /// Whether a refresh token is fine.
    pub accepts_refresh_token: bool,
}

/// Suffices for an explanation; `jeton:admin` does, too.
pub const READ: &str = "jeton:read";

/// Who asks.
enum Caller {
    Client(std::sync::Arc<Client>),
    Administrator(String),
}

/// Answers a request for an explanation.
///
/// # Errors
/// A refusal, because the caller is not who it says, asks wrongly or too often; or it could not be decided.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Explanation> {
    app.state.ensure_fresh().await?;
    let caller = authenticated(app, request).await?;
    let actor = match &caller {
        Caller::Client(client) => format!("client {}", client.client_id),
        Caller::Administrator(client_id) => format!("client {client_id}"),
    };
    if app.settings.throttling && !app.explanations.allows(&actor) {
        return Err(Throttled { seconds: 1, reason: "too many explanations", about: Identity::default() }.into());
    }
    let Some(text) = request.parameters.one_or_empty("token")? else {
        return Err(Refusal::invalid_request("The parameter token is missing.").into());
    };
    let scope = Scope::parse(request.parameters.one("scope")?.unwrap_or_default()).map_err(|_| {
        Refusal::invalid_request("The parameter scope is not a list of scopes with single spaces between.")
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
    let sees = async |diagnosis: &Diagnosis| match &caller {
        Caller::Administrator(_) => Ok(true),
        Caller::Client(client) => may_see(app, client, diagnosis).await,
    };
    explain(app, &question, sees, &audited).await
}

/// Explains to whoever has the database and the keys.
///
/// # Errors
/// When it could not be decided.
pub async fn explain_to_operator(app: &App, question: &ExplainRequest, audited: &Audited) -> Result<Explanation> {
    explain(app, question, async |_: &Diagnosis| Ok(true), audited).await
}

async fn authenticated(app: &App, request: &Request<'_>) -> Result<Caller> {
    if !request.authorization.iter().any(|header| bearer::is_bearer(header)) {
        return client_auth::authenticate_confidential(app, request).await.map(Caller::Client);
    }
    if request.parameters.one("client_id")?.is_some() || request.parameters.one("client_secret")?.is_some() {
        let description = "Authenticate in one way: with an access token or with client_id and client_secret.";
        return Err(Refusal::invalid_request(description).into());
    }
    let sent = Sent { authorization: request.authorization, ..Sent::default() };
    let token = bearer::read(sent).map_err(|fault| {
        let code = match fault.cause.bearer_answer().status {
            400 => ErrorCode::InvalidRequest,
            _ => ErrorCode::InvalidToken,
        };
        Refusal::new(code, fault.detail).by(fault.cause)
    })?;
    match administrator::validate(app, &token).await? {
        Ok(held) if held.has_one_of(&[READ]) => Ok(Caller::Administrator(held.claims.client_id.clone())),
        Ok(held) => {
            let refusal = Refusal::new(ErrorCode::InsufficientScope, "This needs the scope jeton:admin or jeton:read.");
            let about = Identity::from(&*held.claims);
            Err(refusal.because(format!("held: {}", held.scope)).by(Cause::InsufficientScope).about(about).into())
        }
        Err(diagnosis) => {
            let cause = diagnosis.cause().unwrap_or(Cause::NotAToken);
            let refusal = Refusal::new(ErrorCode::InvalidToken, public::fixed_sentence(&diagnosis)).by(cause);
            Err(refusal.about(diagnosis.identity()).into())
        }
    }
}

/// Whether a client may be told what keys and state show of a token.
async fn may_see(app: &App, client: &Client, diagnosis: &Diagnosis) -> Result<bool> {
    let (owner, began, audiences) = match &diagnosis.authentic {
        Some(Verified::Access(claims)) => (Some(claims.client_id.clone()), claims.iat, claims.aud.all().to_vec()),
        Some(Verified::Refresh(token)) => match app.store.session_find(token.session).await? {
            Some(held) if held.has_nonce_of(token) => {
                let session = held.session;
                (Some(session.client_id), session.created_at.seconds(), session.audiences)
            }
            _ => (None, 0, vec![]),
        },
        None => (None, 0, vec![]),
    };
    // A client of the same name that was created later is another one.
    if owner.as_ref() == Some(&client.client_id) && began >= client.created_at.seconds() {
        return Ok(true);
    }
    let limits = &client.settings.introspect_audiences;
    // Of what is not authentic, nobody knows for whom it is: such a client is not told so, lest it learn what is.
    let is_for_it = limits.is_empty() || audiences.iter().any(|audience| limits.contains(audience));
    Ok(client.has(Permission::Explain) && is_for_it)
}

async fn explain(
    app: &App,
    question: &ExplainRequest,
    may_see: impl AsyncFnOnce(&Diagnosis) -> Result<bool>,
    audited: &Audited,
) -> Result<Explanation> {
    let text = question.text.as_str();
    // What was revoked a moment ago on another node is told, and from then on this node honours it, too.
    app.state.ensure_current().await?;
    let found = validation::verify(app, text).await?;
    let keys = app.state.keys();
    let reading = examine(text, found, app.origin(&keys), MAX_REPAIR_CHECKS);
    let sees_all = may_see(&reading).await?;
    let mut diagnosis = if sees_all {
        investigate::complete(app, reading, &question.required).await?
    } else {
        // As if it were not authentic, so that nothing in the answer tells whether it is.
        let mut shown = examine(text, Err(VerifyError::NotOurs), app.origin(&keys), 0);
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
        explanation::of(app, diagnosis, request_id)
    } else {
        explanation::of_bytes_alone(app, diagnosis, request_id)
    };
    let cause = explanation.cause.map(Cause::name);
    if sees_all {
        // What the bytes show to anybody is not worth a record: strangers could fill the trail.
        app.store.audit_write(audited, "token.explain", target, cause.map(str::to_owned)).await?;
    }
    if let Some(cause) = cause {
        app.metrics.refused("explain", cause);
    }
    let Identity { client, subject, session, jti } = identity;
    let session = session.map(|id| id.to_string());
    let jti = jti.map(|id| id.to_string());
    tracing::info!(
        endpoint = "explain",
        actor = audited.actor,
        address = audited.address,
        cause,
        client,
        subject,
        session,
        jti,
        request_id = audited.request_id,
        "token explained"
    );
    Ok(explanation)
}
