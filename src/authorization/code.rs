//! Issues authorization codes: the first credential of a new session.

use uuid::Uuid;

use crate::app::{App, Failure, Request, Result};
use crate::protocol::authorization::{AuthorizationRequest, CODE_LIFE, Login};
use crate::protocol::client::Client;
use crate::protocol::grant::Granted;
use crate::protocol::profile::OFFLINE_ACCESS;
use crate::protocol::session::Session;
use crate::store::{BrowserSessionRecord, NewSession, StoreError};
use crate::tokens::code::{Code, CodeKind};

/// What came of a request for a code.
#[derive(Debug)]
pub enum Issued {
    /// The code, which lives for [`CODE_LIFE`] seconds. It is a secret until it is redeemed.
    Code(String),
    /// The request was answered before: its session exists, so this one began none.
    AlreadyAnswered,
    /// The client or the user changed, or the browser session ended, after they were read: read them anew and decide again.
    Outdated,
}

/// Begins the session of an authorization request and issues its code. The caller has decided that this person grants this;
/// `granted` has `offline_access` only if a person agreed to it.
///
/// # Errors
/// If the database does not answer, or no key is active. Then the code was not issued, though its session may exist: it ends with
/// the life of a code.
pub async fn issue(
    app: &App,
    request: &Request<'_>,
    client: &Client,
    asked: &AuthorizationRequest,
    person: &BrowserSessionRecord,
    granted: Granted,
) -> Result<Issued> {
    // 1. The code, before anything is written.
    let code = Code::new(CodeKind::Authorization, asked.session);
    let text = write(app, request, &code)?;
    // 2. The session. Its id is that of the request, so that a request begins only one.
    let now = app.clock.now();
    let new = NewSession {
        session: session(app, request, client, asked, person, granted, &code),
        user_version: person.user.version,
        client_version: client.version,
        max_sessions: client.settings.max_sessions,
        covers_until: app.settings.covers_until(now),
    };
    match app.state.honour(app.store.session_create(&new, &app.audited(client, request))).await {
        Ok(Some(_)) => Ok(Issued::Code(text)),
        Ok(None) => Ok(Issued::Outdated),
        Err(StoreError::Exists) => Ok(Issued::AlreadyAnswered),
        Err(error) => Err(error.into()),
    }
}

/// Writes a code, also one of a device.
pub(super) fn write(app: &App, request: &Request<'_>, code: &Code) -> Result<String> {
    let keys = request.issuer.keys();
    let no_active_key = || Failure::Unavailable("there is no active key to issue codes with".into());
    let key = keys.ring.active_token_key(app.clock.now()).ok_or_else(no_active_key)?;
    Ok(code.write(request.issuer.environment(), key))
}

fn session(
    app: &App,
    request: &Request<'_>,
    client: &Client,
    asked: &AuthorizationRequest,
    person: &BrowserSessionRecord,
    granted: Granted,
    code: &Code,
) -> Session {
    let login = Login {
        redirect_uri: asked.redirect_uri.clone(),
        sent_redirect_uri: asked.sent_redirect_uri,
        code_challenge: asked.code_challenge.clone(),
        nonce: asked.nonce.clone(),
        auth_time: person.session.authenticated_at.seconds(),
        amr: person.session.methods.clone(),
        claims: asked.claims.clone(),
    };
    Session {
        id: code.session(),
        nonce_hash: code.credential().nonce_hash(),
        idle_expires_at: app.clock.now().plus_seconds(CODE_LIFE),
        bound_from: 0,
        code_key: asked.dpop_jkt,
        ..owned_by(app, request, client, person, granted, login)
    }
}

/// A session that this person allows a client. The caller says by which credential it begins, and until when that can be used.
pub(super) fn owned_by(
    app: &App,
    request: &Request<'_>,
    client: &Client,
    person: &BrowserSessionRecord,
    granted: Granted,
    login: Login,
) -> Session {
    let now = app.clock.now();
    Session {
        id: Uuid::nil(),
        user_id: person.user.id,
        sub: person.user.sub.clone(),
        client_id: client.client_id.clone(),
        offline: granted.scope.contains(OFFLINE_ACCESS),
        scope: granted.scope,
        audiences: granted.audiences,
        nonce_hash: [0; 32],
        generation: 0,
        retries: 0,
        repeats: 0,
        repeats_since: now,
        network: request.source().network().to_string(),
        log: 0,
        created_at: now,
        last_refreshed_at: now,
        idle_expires_at: now,
        expires_at: app.session_expiry(client, now),
        login: Some(Box::new(login)),
        browser_session: Some(person.session.id),
        confirmation: None,
        bound_from: 0,
        code_key: None,
    }
}
