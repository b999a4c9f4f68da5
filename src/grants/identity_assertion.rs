//! Identity assertions (ID-JAG) for other authorization servers, by token exchange (draft-ietf-oauth-identity-assertion-authz-grant §4.3):
//! a client with whom somebody logged in here tells another server who that is, without sending the person there.
//!
//! Nothing is written. An assertion lives for five minutes at most and counts once there, so a logout ends what can still be got by it,
//! but not what was got.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::app::{App, Result};
use crate::crypto::random;
use crate::grants::issue::{NOT_APPLICABLE, TokenResponse};
use crate::grants::{GrantRequest, binding};
use crate::protocol::authorization::Login;
use crate::protocol::cause::Cause;
use crate::protocol::claims::Audience;
use crate::protocol::client::{GrantType, IdentityAssertionAudience};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::exchange::{ID_JAG_TOKEN_TYPE, Role};
use crate::protocol::identity::Identity;
use crate::protocol::identity_assertion::{self, Asked, LIFE, no_id_token, no_such_audience};
use crate::protocol::profile::{self, OPENID};
use crate::protocol::scope::Scope;
use crate::protocol::session::Session;
use crate::protocol::token_id::TokenId;
use crate::protocol::user::User;
use crate::store::SessionRecord;
use crate::telemetry::metrics::ExchangeKind;
use crate::tokens::id_jag::{self, AssertionClaims};
use crate::tokens::id_token::{self, Hint};

/// The scope for the email address (OpenID Connect Core §5.4).
const EMAIL: &str = "email";

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    let wanted = Asked::read(asked.request.parameters)?;
    // 1. May this client get assertions for that server?
    let (asked, target) = permitted(app, asked, wanted).await?;
    let GrantRequest { request, client, .. } = &*asked;
    // 2. Whose ID token is it, and does that login go on?
    let hint = hint(app, &asked, wanted.id_token).await?;
    let about = |refusal: Refusal| {
        refusal.about(Identity { subject: Some(hint.sub.clone()), ..Identity::of_session(hint.sid) })
    };
    let record = app.store.session_find(hint.sid).await?;
    let now = app.clock.now();
    let is_over = match &record {
        Some(SessionRecord { session, .. }) => session.ends_at() <= now || has_left(app, session).await?,
        None => false,
    };
    let active = record.as_ref().ok_or(Cause::NeverIssued).and_then(|record| active(record, &hint));
    let active = active.and_then(|active| if is_over { Err(Cause::Expired) } else { Ok(active) });
    let active = active.map_err(|cause| {
        let text = "is of a login that has ended: let the person log in again.";
        about(Role::Subject.refusal(text).because(format!("subject_token: the session has ended: {cause}")).by(cause))
    })?;
    if hint.exp <= now.seconds() {
        let text = "has expired: get a new one with the refresh token.";
        return Err(about(Role::Subject.refusal(text).by(Cause::Expired)).into());
    }
    // What was taken from the client since the login does not count, as after a refresh.
    let known = active.record.session.scope.intersection(&client.settings.scope);
    if !known.contains(OPENID) {
        let text = "is of a client that may not ask for the scope openid any more.";
        return Err(about(Role::Subject.refusal(text)).into());
    }
    // 3. What does the client want there?
    let granted = identity_assertion::wanted(&target, request.parameters).map_err(about)?;
    // 4. The assertion.
    let key = app.signing_key(request.issuer, client.settings.id_token_signed_response_alg.into()).await?;
    let ends_at = active.record.session.ends_at().seconds();
    let exp = now.plus_seconds(LIFE).seconds().min(ends_at);
    let claims = AssertionClaims {
        iss: request.issuer.url(),
        sub: &hint.sub,
        aud: &target.audience,
        client_id: &target.client_id,
        jti: TokenId::new(random()),
        iat: now.seconds(),
        exp,
        scope: Some(&granted.scope).filter(|scope| !scope.is_empty()),
        resource: (!granted.resources.is_empty()).then(|| Audience::new(granted.resources.clone())),
        cnf: binding::of_access_token(client, &request.sender),
        auth_time: active.login.auth_time,
        amr: &active.login.amr,
        email: active.email(&known),
    };
    let access_token = id_jag::write(&claims, &key);
    app.metrics.exchanged(ExchangeKind::IdentityAssertion);
    let (jti, audience, subject) = (claims.jti.to_string(), claims.aud, claims.sub);
    tracing::info!(client = client.client_id, subject, audience, jti, "identity assertion issued");
    Ok(TokenResponse {
        access_token,
        issued_token_type: Some(ID_JAG_TOKEN_TYPE),
        token_type: NOT_APPLICABLE,
        expires_in: (exp - claims.iat).max(1),
        refresh_token: None,
        scope: (!granted.scope.is_empty()).then_some(granted.scope),
        id_token: None,
    })
}

/// The request, and the entry of its client for that server. The database is asked before it is refused.
async fn permitted<'r, 'a>(
    app: &App,
    asked: &'r GrantRequest<'a>,
    wanted: Asked<'_>,
) -> Result<(Cow<'r, GrantRequest<'a>>, IdentityAssertionAudience)> {
    let mut asked = Cow::Borrowed(asked);
    if wanted.target(&asked.client).is_none() || !asked.client.settings.scope.contains(OPENID) {
        asked = Cow::Owned(asked.renewed(app, GrantType::TokenExchange).await?);
    }
    if asked.client.is_public() {
        let text = "A client that does not prove who it is gets no identity assertions.";
        return Err(Refusal::new(ErrorCode::UnauthorizedClient, text).into());
    }
    // What this server would accept from itself could be more than what it granted.
    let is_itself = wanted.audience == asked.request.issuer.url();
    let target = wanted.target(&asked.client).filter(|_| !is_itself).cloned();
    Ok((asked, target.ok_or_else(no_such_audience)?))
}

/// What an ID token says that this server signed for this client. One whose key memory lacks may be a new one.
async fn hint(app: &App, asked: &GrantRequest<'_>, text: &str) -> Result<Hint> {
    let issuer = asked.request.issuer;
    let read = || id_token::read(text, issuer.token_context(&issuer.keys()));
    let mut hint = read();
    if hint.is_none() {
        app.state.ensure_current().await?;
        hint = read();
    }
    match hint {
        None => Err(no_id_token("subject_token: it is no ID token of this server").into()),
        Some(hint) if hint.client_id != asked.client.client_id => {
            Err(no_id_token("subject_token: it is an ID token of another client").into())
        }
        Some(hint) => Ok(hint),
    }
}

/// A login that goes on.
struct ActiveLogin<'a> {
    record: &'a SessionRecord,
    login: &'a Login,
    user: &'a User,
}

/// Checks that the login of an ID token was not ended, and is that of its client and its person.
fn active<'a>(record: &'a SessionRecord, hint: &Hint) -> std::result::Result<ActiveLogin<'a>, Cause> {
    if let Some(cause) = record.revoked_because.or_else(|| record.lost_user()) {
        return Err(cause);
    }
    let session = &record.session;
    match (&session.login, &record.user) {
        (Some(login), Some(user))
            if session.client_id == hint.client_id && session.sub == hint.sub && user.sub == hint.sub =>
        {
            Ok(ActiveLogin { record, login, user })
        }
        _ => Err(Cause::NeverIssued),
    }
}

/// Whether a session is one that a logout does not end, and its person is not logged in any more at the browser where it began.
async fn has_left(app: &App, session: &Session) -> Result<bool> {
    match session.browser_session.filter(|_| session.offline) {
        Some(login) => Ok(!app.store.browser_session_is_active(login, app.clock.now()).await?),
        None => Ok(false),
    }
}

impl ActiveLogin<'_> {
    /// The email address, if the client may know it by this scope.
    fn email(&self, known: &Scope) -> Map<String, Value> {
        let (email, _) = known.split_by(|name| name == EMAIL);
        profile::select(&self.user.profile, &self.user.username, &email, &[])
    }
}
