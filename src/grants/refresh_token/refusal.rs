//! Why a refresh token is refused. The log gets the cause; a client learns it only about its own session.

use std::borrow::Cow;

use crate::app::{App, Failure, Result};
use crate::diagnosis::apart;
use crate::diagnosis::investigate::{self, Depth};
use crate::grants::GrantRequest;
use crate::issuer::Issuer;
use crate::protocol::cause::Cause;
use crate::protocol::client::Client;
use crate::protocol::confirmation::Sender;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::store::SessionRecord;
use crate::tokens::refresh::RefreshToken;
use crate::tokens::verify::VerifyError;

/// The answer about any token that is not the client's own (conformance RFR-027).
const INVALID: &str = "The refresh token is not valid: log in again.";

/// An access token was sent.
pub(super) fn access_token() -> Failure {
    refuse(Cause::NotAToken, "an access token instead of a refresh token")
}

/// The text is not a refresh token of this server.
pub(super) async fn unreadable(issuer: &Issuer, text: &str, error: VerifyError) -> Failure {
    let diagnosis = apart::examine(issuer, text, Err(error)).await.accepting_refresh_tokens();
    match diagnosis.findings.first() {
        Some(first) => refuse(first.cause, first.detail.clone()),
        None => refuse(Cause::NotAToken, "refresh token"),
    }
}

fn refuse(cause: Cause, reason: impl Into<Cow<'static, str>>) -> Failure {
    Refusal::new(ErrorCode::InvalidGrant, INVALID).because(reason).by(cause).into()
}

/// The session of an authentic token is not in this database.
pub(super) fn no_session(client: &Client, token: &RefreshToken) -> Failure {
    of_own_session(client, Cause::NeverIssued, token)
}

/// The token is bound to something that the sender did not prove to hold.
pub(super) fn not_held(token: &RefreshToken, sender: &Sender) -> Failure {
    let (cause, reason) = match sender.key {
        None => (Cause::ProofMissing, "the token is bound to a key, and the request has no DPoP proof of that key"),
        Some(_) => (Cause::ProofKeyMismatch, "the token is bound to another key than that of the DPoP proof"),
    };
    let text = "The refresh token is bound to a key: send a DPoP proof that is made with that key.";
    Refusal::new(ErrorCode::InvalidGrant, text)
        .because(reason)
        .by(cause)
        .about(Identity::of_session(token.session))
        .into()
}

/// The session has ended. If there are several causes, the first in the order of the list counts.
pub(super) async fn ended(
    app: &App,
    client: &Client,
    record: &SessionRecord,
    cause: Cause,
    token: &RefreshToken,
) -> Result<Failure> {
    if record.session.client_id != client.client_id {
        let refusal = Refusal::new(ErrorCode::InvalidGrant, INVALID).because("it was issued to another client");
        return Ok(refusal.about(Identity::of_session(token.session)).into());
    }
    let findings = investigate::of_session(app, token, Some(record), Depth::YesOrNo).await?;
    let first = findings.into_iter().map(|finding| finding.cause).min().unwrap_or(cause);
    Ok(of_own_session(client, first, token))
}

/// Ends a session whose used refresh token was used again.
pub(super) async fn end_for_reuse(
    app: &App,
    asked: &GrantRequest<'_>,
    record: &SessionRecord,
    token: &RefreshToken,
) -> Result<Failure> {
    let audited = app.audited(&asked.client, asked.request);
    // Both uses. A session is one row, so only the time of the last rotation is known about the first use.
    let (presented, due) = (i64::from(token.generation), record.session.generation);
    let rotated = record.session.last_refreshed_at;
    let first = if presented + 1 == due { format!("at {rotated}") } else { format!("before {rotated}") };
    let now = audited.at;
    let reason = format!("generation {presented} was used {first} and again at {now}, when generation {due} was due");
    let revocation = NewRevocation {
        target: Target::Session(record.session.id),
        cause: Cause::RefreshReuseDetected,
        reason: Some(reason),
        covers_until: app.settings.covers_until(now),
    };
    app.state.honour(app.store.revoke(&revocation, &audited)).await?;
    Ok(of_own_session(&asked.client, Cause::RefreshReuseDetected, token))
}

/// What a confidential client learns about the end of its session.
fn of_own_session(client: &Client, cause: Cause, token: &RefreshToken) -> Failure {
    let description = match cause {
        _ if client.is_public() => INVALID,
        Cause::Expired => "The session has expired: log in again.",
        Cause::RefreshReuseDetected => "The session has ended because a refresh token was used twice: log in again.",
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
