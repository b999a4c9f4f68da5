//! Issues tokens: access tokens (RFC 9068), ID tokens (OpenID Connect Core §2), and the response around them (RFC 6749 §5.1).

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

use crate::app::{App, Failure, Result};
use crate::crypto::random;
use crate::issuer::Issuer;
use crate::keys::keyring::ReadySigningKey;
use crate::protocol::authorization::Login;
use crate::protocol::claims::{self, AccessClaims, Audience, ExtraClaims};
use crate::protocol::client::{AccessTokenFormat, AccessTokenTyp, Client};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant::{self, Audiences, Granted};
use crate::protocol::parameters::Parameters;
use crate::protocol::profile::{self, OPENID};
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::schema::with_keywords;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::protocol::token_form::TokenForm;
use crate::protocol::token_id::TokenId;
use crate::protocol::user::User;
use crate::store::SessionRecord;
use crate::tokens::id_token::{self, IdClaims, access_token_hash};
use crate::tokens::refresh::RefreshToken;
use crate::tokens::{jwt, opaque};

/// A successful response (RFC 6749 §5.1).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TokenAnswer, examples(json!({
    "access_token": "eyJ0eXAiOiJhdCtqd3QifQ.eyJzdWIiOiJkZW1vIn0.c2lnbmF0dXJl",
    "token_type": "Bearer",
    "expires_in": 900,
    "refresh_token": "jrt_dev_AQEC",
    "scope": "read:conversations write:conversations",
})))]
pub struct TokenResponse {
    /// A JWT (RFC 9068), or an opaque token, which begins with `jat_`.
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(schema_with = bearer)]
    pub token_type: &'static str,
    /// Seconds until it expires.
    #[schema(minimum = 1)]
    pub expires_in: i64,
    /// Begins with `jrt_`. Present for logins of clients that may refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub refresh_token: Option<String>,
    /// What was granted; absent if nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub scope: Option<Scope>,
    /// Who logged in (OpenID Connect Core §3.1.3.3). Present if the scope has `openid` and a person logged in at a browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub id_token: Option<String>,
}

fn bearer() -> RefOr<Schema> {
    with_keywords(json!({"type": "string", "const": "Bearer"}))
}

/// What the tokens of a response are made from.
pub(super) struct TokenParams<'a> {
    /// The subject.
    pub(super) sub: String,
    /// What was granted.
    pub(super) granted: Granted,
    /// The form of the token, with the claims of client and resources.
    pub(super) form: TokenForm,
    /// The claims of the user, which replace those.
    pub(super) user: Option<&'a ExtraClaims>,
    /// Its session, if it has one, and when that ends.
    pub(super) session: Option<(Uuid, Timestamp)>,
    /// Its sequence number: revocations with a greater one cover it.
    pub(super) log: SequenceNumber,
    /// What the ID token is made from, if there is to be one.
    pub(super) person: Option<Person<'a>>,
}

/// The form of an access token with this grant.
pub(super) fn form(
    app: &App,
    client: &Client,
    granted: &Granted,
    audiences: Audiences<'_>,
) -> std::result::Result<TokenForm, Refusal> {
    TokenForm::of(&client.settings, app.settings.access_token_ttl, &granted.audiences, audiences.resources)
}

/// The grant of a session as far as client and user may still have it and the request asks for it, with the form of the token.
pub(super) fn of_session(
    app: &App,
    client: &Client,
    granted: &Granted,
    user_scope: Option<&Scope>,
    asked: &Parameters,
    audiences: Audiences<'_>,
) -> std::result::Result<(TokenForm, Granted), Refusal> {
    let granted = grant::still_allowed(granted, client, user_scope, audiences)?;
    let granted = grant::narrow(&granted, client, asked, audiences.resources)?;
    Ok((form(app, client, &granted, audiences)?, granted))
}

/// Who logged in at a browser, and the key that says so.
pub(super) struct Person<'a> {
    login: &'a Login,
    user: &'a User,
    nonce: Option<&'a str>,
    key: Arc<ReadySigningKey>,
}

/// Who logged in, if the session began at a browser and its client is told who the person is. Only the first ID token has the nonce
/// (Core §12.2).
pub(super) async fn person<'a>(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    record: &'a SessionRecord,
    scope: &Scope,
    is_first: bool,
) -> Result<Option<Person<'a>>> {
    let (Some(login), Some(user)) = (record.session.login.as_deref(), &record.user) else { return Ok(None) };
    if !scope.contains(OPENID) {
        return Ok(None);
    }
    let key = app.signing_key(issuer, client.settings.id_token_signed_response_alg.into()).await?;
    Ok(Some(Person { login, user, nonce: login.nonce.as_deref().filter(|_| is_first), key }))
}

/// An access token before it is signed or sealed.
pub(super) struct Draft<'a> {
    pub(super) claims: AccessClaims,
    pub(super) format: AccessTokenFormat,
    pub(super) typ: AccessTokenTyp,
    person: Option<Person<'a>>,
}

impl Draft<'_> {
    /// How long the token will be, in bytes.
    ///
    /// # Errors
    /// It would be too long, or there is no key for it.
    pub(super) fn length(&self, app: &App, issuer: &Issuer) -> Result<usize> {
        let length = match self.format {
            AccessTokenFormat::Jwt => {
                let (keys, now) = (issuer.keys(), app.clock.now());
                let key = keys.ring.access_token_key(app.settings.signing_algorithm, now).ok_or_else(no_active_key)?;
                jwt::length(&self.claims, self.typ, key)
            }
            AccessTokenFormat::Opaque => opaque::length(&self.claims, issuer.environment()),
        };
        check_length(length).map(|()| length)
    }
}

fn check_length(length: usize) -> Result<()> {
    if length > jwt::LONGEST {
        return Err(Failure::Refused(Refusal::new(
            ErrorCode::InvalidScope,
            "The token would be too long: ask for fewer scopes or resources.",
        )));
    }
    Ok(())
}

/// What the access token of a client says.
pub(super) fn draft<'a>(app: &App, issuer: &Issuer, client: &Client, params: TokenParams<'a>) -> Draft<'a> {
    let now = app.clock.now();
    let form = params.form;
    let mut exp = now.seconds().saturating_add(form.ttl);
    if let Some((_, ends_at)) = params.session {
        // An access token never outlives its session.
        exp = exp.min(ends_at.seconds());
    }
    let scope = (!params.granted.scope.is_empty()).then_some(params.granted.scope);
    let claims = AccessClaims {
        iss: issuer.url().to_owned(),
        sub: params.sub,
        sub_iss: None,
        act: None,
        cnf: None,
        aud: Audience::new(params.granted.audiences),
        client_id: client.client_id.clone(),
        scope,
        iat: now.seconds(),
        exp,
        nbf: None,
        jti: TokenId::new(random()),
        sid: params.session.map(|(id, _)| id),
        log: params.log,
        extra: claims::merge(form.claims, params.user),
    };
    Draft { claims, format: form.format, typ: form.typ, person: params.person }
}

/// Issues tokens to a client.
pub(super) fn response(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    params: TokenParams<'_>,
    refresh_token: Option<String>,
) -> Result<TokenResponse> {
    let Draft { claims, format, typ, person } = draft(app, issuer, client, params);
    let (now, iat, exp, scope) = (app.clock.now(), claims.iat, claims.exp, claims.scope.clone());
    let keys = issuer.keys();
    let access_token = match format {
        AccessTokenFormat::Jwt => jwt::write(
            &claims,
            typ,
            keys.ring.access_token_key(app.settings.signing_algorithm, now).ok_or_else(no_active_key)?,
        ),
        AccessTokenFormat::Opaque => {
            let key = keys.ring.active_token_key(now).ok_or_else(no_active_key)?;
            opaque::write(&claims, issuer.environment(), key)
        }
    };
    check_length(access_token.len())?;
    let id_token = person.zip(claims.sid).map(|(Person { login, user, nonce, key }, sid)| {
        let claims = IdClaims {
            iss: &claims.iss,
            sub: &claims.sub,
            aud: &client.client_id,
            exp,
            iat,
            auth_time: login.auth_time,
            nonce,
            at_hash: access_token_hash(&access_token, key.algorithm),
            sid,
            amr: &login.amr,
            // The scopes ask for claims of UserInfo (Core §5.4).
            profile: profile::select(&user.profile, &user.username, &Scope::default(), &login.claims.id_token),
        };
        id_token::write(&claims, &key)
    });
    let expires_in = (exp - iat).max(1);
    Ok(TokenResponse { access_token, token_type: "Bearer", expires_in, refresh_token, scope, id_token })
}

/// Writes a refresh token with the active token key.
pub(super) fn refresh_token(app: &App, issuer: &Issuer, token: &RefreshToken) -> Result<String> {
    let keys = issuer.keys();
    let key = keys.ring.active_token_key(app.clock.now()).ok_or_else(no_active_key)?;
    Ok(token.write(issuer.environment(), key))
}

fn no_active_key() -> Failure {
    Failure::Unavailable("there is no active key to issue tokens with".into())
}
