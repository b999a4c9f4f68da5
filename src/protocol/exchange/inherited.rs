//! What the token that comes of an exchange has of those it comes of: who acts, when it ends, what revokes it.

use serde::Deserialize;
use uuid::Uuid;

use crate::protocol::claims::{AccessClaims, Audience, ExtraClaims, SequenceNumber};
use crate::protocol::client::{Client, Permission};
use crate::protocol::confirmation::Confirmation;
use crate::protocol::error::Refusal;
use crate::protocol::exchange::Role;
use crate::protocol::foreign_assertion::ForeignClaims;
use crate::protocol::origin::{Origin, Trust};
use crate::protocol::subject::{Actor, MayAct};
use crate::protocol::token_id::TokenId;

/// The most actors that a token names, and the most exchanges between a token and the first one.
pub(super) const DEEPEST: usize = 4;

/// What a token has of those that were exchanged for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    /// Who acts.
    pub act: Option<Box<Actor>>,
    /// The only party that may act.
    pub may_act: Option<Box<MayAct>>,
    /// The session of the subject's token.
    pub sid: Option<Uuid>,
    /// When it ends at the latest, in seconds since the epoch.
    pub ends_at: Option<i64>,
    /// The tokens by which it is revoked.
    pub exchanged_from: Vec<Origin>,
}

impl Inherited {
    /// What a client gets for the token of a subject, and perhaps of an actor, both of them in force.
    ///
    /// # Errors
    /// `invalid_request` for tokens that are never exchanged, or whose chain is as long as it may be, and if the subject lets
    /// somebody else act only.
    pub fn of(
        client: &Client,
        issuer: &str,
        subject: &AccessClaims,
        actor: Option<&AccessClaims>,
    ) -> Result<Self, Refusal> {
        is_exchangeable(Role::Subject, subject)?;
        if let Some(actor) = actor {
            is_exchangeable(Role::Actor, actor)?;
            if actor.act.is_some() || !actor.exchanged_from.is_empty() {
                return Err(Role::Actor.refusal("came of an exchange itself: an actor presents a token of its own."));
            }
            // `act` names parties of this server alone.
            if actor.sub_iss.is_some() {
                return Err(Role::Actor.refusal("is about a subject of another issuer, which cannot act here."));
            }
        }
        // Who acts (§1.1, §4.1)? Without another actor it is the client, which may leave that out by its own permission.
        let acting = actor.map_or(client.client_id.as_str(), |actor| actor.sub.as_str());
        if subject.may_act.as_ref().is_some_and(|may_act| !may_act.allows(issuer, acting)) {
            return Err(Role::Subject.refusal("lets only the party that its may_act names act for its subject."));
        }
        let is_named = actor.is_some() || !impersonates(client);
        let act = match is_named {
            true => Some(Box::new(Actor { sub: acting.to_owned(), act: subject.act.clone() })),
            // Those who acted before stay named.
            false => subject.act.clone(),
        };
        let exchanges = subject.exchanged_from.iter().filter(|origin| origin.is_of_subject()).count();
        if exchanges >= DEEPEST || act.as_ref().is_some_and(|actor| actor.depth() > DEEPEST) {
            return Err(Role::Subject.refusal("was exchanged four times already, which is the most."));
        }
        let origin = |claims: &AccessClaims| Origin {
            jti: claims.jti,
            client_id: claims.client_id.clone(),
            log: claims.log,
            kid: None,
            actor: None,
            sid: None,
            trust: None,
        };
        let own = actor.map(|claims| Origin { actor: Some(claims.sub.clone()), sid: claims.sid, ..origin(claims) });
        let exchanged_from = own.into_iter().chain([origin(subject)]).chain(subject.exchanged_from.iter().cloned());
        Ok(Self {
            act,
            may_act: subject.may_act.clone(),
            sid: subject.sid,
            ends_at: Some(actor.map_or(subject.exp, |actor| actor.exp.min(subject.exp))),
            exchanged_from: exchanged_from.collect(),
        })
    }

    /// The same, of tokens that the keys with these ids made.
    #[must_use]
    pub fn made_by(mut self, subject: Option<String>, actor: Option<String>) -> Self {
        if let Some(origin) = self.exchanged_from.iter_mut().find(|origin| origin.is_of_subject()) {
            origin.kid = subject;
        }
        // The token of an actor is the newest.
        if let Some(origin) = self.exchanged_from.first_mut().filter(|origin| !origin.is_of_subject()) {
            origin.kid = actor;
        }
        self
    }

    /// The same, where the token of the subject is one of another issuer: what came of it ends with this trust.
    #[must_use]
    pub fn trusting(mut self, trust: Trust) -> Self {
        if let Some(origin) = self.exchanged_from.iter_mut().find(|origin| origin.is_of_subject()) {
            origin.trust = Some(trust);
        }
        self
    }
}

/// The token of another issuer as one of a subject that comes to this server: what of it counts here.
#[derive(Clone, Debug)]
pub struct ForeignSubject<'a> {
    /// The claims.
    pub claims: &'a ForeignClaims,
    /// The issuer.
    pub issuer: &'a str,
    /// Stands for the token among those that others came of.
    pub id: TokenId,
    /// The `sub` of what comes of it.
    pub sub: String,
    /// Whether that is the `sub` of a user of this server.
    pub is_local: bool,
    /// What it is bound to, if it is.
    pub confirmation: Option<Confirmation>,
}

impl ForeignSubject<'_> {
    /// The claims of an access token as this server would have given it to the client for this token: without any audience, since those
    /// of another issuer mean nothing here, and without its scope, which only limits what is granted.
    ///
    /// # Errors
    /// `invalid_request` if it says who acts already, since that would be lost, or has a `may_act` that cannot be understood.
    pub fn claims(self, client: &Client, log: SequenceNumber) -> Result<AccessClaims, Refusal> {
        let Self { claims, issuer, id, sub, is_local, confirmation } = self;
        if claims.get("act").is_some() {
            return Err(Role::Subject.refusal("has an act of another issuer: who acts cannot be named here."));
        }
        let may_act = claims.get("may_act").map(MayAct::deserialize).transpose();
        let mut may_act = may_act.map_err(|_| Role::Subject.refusal("has a may_act that names nobody by a sub."))?;
        if let Some(party) = &mut may_act {
            // Whom its issuer names without saying more is a party of that issuer.
            party.iss.get_or_insert_with(|| issuer.to_owned());
        }
        Ok(AccessClaims {
            iss: issuer.to_owned(),
            sub,
            sub_iss: (!is_local).then(|| issuer.to_owned()),
            act: None,
            may_act: may_act.map(Box::new),
            cnf: confirmation,
            aud: Audience::Many(vec![]),
            client_id: client.client_id.clone(),
            scope: None,
            iat: 0,
            exp: claims.expires_at().seconds(),
            nbf: None,
            jti: id,
            sid: None,
            log,
            exchanged_from: vec![],
            extra: ExtraClaims::new(),
        })
    }
}

/// Whether a client is not named as the actor.
pub fn impersonates(client: &Client) -> bool {
    client.settings.permissions.contains(&Permission::Impersonate)
}

/// Nothing comes of a token for the admin API.
fn is_exchangeable(role: Role, claims: &AccessClaims) -> Result<(), Refusal> {
    if claims.scope.as_ref().is_some_and(|scope| scope.has_reserved()) {
        return Err(role.refusal("has a jeton: scope: such tokens are never exchanged."));
    }
    Ok(())
}
