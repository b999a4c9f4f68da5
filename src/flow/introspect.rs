//! Introspection (RFC 7662). It starts from "inactive"; "active" has to be earned.

use serde::Serialize;
use serde_json::{Map, Value};

use super::check::{self, Found};
use super::{App, Request, Result, client_auth};
use crate::oauth::claims::{AccessClaims, Audience};
use crate::oauth::client::{Client, Permission};
use crate::oauth::error::Refusal;
use crate::store::HeldSession;

/// An answer of RFC 7662 §2.2.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Introspection(Map<String, Value>);

impl Introspection {
    /// Exactly `{"active":false}` (RFC 7662 §2.2).
    fn inactive() -> Self {
        Self(Map::from_iter([("active".to_owned(), Value::Bool(false))]))
    }

    /// Whether it is active.
    pub fn is_active(&self) -> bool {
        self.0.get("active") == Some(&Value::Bool(true))
    }
}

/// Answers an introspection request. What the caller may not see is inactive, like anything else that is not good.
///
/// # Errors
/// A refusal of RFC 7662 §2.3; or it could not be decided: never an `{"active":false}` then.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Introspection> {
    let caller = client_auth::authenticate_confidential(app, request).await?;
    let Some(text) = request.parameters.one("token")? else {
        return Err(Refusal::invalid_request("The parameter token is missing.").into());
    };
    let found = match check::any_token(app, text).await? {
        Ok(found) => found,
        Err(cause) => {
            app.metrics.refused("introspect", cause.name());
            tracing::debug!(request_id = request.request_id, caller = caller.client_id, %cause, "inactive token");
            return Ok(Introspection::inactive());
        }
    };
    let (owner, audiences) = match &found {
        Found::Access(claims) => (&claims.client_id, claims.aud.all()),
        Found::Refresh(held) => (&held.session.client_id, held.session.audiences.as_slice()),
    };
    if !may_see(&caller, owner, audiences) {
        let caller = &caller.client_id;
        tracing::info!(
            request_id = request.request_id,
            caller,
            owner,
            "introspection of a token that the caller may not see"
        );
        return Ok(Introspection::inactive());
    }
    match found {
        Found::Access(claims) => access(app, &claims).await,
        Found::Refresh(held) => refresh(app, &held),
    }
}

/// A client sees its own tokens; with the permission those of others, if need be only for its audiences.
fn may_see(caller: &Client, owner: &str, audiences: &[String]) -> bool {
    let limits = &caller.settings.introspect_audiences;
    caller.client_id == *owner
        || (caller.has(Permission::Introspect)
            && (limits.is_empty() || audiences.iter().any(|audience| limits.contains(audience))))
}

async fn access(app: &App, claims: &AccessClaims) -> Result<Introspection> {
    let mut members = claims.extra.clone();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("active", true.into());
    set("iss", claims.iss.clone().into());
    set("sub", claims.sub.clone().into());
    set("aud", audience(&claims.aud));
    set("client_id", claims.client_id.clone().into());
    set("token_type", "Bearer".into());
    set("iat", claims.iat.into());
    set("exp", claims.exp.into());
    set("jti", claims.jti.to_string().into());
    if let Some(scope) = &claims.scope {
        set("scope", scope.to_string().into());
    }
    if let Some(sid) = claims.sid {
        set("sid", sid.to_string().into());
    }
    if let Some(user) = claims.user()
        && let Some(username) = app.view.username(user).await?
    {
        set("username", username.to_string().into());
    }
    Ok(Introspection(members))
}

/// A refresh token is not described as a Bearer token, so that no resource server takes it for an access token.
fn refresh(app: &App, held: &HeldSession) -> Result<Introspection> {
    let session = &held.session;
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("active", true.into());
    set("iss", app.settings.issuer.clone().into());
    set("sub", session.user_id.to_string().into());
    set("client_id", session.client_id.clone().into());
    set("token_type", "refresh_token".into());
    set("iat", session.last_refreshed_at.seconds().into());
    set("exp", session.ends_at().seconds().into());
    set("sid", session.id.to_string().into());
    if !session.scope.is_empty() {
        set("scope", session.scope.to_string().into());
    }
    if let Some(user) = &held.user {
        set("username", user.username.clone().into());
    }
    Ok(Introspection(members))
}

fn audience(audience: &Audience) -> Value {
    serde_json::to_value(audience).unwrap_or_default()
}
