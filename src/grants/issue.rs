//! Issues tokens: access tokens (RFC 9068), ID tokens (OpenID Connect Core §2), and the response around them (RFC 6749 §5.1).

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

use crate::app::{App, Failure, Result};
use crate::crypto::random;
use crate::grants::{GrantRequest, binding};
use crate::issuer::Issuer;
use crate::keys::keyring::{KeyRing, ReadySigningKey};
use crate::protocol::authorization::Login;
use crate::protocol::claims::{self, AccessClaims, Audience, EXCHANGED_FROM, ExtraClaims};
use crate::protocol::client::{AccessTokenFormat, AccessTokenTyp, Client};
use crate::protocol::confirmation::Confirmation;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::exchange::{self, Inherited};
use crate::protocol::grant::{self, Audiences, Granted};
use crate::protocol::parameters::Parameters;
use crate::protocol::profile::{self, OPENID};
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::schema::with_keywords;
use crate::protocol::scope::Scope;
use crate::protocol::security_profile::{self, Rule};
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
    /// A JWT (RFC 9068), or an opaque token, which begins with `jat_`. If `token_type` is `N_A`, an identity assertion.
    pub access_token: String,
    /// What the token is, for token exchange (RFC 8693 §2.2.1): an access token or an identity assertion.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub issued_token_type: Option<&'static str>,
    /// `DPoP` if the token is bound to the key of a DPoP proof, `N_A` if it is no access token, else `Bearer`.
    #[schema(schema_with = token_type)]
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

/// The `token_type` of what is no access token (RFC 8693 §2.2.1).
pub(super) const NOT_APPLICABLE: &str = "N_A";

impl TokenResponse {
    /// Whether it has an access token, and not an identity assertion.
    pub(crate) fn is_access_token(&self) -> bool {
        self.token_type != NOT_APPLICABLE
    }
}

fn token_type() -> RefOr<Schema> {
    with_keywords(json!({"type": "string", "enum": ["Bearer", "DPoP", NOT_APPLICABLE]}))
}

/// What the tokens of a response are made from.
pub(super) struct TokenParams<'a> {
    /// The subject.
    pub(super) sub: String,
    /// The issuer of the subject, if it is not this server.
    pub(super) sub_iss: Option<String>,
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
    /// What the access token is bound to, if it is.
    pub(super) confirmation: Option<Confirmation>,
    /// What the ID token is made from, if there is to be one.
    pub(super) person: Option<Person<'a>>,
}

/// The form of an access token with this grant.
fn form(
    app: &App,
    client: &Client,
    granted: &Granted,
    audiences: Audiences<'_>,
) -> std::result::Result<TokenForm, Refusal> {
    TokenForm::of(&client.settings, app.settings.access_token_ttl, &granted.audiences, audiences.resources)
}

/// What a rule grants a client, and the form of the token.
pub(super) async fn granted(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    rule: impl Fn(Audiences<'_>) -> std::result::Result<Granted, Refusal>,
) -> Result<(TokenForm, Granted)> {
    let with_form = |audiences: Audiences<'_>| {
        let granted = rule(audiences)?;
        Ok((form(app, client, &granted, audiences)?, granted))
    };
    app.grant(issuer, with_form).await
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

/// What the tokens of a session are made from now. `is_first`: it begins with them.
pub(super) async fn params_of_session<'a>(
    app: &App,
    asked: &GrantRequest<'_>,
    record: &'a SessionRecord,
    is_first: bool,
) -> Result<TokenParams<'a>> {
    let (request, client, session) = (asked.request, &asked.client, &record.session);
    let granted = Granted { scope: session.scope.clone(), audiences: session.audiences.clone() };
    let user_scope = record.user.as_ref().and_then(|user| user.scope.as_ref());
    let rule = |audiences: Audiences<'_>| of_session(app, client, &granted, user_scope, request.parameters, audiences);
    let (form, granted) = app.grant(request.issuer, rule).await?;
    Ok(TokenParams {
        sub: session.sub.clone(),
        sub_iss: None,
        person: person(app, request.issuer, client, record, &granted.scope, is_first).await?,
        granted,
        form,
        user: record.user.as_ref().map(|user| &user.claims),
        session: Some((session.id, session.ends_at())),
        log: session.log,
        confirmation: binding::of_access_token(client, &request.sender),
    })
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
async fn person<'a>(
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
    /// It would be too long, or there is no key for it that the client may have.
    pub(super) fn length(&self, app: &App, issuer: &Issuer, client: &Client) -> Result<usize> {
        let length = match self.format {
            AccessTokenFormat::Jwt => {
                let keys = issuer.keys();
                jwt::length(&self.claims, self.typ, signing_key(app, &keys.ring, client)?)
            }
            AccessTokenFormat::Opaque => opaque::length(&self.claims, issuer.environment()),
        };
        check_length(length).map(|()| length)
    }
}

/// The key that signs the access tokens of a client.
fn signing_key<'a>(app: &App, ring: &'a KeyRing, client: &Client) -> Result<&'a ReadySigningKey> {
    let key = ring.access_token_key(app.settings.signing_algorithm, app.clock.now()).ok_or_else(no_active_key)?;
    if !security_profile::allows_algorithm(&client.settings, key.algorithm.name()) {
        return Err(Rule::SigningAlgorithms.refusal(ErrorCode::InvalidRequest).into());
    }
    Ok(key)
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
pub(super) fn draft<'a>(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    params: TokenParams<'a>,
    inherited: Inherited,
) -> Draft<'a> {
    let now = app.clock.now();
    let form = params.form;
    let mut exp = now.seconds().saturating_add(form.ttl).min(inherited.ends_at.unwrap_or(i64::MAX));
    if let Some((_, ends_at)) = params.session {
        // An access token never outlives its session.
        exp = exp.min(ends_at.seconds());
    }
    let scope = (!params.granted.scope.is_empty()).then_some(params.granted.scope);
    let mut claims = AccessClaims {
        iss: issuer.url().to_owned(),
        sub: params.sub,
        sub_iss: params.sub_iss,
        act: inherited.act,
        may_act: inherited.may_act,
        cnf: params.confirmation,
        aud: Audience::new(params.granted.audiences),
        client_id: client.client_id.clone(),
        scope,
        iat: now.seconds(),
        exp,
        nbf: None,
        jti: TokenId::new(random()),
        sid: params.session.map(|(id, _)| id).or(inherited.sid),
        log: params.log,
        exchanged_from: inherited.exchanged_from,
        extra: claims::merge(form.claims, params.user),
    };
    // Settings that are older than this name may have a claim of it.
    claims.extra.remove(EXCHANGED_FROM);
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
    write(app, issuer, client, params, refresh_token, None)
}

/// Issues an access token in exchange for others.
pub(super) fn exchanged(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    params: TokenParams<'_>,
    inherited: Inherited,
) -> Result<TokenResponse> {
    write(app, issuer, client, params, None, Some(inherited))
}

fn write(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    params: TokenParams<'_>,
    refresh_token: Option<String>,
    inherited: Option<Inherited>,
) -> Result<TokenResponse> {
    let issued_token_type = inherited.is_some().then_some(exchange::ACCESS_TOKEN_TYPE);
    let draft = draft(app, issuer, client, params, inherited.unwrap_or_default());
    let Draft { claims, format, typ, person } = draft;
    let (iat, exp, scope) = (claims.iat, claims.exp, claims.scope.clone());
    let keys = issuer.keys();
    let access_token = match format {
        AccessTokenFormat::Jwt => jwt::write(&claims, typ, signing_key(app, &keys.ring, client)?),
        AccessTokenFormat::Opaque => {
            let key = keys.ring.active_token_key(app.clock.now()).ok_or_else(no_active_key)?;
            opaque::write(&claims, issuer.environment(), key)
        }
    };
    check_length(access_token.len())?;
    app.large_tokens.note(&client.client_id, access_token.len(), app.clock.now());
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
    let token_type = Confirmation::token_type(claims.cnf.as_ref());
    Ok(TokenResponse { access_token, issued_token_type, token_type, expires_in, refresh_token, scope, id_token })
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
