//! Clients are told of logouts (OpenID Connect Back-Channel Logout 1.0).

use std::sync::Arc;

use url::Url;

use crate::app::{App, Result};
use crate::calling_out::{Purpose, Refused};
use crate::protocol::client::Client;
use crate::protocol::logout::LogoutNotice;
use crate::serve::deliveries::{Delivered, Deliveries, MOST_EXPIRED, TAKEN_FOR, host};
use crate::serve::receivers::{Outcome, judge};
use crate::store;
use crate::telemetry::metrics::NoticeOutcome;
use crate::tokens::logout_token;

/// The most browser sessions that are ended at a time after everything was revoked.
const ENDED_AT_ONCE: i64 = 100;

/// Tells clients of logouts for as long as it runs.
pub(super) async fn run(app: Arc<App>) {
    let mut deliveries = Deliveries::of(Purpose::LogoutNotice);
    loop {
        let tell_trouble = |Delivered { host, receiver: client_id, why, .. }| {
            tracing::warn!(client_id, host, why, "a client could not be told of a logout; it is tried again");
        };
        deliveries.next_poll(tell_trouble).await;
        if let Err(error) = poll(&app, &mut deliveries).await {
            tracing::debug!(%error, "notices of logouts were not read");
        }
    }
}

/// Begins to deliver what is due, as far as there are turns.
async fn poll(app: &Arc<App>, deliveries: &mut Deliveries) -> Result<()> {
    app.store.browser_sessions_end_revoked(ENDED_AT_ONCE, app.clock.now()).await?;
    let waiting = app.store.logout_notices_due(app.clock.now()).await?;
    if waiting.is_empty() {
        return Ok(());
    }
    dropped(app, app.store.logout_notices_expire(app.clock.now(), MOST_EXPIRED).await?, "nobody took them in time");
    for client_id in deliveries.in_turn(waiting) {
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
        let free = deliveries.free(&host);
        if free == 0 {
            continue;
        }
        let now = app.clock.now();
        let taken = app.store.logout_notices_take(&client_id, now, now.plus_seconds(TAKEN_FOR), free).await?;
        for notice in taken {
            let (app, client, url) = (Arc::clone(app), Arc::clone(&client), url.clone());
            let delivery = async move { deliver(&app, &client, &url, &notice).await };
            deliveries.begin(&host, client_id.clone(), delivery);
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
    let host = host(&url);
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
