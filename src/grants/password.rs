//! The resource owner password grant (RFC 6749 §4.3).
//!
//! 1. Are there a username and a password? 2. May the client have what it asks for? 3. Is the password right, after not
//!    too many wrong ones? 4. May the user have it? 5. Begin a session, if the client may refresh, provided that nothing
//!    was changed meanwhile.

use secrecy::SecretString;

use crate::app::{App, Failure, Request, Result};
use crate::grants::issue::{self, TokenAnswer, TokenParams};
use crate::protocol::claims;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant::{self, Granted};
use crate::protocol::identity::Identity;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::session::Session;
use crate::protocol::user::{User, is_credential};
use crate::store::NewSession;
use crate::throttle::{Attempt, Login};
use crate::tokens::refresh::RefreshToken;

/// Answers a login; `log` is what this node had applied before it judged the client. None: the client changed while the
/// password was hashed, so that it must be authenticated anew (its secret may have been retired), or the node is behind.
pub(crate) async fn answer(
    app: &App,
    client: &Client,
    request: &Request<'_>,
    log: SequenceNumber,
    may_retry: bool,
) -> Result<Option<TokenAnswer>> {
    let (username, password) = credentials(request)?;
    let granted = grant::to_login(client, request.parameters, app.audiences())?;
    let (login, record) = Login::read(app, username, request).await?;
    if record.head > log && may_retry && !client.may_use(GrantType::RefreshToken) {
        // The token would carry what this node knew of the client, and be covered by what was revoked before the login.
        return Ok(None);
    }
    let about = record.user.as_ref().map(|user| Identity::of_user(&user.sub)).unwrap_or_default();
    let user = authenticated(app, &login, record.user, password).await.map_err(|failure| failure.about(about))?;
    let was_asked = request.parameters.one("scope")?.is_some();
    let granted = grant::limit_to_user(granted, user.scope.as_ref(), was_asked)?;
    let mut grounds = TokenParams {
        sub: user.sub.clone(),
        granted: granted.clone(),
        session: None,
        log: record.head.min(log),
        extra: claims::merge(&client.settings.claims, Some(&user.claims)),
    };
    if !client.may_use(GrantType::RefreshToken) {
        return issue::answer(app, client, grounds, None).map(Some);
    }
    let (session, token) = new_session(app, client, &user, &granted);
    let ends_at = session.ends_at();
    let new = NewSession {
        session,
        user_version: user.version,
        client_version: client.version,
        max_sessions: client.settings.max_sessions,
        covers_until: app.settings.covers_until(app.clock.now()),
    };
    let Some(begun) = app.store.session_create(&new, &app.audited(client, request)).await? else {
        return match app.store.user_find(user.id).await? {
            Some(now) if now.version == user.version => Ok(None),
            _ => Err(wrong("the user was changed during the login").about(Identity::of_user(&user.sub))),
        };
    };
    if begun.superseded > 0 {
        app.state.catch_up().await?;
    }
    grounds.session = Some((token.session, ends_at));
    grounds.log = begun.log;
    issue::answer(app, client, grounds, Some(issue::refresh_token(app, &token)?)).map(Some)
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

/// The user, if the password is right and there were not too many wrong ones.
async fn authenticated(app: &App, login: &Login, user: Option<User>, password: &str) -> Result<User> {
    let verdict = login.begin(app)?;
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let right = verdict.end(app.passwords.verify(SecretString::from(password), hash, login.precedence()).await)?;
    let reason = match user {
        Some(user) if right && user.enabled => {
            login.succeeded(app);
            return Ok(user);
        }
        Some(_) if right => "the user is disabled",
        Some(_) => "wrong password",
        None => "unknown user",
    };
    login.failed(app);
    Err(wrong(reason))
}

/// The same answer for a wrong password, an unknown user and a disabled one (conformance PWD-003, PWD-017).
fn wrong(reason: &'static str) -> Failure {
    Refusal::new(ErrorCode::InvalidGrant, "The username or the password is wrong.").because(reason).into()
}

fn new_session(app: &App, client: &Client, user: &User, granted: &Granted) -> (Session, RefreshToken) {
    let now = app.clock.now();
    let token = RefreshToken::first(app.clock.new_id());
    let idle = client.settings.refresh_token_ttl.unwrap_or(app.settings.refresh_token_ttl);
    let absolute = client.settings.session_ttl.unwrap_or(app.settings.session_ttl);
    let session = Session {
        id: token.session,
        user_id: user.id,
        sub: user.sub.clone(),
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
