//! The refresh token grant (RFC 6749 §6, RFC 9700 §4.14).

mod refusal;

use crate::app::{App, Failure, Result};
use crate::grants::issue::{self, TokenResponse};
use crate::grants::{GrantRequest, binding};
use crate::protocol::client::Client;
use crate::protocol::confirmation::Sender;
use crate::protocol::error::Refusal;
use crate::protocol::session::RefreshDecision;
use crate::protocol::time::Timestamp;
use crate::store::{Audited, Rotation, SessionRecord};
use crate::tokens::refresh::RefreshToken;
use crate::tokens::verify::Verified;
use crate::validation;

/// How often a refresh is attempted if other refreshes of the same session interfere.
const ATTEMPTS: usize = 8;

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    let GrantRequest { request, client, .. } = asked;
    // 1. A refresh token of this server.
    let Some(text) = request.parameters.one("refresh_token")? else {
        return Err(Refusal::invalid_request("The parameter refresh_token is missing.").into());
    };
    let token = match validation::verify(app, request.issuer, text).await? {
        Ok(Verified::Refresh(token)) => token,
        Ok(Verified::Access(_)) => return Err(refusal::access_token()),
        Err(error) => return Err(refusal::unreadable(request.issuer, text, error).await),
    };
    // The usual refresh is one statement that rotates the session and reads it. If the request narrows the grant, or
    // the client does not rotate, the refresh is judged before anything is written.
    let narrows = request.parameters.all("scope").chain(request.parameters.resources()).next().is_some();
    let rotates_first = client.rotates() && !narrows;
    let network = request.source().network().to_string();
    for _ in 0..ATTEMPTS {
        let refresh = Refresh::new(app, client, &token, &network, request.sender);
        // 2. Its session, as it was before this refresh.
        let rotated = if rotates_first { app.store.session_rotate(refresh.rotation()).await? } else { None };
        let is_rotated = rotated.is_some();
        let record = match rotated {
            None => app.store.session_find(token.session).await?,
            rotated => rotated,
        };
        let Some(mut record) = record else { return Err(refusal::no_session(client, &token)) };
        if is_rotated {
            record.session.generation = refresh.generation;
        }
        // 3. Is there a reason to refuse the refresh?
        let judged = judge(app, asked, &refresh, &mut record).await;
        // 4. Rotate the session now, or undo the rotation of a refused refresh.
        match judged {
            Ok((_, response)) if is_rotated => return Ok(response),
            Ok((decision, response)) => {
                if write(app, asked, &refresh, &record, decision).await? {
                    return Ok(response);
                }
            }
            Err(failure) => {
                if is_rotated {
                    app.store.session_give_back(token.session, refresh.generation).await?;
                }
                return Err(failure);
            }
        }
    }
    Err(Failure::Unavailable("the session was refreshed by others during every attempt".into()))
}

/// One attempt at a refresh.
struct Refresh<'a> {
    client: &'a Client,
    token: &'a RefreshToken,
    /// The generation of the token.
    generation: i64,
    now: Timestamp,
    /// When the session ends if it is not refreshed again.
    idle_expires_at: Timestamp,
    /// Where it comes from.
    network: &'a str,
    /// What the sender proved.
    sender: Sender,
}

impl<'a> Refresh<'a> {
    fn new(app: &App, client: &'a Client, token: &'a RefreshToken, network: &'a str, sender: Sender) -> Self {
        let now = app.clock.now();
        let (generation, idle_expires_at) = (i64::from(token.generation), app.idle_expiry(client, now));
        Self { client, token, generation, now, idle_expires_at, network, sender }
    }

    fn rotation(&self) -> Rotation {
        Rotation {
            id: self.token.session,
            client_id: self.client.client_id.clone(),
            generation: self.generation,
            now: self.now,
            idle_expires_at: self.idle_expires_at,
            network: self.network.to_owned(),
            sender: self.sender,
            binds: binding::of_refresh_token(self.client, &self.sender),
        }
    }
}

/// Decides on the refresh of a session, and issues the tokens for it.
async fn judge(
    app: &App,
    asked: &GrantRequest<'_>,
    refresh: &Refresh<'_>,
    record: &mut SessionRecord,
) -> Result<(RefreshDecision, TokenResponse)> {
    let Refresh { client, token, generation, now, .. } = *refresh;
    let issuer = asked.request.issuer;
    // a. Is it this client's session, and has it not ended?
    if let Err(cause) = validation::check_session(record, token, client) {
        return Err(refusal::ended(app, client, record, cause, token).await?);
    }
    // b. Does the sender hold what the token is bound to? Whoever does not learns nothing else, and changes nothing: except with a
    // token from before the session was bound. That one has been used, and whoever bound the session may have stolen it.
    if let Some(confirmation) = record.session.confirmation.filter(|confirmation| !refresh.sender.holds(confirmation)) {
        if generation < record.session.bound_from && now < record.session.ends_at() {
            return Err(refusal::end_for_reuse(app, asked, record, token).await?);
        }
        return Err(refusal::not_held(token, &confirmation, &refresh.sender));
    }
    // c. Is the token the newest one, a retry, or reused?
    let decision = record.session.decide(client, generation, now);
    match decision {
        RefreshDecision::Refuse(cause) => return Err(refusal::ended(app, client, record, cause, token).await?),
        RefreshDecision::Reuse => return Err(refusal::end_for_reuse(app, asked, record, token).await?),
        RefreshDecision::Rotate | RefreshDecision::Keep => record.session.idle_expires_at = refresh.idle_expires_at,
        RefreshDecision::Repeat => {}
    }
    // d. May client and user still have what was granted, and does the request stay within it?
    let params = issue::params_of_session(app, asked, record, false).await?;
    let next = if decision == RefreshDecision::Keep { token.clone() } else { token.successor() };
    Ok((decision, issue::response(app, issuer, client, params, Some(issue::refresh_token(app, issuer, &next)?))?))
}

/// Writes the decision. False if the session changed meanwhile.
async fn write(
    app: &App,
    asked: &GrantRequest<'_>,
    refresh: &Refresh<'_>,
    record: &SessionRecord,
    decision: RefreshDecision,
) -> Result<bool> {
    let Refresh { generation, now, idle_expires_at, network, .. } = *refresh;
    Ok(match decision {
        RefreshDecision::Repeat => {
            let audited = Audited { at: now, ..app.audited(&asked.client, asked.request) };
            let is_repeated = app.store.session_repeat(&record.session, network, &audited).await?;
            if is_repeated {
                app.metrics.refresh_repeated(network == record.session.network);
            }
            is_repeated
        }
        RefreshDecision::Keep => app.store.session_keep(record.session.id, generation, now, idle_expires_at).await?,
        _ => app.store.session_rotate(refresh.rotation()).await?.is_some(),
    })
}
