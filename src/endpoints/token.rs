//! The token endpoint (RFC 6749 §3.2).
//!
//! 1. Is the view young enough? 2. Who is the client? 3. Which grant does it ask for? 4. May it use that grant? 5. The
//!    grant itself decides.

use std::sync::Arc;

use crate::app::{App, Failure, Request, Result};
use crate::client_auth;
use crate::client_auth::credentials::Credentials;
use crate::grants::issue::TokenAnswer;
use crate::grants::{client_credentials, password, refresh_token};
use crate::protocol::client::{Client, GrantType};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;

/// How often a login is answered anew because the client changed in the middle of it.
const ATTEMPTS: usize = 3;

/// Answers a token request.
///
/// # Errors
/// A refusal of RFC 6749 §5.2; or it could not be decided.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<TokenAnswer> {
    for attempts_left in (0..ATTEMPTS).rev() {
        if let Some(answer) = attempt(app, request, attempts_left > 0).await? {
            return Ok(answer);
        }
        // What this node remembers of the client is out of date.
        app.state.ensure_current().await?;
    }
    Err(Failure::Unavailable("the client changed during every attempt to log in".into()))
}

/// None: the client changed meanwhile, or this node is behind.
async fn attempt(app: &App, request: &Request<'_>, may_retry: bool) -> Result<Option<TokenAnswer>> {
    app.state.ensure_fresh().await?;
    // Read before the client is judged: whatever is revoked from here on covers what is issued below.
    let log = app.state.applied();
    let (mut client, default_grant) = authenticated(app, request).await?;
    let grant = grant_type(request, default_grant)?;
    if !client.may_use(grant) && app.state.client_again(&client.client_id).await?.is_some_and(|now| now.may_use(grant))
    {
        // Memory was behind.
        (client, _) = authenticated(app, request).await?;
    }
    if !client.may_use(grant) {
        return Err(not_allowed(app, grant).await?.about(Identity::of_client(&client.client_id)).into());
    }
    // What asks the database is kept on the heap: a request that does not is not to carry room for it.
    let answer = match grant {
        GrantType::ClientCredentials => client_credentials::answer(app, &client, request, log).map(Some),
        GrantType::Password => Box::pin(password::answer(app, &client, request, log, may_retry)).await,
        GrantType::RefreshToken => Box::pin(refresh_token::answer(app, &client, request)).await.map(Some),
    };
    let answer = answer.map_err(|failure| failure.about(Identity::of_client(&client.client_id)))?;
    if answer.is_some() {
        app.metrics.issued(grant.name());
    }
    Ok(answer)
}

/// The client, and the grant that a request without one is taken to mean. Requests that name no client at all are
/// those of the default client, if there is one, for password and for refresh_token.
async fn authenticated(app: &App, request: &Request<'_>) -> Result<(Arc<Client>, Option<GrantType>)> {
    let parameters = request.parameters;
    let credentials = Credentials::read(request.authorization, parameters)?;
    if let (Credentials::Nothing, Some(default)) = (&credentials, &app.settings.default_client) {
        let has_password = parameters.one("username")?.is_some() && parameters.one("password")?.is_some();
        let (applies, default_grant) = match parameters.one("grant_type")? {
            None => (has_password, Some(GrantType::Password)),
            Some(name) => (matches!(name, "password" | "refresh_token"), None),
        };
        if applies {
            return Ok((
                client_auth::verify(app, Credentials::IdAlone(default.clone()), request).await?,
                default_grant,
            ));
        }
    }
    Ok((client_auth::verify(app, credentials, request).await?, None))
}

/// The grant that is asked for.
fn grant_type(request: &Request<'_>, default: Option<GrantType>) -> std::result::Result<GrantType, Refusal> {
    match (request.parameters.one("grant_type")?, default) {
        (Some(name), _) => name.parse().map_err(|()| unsupported()),
        (None, Some(grant)) => Ok(grant),
        (None, None) => Err(Refusal::invalid_request("The parameter grant_type is missing.")),
    }
}

/// The password grant exists only while some client may use it (RFC 9700 §2.4).
async fn not_allowed(app: &App, grant: GrantType) -> Result<Refusal> {
    if grant == GrantType::Password {
        let in_use = app.state.clients_in_use().await?;
        if in_use.as_ref().as_ref().is_some_and(|in_use| !in_use.grants.contains(&grant)) {
            return Ok(unsupported());
        }
    }
    Ok(Refusal::new(ErrorCode::UnauthorizedClient, "The client may not use this grant."))
}

fn unsupported() -> Refusal {
    Refusal::new(ErrorCode::UnsupportedGrantType, "This server does not support this grant_type.")
}
