//! The token endpoint (RFC 6749 §3.2).

use std::sync::Arc;

use crate::app::{App, Request, Result};
use crate::client_auth::{self, Credentials};
use crate::grants::{self, GrantRequest, TokenResponse};
use crate::protocol::client::{Client, GrantType};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;

/// Answers a token request.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<TokenResponse> {
    // 1. How far is the log? Read before the client is authenticated, so that any later revocation covers the token.
    let log = app.state.fresh_sequence_number().await?;
    // 2. Which client is it (§3.2.1)?
    let (credentials, default_grant) = credentials(app, request)?;
    let client = client_auth::verify(app, &credentials, request).await?;
    // 3. Which grant does it ask for?
    let grant = grant_type(request, default_grant)?;
    // 4. May it use that grant?
    let client = authorize(app, request, &credentials, client, grant).await?;
    // 5. The grant decides.
    let asked = GrantRequest { request, credentials: &credentials, client, log };
    let response = grants::answer(app, grant, &asked).await;
    let response = response.map_err(|failure| failure.about(Identity::of_client(&asked.client.client_id)))?;
    app.metrics.issued(grant.name());
    Ok(response)
}

/// The credentials, and the default grant if the request names none. The default client, if configured, applies to
/// password and refresh_token requests that name no client.
fn credentials(app: &App, request: &Request<'_>) -> Result<(Credentials, Option<GrantType>)> {
    let parameters = request.parameters;
    let credentials = Credentials::of(request)?;
    let (Credentials::Nothing, Some(default)) = (&credentials, &app.settings.default_client) else {
        return Ok((credentials, None));
    };
    let has_password = parameters.one("username")?.is_some() && parameters.one("password")?.is_some();
    let default = || Credentials::IdAlone(default.clone());
    Ok(match parameters.one("grant_type")? {
        None if has_password => (default(), Some(GrantType::Password)),
        Some("password" | "refresh_token") => (default(), None),
        _ => (credentials, None),
    })
}

fn grant_type(request: &Request<'_>, default: Option<GrantType>) -> std::result::Result<GrantType, Refusal> {
    match (request.parameters.one("grant_type")?, default) {
        (Some(name), _) => name.parse().map_err(|()| unsupported()),
        (None, Some(grant)) => Ok(grant),
        (None, None) => Err(Refusal::invalid_request("The parameter grant_type is missing.")),
    }
}

/// The client, if it may use the grant. The database is asked before it is refused.
async fn authorize(
    app: &App,
    request: &Request<'_>,
    credentials: &Credentials,
    mut client: Arc<Client>,
    grant: GrantType,
) -> Result<Arc<Client>> {
    if !client.may_use(grant)
        && app.state.client_from_database(&client.client_id).await?.is_some_and(|now| now.may_use(grant))
    {
        client = client_auth::verify(app, credentials, request).await?;
    }
    if client.may_use(grant) {
        return Ok(client);
    }
    Err(not_allowed(app, grant).await?.about(Identity::of_client(&client.client_id)).into())
}

/// The password grant is unsupported until some client may use it (RFC 9700 §2.4).
async fn not_allowed(app: &App, grant: GrantType) -> Result<Refusal> {
    if grant == GrantType::Password {
        let in_use = app.state.clients_in_use().await?;
        if in_use.as_ref().as_ref().is_some_and(|in_use| !in_use.grants.contains(&grant)) {
            return Ok(unsupported());
        }
    }
    Ok(grants::not_allowed())
}

fn unsupported() -> Refusal {
    Refusal::new(ErrorCode::UnsupportedGrantType, "This server does not support this grant_type.")
}
