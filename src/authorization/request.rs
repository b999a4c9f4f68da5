//! Reads authorization requests (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID Connect Core §3.1.2).
//!
//! First the client and the redirect URI: while they are not known to be good, nothing goes anywhere but to the person at the
//! browser. Every later refusal goes to the client.

use serde::Deserialize;

use crate::app::{App, Failure, Request};
use crate::authorization::answer::AnswerTo;
use crate::authorization::hint;
use crate::authorization::parameters::{self, at_most};
use crate::crypto::from_base64url;
use crate::issuer::Issuer;
use crate::protocol::authorization::{AuthorizationRequest, ResponseMode};
use crate::protocol::client::{Client, GrantType};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::RequestFault;
use crate::protocol::identity::Identity;
use crate::protocol::parameters::Parameters;
use crate::protocol::scope::Scope;
use crate::protocol::security_profile::Rule;
use crate::protocol::{grant, profile, redirect};

/// The longest `state`, in bytes.
const LONGEST_STATE: usize = 4096;
/// The longest `nonce`, in bytes.
const LONGEST_NONCE: usize = 1024;
/// The longest `login_hint`, in bytes.
const LONGEST_LOGIN_HINT: usize = 512;

/// An authorization request that is not good.
#[derive(Debug)]
pub enum Rejected {
    /// The client is told.
    ByClient(AnswerTo, Refusal),
    /// Only the person at the browser is told: which parameter is wrong, and why.
    AtBrowser(&'static str, Refusal),
    /// It could not be decided.
    Failure(Failure),
}

impl<E: Into<Failure>> From<E> for Rejected {
    fn from(failure: E) -> Self {
        Self::Failure(failure.into())
    }
}

impl Rejected {
    /// The same for a client that is answered directly.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::ByClient(_, refusal) | Self::AtBrowser(_, refusal) => refusal.into(),
            Self::Failure(failure) => failure,
        }
    }

    /// The same with the client that it concerns, for the log.
    #[must_use]
    pub fn about(self, client_id: &str) -> Self {
        let identity = Identity::of_client(client_id);
        match self {
            Self::ByClient(to, refusal) => Self::ByClient(to, refusal.about(identity)),
            Self::AtBrowser(parameter, refusal) => Self::AtBrowser(parameter, refusal.about(identity)),
            Self::Failure(failure) => Self::Failure(failure.about(identity)),
        }
    }
}

/// Reads the request of a client from the parameters. The same rules hold for one that is pushed (RFC 9126 §2.1).
///
/// # Errors
/// Why the request is not good, and who is told.
pub async fn read(app: &App, request: &Request<'_>, client: &Client) -> Result<AuthorizationRequest, Rejected> {
    let asked = request.parameters;
    // 1. Where does the answer go (RFC 6749 §3.1.2)?
    let (redirect_uri, sent_redirect_uri) =
        redirect_uri(client, asked).map_err(|refusal| Rejected::AtBrowser("redirect_uri", refusal))?;
    let mut to = AnswerTo { redirect_uri, response_mode: ResponseMode::Query, state: None };
    // 2. How, and with what? Known before anything else is refused.
    match how(asked, &mut to) {
        Ok(()) => {}
        Err(refusal) => return Err(Rejected::ByClient(to, refusal)),
    }
    // 3. The rest.
    match read_for(app, request, client, &to, sent_redirect_uri).await {
        Ok(good) => Ok(good),
        Err(Failure::Refused(refusal)) => Err(Rejected::ByClient(to, refusal)),
        Err(failure) => Err(Rejected::Failure(failure)),
    }
}

/// Checks that a client may send its authorization requests without pushing them.
///
/// # Errors
/// It may not (RFC 9126 §6), perhaps by its profile (FAPI 2.0 §5.3.2.2).
pub(crate) fn check_unpushed(client: &Client) -> Result<(), Refusal> {
    if !client.settings.require_pushed_authorization_requests {
        return Ok(());
    }
    let description = "This client has to push its authorization requests (RFC 9126).";
    Err(match client.settings.security_profile {
        Some(_) => Rule::PushedAuthorizationRequests.refusal(ErrorCode::InvalidRequest),
        None => Refusal::invalid_request(description).with(RequestFault::PushRequired),
    })
}

/// The redirect URI, and whether the request named it.
fn redirect_uri(client: &Client, asked: &Parameters) -> Result<(String, bool), Refusal> {
    let registered = &client.settings.redirect_uris;
    let missing = |description| Err(Refusal::invalid_request(description).with(RequestFault::RedirectUriMissing));
    match (asked.one("redirect_uri")?, registered.as_slice()) {
        (Some(uri), _) if redirect::is_registered(&client.settings, uri) => Ok((uri.to_owned(), true)),
        (Some(_), _) => Err(Refusal::invalid_request(
            "The redirect_uri is not one of those that are registered for this client: they are compared character by character.",
        )
        .with(RequestFault::RedirectUriUnregistered)),
        // OpenID Connect Core §3.1.2.1.
        (None, _) if asked.one("scope")?.is_some_and(|scope| scope.split(' ').any(|name| name == profile::OPENID)) => {
            missing("The redirect_uri is missing, which OpenID Connect requires (the scope has openid).")
        }
        (None, [only]) => Ok((only.clone(), false)),
        (None, _) => {
            missing("The redirect_uri is missing: it may be left out only if exactly one is registered for the client.")
        }
    }
}

/// `state` and `response_mode`.
fn how(asked: &Parameters, to: &mut AnswerTo) -> Result<(), Refusal> {
    let state = asked.one("state");
    // A state that is not refused comes back with any other error, too.
    let is_good = |state: &&str| at_most(LONGEST_STATE, "state", Some(state)).is_ok();
    to.state = state.clone().unwrap_or_default().filter(is_good).map(str::to_owned);
    match asked.one("response_mode")? {
        None if asked.one("request")?.is_some_and(wants_form_post) => to.response_mode = ResponseMode::FormPost,
        None | Some("query") => {}
        Some("form_post") => to.response_mode = ResponseMode::FormPost,
        Some(_) => {
            let refusal = Refusal::invalid_request("The response_mode is not supported: it is query or form_post.");
            return Err(refusal.with(RequestFault::ResponseModeUnsupported));
        }
    }
    at_most(LONGEST_STATE, "state", state?)
}

/// Whether a request object asks for `form_post`. Nothing else is read of it, since it is refused; but its client waits for the
/// refusal in that way.
fn wants_form_post(object: &str) -> bool {
    #[derive(Deserialize)]
    struct Object<'a> {
        response_mode: Option<&'a str>,
    }
    let claims = object.split('.').nth(1).and_then(from_base64url);
    claims.is_some_and(|claims| {
        serde_json::from_slice::<Object<'_>>(&claims).is_ok_and(|object| object.response_mode == Some("form_post"))
    })
}

async fn read_for(
    app: &App,
    request: &Request<'_>,
    client: &Client,
    to: &AnswerTo,
    sent_redirect_uri: bool,
) -> Result<AuthorizationRequest, Failure> {
    let asked = request.parameters;
    // a. What kind of request is it, and may the client make it?
    response_type(asked)?;
    if !client.may_use(GrantType::AuthorizationCode) {
        let description = "The client may not use the authorization code grant.";
        return Err(Refusal::new(ErrorCode::UnauthorizedClient, description).into());
    }
    // b. PKCE (RFC 7636 §4.3, RFC 9700 §2.1.1).
    let code_challenge = parameters::code_challenge(client, asked)?;
    let dpop_jkt = parameters::code_key(asked, &request.sender)?;
    if dpop_jkt.is_some() && client.settings.tls_client_certificate_bound_access_tokens {
        let description = "The client has tls_client_certificate_bound_access_tokens: its tokens are bound to its certificate, so its \
                           code cannot be bound to a key (dpop_jkt or a DPoP proof).";
        return Err(Refusal::invalid_request(description).into());
    }
    if dpop_jkt.is_some() {
        // From here on, no older node may answer the forms of this request.
        app.begin_to_bind().await?;
    }
    // c. What does it ask for?
    let (scope, sent_scope, audiences) = access(app, request.issuer, client, asked).await?;
    // d. What does it want of the person (OpenID Connect Core §3.1.2.1)?
    let nonce = asked.one("nonce")?;
    at_most(LONGEST_NONCE, "nonce", nonce)?;
    let login_hint = asked.one("login_hint")?;
    at_most(LONGEST_LOGIN_HINT, "login_hint", login_hint)?;
    let prompt = parameters::prompt(asked)?;
    let max_age = parameters::max_age(asked)?;
    let claims = parameters::claims(asked)?;
    let hinted_sub = hinted_sub(app, request, client).await?;
    let now = app.clock.now().millis();
    Ok(AuthorizationRequest {
        session: app.clock.new_id(),
        received_at: now,
        begun_at: now,
        client_id: client.client_id.clone(),
        redirect_uri: to.redirect_uri.clone(),
        sent_redirect_uri,
        response_mode: to.response_mode,
        state: to.state.clone(),
        scope,
        sent_scope,
        audiences,
        nonce: nonce.map(str::to_owned),
        prompt,
        max_age,
        login_hint: login_hint.map(str::to_owned),
        hinted_sub,
        claims,
        code_challenge,
        dpop_jkt,
    })
}

/// Only the code flow exists, in plain parameters (RFC 9700 §2.1.2, OpenID Connect Core §6).
fn response_type(asked: &Parameters) -> Result<(), Refusal> {
    if asked.one("request")?.is_some() {
        let description = "Request objects are not supported: send plain parameters.";
        return Err(Refusal::new(ErrorCode::RequestNotSupported, description));
    }
    if asked.one("request_uri")?.is_some() {
        let description = "The request_uri is not one that the endpoint for pushed requests gave out.";
        return Err(Refusal::new(ErrorCode::RequestUriNotSupported, description));
    }
    match asked.one("response_type")? {
        Some("code") => Ok(()),
        Some(_) => {
            Err(Refusal::new(ErrorCode::UnsupportedResponseType, "The response_type is not supported: it is code."))
        }
        None => {
            let refusal = Refusal::invalid_request("The parameter response_type is missing: it is code.");
            Err(refusal.with(RequestFault::ResponseTypeMissing))
        }
    }
}

/// The scope, whether the request named it, and the audiences. A request without `scope` gets what the client may have, but says
/// nothing about who the person is.
pub(crate) async fn access(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    asked: &Parameters,
) -> Result<(Scope, bool, Vec<String>), Failure> {
    let granted = app.grant(issuer, |audiences| grant::to_login(client, asked, audiences)).await?;
    let sent_scope = asked.one("scope")?.is_some();
    let scope = if sent_scope { granted.scope } else { profile::split(&granted.scope).1 };
    Ok((scope, sent_scope, granted.audiences))
}

/// The person that the client means. An ID token that has expired will do.
async fn hinted_sub(app: &App, request: &Request<'_>, client: &Client) -> Result<Option<String>, Failure> {
    let Some(text) = request.parameters.one("id_token_hint")? else { return Ok(None) };
    match hint::read(app, request.issuer, text).await? {
        Some(hint) if hint.aud.contains(&client.client_id) => Ok(Some(hint.sub)),
        _ => Err(Refusal::invalid_request(
            "The id_token_hint is not an ID token that this server issued to this client.",
        )
        .with(RequestFault::HintUnfit)
        .into()),
    }
}
