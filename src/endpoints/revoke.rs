//! Revocation by clients (RFC 7009). Unknown tokens and those of other clients change nothing and get the same answer.

use crate::app::{App, Request, Result};
use crate::client_auth;
use crate::issuer::Issuer;
use crate::protocol::cause::Cause;
use crate::protocol::client::Client;
use crate::protocol::error::Refusal;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::time::Timestamp;
use crate::tokens::verify::Verified;
use crate::validation;

/// Revokes the token of a request, if it is valid and the client's own. A refresh token ends its session. After an
/// error the revocation may or may not have happened.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<()> {
    // 1. Which client is it?
    let client = client_auth::authenticate(app, request).await?;
    let Some(text) = request.parameters.one("token")? else {
        return Err(Refusal::invalid_request("The parameter token is missing.").into());
    };
    // 2. What does the token name?
    let Some((target, covers_until)) = own_target(app, request.issuer, &client, text).await? else { return Ok(()) };
    // 3. Revoke it, and honour that before answering.
    let is_token = matches!(target, Target::Token(_));
    let cause = if is_token { Cause::TokenRevoked } else { Cause::SessionRevoked };
    let revocation = NewRevocation { target, cause, reason: Some("revoked by the client".into()), covers_until };
    let by = app.audited(&client, request);
    if is_token {
        app.state.honour(app.store.revoke_unaudited(&revocation, &by)).await?;
    } else {
        app.state.honour(app.store.revoke(&revocation, &by)).await?;
    }
    Ok(())
}

/// The target that a token of this client names, and how long nodes must remember its revocation.
async fn own_target(app: &App, issuer: &Issuer, client: &Client, text: &str) -> Result<Option<(Target, Timestamp)>> {
    Ok(match validation::verify(app, issuer, text).await? {
        Err(_) => None,
        Ok(Verified::Access(claims)) => {
            let exp = Timestamp::from_seconds(claims.exp);
            // With some margin: if this clock is ahead, the token is still valid elsewhere.
            let alive = exp.plus_seconds(300) > app.clock.now() && claims.client_id == client.client_id;
            if !alive || app.state.revocation_of(&claims).await?.is_some() {
                return Ok(None);
            }
            if let Some(session) = claims.sid {
                app.throttle.token_revocation(session, &client.client_id)?;
            }
            Some((Target::Token(claims.jti), exp))
        }
        Ok(Verified::Refresh(token)) => validation::session_of(app, &token, client)
            .await?
            .ok()
            .map(|record| (Target::Session(record.session.id), app.settings.covers_until(app.clock.now()))),
    })
}
