//! Revocation by clients (RFC 7009). Unknown, foreign and dead tokens change nothing and are answered like the others.

use crate::app::{App, Request, Result};
use crate::client_auth;
use crate::protocol::cause::Cause;
use crate::protocol::client::Client;
use crate::protocol::error::Refusal;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::time::Timestamp;
use crate::tokens::verify::Verified;
use crate::validation;

/// Revokes the token of a request, if it is alive and the client's own. A refresh token ends its session.
///
/// # Errors
/// A refusal of RFC 7009 §2.2.1; or the revocation could not be confirmed: then it may or may not have happened.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<()> {
    app.state.ensure_fresh().await?;
    let client = client_auth::authenticate(app, request).await?;
    let Some(text) = request.parameters.one("token")? else {
        return Err(Refusal::invalid_request("The parameter token is missing.").into());
    };
    let Some((target, covers_until)) = own_target(app, &client, text).await? else { return Ok(()) };
    let cause = if matches!(target, Target::Token(_)) { Cause::TokenRevoked } else { Cause::SessionRevoked };
    let revocation = NewRevocation { target, cause, reason: Some("revoked by the client".into()), covers_until };
    app.store.revoke(&revocation, &app.audited(&client, request)).await?;
    app.state.catch_up().await?;
    Ok(())
}

/// What is to be revoked, and until when it may have covered something.
async fn own_target(app: &App, client: &Client, text: &str) -> Result<Option<(Target, Timestamp)>> {
    Ok(match validation::verify(app, text).await? {
        Err(_) => None,
        Ok(Verified::Access(claims)) => {
            let exp = Timestamp::from_seconds(claims.exp);
            // Not at once: this clock may be ahead, and then the token would be alive again.
            let alive = exp.plus_seconds(300) > app.clock.now() && claims.client_id == client.client_id;
            let revoked = app.state.is_fresh() && app.state.revocation_of(&claims).is_some();
            (alive && !revoked).then_some((Target::Token(claims.jti), exp))
        }
        Ok(Verified::Refresh(token)) => validation::session_of(app, &token, client)
            .await?
            .ok()
            .map(|held| (Target::Session(held.session.id), app.settings.covers_until(app.clock.now()))),
    })
}
