//! The refresh token grant (RFC 6749 §6, RFC 9700 §4.14).
//!
//! 1. Is it a refresh token of this server? 2. Does its session exist, with this nonce and this client? 3. Is the session
//!    alive? 4. Is what is asked for within what was granted? 5. Rotate, repeat, or end the session for reuse.

use crate::app::{App, Failure, Request, Result};
use crate::diagnosis::examine;
use crate::diagnosis::investigate::{self, Depth};
use crate::grants::issue::{self, TokenAnswer, TokenParams};
use crate::protocol::cause::Cause;
use crate::protocol::claims;
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant::{self, Granted};
use crate::protocol::identity::Identity;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::session::RefreshDecision;
use crate::protocol::time::Timestamp;
use crate::store::{Rotation, SessionRecord};
use crate::tokens::refresh::RefreshToken;
use crate::tokens::verify::{Verified, VerifyError};
use crate::validation;

/// How often a refresh is decided anew because another one of the same session came in between.
const ATTEMPTS: usize = 8;

/// Answers a refresh.
pub(crate) async fn answer(app: &App, client: &Client, request: &Request<'_>) -> Result<TokenAnswer> {
    let Some(text) = request.parameters.one("refresh_token")? else {
        return Err(Refusal::invalid_request("The parameter refresh_token is missing.").into());
    };
    let token = match validation::verify(app, text).await? {
        Ok(Verified::Refresh(token)) => token,
        Ok(Verified::Access(_)) => {
            return Err(refuse(Cause::NotAToken, "an access token in place of a refresh token"));
        }
        Err(unread) => return Err(unreadable(app, text, unread)),
    };
    // The usual refresh is one statement: it moves the session on if nothing speaks against that. Whatever does is found
    // out below, step by step.
    let asks_for_less = request.parameters.all("scope").chain(request.parameters.all("resource")).next().is_some();
    if client.rotates()
        && !asks_for_less
        && let Some(held) = app.store.session_rotate(rotation(app, client, &token)).await?
    {
        let moved = held.session.clone();
        let held = match validation::check_session(held, &token) {
            Ok(held) => held,
            Err(cause) => {
                // It was not for this token to move the session on.
                app.store.session_give_back(&moved).await?;
                return Err(ended(app, client, cause, &token).await?);
            }
        };
        let answer = allowed(app, client, request, &held)
            .map_err(Failure::from)
            .and_then(|granted| hand_out(app, client, &held, granted, &token.successor()));
        if answer.is_err() {
            app.store.session_give_back(&held.session).await?;
        }
        return answer;
    }
    for _ in 0..ATTEMPTS {
        let mut held = match validation::session_of(app, &token, client).await? {
            Ok(held) => held,
            Err(cause) => return Err(ended(app, client, cause, &token).await?),
        };
        let new = rotation(app, client, &token);
        let decision = held.session.decide(client, new.generation, new.now);
        match decision {
            RefreshDecision::Refuse(cause) => return Err(ended(app, client, cause, &token).await?),
            RefreshDecision::Reuse => return Err(end_for_reuse(app, client, request, &held, &token).await?),
            RefreshDecision::Rotate | RefreshDecision::Keep | RefreshDecision::Repeat => {}
        }
        // What is asked for is judged before anything is written: a refusal leaves the refresh token good.
        let granted = allowed(app, client, request, &held)?;
        let session = &mut held.session;
        let (done, next) = match decision {
            RefreshDecision::Repeat => {
                let done = app.store.session_repeat(session, &app.audited(client, request)).await?;
                (done, token.successor())
            }
            RefreshDecision::Keep => {
                session.idle_expires_at = new.idle_expires_at;
                let done = app.store.session_keep(session.id, new.generation, new.now, new.idle_expires_at).await?;
                (done, token.clone())
            }
            _ => {
                session.idle_expires_at = new.idle_expires_at;
                (app.store.session_rotate(new).await?.is_some(), token.successor())
            }
        };
        if done {
            return hand_out(app, client, &held, granted, &next);
        }
    }
    Err(Failure::Unavailable("the session was refreshed by others during every attempt".into()))
}

fn rotation(app: &App, client: &Client, token: &RefreshToken) -> Rotation {
    let now = app.clock.now();
    Rotation {
        id: token.session,
        client_id: client.client_id.clone(),
        generation: i64::from(token.generation),
        now,
        idle_expires_at: now.plus_seconds(client.settings.refresh_token_ttl.unwrap_or(app.settings.refresh_token_ttl)),
    }
}

/// What the session was granted, as far as client and user may still have it, narrowed to what is asked for.
fn allowed(
    app: &App,
    client: &Client,
    request: &Request<'_>,
    held: &SessionRecord,
) -> std::result::Result<Granted, Refusal> {
    let granted = Granted { scope: held.session.scope.clone(), audiences: held.session.audiences.clone() };
    let user_scope = held.user.as_ref().and_then(|user| user.scope.as_ref());
    grant::narrow(&grant::still_allowed(&granted, client, user_scope, app.audiences())?, request.parameters)
}

fn hand_out(
    app: &App,
    client: &Client,
    held: &SessionRecord,
    granted: Granted,
    refresh_token: &RefreshToken,
) -> Result<TokenAnswer> {
    let session = &held.session;
    let grounds = TokenParams {
        sub: session.sub.clone(),
        granted,
        session: Some((session.id, session.ends_at())),
        log: session.log,
        extra: claims::merge(&client.settings.claims, held.user.as_ref().map(|user| &user.claims)),
    };
    issue::answer(app, client, grounds, Some(issue::refresh_token(app, refresh_token)?))
}

/// The log gets the cause; the client learns only that the token is no good.
fn unreadable(app: &App, text: &str, unread: VerifyError) -> Failure {
    let keys = app.state.keys();
    let diagnosis = examine(text, Err(unread), app.origin(&keys), 0).accepting_refresh_tokens();
    match diagnosis.findings.first() {
        Some(first) => refuse(first.cause, first.detail.clone()),
        None => refuse(Cause::NotAToken, "refresh token"),
    }
}

/// What is told whatever was wrong with the token (conformance RFR-027).
const INVALID: &str = "The refresh token is not valid: log in again.";

fn refuse(cause: Cause, reason: impl Into<std::borrow::Cow<'static, str>>) -> Failure {
    Refusal::new(ErrorCode::InvalidGrant, INVALID).because(reason).by(cause).into()
}

/// Tells the session's own client what became of it, if it has proved to be that client.
fn refuse_own(client: &Client, cause: Cause, token: &RefreshToken) -> Failure {
    let description = match cause {
        _ if client.is_public() => INVALID,
        Cause::Expired => "The session has expired: log in again.",
        Cause::RefreshReuseDetected => {
            "The session has ended because a spent refresh token was used again: log in again."
        }
        Cause::SessionRevoked
        | Cause::Superseded
        | Cause::UserRevoked
        | Cause::ClientRevoked
        | Cause::AllRevoked
        | Cause::UserDisabled
        | Cause::UserDeleted
        | Cause::ClientDisabled
        | Cause::ClientDeleted => "The session was ended: log in again.",
        _ => INVALID,
    };
    Refusal::new(ErrorCode::InvalidGrant, description)
        .because(format!("{token:?}"))
        .by(cause)
        .about(Identity::of_session(token.session))
        .into()
}

/// Refuses a session that ended, by the first cause in the order of the list: several may hold.
async fn ended(app: &App, client: &Client, cause: Cause, token: &RefreshToken) -> Result<Failure> {
    let held = app.store.session_find(token.session).await?;
    let own = held.as_ref().filter(|held| held.session.client_id == client.client_id);
    let cause = match own {
        Some(own) => {
            let findings = investigate::of_session(app, token, Some(own), Depth::YesOrNo).await?;
            findings.into_iter().map(|finding| finding.cause).min().unwrap_or(cause)
        }
        None if held.is_some() => {
            let refusal = Refusal::new(ErrorCode::InvalidGrant, INVALID).because("it was issued to another client");
            return Ok(refusal.about(Identity::of_session(token.session)).into());
        }
        None => cause,
    };
    Ok(refuse_own(client, cause, token))
}

/// Both uses of a spent token. One row a session: of the first use, the time of the last rotation is known.
fn reuse(token: &RefreshToken, held: &SessionRecord, now: Timestamp) -> String {
    let (presented, due) = (i64::from(token.generation), held.session.generation);
    let first = held.session.last_refreshed_at;
    let first = if presented + 1 == due { format!("at {first}") } else { format!("before {first}") };
    format!("generation {presented} was spent {first} and presented again at {now}, when generation {due} was due")
}

async fn end_for_reuse(
    app: &App,
    client: &Client,
    request: &Request<'_>,
    held: &SessionRecord,
    token: &RefreshToken,
) -> Result<Failure> {
    let audited = app.audited(client, request);
    let revocation = NewRevocation {
        target: Target::Session(held.session.id),
        cause: Cause::RefreshReuseDetected,
        reason: Some(reuse(token, held, audited.at)),
        covers_until: app.settings.covers_until(audited.at),
    };
    app.store.revoke(&revocation, &audited).await?;
    app.state.catch_up().await?;
    Ok(refuse_own(client, Cause::RefreshReuseDetected, token))
}
