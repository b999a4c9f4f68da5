//! Makes access tokens (RFC 9068).

use serde::Serialize;
use uuid::Uuid;

use crate::app::{App, Failure, Result};
use crate::protocol::claims::{AccessClaims, Audience, ExtraClaims};
use crate::protocol::client::{AccessTokenFormat, Client};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant::Granted;
use crate::protocol::revocation::SequenceNumber;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::tokens::refresh::RefreshToken;
use crate::tokens::{jwt, opaque};

/// A successful answer (RFC 6749 §5.1).
#[derive(Debug, Serialize)]
pub struct TokenAnswer {
    /// The access token.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: &'static str,
    /// Seconds until it expires.
    pub expires_in: i64,
    /// The refresh token, for grants that give one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

/// What an access token is made from.
pub(crate) struct TokenParams {
    /// The subject.
    pub(crate) sub: String,
    /// What was granted.
    pub(crate) granted: Granted,
    /// Its session, if it has one, and when that ends.
    pub(crate) session: Option<(Uuid, Timestamp)>,
    /// The log number by which it is judged.
    pub(crate) log: SequenceNumber,
    /// Additional claims.
    pub(crate) extra: ExtraClaims,
}

/// Makes an access token for a client, and the answer around it.
pub(crate) fn answer(
    app: &App,
    client: &Client,
    grounds: TokenParams,
    refresh_token: Option<String>,
) -> Result<TokenAnswer> {
    let now = app.clock.now();
    let ttl = client.settings.access_token_ttl.unwrap_or(app.settings.access_token_ttl);
    let mut exp = now.seconds().saturating_add(ttl);
    if let Some((_, ends_at)) = grounds.session {
        // An access token never outlives its session.
        exp = exp.min(ends_at.seconds());
    }
    let scope = (!grounds.granted.scope.is_empty()).then_some(grounds.granted.scope);
    let claims = AccessClaims {
        iss: app.settings.issuer.clone(),
        sub: grounds.sub,
        sub_iss: None,
        act: None,
        cnf: None,
        aud: Audience::new(grounds.granted.audiences),
        client_id: client.client_id.clone(),
        scope: scope.clone(),
        iat: now.seconds(),
        exp,
        nbf: None,
        jti: Uuid::new_v4(),
        sid: grounds.session.map(|(id, _)| id),
        log: grounds.log,
        extra: grounds.extra,
    };
    let keys = app.state.keys();
    let no_key = || Failure::Unavailable("there is no key to make tokens with".into());
    let access_token = match client.settings.access_token_format {
        AccessTokenFormat::Jwt => {
            jwt::write(&claims, keys.ring.access_token_key(app.settings.signing_algorithm, now).ok_or_else(no_key)?)
        }
        AccessTokenFormat::Opaque => {
            let key = keys.ring.active_token_key(now).ok_or_else(no_key)?;
            opaque::write(&claims, &app.settings.environment, key)
        }
    };
    if access_token.len() > jwt::LONGEST {
        return Err(Failure::Refused(Refusal::new(
            ErrorCode::InvalidScope,
            "The token would be too long: ask for fewer scopes or resources.",
        )));
    }
    let expires_in = (exp - now.seconds()).max(1);
    Ok(TokenAnswer { access_token, token_type: "Bearer", expires_in, refresh_token, scope })
}

/// Writes a refresh token with the token key of now.
pub(crate) fn refresh_token(app: &App, token: &RefreshToken) -> Result<String> {
    let keys = app.state.keys();
    let key = keys.ring.active_token_key(app.clock.now());
    let key = key.ok_or_else(|| Failure::Unavailable("there is no key to make tokens with".into()))?;
    Ok(token.write(&app.settings.environment, key))
}
