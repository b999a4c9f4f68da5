//! The resource owner password grant (RFC 6749 §4.3).
//!
//! 1. Are there a username and a password? 2. May the client have what it asks for? 3. Is the password right? 4. May
//!    the user have it? 5. Begin a session, if the client may refresh, provided that nothing was changed meanwhile.

use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;

use super::issue::{self, Grounds, TokenAnswer};
use super::{App, Failure, Request, Result};
use crate::oauth::claims;
use crate::oauth::client::{Client, GrantType};
use crate::oauth::error::{ErrorCode, Refusal};
use crate::oauth::grant::{self, Granted};
use crate::oauth::revocation::LogNumber;
use crate::oauth::session::Session;
use crate::oauth::user::{User, is_credential};
use crate::store::NewSession;
use crate::token::refresh::RefreshToken;

/// How often a login is tried again because the client changed in the middle.
const ATTEMPTS: usize = 3;

/// Answers a login; `log` is what this node had applied before it judged the client.
pub(super) async fn answer(
    app: &App,
    mut client: Arc<Client>,
    request: &Request<'_>,
    log: LogNumber,
) -> Result<TokenAnswer> {
    let (username, password) = credentials(request)?;
    let mut granted = grant::to_login(&client, request.parameters, app.audiences())?;
    let found = app.store.user_for_login(username).await?;
    let hash = found.as_ref().and_then(|(user, _)| user.password_hash.clone());
    let right = app.passwords.verify(SecretString::from(password), hash).await?;
    let (user, head) = match found {
        Some((user, head)) if right && user.enabled => (user, head),
        Some((user, _)) if right => return Err(wrong(format!("user {} is disabled", user.id))),
        Some((user, _)) => return Err(wrong(format!("wrong password for user {}", user.id))),
        None => return Err(wrong("unknown user".into())),
    };
    let was_asked = request.parameters.one("scope")?.is_some();
    for _ in 0..ATTEMPTS {
        granted = grant::limit_to_user(granted, user.scope.as_ref(), was_asked)?;
        let mut grounds = Grounds {
            sub: user.id.to_string(),
            granted: granted.clone(),
            session: None,
            log: head.min(log),
            extra: claims::merge(&client.settings.claims, Some(&user.claims)),
        };
        if !client.may_use(GrantType::RefreshToken) {
            return issue::answer(app, &client, grounds, None);
        }
        let (session, token) = new_session(app, &client, &user, &granted);
        let new = NewSession {
            session: session.clone(),
            user_version: user.version,
            client_version: client.version,
            max_sessions: client.settings.max_sessions,
            covers_until: app.settings.covers_until(app.clock.now()),
        };
        if let Some(begun) = app.store.session_create(&new, &app.audited(&client, request)).await? {
            if begun.superseded > 0 {
                app.view.catch_up().await?;
            }
            grounds.session = Some((session.id, session.ends_at()));
            grounds.log = begun.log;
            return issue::answer(app, &client, grounds, Some(issue::refresh_token(app, &token)?));
        }
        // Something changed while the password was hashed. A changed user must log in again; a changed client is read
        // anew, and what it may have is decided again.
        match app.store.user_find(user.id).await? {
            Some(now) if now.version == user.version => {}
            _ => return Err(wrong(format!("user {} was changed during the login", user.id))),
        }
        client = app.view.client_again(&client.client_id).await?.filter(|client| client.settings.enabled).ok_or_else(
            || Failure::from(Refusal::invalid_client("the client was disabled or deleted during the login")),
        )?;
        if !client.may_use(GrantType::Password) {
            return Err(Refusal::new(ErrorCode::UnauthorizedClient, "The client may not use this grant.").into());
        }
        granted = grant::to_login(&client, request.parameters, app.audiences())?;
    }
    Err(Failure::Unavailable("the client changed during every attempt to log in".into()))
}

fn credentials<'a>(request: &Request<'a>) -> Result<(&'a str, &'a str)> {
    let username = request.parameters.one("username")?;
    let password = request.parameters.one("password")?;
    let (Some(username), Some(password)) = (username, password) else {
        return Err(Refusal::invalid_request("The parameters username and password are both needed.").into());
    };
    if is_credential(username) && is_credential(password) {
        return Ok((username, password));
    }
    Err(Refusal::invalid_request("The username or the password is too long or has control characters.").into())
}

/// The same answer for a wrong password, an unknown user and a disabled one (conformance PWD-003, PWD-017).
fn wrong(reason: String) -> Failure {
    Refusal::new(ErrorCode::InvalidGrant, "The username or the password is wrong.").because(reason).into()
}

fn new_session(app: &App, client: &Client, user: &User, granted: &Granted) -> (Session, RefreshToken) {
    let now = app.clock.now();
    let token = RefreshToken::first(Uuid::now_v7());
    let idle = client.settings.refresh_token_ttl.unwrap_or(app.settings.refresh_token_ttl);
    let absolute = client.settings.session_ttl.unwrap_or(app.settings.session_ttl);
    let session = Session {
        id: token.session,
        user_id: user.id,
        client_id: client.client_id.clone(),
        scope: granted.scope.clone(),
        audiences: granted.audiences.clone(),
        nonce_hash: token.nonce_hash(),
        generation: i64::from(token.generation),
        retries: 0,
        log: 0,
        created_at: now,
        last_refreshed_at: now,
        idle_expires_at: now.plus_seconds(idle),
        expires_at: now.plus_seconds(absolute),
    };
    (session, token)
}
