//! Introspection (RFC 7662). A token is inactive until every check has passed.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::app::{App, Request, Result};
use crate::client_auth;
use crate::diagnosis::investigate;
use crate::protocol::accept;
use crate::protocol::claims::{self, AccessClaims};
use crate::protocol::client::{Client, Permission};
use crate::protocol::confirmation::Confirmation;
use crate::protocol::error::Refusal;
use crate::protocol::ownership::{Ownership, may_see};
use crate::protocol::schema::describe;
use crate::store::SessionRecord;
use crate::tokens::introspection_jwt;
use crate::validation::{self, ActiveToken};

/// An answer of RFC 7662 §2.2.
#[derive(Debug)]
pub enum Introspection {
    /// Exactly `{"active":false}`.
    Inactive,
    /// A valid access token, and the name of its user.
    Access(Arc<AccessClaims>, Option<Arc<str>>),
    /// The newest refresh token of a live session, and the issuer.
    Refresh(Box<SessionRecord>, String),
}

describe!(Introspection {
    "description": "What is known about a token (RFC 7662 §2.2). For an inactive one, `active` is the only member. The answer \
        also has the claims of the client and of the user.",
    "type": "object",
    "required": ["active"],
    "properties": {
        "active": {"type": "boolean"},
        "iss": {"type": "string", "description": "The issuer."},
        "sub": {
            "type": "string",
            "description": "The `sub` of the user, or the `client_id` for `client_credentials`.",
        },
        "sub_iss": {
            "type": "string",
            "description": "The issuer of the `sub`, if that is no user and no client of this server.",
        },
        "aud": {
            "description": "Its audience; absent for a refresh token.",
            "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        },
        "client_id": {"type": "string", "description": "The client that it was issued to."},
        "username": {"type": "string", "description": "The name of the user, if there is one."},
        "scope": {"type": "string", "description": "Its scopes; absent if it has none."},
        "token_type": {"type": "string", "enum": ["Bearer", "DPoP", "refresh_token"]},
        "iat": {"type": "integer", "description": "When it was issued, in seconds since the epoch."},
        "exp": {"type": "integer", "description": "When it expires, in seconds since the epoch."},
        "jti": {"type": "string", "description": "The id of an access token."},
        "sid": {"type": "string", "format": "uuid", "description": "Its session, if it has one."},
        "act": {
            "type": "object",
            "description": "Who acts for the subject (RFC 8693 §4.1); who acted before is its own `act`.",
            "required": ["sub"],
            "properties": {"sub": {"type": "string"}, "act": {"type": "object"}},
        },
        "may_act": {"type": "object", "description": "The only party that may act for the subject (RFC 8693 §4.4)."},
        "cnf": {
            "description": "What it is bound to, if it is: a key (RFC 9449 §6.2) or a certificate (RFC 8705 §3.2). The resource \
                server must see to it that whoever sends the token proves to hold that.",
            "type": "object",
            "properties": {"jkt": {"type": "string"}, "x5t#S256": {"type": "string"}},
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false,
        },
    },
    "additionalProperties": true,
    "if": {"properties": {"active": {"const": true}}},
    "then": {"required": ["iss", "sub", "client_id", "token_type", "iat", "exp"]},
    "else": {"maxProperties": 1},
    "examples": [
        {
            "active": true,
            "iss": "http://127.0.0.1:8080",
            "sub": "019c1d3e-5a4b-7c6d-8e9f-0a1b2c3d4e5f",
            "aud": "https://api.example.com",
            "client_id": "demo-login",
            "username": "demo",
            "scope": "read:conversations write:conversations",
            "token_type": "Bearer",
            "iat": 1_767_225_600,
            "exp": 1_767_226_500,
            "jti": "bxwqTg07TFqej3prXE0-Lw",
            "sid": "019c1d3e-6b5c-7d8e-9f0a-1b2c3d4e5f60",
        },
        {"active": false},
    ],
});

impl Serialize for Introspection {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("active", &!matches!(self, Self::Inactive))?;
        match self {
            Self::Inactive => {}
            Self::Access(claims, username) => {
                members.serialize_entry("iss", &claims.iss)?;
                members.serialize_entry("sub", &claims.sub)?;
                members.serialize_entry("aud", &claims.aud)?;
                members.serialize_entry("client_id", &claims.client_id)?;
                members.serialize_entry("token_type", Confirmation::token_type(claims.cnf.as_ref()))?;
                members.serialize_entry("iat", &claims.iat)?;
                members.serialize_entry("exp", &claims.exp)?;
                members.serialize_entry("jti", &claims.jti)?;
                optional(&mut members, "cnf", claims.cnf.as_ref())?;
                optional(&mut members, "scope", claims.scope.as_ref())?;
                optional(&mut members, "sub_iss", claims.sub_iss.as_ref())?;
                optional(&mut members, "sid", claims.sid.as_ref())?;
                optional(&mut members, "act", claims.act.as_ref())?;
                optional(&mut members, "may_act", claims.may_act.as_ref())?;
                optional(&mut members, "username", username.as_deref())?;
                for (name, value) in claims.extra.iter().filter(|(name, _)| !claims::is_registered(name)) {
                    members.serialize_entry(name, value)?;
                }
            }
            // Not a Bearer token, so that no resource server takes it for an access token.
            Self::Refresh(record, issuer) => {
                let session = &record.session;
                members.serialize_entry("iss", issuer)?;
                members.serialize_entry("sub", &session.sub)?;
                members.serialize_entry("client_id", &session.client_id)?;
                members.serialize_entry("token_type", "refresh_token")?;
                members.serialize_entry("iat", &session.last_refreshed_at.seconds())?;
                members.serialize_entry("exp", &session.ends_at().seconds())?;
                members.serialize_entry("sid", &session.id)?;
                optional(&mut members, "cnf", session.confirmation.as_ref())?;
                optional(&mut members, "scope", Some(&session.scope).filter(|scope| !scope.is_empty()))?;
                optional(&mut members, "username", record.user.as_ref().map(|user| &user.username))?;
            }
        }
        members.end()
    }
}

fn optional<M: SerializeMap>(
    members: &mut M,
    name: &str,
    value: Option<&(impl Serialize + ?Sized)>,
) -> std::result::Result<(), M::Error> {
    value.map_or(Ok(()), |value| members.serialize_entry(name, value))
}

/// The media type of a signed answer (RFC 9701 §5).
pub const SIGNED: &str = "application/token-introspection+jwt";
/// The media type of any other.
const PLAIN: &str = "application/json";

/// An answer in the form that the caller wants.
#[derive(Debug)]
pub enum Answered {
    /// As JSON.
    Plain(Introspection),
    /// As a JWT (RFC 9701).
    Signed(String),
}

/// Answers an introspection request. A token that the caller may not see is inactive, like any token that is not valid.
/// An outage is an error, never `{"active":false}`.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Answered> {
    // 1. Who asks (§2.1)?
    let caller = client_auth::authenticate_confidential(app, request).await?;
    // 2. to 4. What does the token say?
    let said = introspect(app, request, &caller).await?;
    app.metrics.introspected(!matches!(said, Introspection::Inactive));
    // 5. In which form (RFC 9701 §4)?
    if !accept::prefers(&request.header("accept"), SIGNED, PLAIN) {
        return Ok(Answered::Plain(said));
    }
    // On the heap, because it is rare.
    Box::pin(signed(app, request, &caller, &said)).await.map(Answered::Signed)
}

/// The answer for this caller alone, signed.
async fn signed(app: &App, request: &Request<'_>, caller: &Client, said: &Introspection) -> Result<String> {
    let issuer = request.issuer;
    let key = app.signing_key(issuer, caller.settings.introspection_signed_response_alg.into()).await?;
    Ok(introspection_jwt::write(issuer.url(), &caller.client_id, said, app.clock.now(), &key))
}

async fn introspect(app: &App, request: &Request<'_>, caller: &Client) -> Result<Introspection> {
    let Some(text) = request.parameters.one("token")? else {
        return Err(Refusal::invalid_request("The parameter token is missing.").into());
    };
    // 2. Is the token valid?
    let found = match validation::any_token(app, request.issuer, text).await? {
        Ok(found) => found,
        Err(diagnosis) => {
            investigate::note_refusal(app, request.endpoint, &diagnosis);
            return Ok(Introspection::Inactive);
        }
    };
    // 3. May the caller see it? A resource server asks about refresh tokens only on purpose, so that it does not take one
    //    for an access token; only the owner may leave the hint out.
    let asks_for_refresh_tokens = request.parameters.one("token_type_hint")? == Some("refresh_token");
    let (token, is_asked_for) = match &found {
        ActiveToken::Access(claims) => (Ownership::from(&**claims), true),
        ActiveToken::Refresh(record) => (Ownership::from(&record.session), asks_for_refresh_tokens),
    };
    let is_own = token.client_id == caller.client_id;
    let resources = app.state.resources().await?;
    let is_visible = may_see(caller, Permission::Introspect, &resources, Some(token.in_force()));
    if !(is_own || is_asked_for) || !is_visible {
        let (caller, owner) = (&caller.client_id, token.client_id);
        tracing::info!(caller, owner, "introspection of a token that the caller may not see");
        return Ok(Introspection::Inactive);
    }
    // 4. What does it say (§2.2)?
    Ok(match found {
        ActiveToken::Access(claims) => {
            let username = match claims.subject().user() {
                Some(sub) => app.state.user(sub).await?.map(|user| Arc::clone(&user.username)),
                None => None,
            };
            Introspection::Access(claims, username)
        }
        ActiveToken::Refresh(record) => Introspection::Refresh(record, request.issuer.url().to_owned()),
    })
}
