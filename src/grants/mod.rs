//! The grants of the token endpoint: one file each, all called in the same way.

mod authorization_code;
pub(crate) mod binding;
mod client_credentials;
mod code;
mod device_code;
mod foreign_subject;
mod identity_assertion;
mod issue;
mod jwt_bearer;
mod password;
pub(crate) mod preview;
mod refresh_token;
mod token_exchange;
mod unreadable;

use crate::app::{App, Request, Result};
use crate::client_auth::Authenticated;
use crate::protocol::client::GrantType;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::protocol::parameters::Parameters;
use crate::protocol::revocation::SequenceNumber;
use crate::store::ClientsInUse;

pub use issue::TokenResponse;

/// A token request of a client that is authenticated and may use the grant.
#[derive(Clone)]
pub(crate) struct GrantRequest<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) client: Authenticated,
    /// The last entry of the log that this node had applied before it authenticated the client. A token with this
    /// number is covered by any later revocation.
    pub(crate) log: SequenceNumber,
}

/// Answers a request by its grant.
pub(crate) async fn answer(app: &App, grant: GrantType, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    // Grants that use the database are boxed, so that other requests do not pay for their size.
    match grant {
        GrantType::ClientCredentials => client_credentials::answer(app, asked).await,
        GrantType::Password => Box::pin(password::answer(app, asked)).await,
        GrantType::RefreshToken => Box::pin(refresh_token::answer(app, asked)).await,
        GrantType::AuthorizationCode => Box::pin(authorization_code::answer(app, asked)).await,
        GrantType::DeviceCode => Box::pin(device_code::answer(app, asked)).await,
        // Seldom uses the database, but its diagnosis is large.
        GrantType::TokenExchange => Box::pin(token_exchange::answer(app, asked)).await,
        GrantType::JwtBearer => Box::pin(jwt_bearer::answer(app, asked)).await,
    }
}

/// In what the grants differ before and beside their answers.
struct Rules {
    /// Whether a request that names no client belongs to the default client.
    default_client: bool,
    /// The parameters by which such a request names the grant if it has no `grant_type`.
    implied_by: &'static [&'static str],
    /// Whether the grant is unsupported until some client may use it.
    hidden_until_used: bool,
}

const fn rules(grant: GrantType) -> Rules {
    match grant {
        // A grant for old clients (RFC 9700 §2.4).
        GrantType::Password => {
            Rules { default_client: true, implied_by: &["username", "password"], hidden_until_used: true }
        }
        GrantType::ClientCredentials => Rules { default_client: false, implied_by: &[], hidden_until_used: false },
        GrantType::RefreshToken => Rules { default_client: true, implied_by: &[], hidden_until_used: false },
        GrantType::AuthorizationCode | GrantType::DeviceCode => {
            Rules { default_client: false, implied_by: &[], hidden_until_used: false }
        }
        GrantType::JwtBearer | GrantType::TokenExchange => {
            Rules { default_client: false, implied_by: &[], hidden_until_used: true }
        }
    }
}

/// The grant that a request without a client asks the default client for, if it is one that the default client answers.
pub(crate) fn of_default_client(parameters: &Parameters) -> std::result::Result<Option<GrantType>, Refusal> {
    if let Some(name) = parameters.one("grant_type")? {
        return Ok(name.parse().ok().filter(|grant| rules(*grant).default_client));
    }
    for grant in GrantType::ALL {
        let Rules { default_client, implied_by, .. } = rules(*grant);
        let mut is_implied = default_client && !implied_by.is_empty();
        for name in implied_by {
            is_implied &= parameters.one(name)?.is_some();
        }
        if is_implied {
            return Ok(Some(*grant));
        }
    }
    Ok(None)
}

/// Whether this server supports the grant while its clients use this.
pub(crate) fn is_supported(grant: GrantType, in_use: &Option<ClientsInUse>) -> bool {
    !rules(grant).hidden_until_used || in_use.iter().any(|in_use| in_use.grants.contains(&grant))
}

/// The client, if it may use the grant. The database is asked before it is refused.
pub(crate) async fn authorize(app: &App, mut client: Authenticated, grant: GrantType) -> Result<Authenticated> {
    if !client.may_use(grant) {
        client = client.renewed(app).await?;
    }
    if client.may_use(grant) {
        return Ok(client);
    }
    let refusal = may_not_use(app, grant).await?;
    Err(refusal.about(Identity::of_client(&client.client_id)).into())
}

/// The refusal of a client that may not use the grant.
async fn may_not_use(app: &App, grant: GrantType) -> Result<Refusal> {
    // What clients use takes long to read where there are very many, so only for a grant about which it decides.
    let is_supported = !rules(grant).hidden_until_used || is_supported(grant, &*app.state.clients_in_use().await?);
    let text = "The client may not use this grant.";
    Ok(if is_supported { Refusal::new(ErrorCode::UnauthorizedClient, text) } else { unsupported() })
}

/// The refusal of a grant that this server does not have.
pub(crate) const fn unsupported() -> Refusal {
    Refusal::new(ErrorCode::UnsupportedGrantType, "This server does not support this grant_type.")
}

impl GrantRequest<'_> {
    /// The same request after this node caught up with the log, with the client as it is now: its secret may have been
    /// retired.
    async fn renewed(&self, app: &App, grant: GrantType) -> Result<Self> {
        app.state.ensure_current().await?;
        let log = app.state.applied();
        let client = authorize(app, self.client.renewed(app).await?, grant).await?;
        Ok(Self { request: self.request, client, log })
    }
}
