//! The token endpoint (RFC 6749 §3.2).

use crate::app::{App, Request, Result};
use crate::client_auth::{self, Credentials};
use crate::grants::{self, GrantRequest, TokenResponse, binding};
use crate::protocol::client::GrantType;
use crate::protocol::error::Refusal;
use crate::protocol::identity::Identity;
use crate::protocol::security_profile;
use crate::validation::proof;

/// Answers a token request.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<TokenResponse> {
    // 1. How far is the log? Read before the client is authenticated, so that any later revocation covers the token.
    let log = app.state.fresh_sequence_number().await?;
    // 2. Is there a DPoP proof, and is it good (RFC 9449 §4.3)? Before the client is authenticated: its assertion counts only once.
    let proof = proof::of_request(app, request, "/auth/token").await?;
    // 3. Which client is it (§3.2.1)?
    let (credentials, grant) = credentials(app, request)?;
    let client = client_auth::verify(app, &credentials, request).await?;
    // 4. Which grant does it ask for?
    let grant = grant.map_or_else(|| grant_type(request), Ok)?;
    // 5. May it use that grant?
    let client = grants::authorize(app, client, grant).await?;
    // 6. What did the sender prove? The proof counts from here on.
    let algorithm = proof.as_ref().map(|proof| proof.algorithm.name());
    security_profile::check_proof(&client.settings, algorithm)
        .map_err(|refusal| refusal.about(Identity::of_client(&client.client_id)))?;
    let sender = proof::sender(app, request, proof.as_ref()).await?;
    binding::check(&client, &sender).map_err(|refusal| refusal.about(Identity::of_client(&client.client_id)))?;
    let request = &Request { sender, ..*request };
    // 7. The grant decides.
    let asked = GrantRequest { request, client, log };
    let response = grants::answer(app, grant, &asked).await;
    let response = response.map_err(|failure| failure.about(Identity::of_client(&asked.client.client_id)))?;
    if response.is_access_token() {
        app.metrics.issued(grant.name());
    }
    Ok(response)
}

/// The credentials, and the grant if a request that names no client is one for the default client.
fn credentials(app: &App, request: &Request<'_>) -> std::result::Result<(Credentials, Option<GrantType>), Refusal> {
    let credentials = Credentials::of(request)?;
    if let (Credentials::Nothing, Some(default)) = (&credentials, &app.settings.default_client)
        && let Some(grant) = grants::of_default_client(request.parameters)?
    {
        return Ok((Credentials::IdAlone(default.clone()), Some(grant)));
    }
    Ok((credentials, None))
}

fn grant_type(request: &Request<'_>) -> std::result::Result<GrantType, Refusal> {
    let name = request.parameters.one("grant_type")?;
    let name = name.ok_or(Refusal::invalid_request("The parameter grant_type is missing."))?;
    name.parse().map_err(|()| grants::unsupported())
}
