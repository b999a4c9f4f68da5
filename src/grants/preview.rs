//! What a client would get: runs what issues tokens, and stops before anything is signed or written.

use crate::app::{App, Result};
use crate::authorization::decide::{Allowed, Decision, Person, decide};
use crate::authorization::{device, request};
use crate::browser::password::wrong;
use crate::grants::issue::{self, Draft, TokenParams};
use crate::grants::{binding, client_credentials, may_not_use, password};
use crate::issuer::Issuer;
use crate::protocol::authorization::AuthorizationRequest;
use crate::protocol::claims::AccessClaims;
use crate::protocol::client::{AccessTokenFormat, AccessTokenTyp, Client, GrantType};
use crate::protocol::confirmation::{CertificateThumbprint, KeyThumbprint, Sender};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::exchange::Inherited;
use crate::protocol::grant::{self, Audiences, Granted};
use crate::protocol::parameters::Parameters;
use crate::protocol::profile::OPENID;
use crate::protocol::time::Timestamp;
use crate::protocol::token_form::TokenForm;
use crate::protocol::user::User;

/// What to preview.
pub(crate) struct Previewed<'a> {
    /// The client.
    pub(crate) client: &'a Client,
    /// By which grant it asks.
    pub(crate) grant: GrantType,
    /// The user who logs in, unless the client asks for itself.
    pub(crate) user: Option<&'a User>,
    /// The scope and the resources that it asks for.
    pub(crate) asked: &'a Parameters,
    /// Whether its sender proves what the token is bound to. If absent, it does if it has to.
    pub(crate) sender_constrained: Option<bool>,
    /// Whether the authorization request is pushed. If absent, it is if it has to be.
    pub(crate) pushed: Option<bool>,
}

/// The token that would be issued.
pub(crate) struct PreviewedToken {
    /// Its claims. The id, the session and the number in the log are other ones for each token.
    pub(crate) claims: AccessClaims,
    /// Its format.
    pub(crate) format: AccessTokenFormat,
    /// The `typ` of a JWT.
    pub(crate) typ: AccessTokenTyp,
    /// Its length, in bytes.
    pub(crate) length: usize,
    /// Whether it ends with its session, before its own life would be over.
    pub(crate) is_cut_by_session: bool,
    /// Whether there is a refresh token.
    pub(crate) has_refresh_token: bool,
    /// Whether there is an ID token.
    pub(crate) has_id_token: bool,
}

/// What this request would get.
///
/// # Errors
/// The refusal that it would get, or the database did not answer.
pub(crate) async fn preview(app: &App, issuer: &Issuer, previewed: &Previewed<'_>) -> Result<PreviewedToken> {
    let Previewed { client, grant, .. } = *previewed;
    if !client.settings.enabled {
        return Err(Refusal::invalid_client("the client is disabled").into());
    }
    if !client.may_use(grant) {
        return Err(may_not_use(app, grant).await?.into());
    }
    if previewed.user.is_some_and(|user| !user.enabled) {
        return Err(wrong("the user is disabled"));
    }
    let sender = sender(client, previewed.sender_constrained);
    let (granted, form, session_end) = granted(app, issuer, previewed, &sender).await?;
    let has_id_token = grant.begins_at_browser() && granted.scope.contains(OPENID);
    let ttl = form.ttl;
    let params = TokenParams {
        sub: previewed.user.map_or(&client.client_id, |user| &user.sub).clone(),
        sub_iss: None,
        granted,
        form,
        user: previewed.user.map(|user| &user.claims),
        session: session_end.map(|ends_at| (app.clock.new_id(), ends_at)),
        log: app.state.applied(),
        person: None,
        confirmation: binding::of_access_token(client, &sender),
    };
    let draft = issue::draft(app, issuer, client, params, Inherited::default());
    let length = draft.length(app, issuer, client)?;
    let Draft { claims, format, typ, .. } = draft;
    Ok(PreviewedToken {
        is_cut_by_session: claims.exp < claims.iat + ttl,
        has_refresh_token: session_end.is_some() && client.may_use(GrantType::RefreshToken),
        has_id_token,
        claims,
        format,
        typ,
        length,
    })
}

/// What is granted, the form of the token, and when its session ends, if it has one.
async fn granted(
    app: &App,
    issuer: &Issuer,
    previewed: &Previewed<'_>,
    sender: &Sender,
) -> Result<(Granted, TokenForm, Option<Timestamp>)> {
    let Previewed { client, grant, user, asked, .. } = *previewed;
    if !grant.begins_at_browser() {
        binding::check(client, sender)?;
    }
    let needs_user = || Refusal::invalid_request("This grant is for a user: name one.");
    match grant {
        GrantType::ClientCredentials if user.is_some() => {
            Err(Refusal::invalid_request("This grant is for the client itself: name no user.").into())
        }
        GrantType::ClientCredentials => {
            let (form, granted) = client_credentials::granted(app, issuer, client, asked).await?;
            Ok((granted, form, None))
        }
        GrantType::Password => {
            let user = user.ok_or_else(needs_user)?;
            let (form, granted) = password::granted(app, issuer, client, asked).await?;
            let granted = password::granted_to_user(app, user, granted, asked)?;
            let session = client
                .may_use(GrantType::RefreshToken)
                .then(|| password::new_session(app, client, String::new(), sender, user, &granted).0.ends_at());
            Ok((granted, form, session))
        }
        GrantType::AuthorizationCode | GrantType::DeviceCode => {
            let user = user.ok_or_else(needs_user)?;
            let allowed = match grant {
                GrantType::AuthorizationCode => at_browser(app, issuer, previewed, user).await?,
                _ => at_device(app, issuer, client, user, asked).await?,
            };
            // The code is redeemed at once, and the token request names nothing.
            binding::check(client, sender)?;
            let nothing = Parameters::default();
            let user_scope = user.scope.as_ref();
            let rule =
                |audiences: Audiences<'_>| issue::of_session(app, client, &allowed, user_scope, &nothing, audiences);
            let (form, granted) = app.grant(issuer, rule).await?;
            let now = app.clock.now();
            let ends_at = app.idle_expiry(client, now).min(app.session_expiry(client, now));
            Ok((granted, form, Some(ends_at)))
        }
        GrantType::RefreshToken => Err(Refusal::invalid_request(
            "A refresh gives what the login gave, as far as it is still allowed: preview the grant that began the session.",
        )
        .into()),
        GrantType::TokenExchange | GrantType::JwtBearer => Err(Refusal::invalid_request(
            "What this grant gives depends on the token that is presented, which is not known here: preview the grant that gave it.",
        )
        .into()),
    }
}

/// Who would send the request, and proves by a key or a certificate what the token is bound to. What that is will be known only then,
/// but it has the same length for everybody.
fn sender(client: &Client, is_constrained: Option<bool>) -> Sender {
    let by_certificate = client.settings.tls_client_certificate_bound_access_tokens;
    let by_key = client.settings.dpop_bound_access_tokens || (is_constrained == Some(true) && !by_certificate);
    let proves = is_constrained != Some(false);
    Sender {
        key: (proves && by_key).then(|| KeyThumbprint::new(Default::default())),
        certificate: (proves && by_certificate).then(|| CertificateThumbprint::new(Default::default())),
    }
}

/// What a person who logs in at the browser and agrees grants the client.
async fn at_browser(app: &App, issuer: &Issuer, previewed: &Previewed<'_>, user: &User) -> Result<Granted> {
    let Previewed { client, asked, pushed, .. } = *previewed;
    let (scope, sent_scope, audiences) = request::access(app, issuer, client, asked).await?;
    if pushed == Some(false) {
        request::check_unpushed(client)?;
    }
    let now = app.clock.now();
    let consent = client.settings.consent;
    let asked = AuthorizationRequest {
        session: app.clock.new_id(),
        received_at: now.millis(),
        begun_at: now.millis(),
        client_id: client.client_id.clone(),
        redirect_uri: client.settings.redirect_uris.first().cloned().unwrap_or_default(),
        sent_redirect_uri: true,
        response_mode: Default::default(),
        state: None,
        scope,
        sent_scope,
        audiences: audiences.clone(),
        nonce: None,
        prompt: Default::default(),
        max_age: None,
        login_hint: None,
        hinted_sub: None,
        claims: Default::default(),
        code_challenge: None,
        dpop_jkt: None,
    };
    let person = Person { sub: &user.sub, scope: user.scope.as_ref(), authenticated_at: now };
    // Where people are asked, this one says yes.
    let decision = match decide(&asked, consent, Some(person), Allowed::Nothing, now) {
        Decision::AskConsent(_) => decide(&asked, consent, Some(person), Allowed::Now, now),
        decided => decided,
    };
    match decision {
        Decision::Grant(scope) => Ok(Granted { scope, audiences }),
        Decision::Refuse(refusal) => Err(refusal.into()),
        Decision::LogIn | Decision::AskConsent(_) => {
            Err(Refusal::new(ErrorCode::AccessDenied, "The person did not agree.").into())
        }
    }
}

/// What a person who lets a device in grants it.
async fn at_device(app: &App, issuer: &Issuer, client: &Client, user: &User, asked: &Parameters) -> Result<Granted> {
    let rule = |audiences: Audiences<'_>| grant::to_login(client, asked, audiences);
    let granted = app.grant(issuer, rule).await?;
    let person = Person { sub: &user.sub, scope: user.scope.as_ref(), authenticated_at: app.clock.now() };
    let scope = device::granted_by(person, &granted.scope)?;
    Ok(Granted { scope, ..granted })
}
