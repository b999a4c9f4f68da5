//! The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core §3.1.2).

use std::sync::Arc;

use uuid::Uuid;

use crate::app::{App, Failure, Request, Result};
use crate::authorization::answer::{Answer, AnswerTo};
use crate::authorization::client_lookup;
use crate::authorization::code::{self, Issued};
use crate::authorization::decide::{Allowed, Decision, Person, decide};
use crate::authorization::request::{self, Rejected};
use crate::authorization::sealed_request::{self, Unopened};
use crate::browser::{cookie::Cookie, form, session};
use crate::endpoints::reply::{AskConsent, AskedAccess, LogIn, Reply, Shown, ToClient, WrongRequest};
use crate::issuer::Issuer;
use crate::protocol::authorization::AuthorizationRequest;
use crate::protocol::client::{Client, Consent, GrantType};
use crate::protocol::client_document;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::{Fault, LoginFault, RequestFault};
use crate::protocol::grant::Granted;
use crate::protocol::identity::Identity;
use crate::protocol::profile::{self, OFFLINE_ACCESS};
use crate::protocol::redirect;
use crate::protocol::scope::Scope;
use crate::store::{self, BrowserSessionRecord};
use crate::tokens::sealed::Purpose;

/// What the proof of the login page is about.
pub(super) const LOGIN_FORM: &str = "login";
/// How often a request is decided if the client or the user changes meanwhile.
const ATTEMPTS: usize = 3;

/// Answers an authorization request.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    // 1. Is it a good request? Sealed by this server, or in plain parameters.
    let (client, asked) = match read(app, request).await {
        Ok(good) => good,
        Err((client, rejected)) => return reject(request, client.as_deref(), rejected),
    };
    // 2. A form of another site comes without the cookie of the person: the browser sends it when it asks itself.
    if request.method == "POST" && Cookie::Session.read(request).is_none() {
        return Ok(Shown::Elsewhere(sealed_request::address(app, request.issuer, &asked)?).into());
    }
    // 3. Log in, consent, or answer.
    proceed(app, request, client, asked, false).await
}

/// The client and what it asks for, or why not, with the client as far as it is known.
type Read = std::result::Result<(Arc<Client>, AuthorizationRequest), (Option<Arc<Client>>, Rejected)>;

async fn read(app: &App, request: &Request<'_>) -> Read {
    let client_id = client_id(request).map_err(|rejected| (None, rejected))?;
    let mut client = client_lookup::find(app, request, client_id).await.map_err(|rejected| (None, rejected))?;
    let mut asked = read_for(app, request, &client).await;
    if asked.is_err() {
        // Nothing is refused because of what memory holds.
        let now = client_lookup::renew(app, request, &client).await.map_err(|rejected| (None, rejected))?;
        if now.version != client.version {
            asked = read_for(app, request, &now).await;
        }
        client = now;
    }
    match asked {
        Ok(asked) => Ok((client, asked)),
        Err(rejected) => Err((Some(client), rejected.about(client_id))),
    }
}

fn client_id<'a>(request: &Request<'a>) -> std::result::Result<&'a str, Rejected> {
    let missing = || Refusal::invalid_request("The parameter client_id is missing.").with(RequestFault::ClientMissing);
    let client_id = request.parameters.one("client_id").and_then(|client_id| client_id.ok_or_else(missing));
    client_id.map_err(|refusal| Rejected::AtBrowser("client_id", refusal))
}

async fn read_for(
    app: &App,
    request: &Request<'_>,
    client: &Client,
) -> std::result::Result<AuthorizationRequest, Rejected> {
    let at_browser = |refusal| Rejected::AtBrowser("request_uri", refusal);
    let request_uri = request.parameters.one("request_uri").map_err(at_browser)?;
    if let Some(sealed) = request_uri.and_then(|uri| uri.strip_prefix(sealed_request::URN)) {
        return match unseal(app, request, sealed).await? {
            Ok(asked) if asked.client_id != client.client_id => {
                Err(over(RequestFault::UriOfAnotherClient, "the request is of another client").into())
            }
            Ok(asked) if !may_still(client, &asked) => Err(client_changed().into()),
            Ok(asked) => Ok(asked),
            Err(refusal) => Err(refusal.into()),
        };
    }
    let asked = request::read(app, request, client).await?;
    match request::check_unpushed(client) {
        Ok(()) => Ok(asked),
        Err(refusal) => Err(Rejected::ByClient(AnswerTo::from(&asked), refusal)),
    }
}

/// The request that a `request_uri` stands for, which this server sealed: on its way between two pages, or for a client that pushed it.
async fn unseal(
    app: &App,
    request: &Request<'_>,
    sealed: &str,
) -> Result<std::result::Result<AuthorizationRequest, Refusal>> {
    match sealed_request::open(app, request, Purpose::AuthorizationRequest, sealed).await? {
        Ok(asked) => return Ok(Ok(asked)),
        Err(Unopened::Expired) => return Ok(Err(took_too_long())),
        Err(Unopened::NotOurs) => {}
    }
    Ok(match sealed_request::open(app, request, Purpose::PushedRequest, sealed).await? {
        Ok(asked) => match app.store.session_find(asked.session).await? {
            // Nobody is asked for an answer that would be refused (RFC 9126 §7.3).
            Some(begun) => Err(answered_before(asked.session, &begun.session.sub)),
            // The person has nothing to do with it before now: no earlier login counts as new.
            None => Ok(AuthorizationRequest { begun_at: app.clock.now().millis(), ..asked }),
        },
        Err(Unopened::Expired) => Err(over(RequestFault::UriExpired, "the request was pushed too long ago")),
        Err(Unopened::NotOurs) => Err(over(RequestFault::UriUnknown, "this server did not seal the request")),
    })
}

/// The refusal of a request that cannot go on: people are always told the same.
fn over(fault: impl Into<Fault>, reason: &'static str) -> Refusal {
    let description = "The request has expired: begin again at the application.";
    Refusal::new(ErrorCode::InvalidRequestUri, description).with(fault).because(reason)
}

fn took_too_long() -> Refusal {
    over(LoginFault::Expired, "the request came too long ago")
}

fn answered_before(session: Uuid, sub: &str) -> Refusal {
    let about = Identity { session: Some(session), ..Identity::of_user(sub) };
    over(LoginFault::AnsweredBefore, "the request was answered before").about(about)
}

fn client_changed() -> Refusal {
    over(LoginFault::ClientChanged, "the client has changed")
}

fn reject(request: &Request<'_>, client: Option<&Client>, rejected: Rejected) -> Result<Reply> {
    match rejected {
        Rejected::Failure(failure) => Err(failure),
        Rejected::ByClient(to, refusal) => Ok(refuse(request, client, to, refusal).into()),
        Rejected::AtBrowser(parameter, refusal) => Ok(Shown::WrongRequest(WrongRequest {
            parameter,
            refusal,
            received: request.parameters.all(parameter).next().map(str::to_owned),
            registered: client
                .filter(|_| parameter == "redirect_uri")
                .map(|client| client.settings.redirect_uris.len()),
        })
        .into()),
    }
}

/// The answer that refuses a client's request.
pub(super) fn refuse(request: &Request<'_>, client: Option<&Client>, to: AnswerTo, refusal: Refusal) -> Shown {
    let answer = Answer::refusal(to, request.issuer, &refusal);
    Shown::Client(ToClient { answer, refusal: Some(refusal), client_name: client.map(name).unwrap_or_default() })
}

/// What people know a client by.
pub(super) fn name(client: &Client) -> String {
    client.settings.client_name.clone().unwrap_or_else(|| client.client_id.clone())
}

/// Where a client that nobody vouches for is at home: the host of its metadata document, or else of where it has the answer sent.
/// People are shown that, since its name is what it says of itself.
pub(super) fn host(client: &Client, asked: &AuthorizationRequest) -> Option<String> {
    let of_redirect = || client.settings.is_self_registered().then(|| redirect::host(&asked.redirect_uri));
    client_document::host_of(&client.client_id, &client.settings).or_else(of_redirect)
}

/// The request in the hidden field of a form, and its client.
///
/// # Errors
/// If there is none, or it has expired.
pub(super) async fn reopen(app: &App, request: &Request<'_>) -> Result<Option<(Arc<Client>, AuthorizationRequest)>> {
    let Some(sealed) = request.parameters.one("request")? else { return Ok(None) };
    let asked = match sealed_request::open(app, request, Purpose::AuthorizationRequest, sealed).await? {
        Ok(asked) => asked,
        Err(Unopened::Expired) => return Err(took_too_long().into()),
        Err(Unopened::NotOurs) => return Err(over(LoginFault::Changed, "this server did not seal the request").into()),
    };
    let client = client_lookup::find_again(app, request, &asked.client_id).await?;
    let Some(client) = client.filter(|client| may_still(client, &asked)) else {
        return Err(client_changed().into());
    };
    Ok(Some((client, asked)))
}

/// Whether a client may still have an answer to a request that was good when it came.
fn may_still(client: &Client, asked: &AuthorizationRequest) -> bool {
    client.settings.enabled
        && client.may_use(GrantType::AuthorizationCode)
        && redirect::is_registered(&client.settings, &asked.redirect_uri)
}

/// Decides what a good request needs next. `is_allowed`: the person has just said yes to it.
pub(super) async fn proceed(
    app: &App,
    request: &Request<'_>,
    mut client: Arc<Client>,
    asked: AuthorizationRequest,
    is_allowed: bool,
) -> Result<Reply> {
    for _ in 0..ATTEMPTS {
        // HEAD changes nothing: it is answered as if nobody were logged in.
        let person = if request.method == "HEAD" { None } else { session::find(app, request).await? };
        if let Some(person) = &person {
            session::seen(app, person).await?;
        }
        let scope = match judge(app, &client, &asked, person.as_ref(), is_allowed).await? {
            Decision::LogIn => return log_in(app, request, &client, &asked),
            Decision::AskConsent(scope) => {
                return ask_consent(app, request, &client, &asked, person.as_ref(), &scope).await;
            }
            Decision::Refuse(refusal) => return Ok(refuse(request, Some(&client), (&asked).into(), refusal).into()),
            Decision::Grant(scope) => scope,
        };
        let Some(person) = person else { break };
        if is_allowed && remembers(&client, &asked) {
            remember(app, request, &asked, &person, &scope).await?;
        }
        let granted = Granted { scope, audiences: asked.audiences.clone() };
        match code::issue(app, request, &client, &asked, &person, granted).await? {
            Issued::Code(code) => {
                let answer = Answer::code((&asked).into(), request.issuer, code);
                return Ok(Shown::Client(ToClient { answer, refusal: None, client_name: name(&client) }).into());
            }
            Issued::AlreadyAnswered => {
                let refusal = answered_before(asked.session, &person.user.sub);
                return Err(refusal.about(Identity::of_client(&client.client_id)).into());
            }
            Issued::Outdated => {}
        }
        match app.state.client_from_database(&asked.client_id).await? {
            Some(now) if may_still(&now, &asked) => client = now,
            _ => return Err(client_changed().into()),
        }
    }
    Err(Failure::Unavailable("the client or the user changed whenever the request was decided".into()))
}

async fn judge(
    app: &App,
    client: &Client,
    asked: &AuthorizationRequest,
    person: Option<&BrowserSessionRecord>,
    is_allowed: bool,
) -> Result<Decision> {
    let remembered = match person {
        Some(person) if !is_allowed && remembers(client, asked) => {
            app.store.consent_find(person.user.id, &client.client_id, &asked.redirect_uri).await?
        }
        _ => None,
    };
    let allowed = match &remembered {
        Some(consent) => Allowed::Before(&consent.allowed),
        None if is_allowed => Allowed::Now,
        None => Allowed::Nothing,
    };
    let person = person.map(|record| Person {
        sub: &record.user.sub,
        scope: record.user.scope.as_ref(),
        authenticated_at: record.session.authenticated_at,
    });
    Ok(decide(asked, client.settings.consent, person, allowed, app.clock.now()))
}

/// Whether a consent counts for later requests.
fn remembers(client: &Client, asked: &AuthorizationRequest) -> bool {
    client.settings.consent == Consent::Once && !redirect::is_of_a_device(&asked.redirect_uri)
}

/// Remembers a consent, besides what was allowed before.
async fn remember(
    app: &App,
    request: &Request<'_>,
    asked: &AuthorizationRequest,
    person: &BrowserSessionRecord,
    scope: &Scope,
) -> Result<()> {
    let before = app.store.consent_find(person.user.id, &asked.client_id, &asked.redirect_uri).await?;
    let before = before.map(|consent| consent.allowed).unwrap_or_default();
    let by = session::audited(app, request, person.user.id);
    let consent = store::Consent {
        user_id: person.user.id,
        client_id: asked.client_id.clone(),
        redirect_uri: asked.redirect_uri.clone(),
        allowed: before.with(scope, &asked.audiences),
        created_at: by.at,
    };
    Ok(app.store.consent_put(&consent, &by).await?)
}

/// The login page of a request.
fn log_in(app: &App, request: &Request<'_>, client: &Client, asked: &AuthorizationRequest) -> Result<Reply> {
    let proof = form::prove(app, request, LOGIN_FORM)?;
    let form = LogIn {
        request: Some(sealed_request::seal(app, request.issuer, Purpose::AuthorizationRequest, asked)?),
        proof: proof.text,
        username: asked.login_hint.clone().unwrap_or_default(),
        client_name: Some(name(client)),
        client_host: host(client, asked),
        redirect_uri: Some(asked.redirect_uri.clone()),
        ..LogIn::default()
    };
    Ok(Reply::from(Shown::LogIn(form)).with_cookie(proof.cookie))
}

/// The consent page of a request.
async fn ask_consent(
    app: &App,
    request: &Request<'_>,
    client: &Client,
    asked: &AuthorizationRequest,
    person: Option<&BrowserSessionRecord>,
    scope: &Scope,
) -> Result<Reply> {
    let Some(person) = person else { return log_in(app, request, client, asked) };
    let proof = form::prove(app, request, &about_consent(asked, person))?;
    let form = AskConsent {
        request: sealed_request::seal(app, request.issuer, Purpose::AuthorizationRequest, asked)?,
        proof: proof.text,
        username: person.user.username.clone(),
        client_name: name(client),
        client_host: host(client, asked),
        redirect_uri: asked.redirect_uri.clone(),
        access: describe(app, request.issuer, &asked.audiences, scope).await?,
        offline: scope.contains(OFFLINE_ACCESS),
    };
    Ok(Reply::from(Shown::AskConsent(form)).with_cookie(proof.cookie))
}

/// What a person is asked to allow. A scope may mean one thing at one resource and another at the next, so each resource has its
/// own list, in its own words.
pub(super) async fn describe(app: &App, issuer: &Issuer, audiences: &[String], scope: &Scope) -> Result<AskedAccess> {
    let known = app.state.resources().await?;
    let (personal, of_resources) = profile::split(scope);
    let at = |audience: &String| {
        let settings = known.get(audience).map(|resource| &resource.settings);
        let described = |name: &str| match settings {
            Some(settings) if !settings.scopes.is_empty() => {
                settings.scopes.get(name).map(|description| (name.to_owned(), description.clone()))
            }
            // It limits no scopes, and so has no words for them.
            _ => Some((name.to_owned(), String::new())),
        };
        let name = settings.and_then(|settings| settings.name.clone()).unwrap_or_else(|| audience.clone());
        (name, of_resources.tokens().filter_map(described).collect())
    };
    let scopes = personal.tokens().filter(|name| *name != OFFLINE_ACCESS).map(str::to_owned).collect();
    // UserInfo gives nothing but what the scopes say.
    let is_resource = |audience: &&String| *audience != issuer.userinfo_audience();
    Ok(AskedAccess { scopes, resources: audiences.iter().filter(is_resource).map(at).collect() })
}

/// What the proof of a consent page is about: this request, shown to this person.
pub(super) fn about_consent(asked: &AuthorizationRequest, person: &BrowserSessionRecord) -> String {
    format!("consent {} {}", asked.session, person.user.id)
}
