//! UserInfo (OpenID Connect Core §5.3): what the person at the other end lets a client know.

use serde_json::{Map, Value};

use crate::app::{App, Result};
use crate::diagnosis::judge::Requirements;
use crate::issuer::Issuer;
use crate::protocol::claims::AccessClaims;
use crate::protocol::profile::{self, OPENID};
use crate::protocol::scope::Scope;
use crate::validation::{self, Presented, Validated};

/// What the bearer of a token learns.
#[derive(Debug)]
pub enum UserInfo {
    /// The claims about the person.
    Claims(Map<String, Value>),
    /// The token is good and has the scope `openid`, but it is of a client on its own behalf, or its user is gone.
    Nobody(Box<AccessClaims>),
}

/// Answers with the claims that the token's scope and the authorization request of its session ask for. Any audience will do: the
/// scope `openid` is what makes a token one for UserInfo.
pub async fn answer(app: &App, issuer: &Issuer, token: &Presented<'_>) -> Result<Validated<UserInfo>> {
    // 1. Is the token valid, and is it for this (§5.3.1)?
    let openid = Scope::parse(OPENID).unwrap_or_default();
    let required = Requirements { audience: None, scope: openid };
    let claims = match validation::access_token_for(app, issuer, token, &required).await? {
        Ok(claims) => claims,
        Err(diagnosis) => return Ok(Err(diagnosis)),
    };
    // 2. Whose is it?
    let user = match claims.subject().user() {
        Some(sub) => app.state.user(sub).await?,
        None => None,
    };
    let Some(user) = user else { return Ok(Ok(UserInfo::Nobody(Box::new((*claims).clone())))) };
    // 3. What was asked for, by scope and by name (§5.4, §5.5)?
    let scope = claims.scope.clone().unwrap_or_default();
    let named = match claims.sid {
        // What was named was for the client of the session, not for others that got a token in exchange.
        Some(session) if claims.exchanged_from.is_empty() => app.state.claims_request(session).await?,
        _ => Default::default(),
    };
    let mut told = Map::new();
    told.insert("sub".to_owned(), claims.sub.as_str().into());
    told.append(&mut profile::select(&user.profile, &user.username, &scope, &named));
    Ok(Ok(UserInfo::Claims(told)))
}
