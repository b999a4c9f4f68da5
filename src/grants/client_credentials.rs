//! The client credentials grant (RFC 6749 §4.4). No database access while the client is in memory.

use crate::app::{App, Result};
use crate::grants::GrantRequest;
use crate::grants::issue::{self, TokenParams, TokenResponse};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant;

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    let client = &asked.client;
    if client.is_public() {
        let refusal = Refusal::new(ErrorCode::UnauthorizedClient, "A public client may not use this grant.");
        return Err(refusal.into());
    }
    let params = TokenParams {
        sub: client.client_id.clone(),
        granted: grant::to_client(client, asked.request.parameters, asked.request.issuer.audiences())?,
        session: None,
        log: asked.log,
        extra: client.settings.claims.clone(),
        person: None,
    };
    issue::response(app, asked.request.issuer, client, params, None)
}
