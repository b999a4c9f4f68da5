//! Client authentication (RFC 6749 §2.3, §3.2.1).
//!
//! 1. Read what was presented. 2. Find the client: in memory, else in the database. 3. Compare. 4. Before anything is
//!    refused because of what memory holds, ask the database once more: the client may have changed a moment ago.

pub mod credentials;

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use crate::app::{App, Request, Result};
use crate::client_auth::credentials::Credentials;
use crate::crypto::{equal_in_constant_time, sha256};
use crate::protocol::client::{Client, SecretDigest};
use crate::protocol::error::Refusal;
use crate::protocol::identity::Identity;
use crate::throttle::{Attempt, Authentication};
use crate::tokens::environment::{self, ACCESS_TOKEN_PREFIX, CLIENT_SECRET_PREFIX, REFRESH_TOKEN_PREFIX};

/// Authenticates the client of a request.
///
/// # Errors
/// `invalid_client` or `invalid_request`; or it could not be decided.
pub async fn authenticate(app: &App, request: &Request<'_>) -> Result<Arc<Client>> {
    verify(app, Credentials::read(request.authorization, request.parameters)?, request).await
}

/// Authenticates a client that must have a secret: introspection tells nothing to public clients (RFC 7662 §4).
///
/// # Errors
/// As [`authenticate`].
pub async fn authenticate_confidential(app: &App, request: &Request<'_>) -> Result<Arc<Client>> {
    let client = authenticate(app, request).await?;
    if client.is_public() {
        return Err(Refusal::invalid_client("a public client at an endpoint for confidential clients").into());
    }
    Ok(client)
}

/// Verifies what a client presented.
///
/// # Errors
/// As [`authenticate`].
pub async fn verify(app: &App, credentials: Credentials, request: &Request<'_>) -> Result<Arc<Client>> {
    let (client_id, secret) = match &credentials {
        Credentials::Secret { client_id, secret } => (client_id, Some(secret)),
        Credentials::IdAlone(client_id) => (client_id, None),
        Credentials::Nothing => return Err(Refusal::invalid_client("no client authentication").into()),
    };
    let attempt = Authentication { client_id, request };
    let held = app.state.client_in_memory(client_id);
    let refused = match &held {
        Some(client) => match judge(app, client, secret, attempt).await? {
            Ok(()) => return Ok(Arc::clone(client)),
            Err(refusal) => Some(refusal),
        },
        None => None,
    };
    let fresh = app.state.client_again(client_id).await?;
    let refusal = match (&fresh, held, refused) {
        (None, ..) => Refusal::invalid_client(format!("unknown client{}", secret_says(app, secret))),
        // Memory was right, so nothing is hashed a second time.
        (Some(fresh), Some(held), Some(refusal)) if same(&held, fresh) => refusal,
        (Some(fresh), ..) => match judge(app, fresh, secret, attempt).await? {
            Ok(()) => return Ok(Arc::clone(fresh)),
            Err(refusal) => refusal,
        },
    };
    // Only who is refused has to wait: a right secret is known as such before.
    attempt.check(app)?;
    attempt.failed(app);
    Err(refusal.into())
}

async fn judge(
    app: &App,
    client: &Client,
    secret: Option<&SecretString>,
    attempt: Authentication<'_>,
) -> Result<std::result::Result<(), Refusal>> {
    let refuse =
        |reason: String| Ok(Err(Refusal::invalid_client(reason).about(Identity::of_client(&client.client_id))));
    if !client.settings.enabled {
        return refuse("the client is disabled".into());
    }
    match (client.is_public(), secret) {
        (true, None) => Ok(Ok(())),
        (true, Some(_)) => refuse("a public client presented a secret".into()),
        (false, None) => refuse("a confidential client presented no secret".into()),
        (false, Some(secret)) if fits(app, client, secret, attempt).await? => Ok(Ok(())),
        (false, Some(_)) => refuse(format!("wrong client secret{}", secret_says(app, secret))),
    }
}

/// What a secret that does not fit says of itself, for the log: that it is of another environment, or no secret at all.
fn secret_says(app: &App, secret: Option<&SecretString>) -> String {
    let Some(secret) = secret.map(ExposeSecret::expose_secret) else { return String::new() };
    if let Some((theirs, _)) = secret.strip_prefix(CLIENT_SECRET_PREFIX).and_then(environment::split) {
        let settings = &app.settings;
        if theirs == settings.environment {
            return String::new();
        }
        let is_known = settings.known_issuers.iter().any(|sibling| sibling.environment == theirs);
        let which = if is_known { "the sibling environment" } else { "the unknown environment" };
        return format!(": it is of {which} {theirs}, and this is {}", settings.environment);
    }
    let is_token = ["eyJ", ACCESS_TOKEN_PREFIX, REFRESH_TOKEN_PREFIX].iter().any(|prefix| secret.starts_with(prefix));
    if is_token {
        return ": a token was sent in place of the secret".to_owned();
    }
    let is_damaged = secret.trim() != secret || secret.starts_with(['"', '\'']);
    if is_damaged { ": white space or quotes stand around it".to_owned() } else { String::new() }
}

/// Whether one of the client's secrets fits. Generated secrets are compared first: that costs nothing, and nobody guesses
/// them, so it needs no leave. Whoever failed too often is not told of a chosen one whether it is right.
async fn fits(app: &App, client: &Client, presented: &SecretString, attempt: Authentication<'_>) -> Result<bool> {
    let text = presented.expose_secret();
    let hash = sha256(text.as_bytes());
    for secret in &client.secrets {
        if let SecretDigest::Generated(kept) = &secret.digest
            && equal_in_constant_time(kept, &hash)
        {
            app.used_secrets.note(secret.id, app.clock.now());
            return Ok(true);
        }
    }
    for secret in &client.secrets {
        let SecretDigest::Chosen(kept) = &secret.digest else { continue };
        let verdict = attempt.begin(app)?;
        let fits = if app.remembered.knows(secret.id, kept, text) {
            verdict.end(Ok(true))?
        } else {
            let hash = Some(kept.clone());
            verdict.end(app.passwords.verify(presented.clone(), hash, attempt.requester()).await)?
        };
        if fits {
            app.remembered.remember(secret.id, kept, text);
            app.used_secrets.note(secret.id, app.clock.now());
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether two readings of a client lead to the same verdict.
fn same(one: &Client, other: &Client) -> bool {
    let key = |client: &Client| {
        (client.version, client.created_at, client.secrets.iter().map(|secret| secret.id).collect::<Vec<_>>())
    };
    key(one) == key(other)
}
