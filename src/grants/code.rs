//! What authorization codes and device codes have in common: each is its session's first credential, and redeeming it moves the session
//! from generation 0 to 1, once, in the statement that rotates refresh tokens.

use crate::app::{App, Result};
use crate::grants::issue::{self, TokenResponse};
use crate::grants::unreadable::Unreadable;
use crate::grants::{GrantRequest, binding};
use crate::protocol::authorization::CODE_REUSE_ENDS_SESSION_FOR;
use crate::protocol::cause::Cause;
use crate::protocol::client::GrantType;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::store::{Rotation, SessionRecord};
use crate::tokens::code::{Code, CodeKind};
use crate::tokens::verify::VerifyError;

/// How often a code is tried that another request had at that moment.
const ATTEMPTS: usize = 3;

/// Reads a code. The database is asked about an unknown key before it is refused.
pub(super) async fn read(
    app: &App,
    asked: &GrantRequest<'_>,
    kind: CodeKind,
    text: &str,
) -> Result<std::result::Result<Code, Unreadable>> {
    let issuer = asked.request.issuer;
    let read = || Code::read(kind, text, issuer.environment(), &issuer.keys().ring);
    let code = match read() {
        Err(VerifyError::UnknownKey) => {
            app.state.ensure_current().await?;
            read()
        }
        code => code,
    };
    Ok(code.map_err(|error| Unreadable::of(text, kind.prefix(), issuer, &error)))
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
    code: &Code,
) -> Result<std::result::Result<SessionRecord, Spent>> {
    let (client, request, now) = (&asked.client, asked.request, app.clock.now());
    let rotation = Rotation {
        id: code.session(),
        client_id: client.client_id.clone(),
        generation: 0,
        now,
        idle_expires_at: app.idle_expiry(client, now),
        network: request.source().network().to_string(),
        sender: request.sender,
        binds: binding::of_refresh_token(client, &request.sender),
    };
    for _ in 0..ATTEMPTS {
        if let Some(record) = app.store.session_rotate(rotation.clone()).await? {
            return Ok(Ok(record));
        }
        if let Some(spent) = spent(app, asked, code).await? {
            return Ok(Err(spent));
        }
    }
    Ok(Err(Spent::Ended))
}

/// Finds out why a code could not be redeemed; nothing, if it could be now. A second use by its own client ends its session for a
/// while, since one of the two was not the client (RFC 6749 §4.1.2).
pub(super) async fn spent(app: &App, asked: &GrantRequest<'_>, code: &Code) -> Result<Option<Spent>> {
    let Some(record) = app.store.session_find(code.session()).await? else { return Ok(Some(Spent::Unknown)) };
    let session = &record.session;
    if session.client_id != asked.client.client_id || !record.has_nonce_of(code.credential()) {
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
        let used_twice = match code.kind() {
            CodeKind::Authorization => "its authorization code was used twice",
            CodeKind::Device => "its device code was used twice",
        };
        end(app, asked, &record, used_twice).await?;
    }
    Ok(Some(Spent::Used))
}

/// The tokens of the session of a redeemed code. A request that asks for too much, or cannot be answered now, leaves the code as it was.
pub(super) async fn tokens(
    app: &App,
    asked: &GrantRequest<'_>,
    record: &SessionRecord,
    code: &Code,
) -> Result<TokenResponse> {
    let response = first_tokens(app, asked, record, code).await;
    if response.is_err() {
        app.store.session_give_back(code.session(), 0).await?;
    }
    response
}

async fn first_tokens(
    app: &App,
    asked: &GrantRequest<'_>,
    record: &SessionRecord,
    code: &Code,
) -> Result<TokenResponse> {
    let GrantRequest { request, client, .. } = asked;
    let params = issue::params_of_session(app, asked, record, true).await?;
    let refresh_token = match client.may_use(GrantType::RefreshToken) {
        true => Some(issue::refresh_token(app, request.issuer, &code.credential().successor())?),
        false => None,
    };
    let response = issue::response(app, request.issuer, client, params, refresh_token)?;
    // Now it counts.
    let audited = app.audited(client, request);
    let covers_until = app.settings.covers_until(audited.at);
    let max_sessions = client.settings.max_sessions;
    app.state.honour(app.store.session_limit(&record.session, max_sessions, covers_until, &audited)).await?;
    Ok(response)
}

/// Ends the session of a code that came into the wrong hands.
pub(super) async fn end(app: &App, asked: &GrantRequest<'_>, record: &SessionRecord, why: &str) -> Result<()> {
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
