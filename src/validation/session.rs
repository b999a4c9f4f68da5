//! The sessions behind refresh tokens, for refresh and revocation.

use crate::app::{App, Result};
use crate::protocol::cause::Cause;
use crate::protocol::client::Client;
use crate::store::SessionRecord;
use crate::tokens::refresh::RefreshToken;

/// The session of a refresh token, for the client that it was issued to; to any other client it does not exist.
/// `investigate::of_session` says in full why one is refused.
pub(crate) async fn session_of(
    app: &App,
    token: &RefreshToken,
    client: &Client,
) -> Result<std::result::Result<SessionRecord, Cause>> {
    Ok(match app.store.session_find(token.session).await? {
        Some(held) if held.session.client_id == client.client_id => check_session(held, token),
        _ => Err(Cause::NeverIssued),
    })
}

/// Checks that a session may continue: it has the token's nonce, is not revoked, and its user may log in.
pub(crate) fn check_session(held: SessionRecord, token: &RefreshToken) -> std::result::Result<SessionRecord, Cause> {
    if !held.has_nonce_of(token) {
        return Err(Cause::NeverIssued);
    }
    if let Some(cause) = held.revoked_because {
        return Err(cause);
    }
    match held.lost_user() {
        Some(cause) => Err(cause),
        None => Ok(held),
    }
}
