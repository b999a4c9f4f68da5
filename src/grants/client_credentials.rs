//! The client credentials grant (RFC 6749 §4.4). No database access while the client is in memory.

use crate::app::{App, Request, Result};
use crate::grants::issue::{self, TokenAnswer, TokenParams};
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant;
use crate::protocol::revocation::SequenceNumber;

/// Answers a request of a client on its own behalf; `log` is what this node had applied before it judged the client.
pub(crate) fn answer(app: &App, client: &Client, request: &Request<'_>, log: SequenceNumber) -> Result<TokenAnswer> {
    if client.is_public() {
        let refusal = Refusal::new(ErrorCode::UnauthorizedClient, "A public client may not use this grant.");
        return Err(refusal.into());
    }
    let grounds = TokenParams {
        sub: client.client_id.clone(),
        granted: grant::to_client(client, request.parameters, app.audiences())?,
        session: None,
        log,
        extra: client.settings.claims.clone(),
    };
    issue::answer(app, client, grounds, None)
}
