//! The browser session of a request: who is logged in at this browser.

use uuid::Uuid;

use crate::app::{App, Request, Result};
use crate::browser::cookie::{Cookie, SetCookie};
use crate::crypto::sha256;
use crate::protocol::browser::{BrowserSession, OTP};
use crate::protocol::user::User;
use crate::store::{Audited, BrowserSessionRecord, Ended, Ending};

/// The use of a session is recorded once in this part of the time for which it may stay unused.
const PARTS: i64 = 24;
/// The longest name of a browser that is kept, in characters.
const LONGEST_AGENT: usize = 200;

/// Who is logged in at the browser of a request. For who needs a second factor, a login without it is none.
pub(crate) async fn find(app: &App, request: &Request<'_>) -> Result<Option<BrowserSessionRecord>> {
    let counts = |record: &BrowserSessionRecord| {
        !app.settings.require_second_factor.demands_of(&record.user)
            || record.session.methods.iter().any(|used| used == OTP)
    };
    Ok(of_cookie(app, request).await?.filter(counts))
}

async fn of_cookie(app: &App, request: &Request<'_>) -> Result<Option<BrowserSessionRecord>> {
    let Some(secret) = Cookie::Session.read(request) else { return Ok(None) };
    Ok(app.store.browser_session_find(sha256(&secret), app.clock.now()).await?)
}

/// The browser session of a request also if it does not count any more as a login, or has expired: as long as there is something of
/// it that a logout ends.
pub(crate) async fn known(app: &App, request: &Request<'_>) -> Result<Option<BrowserSessionRecord>> {
    let Some(secret) = Cookie::Session.read(request) else { return Ok(None) };
    Ok(app.store.browser_session_known(sha256(&secret), app.clock.now()).await?)
}

/// Begins the browser session of a user who just proved who it is, with a new cookie, in place of the one that this browser had.
/// If that was of somebody else, it is a logout. `None` if the user changed meanwhile.
pub(crate) async fn begin(
    app: &App,
    request: &Request<'_>,
    user: &User,
    methods: &[&str],
    replaced: Option<&BrowserSessionRecord>,
) -> Result<Option<SetCookie>> {
    if let Some(other) = replaced.filter(|record| record.user.id != user.id) {
        end(app, request, other.user.id, Ending::One(other.session.id)).await?;
    }
    let (now, settings) = (app.clock.now(), &app.settings);
    let (secret, cookie) = Cookie::Session.new_value(request.issuer, settings.browser_session_ttl);
    let session = BrowserSession {
        id: app.clock.new_id(),
        user_id: user.id,
        methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        // The database fills it in.
        log: 0,
        network: request.source().network().to_string(),
        agent: agent(request),
        created_at: now,
        authenticated_at: now,
        last_seen_at: now,
        idle_expires_at: now.plus_seconds(settings.browser_session_idle),
        expires_at: now.plus_seconds(settings.browser_session_ttl),
    };
    let replaced: Option<Uuid> = replaced.map(|record| record.session.id);
    let by = audited(app, request, user.id);
    let begun = app.store.browser_session_create(&session, sha256(&secret), user.version, replaced, &by).await?;
    Ok(begun.then_some(cookie))
}

/// Records that a browser session was used, unless that was recorded a while ago only.
pub(crate) async fn seen(app: &App, record: &BrowserSessionRecord) -> Result<()> {
    let (now, idle) = (app.clock.now(), app.settings.browser_session_idle);
    let session = &record.session;
    let unrecorded = now.millis() - session.last_seen_at.millis();
    if unrecorded * PARTS < idle * 1000 {
        return Ok(());
    }
    Ok(app.store.browser_session_seen(session.id, now, now.plus_seconds(idle)).await?)
}

/// Ends browser sessions of a person, and what clients got in them for no longer than the login lasts.
pub(crate) async fn end(app: &App, request: &Request<'_>, user: Uuid, which: Ending) -> Result<()> {
    let by = audited(app, request, user);
    let covers_until = app.settings.covers_until(by.at);
    while app.state.honour(app.store.browser_session_end(user, which, covers_until, &by)).await? == Ended::Part {}
    Ok(())
}

/// The audit data of what a person does at a browser.
pub(crate) fn audited(app: &App, request: &Request<'_>, user: Uuid) -> Audited {
    Audited {
        actor: format!("user {user}"),
        request_id: Some(request.request_id.to_string()),
        address: Some(request.address.to_string()),
        at: app.clock.now(),
    }
}

/// How the browser calls itself.
fn agent(request: &Request<'_>) -> String {
    let header = request.header("user-agent").first().copied().unwrap_or_default();
    let text = String::from_utf8_lossy(header);
    text.chars().filter(|c| !c.is_control()).take(LONGEST_AGENT).collect()
}
