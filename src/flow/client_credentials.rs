//! The client credentials grant (RFC 6749 §4.4). No database access while the client is in memory.

use super::issue::{self, Grounds, TokenAnswer};
use super::{App, Request, Result};
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, Refusal};
use crate::oauth::grant;
use crate::oauth::revocation::LogNumber;

/// Answers a request of a client on its own behalf; `log` is what this node had applied before it judged the client.
pub(super) fn answer(app: &App, client: &Client, request: &Request<'_>, log: LogNumber) -> Result<TokenAnswer> {
    if client.is_public() {
        let refusal = Refusal::new(ErrorCode::UnauthorizedClient, "A public client may not use this grant.");
        return Err(refusal.into());
    }
    let grounds = Grounds {
        sub: client.client_id.clone(),
        granted: grant::to_client(client, request.parameters, app.audiences())?,
        session: None,
        log,
        extra: client.settings.claims.clone(),
    };
    issue::answer(app, client, grounds, None)
}
