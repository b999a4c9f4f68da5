//! The device code grant (RFC 8628 §3.4): a device asks until a person has answered its request elsewhere.

use std::borrow::Cow;

use crate::app::{App, Failure, Result};
use crate::crypto::equal_in_constant_time;
use crate::grants::GrantRequest;
use crate::grants::code::{self, Spent};
use crate::grants::issue::TokenResponse;
use crate::grants::unreadable::Unreadable;
use crate::protocol::device::{DeviceRequest, DeviceState};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::DeviceCodeFault;
use crate::protocol::identity::Identity;
use crate::tokens::code::{Code, CodeKind};
use crate::validation;

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    // 1. A device code of this server.
    let Some(text) = asked.request.parameters.one("device_code")? else {
        return Err(Refusal::invalid_request("The parameter device_code is missing.").into());
    };
    let code = code::read(app, asked, CodeKind::Device, text).await?.map_err(unreadable)?;
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

fn is_own(waiting: DeviceRequest, asked: &GrantRequest<'_>, code: &Code) -> Result<DeviceRequest> {
    let has_nonce = equal_in_constant_time(&waiting.nonce_hash, &code.credential().nonce_hash());
    if waiting.client_id == asked.client.client_id && has_nonce {
        return Ok(waiting);
    }
    Err(refuse(DeviceCodeFault::OfAnotherClient, "it was issued to another client"))
}

async fn answer_to(app: &App, asked: &GrantRequest<'_>, waiting: &DeviceRequest, code: &Code) -> Result<TokenResponse> {
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
async fn redeem(app: &App, asked: &GrantRequest<'_>, code: &Code) -> Result<TokenResponse> {
    let record = match code::redeem(app, asked, code).await? {
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
    if let Err(cause) = validation::check_session(&record, code.credential(), &asked.client) {
        return Err(refuse(DeviceCodeFault::SessionEnded, format!("its session or user was revoked: {cause}")));
    }
    code::tokens(app, asked, &record, code).await
}

fn unreadable(unreadable: Unreadable) -> Failure {
    let fault = match unreadable {
        Unreadable::Malformed(_) => DeviceCodeFault::Malformed,
        Unreadable::WrongEnvironment(_) => DeviceCodeFault::WrongEnvironment,
        Unreadable::UnknownKey => DeviceCodeFault::Unknown,
        Unreadable::Changed => DeviceCodeFault::Changed,
    };
    refuse(fault, unreadable.reason())
}

fn refuse(fault: DeviceCodeFault, reason: impl Into<Cow<'static, str>>) -> Failure {
    Refusal::new(ErrorCode::InvalidGrant, fault.description()).with(fault).because(reason).into()
}

/// Why a code whose request is over is refused: it has expired, unless its device was let in and used it before.
async fn over(app: &App, asked: &GrantRequest<'_>, code: &Code) -> Result<Failure> {
    Ok(match code::spent(app, asked, code).await? {
        Some(Spent::Used) => refuse(DeviceCodeFault::UsedBefore, "it was used before"),
        Some(Spent::Unknown | Spent::Foreign | Spent::Expired | Spent::Ended | Spent::Bound) | None => expired(),
    })
}

fn expired() -> Failure {
    let fault = DeviceCodeFault::Expired;
    Refusal::new(ErrorCode::ExpiredToken, fault.description()).with(fault).into()
}
