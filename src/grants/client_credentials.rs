//! The client credentials grant (RFC 6749 §4.4). No database access while the client is in memory.

use crate::app::{App, Result};
use crate::grants::issue::{self, TokenParams, TokenResponse};
use crate::grants::{GrantRequest, binding};
use crate::issuer::Issuer;
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant::{self, Granted};
use crate::protocol::parameters::Parameters;
use crate::protocol::token_form::TokenForm;

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    let GrantRequest { request, client, .. } = asked;
    let (form, granted) = granted(app, request.issuer, client, request.parameters).await?;
    let params = TokenParams {
        sub: client.client_id.clone(),
        sub_iss: None,
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

/// What a client is granted for itself, and the form of its token.
pub(super) async fn granted(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    asked: &Parameters,
) -> Result<(TokenForm, Granted)> {
    if client.is_public() {
        let refusal = Refusal::new(ErrorCode::UnauthorizedClient, "A public client may not use this grant.");
        return Err(refusal.into());
    }
    issue::granted(app, issuer, client, |audiences| grant::to_client(client, asked, audiences)).await
}
