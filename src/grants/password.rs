//! The resource owner password grant (RFC 6749 §4.3).

use crate::app::{App, Failure, Result};
use crate::browser::password;
use crate::browser::second_factor::{self, Required};
use crate::grants::issue::{self, TokenParams, TokenResponse};
use crate::grants::{GrantRequest, binding};
use crate::issuer::Issuer;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::confirmation::Sender;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant::{self, Granted};
use crate::protocol::identity::Identity;
use crate::protocol::parameters::Parameters;
use crate::protocol::session::Session;
use crate::protocol::token_form::TokenForm;
use crate::protocol::user::User;
use crate::store::NewSession;
use crate::tokens::refresh::RefreshToken;

/// How often a login is attempted if the client changes meanwhile, or this node turns out to lag behind the log.
const ATTEMPTS: usize = 3;

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    let mut asked = asked.clone();
    for attempts_left in (0..ATTEMPTS).rev() {
        if let Some(response) = log_in(app, &asked, attempts_left == 0).await? {
            return Ok(response);
        }
        asked = asked.renewed(app, GrantType::Password).await?;
    }
    Err(Failure::Unavailable("the client changed during every attempt to log in".into()))
}

/// Logs a user in. `None` if this node's state of the client or the log was out of date.
async fn log_in(app: &App, asked: &GrantRequest<'_>, is_last: bool) -> Result<Option<TokenResponse>> {
    let GrantRequest { request, client, log, .. } = asked;
    let refreshes = client.may_use(GrantType::RefreshToken);
    // 1. Username and password.
    let credentials = password::credentials(request)?;
    // 2. What may the client have? Decided before the password, so that a refusal reveals nothing about the user.
    let (form, granted) = granted(app, request.issuer, client, request.parameters).await?;
    // 3. The user.
    let login = password::find(app, request, credentials).await?;
    let head = login.head();
    if head > *log && !refreshes && !is_last {
        // Revocations that this node has not applied yet precede this login, but would cover its token.
        return Ok(None);
    }
    // 4. The password.
    let user = login.verify(app).await?;
    // 5. What the user may have.
    let granted = granted_to_user(app, &user, granted, request.parameters)?;
    let mut params = TokenParams {
        sub: user.sub.clone(),
        sub_iss: None,
        granted,
        form,
        user: Some(&user.claims),
        session: None,
        log: head.min(*log),
        person: None,
        confirmation: binding::of_access_token(client, &request.sender),
    };
    if !refreshes {
        return issue::response(app, request.issuer, client, params, None).map(Some);
    }
    // 6. The session, provided that neither user nor client changed while the password was hashed.
    let network = request.source().network().to_string();
    let (session, token) = new_session(app, client, network, &request.sender, &user, &params.granted);
    let ends_at = session.ends_at();
    let new = NewSession {
        session,
        user_version: user.version,
        client_version: client.version,
        max_sessions: client.settings.max_sessions,
        covers_until: app.settings.covers_until(app.clock.now()),
    };
    let Some(log) = app.state.honour(app.store.session_create(&new, &app.audited(client, request))).await? else {
        return match app.store.user_find(user.id).await? {
            Some(current) if current.version == user.version => Ok(None),
            _ => Err(password::wrong("the user was changed during the login").about(Identity::of_user(&user.sub))),
        };
    };
    params.session = Some((token.session, ends_at));
    params.log = log;
    issue::response(app, request.issuer, client, params, Some(issue::refresh_token(app, request.issuer, &token)?))
        .map(Some)
}

/// What a login may give the client, and the form of its token.
pub(super) async fn granted(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    asked: &Parameters,
) -> Result<(TokenForm, Granted)> {
    issue::granted(app, issuer, client, |audiences| grant::to_login(client, asked, audiences)).await
}

/// What this user may have of that. Nobody can be asked for a second factor here.
pub(super) fn granted_to_user(app: &App, user: &User, granted: Granted, asked: &Parameters) -> Result<Granted> {
    if second_factor::required(app, user) != Required::Nothing {
        return Err(needs_second_factor().about(Identity::of_user(&user.sub)));
    }
    let was_asked = asked.one("scope")?.is_some();
    Ok(grant::limit_to_user(granted, user.scope.as_ref(), was_asked)?)
}

/// Told after the password was right only.
fn needs_second_factor() -> Failure {
    let text =
        "This user logs in with a second factor, which this grant cannot ask for: use the authorization code flow.";
    Refusal::new(ErrorCode::InvalidGrant, text).because("the user needs a second factor").into()
}

/// The session of a login, and its first refresh token.
pub(super) fn new_session(
    app: &App,
    client: &Client,
    network: String,
    sender: &Sender,
    user: &User,
    granted: &Granted,
) -> (Session, RefreshToken) {
    let now = app.clock.now();
    let token = RefreshToken::first(app.clock.new_id());
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
        repeats: 0,
        repeats_since: now,
        network,
        log: 0,
        created_at: now,
        last_refreshed_at: now,
        idle_expires_at: app.idle_expiry(client, now),
        expires_at: app.session_expiry(client, now),
        login: None,
        browser_session: None,
        offline: false,
        confirmation: binding::of_refresh_token(client, sender),
        bound_from: 0,
        code_key: None,
    };
    (session, token)
}
