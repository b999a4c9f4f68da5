//! The client credentials grant (RFC 6749 §4.4). No database access while the client is in memory.

use crate::app::{App, Result};
use crate::grants::issue::{self, TokenParams, TokenResponse};
use crate::grants::{GrantRequest, binding};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant::{self, Audiences};

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    let GrantRequest { request, client, .. } = asked;
    if client.is_public() {
        let refusal = Refusal::new(ErrorCode::UnauthorizedClient, "A public client may not use this grant.");
        return Err(refusal.into());
    }
    let rule = |audiences: Audiences<'_>| {
        let granted = grant::to_client(client, request.parameters, audiences)?;
        Ok((issue::form(app, client, &granted, audiences)?, granted))
    };
    let (form, granted) = app.grant(request.issuer, rule).await?;
    let params = TokenParams {
        sub: client.client_id.clone(),
        granted,
        form,
        user: None,
        session: None,
        log: asked.log,
        person: None,
        confirmation: binding::of_access_token(client, &request.sender),
    };
    issue::response(app, request.issuer, client, params, None)
}
