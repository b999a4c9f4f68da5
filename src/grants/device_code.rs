//! The device code grant (RFC 8628 §3.4): a device asks until a person has answered its request elsewhere.

use std::borrow::Cow;

use crate::app::{App, Failure, Result};
use crate::crypto::equal_in_constant_time;
use crate::grants::authorization_code::{self, Spent, idle_life, spent, tokens};
use crate::grants::issue::TokenResponse;
use crate::grants::unreadable::Unreadable;
use crate::grants::{GrantRequest, binding};
use crate::protocol::device::{DeviceRequest, DeviceState};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::DeviceCodeFault;
use crate::protocol::identity::Identity;
use crate::store::Rotation;
use crate::tokens::device_code::DeviceCode;
use crate::tokens::environment::DEVICE_CODE_PREFIX;
use crate::tokens::verify::VerifyError;
use crate::validation;

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    // 1. A device code of this server.
    let Some(text) = asked.request.parameters.one("device_code")? else {
        return Err(Refusal::invalid_request("The parameter device_code is missing.").into());
    };
    let code = read(app, asked, text).await?;
    let about = |failure: Failure| failure.about(Identity::of_session(code.session()));
    // 2. The request that it belongs to. A foreign client changes nothing.
    let Some(found) = app.store.device_request_find(code.session()).await? else {
        // Requests that are over are removed.
        return Err(about(over(app, asked, &code).await?));
    };
    let waiting = is_own(found, asked, &code).map_err(about)?;
    // 3. What did the person say?
    answer_to(app, asked, &waiting, &code).await.map_err(about)
}

/// Reads a device code. The database is asked about an unknown key before it is refused.
async fn read(app: &App, asked: &GrantRequest<'_>, text: &str) -> Result<DeviceCode> {
    let issuer = asked.request.issuer;
    let read = || DeviceCode::read(text, issuer.environment(), &issuer.keys().ring);
    let code = match read() {
        Err(VerifyError::UnknownKey) => {
            app.state.ensure_current().await?;
            read()
        }
        code => code,
    };
    code.map_err(|error| {
        let unreadable = Unreadable::of(text, DEVICE_CODE_PREFIX, issuer, &error);
        let fault = match unreadable {
            Unreadable::Malformed(_) => DeviceCodeFault::Malformed,
            Unreadable::WrongEnvironment(_) => DeviceCodeFault::WrongEnvironment,
            Unreadable::UnknownKey => DeviceCodeFault::Unknown,
            Unreadable::Changed => DeviceCodeFault::Changed,
        };
        refuse(fault, unreadable.reason())
    })
}

fn is_own(waiting: DeviceRequest, asked: &GrantRequest<'_>, code: &DeviceCode) -> Result<DeviceRequest> {
    let has_nonce = equal_in_constant_time(&waiting.nonce_hash, &code.credential().nonce_hash());
    if waiting.client_id == asked.client.client_id && has_nonce {
        return Ok(waiting);
    }
    Err(refuse(DeviceCodeFault::OfAnotherClient, "it was issued to another client"))
}

async fn answer_to(
    app: &App,
    asked: &GrantRequest<'_>,
    waiting: &DeviceRequest,
    code: &DeviceCode,
) -> Result<TokenResponse> {
    let now = app.clock.now();
    let pending = |code, description| Err(Refusal::new(code, description).into());
    match waiting.state {
        DeviceState::Denied => {
            let fault = DeviceCodeFault::Denied;
            Err(Refusal::new(ErrorCode::AccessDenied, fault.description()).with(fault).into())
        }
        DeviceState::Pending if now >= waiting.expires_at => Err(expired()),
        DeviceState::Allowed if now >= waiting.expires_at => Err(over(app, asked, code).await?),
        DeviceState::Allowed => redeem(app, asked, code).await,
        DeviceState::Pending => match app.store.device_request_poll(waiting.id, now).await? {
            Some(wait) if wait > waiting.wait => {
                pending(ErrorCode::SlowDown, "Wait 5 seconds longer between two polls from now on.")
            }
            // A person who answers at this moment is heard at the next poll.
            _ => pending(ErrorCode::AuthorizationPending, "Nobody has answered yet: ask again."),
        },
    }
}

/// Gives the tokens of the session that a person allowed: once, in the statement that rotates refresh tokens.
async fn redeem(app: &App, asked: &GrantRequest<'_>, code: &DeviceCode) -> Result<TokenResponse> {
    let GrantRequest { request, client, .. } = asked;
    let now = app.clock.now();
    let rotation = Rotation {
        id: code.session(),
        client_id: client.client_id.clone(),
        generation: 0,
        now,
        idle_expires_at: now.plus_seconds(idle_life(app, client)),
        network: request.source().network().to_string(),
        sender: request.sender,
        binds: binding::of_refresh_token(client, &request.sender),
    };
    let record = match authorization_code::redeem(app, asked, code.credential(), rotation, USED_TWICE).await? {
        Ok(record) => record,
        Err(Spent::Used) => return Err(refuse(DeviceCodeFault::UsedBefore, "it was used before")),
        Err(Spent::Bound) => {
            let reason = "the request has no proof of the key that it is bound to";
            return Err(refuse(DeviceCodeFault::KeyNotProved, reason));
        }
        Err(Spent::Unknown | Spent::Foreign | Spent::Expired | Spent::Ended) => {
            return Err(refuse(DeviceCodeFault::SessionEnded, "its session has ended"));
        }
    };
    if let Err(cause) = validation::check_session(&record, code.credential(), client) {
        return Err(refuse(DeviceCodeFault::SessionEnded, format!("its session or user was revoked: {cause}")));
    }
    // A request that asks for too much, or cannot be answered now, leaves the code as it was.
    let response = tokens(app, asked, &record, code.credential()).await;
    if response.is_err() {
        app.store.session_give_back(code.session(), 0).await?;
    }
    response
}

/// Why a session ends whose device code comes again, as that of an authorization code does.
const USED_TWICE: &str = "its device code was used twice";

fn refuse(fault: DeviceCodeFault, reason: impl Into<Cow<'static, str>>) -> Failure {
    Refusal::new(ErrorCode::InvalidGrant, fault.description()).with(fault).because(reason).into()
}

/// Why a code whose request is over is refused: it has expired, unless its device was let in and used it before.
async fn over(app: &App, asked: &GrantRequest<'_>, code: &DeviceCode) -> Result<Failure> {
    Ok(match spent(app, asked, code.credential(), USED_TWICE).await? {
        Some(Spent::Used) => refuse(DeviceCodeFault::UsedBefore, "it was used before"),
        Some(Spent::Unknown | Spent::Foreign | Spent::Expired | Spent::Ended | Spent::Bound) | None => expired(),
    })
}

fn expired() -> Failure {
    let fault = DeviceCodeFault::Expired;
    Refusal::new(ErrorCode::ExpiredToken, fault.description()).with(fault).into()
}
