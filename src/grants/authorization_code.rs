//! The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.6).
//!
//! The code is its session's first credential: redeeming it moves the session from generation 0 to 1, once, in the statement that
//! rotates refresh tokens. What the code is bound to is checked after that, so that a wrong verifier or redirect URI spends it.

use std::borrow::Cow;

use crate::app::{App, Failure, Result};
use crate::grants::issue::{self, TokenParams, TokenResponse};
use crate::grants::unreadable::Unreadable;
use crate::grants::{GrantRequest, binding};
use crate::protocol::authorization::{CODE_REUSE_ENDS_SESSION_FOR, Login};
use crate::protocol::cause::Cause;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::CodeFault;
use crate::protocol::grant::{Audiences, Granted};
use crate::protocol::identity::Identity;
use crate::protocol::redirect;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::store::{Rotation, SessionRecord};
use crate::tokens::code::{self, AuthorizationCode};
use crate::tokens::environment::AUTHORIZATION_CODE_PREFIX;
use crate::tokens::refresh::RefreshToken;
use crate::tokens::verify::VerifyError;
use crate::validation;

/// How often a code is tried that another request had at that moment.
const ATTEMPTS: usize = 3;

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
    let code = read(app, asked, text).await?;
    // 2. Redeem it: of several requests, one moves the session on. A foreign client changes nothing.
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
    let used_twice = "its authorization code was used twice";
    let record = match redeem(app, asked, code.credential(), rotation, used_twice).await? {
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
            end(app, asked, &record, "its authorization code was not redeemed properly").await?;
        }
        return Err(failure.about(Identity::of_session(code.session())));
    }
    // 4. What it gives. A request that asks for too much, or cannot be answered now, leaves the code as it was.
    let response = tokens(app, asked, &record, code.credential()).await;
    if response.is_err() {
        app.store.session_give_back(code.session(), 0).await?;
    }
    response.map_err(|failure| failure.about(Identity::of_session(code.session())))
}

/// How long the session lasts if it is not refreshed, in seconds. Without refresh tokens it lasts as long as its access token, and
/// at least as long as a second use of the code ends it.
pub(super) fn idle_life(app: &App, client: &Client) -> i64 {
    if client.may_use(GrantType::RefreshToken) {
        return client.settings.refresh_token_ttl.unwrap_or(app.settings.refresh_token_ttl);
    }
    client.settings.access_token_ttl.unwrap_or(app.settings.access_token_ttl).max(CODE_REUSE_ENDS_SESSION_FOR)
}

/// Reads a code. The database is asked about an unknown key before it is refused.
async fn read(app: &App, asked: &GrantRequest<'_>, text: &str) -> Result<AuthorizationCode> {
    let issuer = asked.request.issuer;
    let read = || AuthorizationCode::read(text, issuer.environment(), &issuer.keys().ring);
    let code = match read() {
        Err(VerifyError::UnknownKey) => {
            app.state.ensure_current().await?;
            read()
        }
        code => code,
    };
    code.map_err(|error| {
        let unreadable = Unreadable::of(text, AUTHORIZATION_CODE_PREFIX, issuer, &error);
        let fault = match unreadable {
            Unreadable::Malformed(_) => CodeFault::Malformed,
            Unreadable::WrongEnvironment(_) => CodeFault::WrongEnvironment,
            Unreadable::UnknownKey => CodeFault::Unknown,
            Unreadable::Changed => CodeFault::Changed,
        };
        refuse(fault, unreadable.reason())
    })
}

fn refuse(fault: CodeFault, reason: impl Into<Cow<'static, str>>) -> Failure {
    Refusal::new(ErrorCode::InvalidGrant, fault.description()).with(fault).because(reason).into()
}

/// Judges a redeemed code: its session and user were not revoked meanwhile, and it is bound to this request.
fn judge(
    record: &SessionRecord,
    code: &AuthorizationCode,
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

/// The tokens of a session that begins: what client and user may still have of what was granted, as far as the request asks for it.
pub(super) async fn tokens(
    app: &App,
    asked: &GrantRequest<'_>,
    record: &SessionRecord,
    credential: &RefreshToken,
) -> Result<TokenResponse> {
    let GrantRequest { request, client, .. } = asked;
    let session = &record.session;
    let granted = Granted { scope: session.scope.clone(), audiences: session.audiences.clone() };
    let user_scope = record.user.as_ref().and_then(|user| user.scope.as_ref());
    let rule =
        |audiences: Audiences<'_>| issue::of_session(app, client, &granted, user_scope, request.parameters, audiences);
    let (form, granted) = app.grant(request.issuer, rule).await?;
    let params = TokenParams {
        sub: session.sub.clone(),
        sub_iss: None,
        person: issue::person(app, request.issuer, client, record, &granted.scope, true).await?,
        granted,
        form,
        user: record.user.as_ref().map(|user| &user.claims),
        session: Some((session.id, session.ends_at())),
        log: session.log,
        confirmation: binding::of_access_token(client, &request.sender),
    };
    let refresh_token = match client.may_use(GrantType::RefreshToken) {
        true => Some(issue::refresh_token(app, request.issuer, &credential.successor())?),
        false => None,
    };
    let response = issue::response(app, request.issuer, client, params, refresh_token)?;
    // Now it counts.
    let audited = app.audited(client, request);
    let covers_until = app.settings.covers_until(audited.at);
    let max_sessions = client.settings.max_sessions;
    app.state.honour(app.store.session_limit(session, max_sessions, covers_until, &audited)).await?;
    Ok(response)
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
        (Some(challenge), Some(verifier)) if code::is_verified(challenge, verifier) => Ok(()),
        (Some(_), Some(_)) => Err(refuse(CodeFault::VerifierWrong, "a wrong code_verifier")),
        (Some(_), None) => Err(refuse(CodeFault::VerifierMissing, "the code_verifier is missing")),
        (None, Some(_)) => {
            let reason = "a code_verifier, but the authorization request had no code_challenge";
            Err(refuse(CodeFault::VerifierUnexpected, reason))
        }
    }
}

/// Why a code could not be redeemed.
pub(super) enum Spent {
    /// Its session is not in the database.
    Unknown,
    /// It is not a code of this client.
    Foreign,
    /// It was not redeemed in time.
    Expired,
    /// Its session has ended; or other requests, which gave it back, had it each time.
    Ended,
    /// It is bound to a key, and the request did not prove that.
    Bound,
    /// It was redeemed before.
    Used,
}

/// Moves the session of a code on, or finds out why that cannot be. If another request had the session at this moment, and could not
/// redeem the code or gave it back, it is tried again.
pub(super) async fn redeem(
    app: &App,
    asked: &GrantRequest<'_>,
    credential: &RefreshToken,
    rotation: Rotation,
    used_twice: &str,
) -> Result<std::result::Result<SessionRecord, Spent>> {
    for _ in 0..ATTEMPTS {
        if let Some(record) = app.store.session_rotate(rotation.clone()).await? {
            return Ok(Ok(record));
        }
        if let Some(spent) = spent(app, asked, credential, used_twice).await? {
            return Ok(Err(spent));
        }
    }
    Ok(Err(Spent::Ended))
}

/// Finds out why the code with this credential could not be redeemed; nothing, if it could be now. A second use by its own client ends
/// its session for a while, since one of the two was not the client (RFC 6749 §4.1.2).
pub(super) async fn spent(
    app: &App,
    asked: &GrantRequest<'_>,
    credential: &RefreshToken,
    used_twice: &str,
) -> Result<Option<Spent>> {
    let Some(record) = app.store.session_find(credential.session).await? else { return Ok(Some(Spent::Unknown)) };
    let session = &record.session;
    if session.client_id != asked.client.client_id || !record.has_nonce_of(credential) {
        return Ok(Some(Spent::Foreign));
    }
    let now = app.clock.now();
    if session.generation == 0 {
        if session.withholds_code_from(&asked.request.sender) {
            return Ok(Some(Spent::Bound));
        }
        return Ok(match record.revoked_by {
            Some(_) => Some(Spent::Ended),
            None if session.ends_at() <= now => Some(Spent::Expired),
            None => None,
        });
    }
    let age = now.millis() - session.created_at.millis();
    if record.revoked_by.is_none() && age < CODE_REUSE_ENDS_SESSION_FOR * 1000 {
        end(app, asked, &record, used_twice).await?;
    }
    Ok(Some(Spent::Used))
}

async fn end(app: &App, asked: &GrantRequest<'_>, record: &SessionRecord, why: &str) -> Result<()> {
    let audited = app.audited(&asked.client, asked.request);
    let revocation = NewRevocation {
        target: Target::Session(record.session.id),
        cause: Cause::SessionRevoked,
        reason: Some(why.to_owned()),
        covers_until: app.settings.covers_until(audited.at),
    };
    app.state.honour(app.store.revoke_stolen(&revocation, &audited)).await?;
    Ok(())
}
