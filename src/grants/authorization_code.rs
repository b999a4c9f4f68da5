//! The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.6).
//!
//! What the code is bound to is checked after it is redeemed ([`code`]), so that a wrong verifier or redirect URI spends it.

use std::borrow::Cow;

use crate::app::{App, Failure, Result};
use crate::grants::GrantRequest;
use crate::grants::code::{self, Spent};
use crate::grants::issue::TokenResponse;
use crate::grants::unreadable::Unreadable;
use crate::protocol::authorization::Login;
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::CodeFault;
use crate::protocol::identity::Identity;
use crate::protocol::redirect;
use crate::store::SessionRecord;
use crate::tokens::code::{Code, CodeKind, is_verified};
use crate::validation;

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    let GrantRequest { request, client, .. } = asked;
    // 1. A code of this server, and the other parameters in their form.
    let Some(text) = request.parameters.one("code")? else {
        return Err(Refusal::invalid_request("The parameter code is missing.").into());
    };
    let verifier = request.parameters.one("code_verifier")?;
    if verifier.is_some_and(|verifier| !redirect::is_verifier(verifier)) {
        let fault = CodeFault::VerifierMalformed;
        return Err(Refusal::invalid_request(fault.description()).with(fault).into());
    }
    let redirect_uri = request.parameters.one("redirect_uri")?;
    let code = code::read(app, asked, CodeKind::Authorization, text).await?.map_err(unreadable)?;
    // 2. Redeem it: of several requests, one moves the session on. A foreign client changes nothing.
    let record = match code::redeem(app, asked, &code).await? {
        Ok(record) => record,
        Err(spent) => {
            let refusal = match spent {
                Spent::Unknown => refuse(CodeFault::Unknown, "its session is not in this database, or was removed"),
                Spent::Foreign => refuse(CodeFault::OfAnotherClient, "it was issued to another client"),
                Spent::Expired => refuse(CodeFault::Expired, "it was not redeemed in time"),
                Spent::Ended => refuse(CodeFault::SessionEnded, "its session has ended"),
                Spent::Used => refuse(CodeFault::UsedBefore, "it was used before"),
                Spent::Bound => refuse(
                    CodeFault::KeyNotProved,
                    "it is bound to a key, and the request has no DPoP proof of that key",
                ),
            };
            return Err(refusal.about(Identity::of_session(code.session())));
        }
    };
    // 3. What was the code bound to? A wrong proof leaves it spent, and its session is over.
    if let Err(failure) = judge(&record, &code, client, redirect_uri, verifier) {
        if record.revoked_by.is_none() {
            code::end(app, asked, &record, "its authorization code was not redeemed properly").await?;
        }
        return Err(failure.about(Identity::of_session(code.session())));
    }
    // 4. What it gives.
    let response = code::tokens(app, asked, &record, &code).await;
    response.map_err(|failure| failure.about(Identity::of_session(code.session())))
}

fn unreadable(unreadable: Unreadable) -> Failure {
    let fault = match unreadable {
        Unreadable::Malformed(_) => CodeFault::Malformed,
        Unreadable::WrongEnvironment(_) => CodeFault::WrongEnvironment,
        Unreadable::UnknownKey => CodeFault::Unknown,
        Unreadable::Changed => CodeFault::Changed,
    };
    refuse(fault, unreadable.reason())
}

fn refuse(fault: CodeFault, reason: impl Into<Cow<'static, str>>) -> Failure {
    Refusal::new(ErrorCode::InvalidGrant, fault.description()).with(fault).because(reason).into()
}

/// Judges a redeemed code: its session and user were not revoked meanwhile, and it is bound to this request.
fn judge(
    record: &SessionRecord,
    code: &Code,
    client: &Client,
    redirect_uri: Option<&str>,
    verifier: Option<&str>,
) -> Result<()> {
    if let Err(cause) = validation::check_session(record, code.credential(), client) {
        return Err(refuse(CodeFault::SessionEnded, format!("its session or user was revoked: {cause}")));
    }
    match record.session.login.as_deref() {
        Some(login) => is_bound_to(login, redirect_uri, verifier),
        None => Err(refuse(CodeFault::Unknown, "its session did not begin with a code")),
    }
}

/// Checks what binds the code to the request that it answers (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 9700 §2.1.1).
fn is_bound_to(login: &Login, redirect_uri: Option<&str>, verifier: Option<&str>) -> Result<()> {
    match redirect_uri {
        Some(uri) if uri != login.redirect_uri => {
            return Err(refuse(CodeFault::RedirectUriDiffers, "another redirect_uri"));
        }
        None if login.sent_redirect_uri => {
            return Err(refuse(CodeFault::RedirectUriNotRepeated, "the redirect_uri is missing"));
        }
        _ => {}
    }
    match (&login.code_challenge, verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if is_verified(challenge, verifier) => Ok(()),
        (Some(_), Some(_)) => Err(refuse(CodeFault::VerifierWrong, "a wrong code_verifier")),
        (Some(_), None) => Err(refuse(CodeFault::VerifierMissing, "the code_verifier is missing")),
        (None, Some(_)) => {
            let reason = "a code_verifier, but the authorization request had no code_challenge";
            Err(refuse(CodeFault::VerifierUnexpected, reason))
        }
    }
}
