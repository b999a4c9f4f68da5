//! Clients are told of logouts (OpenID Connect Back-Channel Logout 1.0).
//!
//! What is to be told stands in the database, so a logout waits for nobody and a node that stops loses nothing. Each node polls for
//! notices that are due and takes a few; no other node takes those. A receiver that fails gets one notice at a time after growing
//! pauses, so however many wait for it, it takes no turns from others.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;
use url::{Position, Url};

use crate::app::{App, Result};
use crate::calling_out::{Purpose, Refused};
use crate::protocol::client::Client;
use crate::protocol::logout::LogoutNotice;
use crate::serve::receivers::{Outcome, POLL_INTERVAL, Receivers, TAKEN_FOR, judge};
use crate::store;
use crate::telemetry::metrics::NoticeOutcome;
use crate::tokens::logout_token;

/// The most browser sessions that are ended at a time after everything was revoked.
const ENDED_AT_ONCE: i64 = 100;
/// The most notices that are removed at a time because their time is over.
const MOST_EXPIRED: i64 = 1000;

/// The delivery of a notice that has ended.
struct Delivered {
    host: String,
    client_id: String,
    outcome: Outcome,
    why: String,
}

/// Tells clients of logouts for as long as it runs.
pub(super) async fn run(app: Arc<App>) {
    let mut receivers = Receivers::of(Purpose::LogoutNotice);
    let mut under_way = JoinSet::new();
    // Where the next poll begins, so that no client always comes first.
    let mut first = 0;
    let mut polls = tokio::time::interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = polls.tick() => {
                if let Err(error) = poll(&app, &mut receivers, &mut under_way, &mut first).await {
                    tracing::debug!(%error, "notices of logouts were not read");
                }
            }
            Some(ended) = under_way.join_next() => {
                // A delivery does not panic.
                if let Ok(Delivered { host, client_id, outcome, why }) = ended
                    && receivers.ended(&host, outcome, Instant::now())
                {
                    tracing::warn!(client_id, host, why, "a client could not be told of a logout; it is tried again");
                }
            }
        }
    }
}

/// Begins to deliver what is due, as far as there are turns.
async fn poll(
    app: &Arc<App>,
    receivers: &mut Receivers,
    under_way: &mut JoinSet<Delivered>,
    first: &mut usize,
) -> Result<()> {
    app.store.browser_sessions_end_revoked(ENDED_AT_ONCE, app.clock.now()).await?;
    let mut waiting = app.store.logout_notices_due(app.clock.now()).await?;
    if waiting.is_empty() {
        return Ok(());
    }
    dropped(app, app.store.logout_notices_expire(app.clock.now(), MOST_EXPIRED).await?, "nobody took them in time");
    *first = (*first + 1) % waiting.len();
    waiting.rotate_left(*first);
    for client_id in waiting {
        let mut found = app.state.client(&client_id).await?.and_then(receiver);
        if found.is_none() {
            // Another node may have changed the client a moment ago.
            found = app.state.client_from_database(&client_id).await?.and_then(receiver);
        }
        let Some((client, url, host)) = found else {
            dropped(
                app,
                app.store.logout_notices_discard(&client_id).await?,
                "their client has no address, or is disabled",
            );
            continue;
        };
        let free = receivers.free(&host, Instant::now());
        if free == 0 {
            continue;
        }
        let now = app.clock.now();
        let taken = app.store.logout_notices_take(&client_id, now, now.plus_seconds(TAKEN_FOR), free).await?;
        for notice in taken {
            receivers.begun(&host);
            let (app, client, url, host) = (Arc::clone(app), Arc::clone(&client), url.clone(), host.clone());
            under_way.spawn(async move {
                let (outcome, why) = deliver(&app, &client, &url, &notice).await;
                Delivered { host, client_id: notice.client_id, outcome, why }
            });
        }
    }
    Ok(())
}

/// Counts notices that nobody will get.
fn dropped(app: &App, count: usize, why: &str) {
    for _ in 0..count {
        app.metrics.logout_notice(NoticeOutcome::Dropped);
    }
    if count > 0 {
        tracing::warn!(count, why, "notices of logouts were dropped");
    }
}

/// Where a client is told, and the host of that; `None` if it is not told any more.
fn receiver(client: Arc<Client>) -> Option<(Arc<Client>, Url, String)> {
    let url = Url::parse(client.settings.backchannel_logout_uri.as_deref()?).ok()?;
    let host = url[Position::BeforeHost..Position::AfterPort].to_owned();
    client.settings.enabled.then_some((client, url, host))
}

/// Sends a notice that was taken, and settles what becomes of it.
async fn deliver(app: &App, client: &Client, url: &Url, notice: &LogoutNotice) -> (Outcome, String) {
    let refused = match send(app, client, url, notice).await {
        Ok(Ok(())) => None,
        Ok(Err(refused)) => Some(refused),
        // It is due again when the time for which it was taken is over.
        Err(failure) => {
            tracing::debug!(%failure, session = %notice.session, "a logout token was not signed");
            return (Outcome::NotSent, String::new());
        }
    };
    let (outcome, counted) = judge(refused.as_ref(), notice.pause().is_some());
    let why = refused.map(|refused| refused.to_string()).unwrap_or_default();
    let (client_id, session, attempts) = (&notice.client_id, notice.session, notice.attempts);
    match counted {
        NoticeOutcome::Delivered => tracing::debug!(client_id, %session, attempts, "a client was told of a logout"),
        NoticeOutcome::Postponed => {
            tracing::debug!(client_id, %session, attempts, why, "a notice of a logout has to wait")
        }
        NoticeOutcome::Dropped => {
            tracing::warn!(client_id, %session, attempts, why, "a client was not told of a logout")
        }
    }
    if let Err(error) = settle(app, notice, counted).await {
        tracing::debug!(%error, %session, "the outcome of a notice was not written; it is sent again");
    }
    app.metrics.logout_notice(counted);
    (outcome, why)
}

async fn send(
    app: &App,
    client: &Client,
    url: &Url,
    notice: &LogoutNotice,
) -> Result<std::result::Result<(), Refused>> {
    let key = app.signing_key(&app.issuer, client.settings.id_token_signed_response_alg.into()).await?;
    let token = logout_token::write(app.issuer.url(), notice, app.clock.now(), &key);
    Ok(app.caller.post_form(Purpose::LogoutNotice, url, &[("logout_token", &token)]).await)
}

async fn settle(app: &App, notice: &LogoutNotice, outcome: NoticeOutcome) -> store::Result<()> {
    match (outcome, notice.pause()) {
        (NoticeOutcome::Postponed, Some(pause)) => {
            app.store.logout_notice_postpone(notice, app.clock.now().plus_seconds(pause)).await
        }
        _ => app.store.logout_notice_remove(notice.session).await,
    }
}
