//! The grants of the token endpoint: one file each, all called in the same way.

mod client_credentials;
mod issue;
mod password;
mod refresh_token;

use std::sync::Arc;

use crate::app::{App, Request, Result};
use crate::client_auth::{self, Credentials};
use crate::protocol::client::{Client, GrantType};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::revocation::SequenceNumber;

pub use issue::TokenResponse;

/// A token request of a client that is authenticated and may use the grant.
#[derive(Clone)]
pub(crate) struct GrantRequest<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) credentials: &'a Credentials,
    pub(crate) client: Arc<Client>,
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
    }
}

/// The refusal of a client that may not use a grant.
pub(crate) const fn not_allowed() -> Refusal {
    Refusal::new(ErrorCode::UnauthorizedClient, "The client may not use this grant.")
}

impl GrantRequest<'_> {
    /// The same request after this node caught up with the log. The client is authenticated again, since its secret may
    /// have been retired.
    async fn renewed(&self, app: &App, grant: GrantType) -> Result<Self> {
        app.state.ensure_current().await?;
        let log = app.state.applied();
        let client = client_auth::verify(app, self.credentials, self.request).await?;
        if !client.may_use(grant) {
            return Err(not_allowed().into());
        }
        Ok(Self { client, log, ..*self })
    }
}
