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
        Some(record) => check_session(&record, token, client).map(|()| record),
        None => Err(Cause::NeverIssued),
    })
}

/// Checks that a session may continue: it is this client's, has the token's nonce, is not revoked, and its user may log
/// in.
pub(crate) fn check_session(
    record: &SessionRecord,
    token: &RefreshToken,
    client: &Client,
) -> std::result::Result<(), Cause> {
    if record.session.client_id != client.client_id || !record.has_nonce_of(token) {
        return Err(Cause::NeverIssued);
    }
    match record.revoked_because.or_else(|| record.lost_user()) {
        Some(cause) => Err(cause),
        None => Ok(()),
    }
}
