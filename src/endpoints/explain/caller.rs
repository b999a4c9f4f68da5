//! Who asks for an explanation, and what that caller may see.

use crate::app::{App, Request, Result};
use crate::client_auth::{self, Authenticated};
use crate::diagnosis::{Diagnosis, HolderFault, public};
use crate::protocol::bearer::{self, Sent};
use crate::protocol::cause::Cause;
use crate::protocol::client::Permission;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::protocol::ownership::{Ownership, may_see};
use crate::protocol::scope::READ;
use crate::tokens::verify::Verified;
use crate::validation::{Presented, administrator, proof};

/// Who asks.
pub(super) enum Caller {
    /// A client, with its own credentials.
    Client(Authenticated),
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
        let authorization = request.header("authorization");
        if !authorization.iter().any(|header| bearer::is_token(header)) {
            return client_auth::authenticate_confidential(app, request).await.map(Self::Client);
        }
        let others = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];
        for other in others.map(|name| request.parameters.one(name)) {
            if other?.is_some() {
                let description = "Authenticate in one way: with an access token or as a client.";
                return Err(Refusal::invalid_request(description).into());
            }
        }
        let sent = Sent { authorization: &authorization, ..Sent::default() };
        let (scheme, text) = bearer::read_any(sent).map_err(|fault| {
            let code = match fault.cause.bearer_answer().status {
                400 => ErrorCode::InvalidRequest,
                _ => ErrorCode::InvalidToken,
            };
            Refusal::new(code, fault.detail).by(fault.cause)
        })?;
        let presented = Presented {
            text: &text,
            scheme,
            sender: request.sender,
            proofs: request.header(proof::HEADER),
            target: Some(proof::target_at(app, request.issuer, request.method, "/auth/explain")),
        };
        match administrator::validate(app, request.issuer, &presented).await? {
            Ok(token) if token.has_one_of(&[READ]) => Ok(Self::Administrator(token.claims.client_id.clone())),
            Ok(token) => {
                let refusal =
                    Refusal::new(ErrorCode::InsufficientScope, "This needs the scope jeton:admin or jeton:read.");
                let about = Identity::from(&*token.claims);
                let refusal = refusal.because(format!("held: {}", token.scope)).by(Cause::InsufficientScope);
                Err(refusal.challenging_for(scheme).about(about).into())
            }
            Err(diagnosis) => {
                let cause = diagnosis.cause().unwrap_or(Cause::NotAToken);
                let (sentence, tells_cause) = public::fixed_sentence(&diagnosis);
                let wants_nonce =
                    diagnosis.findings.first().is_some_and(|first| first.holder == Some(HolderFault::Nonce));
                let code = if wants_nonce { ErrorCode::UseDpopNonce } else { ErrorCode::InvalidToken };
                let refusal = Refusal::new(code, sentence).by(cause).telling_cause(tells_cause);
                let refusal = refusal.challenging_for(diagnosis.challenged_scheme(scheme));
                Err(refusal.about(diagnosis.identity()).into())
            }
        }
    }

    /// Whether it may see what keys and state show about a token: an administrator always, a client for its own tokens
    /// and, with the permission, for others. Anyone may see what the bytes show.
    pub(super) async fn may_see_all(&self, app: &App, diagnosis: &Diagnosis) -> Result<bool> {
        let Self::Client(client) = self else { return Ok(true) };
        let record;
        let token = match &diagnosis.authentic {
            Some(Verified::Access(claims)) => Some(Ownership::from(&**claims)),
            Some(Verified::Refresh(token)) => {
                record = app.store.session_find(token.session).await?.filter(|record| record.has_nonce_of(token));
                record.as_ref().map(|record| Ownership::from(&record.session))
            }
            None => None,
        };
        let resources = app.state.resources().await?;
        Ok(may_see(client, Permission::Explain, &resources, token))
    }
}
