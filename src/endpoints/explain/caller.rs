//! Who asks for an explanation, and what that caller may see.

use std::sync::Arc;

use crate::app::{App, Request, Result};
use crate::client_auth;
use crate::diagnosis::{Diagnosis, public};
use crate::protocol::bearer::{self, Sent};
use crate::protocol::cause::Cause;
use crate::protocol::client::{Client, Permission};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::tokens::verify::Verified;
use crate::validation::administrator;

/// The scope that an administrator needs for an explanation; `jeton:admin` includes it.
pub const READ: &str = "jeton:read";

/// Who asks.
pub(super) enum Caller {
    /// A client, with its own credentials.
    Client(Arc<Client>),
    /// A client with an access token for the admin API.
    Administrator(String),
}

impl Caller {
    pub(super) fn client_id(&self) -> &str {
        match self {
            Self::Client(client) => &client.client_id,
            Self::Administrator(client_id) => client_id,
        }
    }

    /// Authenticates the caller.
    pub(super) async fn authenticate(app: &App, request: &Request<'_>) -> Result<Self> {
        if !request.authorization.iter().any(|header| bearer::is_bearer(header)) {
            return client_auth::authenticate_confidential(app, request).await.map(Self::Client);
        }
        if request.parameters.one("client_id")?.is_some() || request.parameters.one("client_secret")?.is_some() {
            let description = "Authenticate in one way: with an access token or with client_id and client_secret.";
            return Err(Refusal::invalid_request(description).into());
        }
        let sent = Sent { authorization: request.authorization, ..Sent::default() };
        let token = bearer::read(sent).map_err(|fault| {
            let code = match fault.cause.bearer_answer().status {
                400 => ErrorCode::InvalidRequest,
                _ => ErrorCode::InvalidToken,
            };
            Refusal::new(code, fault.detail).by(fault.cause)
        })?;
        match administrator::validate(app, request.issuer, &token).await? {
            Ok(token) if token.has_one_of(&[READ]) => Ok(Self::Administrator(token.claims.client_id.clone())),
            Ok(token) => {
                let refusal =
                    Refusal::new(ErrorCode::InsufficientScope, "This needs the scope jeton:admin or jeton:read.");
                let about = Identity::from(&*token.claims);
                Err(refusal.because(format!("held: {}", token.scope)).by(Cause::InsufficientScope).about(about).into())
            }
            Err(diagnosis) => {
                let cause = diagnosis.cause().unwrap_or(Cause::NotAToken);
                let (sentence, tells_cause) = public::fixed_sentence(&diagnosis);
                let refusal = Refusal::new(ErrorCode::InvalidToken, sentence).by(cause).telling_cause(tells_cause);
                Err(refusal.about(diagnosis.identity()).into())
            }
        }
    }

    /// Whether it may see what keys and state show about a token: an administrator always, a client for its own tokens
    /// and, with the permission, for others. Anyone may see what the bytes show.
    pub(super) async fn may_see_all(&self, app: &App, diagnosis: &Diagnosis) -> Result<bool> {
        let Self::Client(client) = self else { return Ok(true) };
        let (owner, began, audiences) = match &diagnosis.authentic {
            Some(Verified::Access(claims)) => (Some(claims.client_id.clone()), claims.iat, claims.aud.all().to_vec()),
            Some(Verified::Refresh(token)) => match app.store.session_find(token.session).await? {
                Some(record) if record.has_nonce_of(token) => {
                    let session = record.session;
                    (Some(session.client_id), session.created_at.seconds(), session.audiences)
                }
                _ => (None, 0, vec![]),
            },
            None => (None, 0, vec![]),
        };
        // A client with the same id that was created later is a different one.
        if owner.as_ref() == Some(&client.client_id) && began >= client.created_at.seconds() {
            return Ok(true);
        }
        // A forgery has no audience, so a client limited to audiences does not learn that it is one.
        Ok(client.may_see(Permission::Explain, &audiences, app.issuer.audiences().admin))
    }
}
