//! Lets devices in (RFC 8628). The device code is the first credential of the session that a person allows, as an authorization code
//! is: the request of the device names the session, and knows the hash of the nonce.

use crate::app::{App, Failure, Request, Result};
use crate::authorization::code::{self, owned_by};
use crate::authorization::decide::{Person, limited_to};
use crate::browser::session;
use crate::crypto::random;
use crate::protocol::authorization::Login;
use crate::protocol::client::Client;
use crate::protocol::device::{DeviceRequest, DeviceState, INTERVAL, LIFE, UserCode};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::RequestFault;
use crate::protocol::grant::Granted;
use crate::protocol::identity::Identity;
use crate::protocol::scope::Scope;
use crate::protocol::session::Session;
use crate::store::{BrowserSessionRecord, NewSession, StoreError};
use crate::throttle::Throttled;
use crate::tokens::code::{Code, CodeKind};

/// How often another user code is tried if one is taken. With a million active codes, one in 25,000 is.
const ATTEMPTS: usize = 5;

/// Begins the request of a device, and gives its device code, which is a secret.
///
/// # Errors
/// If too many requests of the network or the client wait for a person, no key is active, or the database does not answer.
pub async fn ask(
    app: &App,
    request: &Request<'_>,
    client: &Client,
    granted: Granted,
) -> Result<(String, DeviceRequest)> {
    let code = Code::new(CodeKind::Device, app.clock.new_id());
    let now = app.clock.now();
    let text = code::write(app, request, &code)?;
    for _ in 0..ATTEMPTS {
        let Some(user_code) = UserCode::of(&random::<32>()) else { continue };
        let new = DeviceRequest {
            id: code.session(),
            nonce_hash: code.credential().nonce_hash(),
            user_code,
            client_id: client.client_id.clone(),
            scope: granted.scope.clone(),
            audiences: granted.audiences.clone(),
            network: request.source().network().to_string(),
            state: DeviceState::Pending,
            wait: INTERVAL * 1000,
            created_at: now,
            expires_at: now.plus_seconds(LIFE),
        };
        match app.store.device_request_create(&new).await {
            Ok(true) => return Ok((text, new)),
            Ok(false) => {
                let reason = "too many devices of this network or client wait for a person";
                return Err(
                    Throttled { seconds: LIFE / 10, reason, about: Identity::of_client(&client.client_id) }.into()
                );
            }
            Err(StoreError::Exists) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Unavailable("no user code was free".into()))
}

/// What the person may let the device have.
///
/// # Errors
/// `invalid_scope` if that is nothing of what it asks for.
pub fn grantable(waiting: &DeviceRequest, person: &BrowserSessionRecord) -> Result<Scope> {
    let person = Person {
        sub: &person.user.sub,
        scope: person.user.scope.as_ref(),
        authenticated_at: person.session.authenticated_at,
    };
    let granted = granted_by(person, &waiting.scope);
    Ok(granted.map_err(|refusal| refusal.about(Identity::of_client(&waiting.client_id)))?)
}

/// What a person may grant a device of what it asks for.
///
/// # Errors
/// `invalid_scope` if that is nothing.
pub(crate) fn granted_by(person: Person<'_>, asked: &Scope) -> std::result::Result<Scope, Refusal> {
    let scope = limited_to(person, asked);
    if scope.is_empty() && !asked.is_empty() {
        let refusal = Refusal::new(ErrorCode::InvalidScope, "You may not grant any of what the device asks for.");
        return Err(refusal.with(RequestFault::ScopeNotOfPerson));
    }
    Ok(scope)
}

/// Lets a device in: begins its session, which waits for the device until its request is over. Returns whether it did: not if
/// somebody answered the request before, or the client, the user or the browser session changed meanwhile.
///
/// # Errors
/// If the database does not answer; then the device may or may not have been let in.
pub async fn allow(
    app: &App,
    request: &Request<'_>,
    client: &Client,
    waiting: &DeviceRequest,
    person: &BrowserSessionRecord,
    scope: Scope,
) -> Result<bool> {
    let now = app.clock.now();
    let login = Login {
        auth_time: person.session.authenticated_at.seconds(),
        amr: person.session.methods.clone(),
        ..Login::default()
    };
    let session = Session {
        id: waiting.id,
        nonce_hash: waiting.nonce_hash,
        idle_expires_at: waiting.expires_at,
        // It is on another machine than the browser, and the page says so.
        offline: true,
        ..owned_by(app, request, client, person, Granted { scope, audiences: waiting.audiences.clone() }, login)
    };
    let new = NewSession {
        session,
        user_version: person.user.version,
        client_version: client.version,
        max_sessions: client.settings.max_sessions,
        covers_until: app.settings.covers_until(now),
    };
    let by = session::audited(app, request, person.user.id);
    Ok(app.state.honour(app.store.device_request_allow(&new, now, &by)).await?.is_some())
}
