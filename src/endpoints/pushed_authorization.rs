//! The endpoint for pushed authorization requests (RFC 9126).

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, Request, Result};
use crate::authorization::request::{self, Rejected};
use crate::authorization::sealed_request::{self, PUSHED_LIFE, URN};
use crate::client_auth;
use crate::protocol::error::Refusal;
use crate::protocol::fault::RequestFault;
use crate::protocol::identity::Identity;
use crate::protocol::security_profile;
use crate::tokens::sealed::Purpose;
use crate::validation::proof;

/// What stands for a pushed request (RFC 9126 §2.2).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PushedAnswer, examples(json!({
    "request_uri": "urn:ietf:params:oauth:request_uri:AQEC",
    "expires_in": 90,
})))]
pub struct Pushed {
    /// In place of the parameters of the authorization request, beside `client_id`. It works once.
    pub request_uri: String,
    /// Seconds until it expires.
    #[schema(minimum = 1)]
    pub expires_in: i64,
}

/// Keeps an authorization request for the browser of the person. It is sealed into its own name, so that it leaves no row.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Pushed> {
    // 1. Is there a DPoP proof, and is it good (RFC 9449 §10.1)?
    let proof = proof::of_request(app, request, "/auth/par").await?;
    // 2. Which client is it, and does it not push too much?
    let mut client = client_auth::authenticate(app, request).await?;
    app.throttle.pushed_request(&client.client_id, request.source())?;
    let algorithm = proof.as_ref().map(|proof| proof.algorithm.name());
    security_profile::check_proof(&client.settings, algorithm)
        .map_err(|refusal| refusal.about(Identity::of_client(&client.client_id)))?;
    let request = &Request { sender: proof::sender(app, request, proof.as_ref()).await?, ..*request };
    // 3. Is it a good request (§2.1)?
    if request.parameters.one("request_uri")?.is_some() {
        let refusal = Refusal::invalid_request("A pushed request has no request_uri.");
        let refusal = refusal.with(RequestFault::PushedUri).about(Identity::of_client(&client.client_id));
        return Err(refusal.into());
    }
    let mut asked = request::read(app, request, &client).await;
    if asked.is_err() {
        // Nothing is refused because of what memory holds.
        let now = client.renewed(app).await?;
        if now.version != client.version {
            asked = request::read(app, request, &now).await;
        }
        client = now;
    }
    let asked = asked.map_err(|rejected| rejected.about(&client.client_id)).map_err(Rejected::into_failure)?;
    // 4. Its name.
    let sealed = sealed_request::seal(app, request.issuer, Purpose::PushedRequest, &asked)?;
    Ok(Pushed { request_uri: format!("{URN}{sealed}"), expires_in: PUSHED_LIFE })
}
