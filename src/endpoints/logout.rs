//! Logging out, also at the wish of a client (OpenID Connect RP-Initiated Logout 1.0).

use std::sync::Arc;

use crate::app::{App, Request, Result};
use crate::authorization::hint::{self, Hint};
use crate::browser::cookie::Cookie;
use crate::browser::{form, session};
use crate::endpoints::authorize::name;
use crate::endpoints::reply::{AskLogout, Reply, Shown, WrongRequest};
use crate::protocol::cause::Cause;
use crate::protocol::client::Client;
use crate::protocol::error::Refusal;
use crate::protocol::redirect;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::store::{BrowserSessionRecord, Ending};

/// The parameters that a question repeats, and a redirect.
const PARAMETERS: [&str; 4] = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"];

/// A parameter that is wrong.
type Rejected = (&'static str, Refusal);

/// What a client asks for.
struct Wish {
    client: Option<Arc<Client>>,
    hint: Option<Hint>,
    /// Where the browser goes afterwards, with `state`.
    to: Option<String>,
}

impl Wish {
    /// Where the browser goes if nobody was logged out. For a client that registered itself it takes an ID token of it: else anybody
    /// could have this server send people anywhere (RFC 9700 §4.11.2).
    fn of_stranger(self) -> Option<String> {
        let is_known = |client: &Arc<Client>| !client.settings.is_self_registered() || self.hint.is_some();
        self.to.filter(|_| self.client.as_ref().is_some_and(is_known))
    }
}

/// Logs a person out, or asks whether to.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    // 1. What does the client ask for, and may it?
    let wish = match read(app, request).await? {
        Ok(wish) => wish,
        Err((parameter, refusal)) => return Ok(wrong(request, parameter, refusal)),
    };
    // 2. A form of another site comes without the cookie of the person: the browser sends it when it asks itself.
    if request.method == "POST" && Cookie::Session.read(request).is_none() {
        let parameters = sent(request);
        let parameters = parameters.iter().map(|(name, value)| (*name, value.as_str()));
        return Ok(Shown::Elsewhere(redirect::with_parameters("/auth/logout", parameters)).into());
    }
    // HEAD changes nothing: it is answered as if nobody were logged in.
    if request.method == "HEAD" {
        return Ok(Shown::LoggedOut(wish.of_stranger()).into());
    }
    // 3. Who logged in here? What clients got goes on when a login expires, so that a logout has to end it also then.
    let Some(person) = session::known(app, request).await? else {
        if let Some(hint) = &wish.hint {
            end_without_browser(app, request, hint).await?;
        }
        return Ok(gone(request, wish.of_stranger()));
    };
    // 4. Does the person want it? Whoever comes with an ID token of this very login was asked by the client.
    if request.parameters.one("proof")?.is_some() {
        form::check(app, request, &about(&person)).await?;
        if request.parameters.one("action")? != Some("log_out") {
            return Ok(Shown::Elsewhere("/account".into()).into());
        }
    } else if !is_of_this_login(app, &person, wish.hint.as_ref()).await? {
        return ask(app, request, &person, &wish);
    }
    // 5. Log out.
    session::end(app, request, person.user.id, Ending::One(person.session.id)).await?;
    Ok(gone(request, wish.to))
}

/// Ends what an ID token is of, where this browser knows of no login and so nobody can be asked. If the login has expired: what
/// clients still have of it. If the person is logged in at another browser: only what this client got, which could give that up
/// itself; an ID token alone, perhaps found in a log, must not log a person out there.
async fn end_without_browser(app: &App, request: &Request<'_>, hint: &Hint) -> Result<()> {
    let Some(sid) = hint.sid else { return Ok(()) };
    let Some(record) = app.store.session_find(sid).await? else { return Ok(()) };
    let session = record.session;
    let Some(login) = session.browser_session.filter(|_| session.sub == hint.sub) else { return Ok(()) };
    let now = app.clock.now();
    if !app.store.browser_session_is_active(login, now).await? {
        return session::end(app, request, session.user_id, Ending::One(login)).await;
    }
    if session.offline || record.revoked_by.is_some() || session.ends_at() <= now {
        return Ok(());
    }
    let by = session::audited(app, request, session.user_id);
    let revocation = NewRevocation {
        target: Target::Session(session.id),
        cause: Cause::SessionRevoked,
        reason: Some("the client logged the person out by an ID token".into()),
        covers_until: app.settings.covers_until(now),
    };
    app.state.honour(app.store.revoke(&revocation, &by)).await?;
    Ok(())
}

/// What a client asks for, or which parameter is wrong.
async fn read(app: &App, request: &Request<'_>) -> Result<std::result::Result<Wish, Rejected>> {
    let mut values = [None; PARAMETERS.len()];
    for (value, name) in values.iter_mut().zip(PARAMETERS) {
        match request.parameters.one(name) {
            Ok(sent) => *value = sent,
            Err(refusal) => return Ok(Err((name, refusal))),
        }
    }
    let [hint, client_id, to, state] = values;
    let hint = match hint {
        Some(text) => hint::read(app, request.issuer, text).await?,
        None => None,
    };
    let audience = hint.as_ref().and_then(|hint| hint.aud.all().first()).map(String::as_str);
    if client_id.is_some() && audience.is_some() && client_id != audience {
        let refusal = Refusal::invalid_request("The ID token was issued to another client than client_id names.");
        return Ok(Err(("client_id", refusal)));
    }
    let client = match client_id.or(audience) {
        Some(client_id) => app.state.client(client_id).await?.filter(|client| client.settings.enabled),
        None => None,
    };
    let Some(to) = to else { return Ok(Ok(Wish { client, hint, to: None })) };
    let is_registered =
        |client: &Arc<Client>| client.settings.post_logout_redirect_uris.iter().any(|registered| registered == to);
    let description = match &client {
        Some(client) if is_registered(client) => {
            let to = redirect::with_parameters(to, state.map(|state| ("state", state)));
            return Ok(Ok(Wish { client: Some(Arc::clone(client)), hint, to: Some(to) }));
        }
        Some(_) => "It is not one of the post_logout_redirect_uris that are registered for the client.",
        None => "It needs an id_token_hint of this server, or the client_id of a client.",
    };
    Ok(Err(("post_logout_redirect_uri", Refusal::invalid_request(description))))
}

/// Whether an ID token came of the browser session of this person: then its client may end that without a question.
async fn is_of_this_login(app: &App, person: &BrowserSessionRecord, hint: Option<&Hint>) -> Result<bool> {
    let Some(hint) = hint.filter(|hint| hint.sub == person.user.sub) else { return Ok(false) };
    let Some(sid) = hint.sid else { return Ok(false) };
    let session = app.store.session_find(sid).await?;
    Ok(session.is_some_and(|record| record.session.browser_session == Some(person.session.id)))
}

fn ask(app: &App, request: &Request<'_>, person: &BrowserSessionRecord, wish: &Wish) -> Result<Reply> {
    let proof = form::prove(app, request, &about(person))?;
    let question = AskLogout {
        proof: proof.text,
        username: person.user.username.clone(),
        client_name: wish.client.as_deref().map(name),
        fields: sent(request),
        to: wish.to.clone(),
    };
    Ok(Reply::from(Shown::AskLogout(question)).with_cookie(proof.cookie))
}

/// The parameters that were sent.
fn sent(request: &Request<'_>) -> Vec<(&'static str, String)> {
    let value = |name| request.parameters.all(name).next().map(|value| (name, value.to_owned()));
    PARAMETERS.into_iter().filter_map(value).collect()
}

/// The answer when nobody is logged in any more.
fn gone(request: &Request<'_>, to: Option<String>) -> Reply {
    Reply::from(Shown::LoggedOut(to)).with_cookie(Some(Cookie::Session.removal(request.issuer)))
}

fn wrong(request: &Request<'_>, parameter: &'static str, refusal: Refusal) -> Reply {
    let received = request.parameters.all(parameter).next().map(str::to_owned);
    Shown::WrongRequest(WrongRequest { parameter, refusal, received, registered: None }).into()
}

/// What the proof of the question is about: the browser session of this person.
fn about(person: &BrowserSessionRecord) -> String {
    format!("logout {}", person.session.id)
}
