//! Token exchange (RFC 8693): what may be exchanged, and what the token that comes of it has of those it comes of.
//!
//! Nothing becomes more by it. The scope is within that of the subject's token and of the client; a client that presents a token of
//! its own gets none for further resources; the result ends with the first of the tokens that were presented, and a revocation of
//! any of them is one of the result.

mod inherited;

use crate::protocol::claims::AccessClaims;
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant::{self, Audiences, Granted};
use crate::protocol::ownership::Ownership;
use crate::protocol::parameters::Parameters;
use crate::protocol::resource::{self, Resources};

pub use inherited::{ForeignSubject, Inherited, impersonates};

/// The type of access tokens (RFC 8693 §3), by which those of this server are presented.
pub const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What a token that is a JWT may be presented as, too.
pub const JWT_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";
/// The type of ID tokens: those of trusted issuers are exchanged for access tokens, those of this server for identity assertions.
pub const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";
/// The type of identity assertions (draft-ietf-oauth-identity-assertion-authz-grant §4.3).
pub const ID_JAG_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id-jag";
/// What the token of a subject may be presented as.
pub const SUBJECT_TYPES: [&str; 3] = [ACCESS_TOKEN_TYPE, JWT_TYPE, ID_TOKEN_TYPE];
/// What the token of an actor may be presented as.
pub const ACTOR_TYPES: [&str; 2] = [ACCESS_TOKEN_TYPE, JWT_TYPE];
/// What may be asked for.
pub const REQUESTED_TYPES: [&str; 2] = [ACCESS_TOKEN_TYPE, ID_JAG_TOKEN_TYPE];

/// What a token is presented as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The party on whose behalf the new token is.
    Subject,
    /// The party that acts.
    Actor,
}

impl Role {
    /// The parameter with the token.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Subject => "subject_token",
            Self::Actor => "actor_token",
        }
    }

    const fn type_parameter(self) -> &'static str {
        match self {
            Self::Subject => "subject_token_type",
            Self::Actor => "actor_token_type",
        }
    }

    /// What its token may be presented as.
    const fn types(self) -> &'static [&'static str] {
        match self {
            Self::Subject => &SUBJECT_TYPES,
            Self::Actor => &ACTOR_TYPES,
        }
    }

    /// The refusal of its token, which is an error of the request (RFC 8693 §2.2.2).
    pub fn refusal(self, what: &str) -> Refusal {
        Refusal::naming(ErrorCode::InvalidRequest, format!("The {} {what}", self.parameter()))
    }
}

/// The tokens of a request.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The one of the subject.
    pub subject: &'a str,
    /// Whether that is presented as an ID token.
    pub is_id_token: bool,
    /// The one of the actor, if it is not the client itself.
    pub actor: Option<&'a str>,
}

impl<'a> Presented<'a> {
    /// Reads the parameters of a request for an access token (RFC 8693 §2.1).
    ///
    /// # Errors
    /// `invalid_request` if a token or its type is missing, or a type is one that is not exchanged here.
    pub fn read(parameters: &'a Parameters) -> Result<Self, Refusal> {
        if parameters.one("requested_token_type")?.is_some_and(|wanted| wanted != ACCESS_TOKEN_TYPE) {
            let text = format!("The requested_token_type can only be {}.", REQUESTED_TYPES.join(" or "));
            return Err(Refusal::naming(ErrorCode::InvalidRequest, text));
        }
        let Some(subject) = presented(parameters, Role::Subject)? else {
            return Err(Refusal::invalid_request("The parameters subject_token and subject_token_type are missing."));
        };
        let is_id_token = parameters.one(Role::Subject.type_parameter())? == Some(ID_TOKEN_TYPE);
        Ok(Self { subject, is_id_token, actor: presented(parameters, Role::Actor)? })
    }
}

fn presented(parameters: &Parameters, role: Role) -> Result<Option<&str>, Refusal> {
    let (name, type_name) = (role.parameter(), role.type_parameter());
    let missing = |name: &str| Refusal::naming(ErrorCode::InvalidRequest, format!("The parameter {name} is missing."));
    match (parameters.one(name)?, parameters.one(type_name)?) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(missing(name)),
        (Some(_), None) => Err(missing(type_name)),
        (Some(token), Some(ACCESS_TOKEN_TYPE)) => Ok(Some(token)),
        (Some(token), Some(ID_TOKEN_TYPE)) if role == Role::Subject => Ok(Some(token)),
        // It is judged as an access token all the same. Opaque tokens and refresh tokens have no dots.
        (Some(token), Some(JWT_TYPE)) if token.split('.').count() == 3 => Ok(Some(token)),
        (Some(_), Some(JWT_TYPE)) => {
            let text =
                format!("The {name} is not a JWT: the {type_name} of an opaque access token is {ACCESS_TOKEN_TYPE}.");
            Err(Refusal::naming(ErrorCode::InvalidRequest, text))
        }
        (Some(_), Some(_)) => {
            let text = format!("The {type_name} can only be {}.", role.types().join(" or "));
            Err(Refusal::naming(ErrorCode::InvalidRequest, text))
        }
    }
}

/// Whether a client may exchange a token: it was issued to it, or is for a resource that it serves.
pub fn may_exchange(client: &Client, token: Ownership<'_>, resources: &Resources) -> bool {
    // A client with the same id that was created later is a different one.
    let is_own = token.client_id == client.client_id && token.since >= client.created_at.seconds();
    is_own || resources.are_served_by(token.audiences, &client.client_id)
}

/// Grants scope and audiences for a subject's token. Without `scope` it is what token and client have in common.
///
/// # Errors
/// `invalid_scope` or `invalid_target` if more is asked for, or nothing is left.
pub fn grant(
    client: &Client,
    subject: &AccessClaims,
    asked: &Parameters,
    audiences: Audiences<'_>,
) -> Result<Granted, Refusal> {
    let held = subject.scope.clone().unwrap_or_default();
    let (allowed, _) = held.intersection(&client.settings.scope).split_reserved();
    let scope = grant::choose_scope(asked, &allowed, allowed.clone())?;
    if scope.is_empty() && !held.is_empty() {
        let text = "The client may be granted none of the scopes of the subject_token.";
        return Err(Refusal::new(ErrorCode::InvalidScope, text));
    }
    grant::for_resources(client, scope, targets(client, subject, asked, audiences)?, asked, audiences.resources)
}

/// The audiences that are asked for. A resource's server goes on to the resources that it may reach as a client. For a token of its
/// own, a client gets no more of them than it has: what a person allowed at one resource is not allowed at another.
fn targets(
    client: &Client,
    subject: &AccessClaims,
    asked: &Parameters,
    audiences: Audiences<'_>,
) -> Result<Vec<String>, Refusal> {
    let serves = audiences.resources.are_served_by(subject.aud.all(), &client.client_id);
    let reached = |resource: &str| {
        let audience = grant::audience_of(client, resource, audiences)?;
        (audience != audiences.admin && (serves || subject.aud.contains(&audience))).then_some(audience)
    };
    let own = grant::default_audiences(client, audiences);
    let default = if serves { &own[..] } else { subject.aud.all() };
    let default: Vec<String> = default.iter().filter_map(|audience| reached(audience)).collect();
    let chosen = resource::choose(asked.resources(), &default, reached)?;
    if chosen.is_empty() {
        let text = "The client may request tokens for none of the resources of the subject_token: name another one.";
        return Err(Refusal::new(ErrorCode::InvalidTarget, text));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests;
