//! Token exchange (RFC 8693): what may be exchanged, and what the token that comes of it has of those it comes of.
//!
//! Nothing becomes more by it. The scope is within that of the subject's token and of the client; a client that presents a token of
//! its own gets none for further resources; the result ends with the first of the tokens that were presented, and a revocation of
//! any of them is one of the result.

use serde::Deserialize;
use uuid::Uuid;

use crate::protocol::claims::{AccessClaims, Audience, ExtraClaims, SequenceNumber};
use crate::protocol::client::{Client, Permission};
use crate::protocol::confirmation::Confirmation;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::foreign_assertion::ForeignClaims;
use crate::protocol::grant::{self, Audiences, Granted};
use crate::protocol::origin::{Origin, Trust};
use crate::protocol::ownership::Ownership;
use crate::protocol::parameters::Parameters;
use crate::protocol::resource::{self, Resources};
use crate::protocol::subject::{Actor, MayAct};
use crate::protocol::token_id::TokenId;

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
/// The most actors that a token names, and the most exchanges between a token and the first one.
pub const DEEPEST: usize = 4;

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
}

impl Inherited {
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
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::resource::tests::resources;
    use crate::protocol::scope::Scope;
    use crate::protocol::time::Timestamp;

    const ISSUER: &str = "https://auth.example";
    const TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
    const NAMES: [&str; 5] = ["https://a", "https://b", "https://c", "https://default", "https://admin"];

    fn client(id: &str, settings: Value) -> Client {
        Client {
            client_id: id.into(),
            settings: serde_json::from_value(settings).unwrap(),
            secrets: vec![],
            created_at: Timestamp::from_seconds(100),
            version: 1,
        }
    }

    fn claims(changes: Value) -> AccessClaims {
        let mut claims = json!({
            "iss": ISSUER, "sub": "u", "aud": "https://a", "client_id": "web", "iat": 200, "exp": 1000, "log": 7,
            "scope": "read write", "jti": TokenId::new([1; 16]),
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().cloned().unwrap());
        serde_json::from_value(claims).unwrap()
    }

    fn asked(body: &str) -> Parameters {
        Parameters::from_form(body.as_bytes()).unwrap()
    }

    fn audiences(resources: &Resources) -> Audiences<'_> {
        Audiences { default: "https://default", admin: "https://admin", userinfo: "https://userinfo", resources }
    }

    fn inherited(client: &Client, subject: &AccessClaims, actor: Option<&AccessClaims>) -> Result<Inherited, String> {
        Inherited::of(client, ISSUER, subject, actor).map_err(|refusal| {
            assert_eq!(refusal.code, ErrorCode::InvalidRequest);
            refusal.description.into_owned()
        })
    }

    fn act(inherited: &Inherited) -> Value {
        serde_json::to_value(&inherited.act).unwrap()
    }

    #[test]
    fn exc_002_exc_003_exc_007_each_token_comes_with_its_type() {
        let read = |body: &str| Presented::read(&asked(body)).map(|presented| presented.actor.is_some()).ok();
        assert_eq!(read(&format!("subject_token=x&subject_token_type={TYPE}")), Some(false));
        let both = format!("subject_token=x&subject_token_type={TYPE}&actor_token=y&actor_token_type={TYPE}");
        assert_eq!(read(&both), Some(true));
        assert_eq!(read(&format!("{both}&requested_token_type={TYPE}")), Some(true));
        let jwt = JWT_TYPE.replace(':', "%3A");
        assert_eq!(read(&format!("subject_token=a.b.c&subject_token_type={jwt}")), Some(false));
        let jwts = format!("subject_token=a.b.c&subject_token_type={jwt}&actor_token=a.b.c&actor_token_type={jwt}");
        assert_eq!(read(&jwts), Some(true));
        // Only that of a subject may be an ID token.
        let id_token = ID_TOKEN_TYPE.replace(':', "%3A");
        let as_id_token = asked(&format!("subject_token=a.b.c&subject_token_type={id_token}"));
        assert!(Presented::read(&as_id_token).unwrap().is_id_token);
        let actor = format!("subject_token=x&subject_token_type={TYPE}&actor_token=y&actor_token_type={id_token}");
        assert_eq!(read(&actor), None);
        for body in [
            String::new(),
            "subject_token=x".to_owned(),
            format!("subject_token_type={TYPE}"),
            format!("subject_token=&subject_token_type={TYPE}"),
            "subject_token=x&subject_token_type=urn%3Ax%3Ay".to_owned(),
            format!("subject_token=jat_x&subject_token_type={jwt}"),
            format!("subject_token=jrt_x&subject_token_type={jwt}"),
            format!("{both}&requested_token_type={jwt}"),
            format!("subject_token=x&subject_token_type={TYPE}&actor_token=y"),
            format!("subject_token=x&subject_token_type={TYPE}&actor_token_type={TYPE}"),
            format!("{both}&requested_token_type=urn%3Ax%3Ay"),
            format!("{both}&subject_token=z"),
        ] {
            assert_eq!(read(&body), None, "{body}");
        }
    }

    #[test]
    fn a_client_exchanges_its_own_tokens_and_those_for_a_resource_that_it_serves() {
        let serving = resources(&json!({"https://a": {"serves": ["api"]}}));
        let may = |id: &str, claims: &AccessClaims, resources: &Resources| {
            may_exchange(&client(id, json!({})), Ownership::from(claims), resources)
        };
        let token = claims(json!({}));
        assert!(may("web", &token, &Resources::default()));
        assert!(may("api", &token, &serving) && !may("api", &token, &Resources::default()));
        assert!(!may("other", &token, &serving));
        assert!(!may("api", &claims(json!({"aud": "https://b"})), &serving));
        assert!(!may("web", &claims(json!({"iat": 99})), &serving), "of an earlier client with this id");
    }

    #[test]
    fn each_token_is_remembered_with_the_key_that_made_it() {
        let web = client("web", json!({"permissions": ["exchange"]}));
        let kids = |actor: Option<&AccessClaims>| -> Vec<Option<String>> {
            let inherited = inherited(&web, &claims(json!({})), actor).unwrap();
            let inherited = inherited.made_by(Some("s".into()), actor.map(|_| "a".into()));
            inherited.exchanged_from.into_iter().map(|origin| origin.kid).collect()
        };
        assert_eq!(kids(None), [Some("s".to_owned())]);
        assert_eq!(kids(Some(&claims(json!({"sub": "b"})))), [Some("a".to_owned()), Some("s".to_owned())]);
    }

    #[test]
    fn exc_008_who_acts_is_named_and_who_acted_before_stays_named() {
        let (gateway, api) = (client("gateway", json!({})), client("api", json!({})));
        let first = claims(json!({}));
        let of_gateway = inherited(&gateway, &first, None).unwrap();
        assert_eq!(act(&of_gateway), json!({"sub": "gateway"}));
        let second = claims(json!({
            "client_id": "gateway", "jti": TokenId::new([2; 16]), "log": 9, "act": of_gateway.act,
            "exchanged_from": of_gateway.exchanged_from,
        }));
        let actor = claims(json!({"sub": "agent", "client_id": "app", "jti": TokenId::new([3; 16]), "exp": 500}));
        let of_agent = inherited(&api, &second, Some(&actor)).unwrap();
        assert_eq!(act(&of_agent), json!({"sub": "agent", "act": {"sub": "gateway"}}));
        assert_eq!(of_agent.ends_at, Some(500));
        let chain: Vec<_> =
            of_agent.exchanged_from.iter().map(|origin| (origin.client_id.as_str(), origin.log)).collect();
        assert_eq!(chain, [("app", 7), ("gateway", 9), ("web", 7)]);
        let silent = client("silent", json!({"permissions": ["impersonate"]}));
        assert_eq!(act(&inherited(&silent, &first, None).unwrap()), Value::Null);
        assert_eq!(act(&inherited(&silent, &second, None).unwrap()), json!({"sub": "gateway"}));
        assert_eq!(act(&inherited(&silent, &first, Some(&actor)).unwrap()), json!({"sub": "agent"}));
        assert!(inherited(&api, &first, Some(&second)).unwrap_err().contains("came of an exchange"));
    }

    #[test]
    fn a_token_of_another_issuer_names_its_client_as_the_actor_and_is_remembered_with_its_trust() {
        let gateway = client("gateway", json!({}));
        let claims = |changes: Value, is_local: bool| {
            let mut claims = json!({"iss": "https://idp.example", "sub": "anna", "exp": 700, "scope": "everything"});
            claims.as_object_mut().unwrap().extend(changes.as_object().cloned().unwrap());
            let claims = ForeignClaims::of(claims.as_object().cloned().unwrap()).unwrap();
            let issuer = "https://idp.example";
            let id = TokenId::new([5; 16]);
            let subject =
                ForeignSubject { claims: &claims, issuer, id, sub: "anna".into(), is_local, confirmation: None };
            subject.claims(&gateway, 9).map_err(|refusal| refusal.description.into_owned())
        };
        let subject = claims(json!({}), false).unwrap();
        assert_eq!((subject.sub_iss.as_deref(), &subject.scope), (Some("https://idp.example"), &None));
        let trust = Trust { issuer: "https://idp.example".into(), rule: "r".into() };
        let result = inherited(&gateway, &subject, None).unwrap().trusting(trust.clone());
        assert_eq!((act(&result), result.ends_at), (json!({"sub": "gateway"}), Some(700)));
        let [origin] = &result.exchanged_from[..] else { panic!("{result:?}") };
        assert_eq!((origin.jti, origin.log, &origin.trust), (TokenId::new([5; 16]), 9, &Some(trust)));
        assert_eq!(claims(json!({}), true).unwrap().subject().user(), Some("anna"));
        // Who acts, and who may, is what this server can name.
        assert!(claims(json!({"act": {"sub": "gateway"}}), false).unwrap_err().contains("act of another issuer"));
        assert!(claims(json!({"may_act": "gateway"}), false).unwrap_err().contains("names nobody"));
        for (may_act, is_allowed) in [
            (json!({"sub": "gateway", "iss": ISSUER}), true),
            (json!({"sub": "gateway"}), false),
            (json!({"sub": "other", "iss": ISSUER}), false),
        ] {
            let subject = claims(json!({"may_act": may_act}), false).unwrap();
            assert_eq!(inherited(&gateway, &subject, None).is_ok(), is_allowed, "{may_act}");
        }
    }

    #[test]
    fn a_chain_has_at_most_four_links() {
        for permissions in [json!(["exchange"]), json!(["impersonate"])] {
            let client = client("c", json!({"permissions": permissions}));
            let mut token = claims(json!({}));
            for exchanges in 1..=DEEPEST {
                let next = inherited(&client, &token, None).unwrap();
                assert_eq!(next.exchanged_from.len(), exchanges);
                (token.act, token.exchanged_from) = (next.act, next.exchanged_from);
            }
            assert!(inherited(&client, &token, None).unwrap_err().contains("four times"));
        }
    }

    #[test]
    fn exc_008_may_act_is_obeyed_and_passed_on() {
        let client = client("gateway", json!({"permissions": ["impersonate"]}));
        let actor = claims(json!({"sub": "agent"}));
        let result = |may_act: Value, actor| inherited(&client, &claims(json!({"may_act": may_act})), actor);
        for (may_act, by_client, by_agent) in [
            (json!({"sub": "gateway"}), true, false),
            (json!({"sub": "gateway", "iss": ISSUER}), true, false),
            (json!({"sub": "agent"}), false, true),
            (json!({"sub": "gateway", "iss": "https://else.example"}), false, false),
            (json!({"sub": "gateway", "email": "a@example.com"}), false, false),
        ] {
            assert_eq!(result(may_act.clone(), None).is_ok(), by_client, "{may_act}");
            assert_eq!(result(may_act.clone(), Some(&actor)).is_ok(), by_agent, "{may_act}");
        }
        let passed_on = result(json!({"sub": "gateway"}), None).unwrap().may_act;
        assert_eq!(serde_json::to_value(passed_on).unwrap(), json!({"sub": "gateway"}));
    }

    #[test]
    fn nothing_comes_of_a_token_with_a_reserved_scope() {
        let client = client("c", json!({"scope": "read jeton:read", "audiences": ["https://admin", "https://a"]}));
        let admin = claims(json!({"scope": "jeton:read", "aud": "https://admin"}));
        assert!(inherited(&client, &admin, None).unwrap_err().contains("jeton: scope"));
        assert!(inherited(&client, &claims(json!({})), Some(&admin)).unwrap_err().contains("actor_token"));
        let serving = resources(&json!({"https://a": {"serves": ["c"]}}));
        let granted = |body: &str| grant(&client, &claims(json!({})), &asked(body), audiences(&serving));
        assert_eq!(granted("").unwrap().audiences, ["https://a"]);
        assert_eq!(granted("scope=jeton%3Aread").unwrap_err().code, ErrorCode::InvalidScope);
        assert_eq!(granted("resource=https://admin").unwrap_err().code, ErrorCode::InvalidTarget);
    }

    #[test]
    fn exc_005_only_a_resource_server_goes_on_to_other_resources() {
        let serving = resources(&json!({"https://a": {"serves": ["api"]}, "https://c": {"open_to": "registered"}}));
        let settings = json!({"scope": "read", "audiences": ["https://a", "https://b"]});
        let granted = |id: &str, body: &str| {
            let granted = grant(&client(id, settings.clone()), &claims(json!({})), &asked(body), audiences(&serving));
            granted.map(|granted| granted.audiences.join(" ")).map_err(|refusal| refusal.code)
        };
        assert_eq!(granted("web", "").unwrap(), "https://a");
        assert_eq!(granted("web", "resource=https://b"), Err(ErrorCode::InvalidTarget));
        assert_eq!(granted("api", "").unwrap(), "https://a https://b");
        assert_eq!(granted("api", "resource=https://b").unwrap(), "https://b");
        assert_eq!(granted("api", "audience=https://c").unwrap(), "https://c");
        assert_eq!(granted("api", "audience=https://unknown"), Err(ErrorCode::InvalidTarget));
        let stranger = client("web", json!({"scope": "read", "audiences": ["https://b"]}));
        let nothing = grant(&stranger, &claims(json!({})), &asked(""), audiences(&serving)).unwrap_err();
        assert_eq!(nothing.code, ErrorCode::InvalidTarget);
    }

    fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
        proptest::sample::subsequence(names, 0..=names.len())
    }

    const SCOPES: [&str; 5] = ["read", "write", "delete", "openid", "jeton:read"];

    proptest! {
        #[test]
        fn exc_006_an_exchange_never_gives_more(
            held in some_of(&SCOPES), allowed in some_of(&SCOPES), wanted in some_of(&SCOPES), of_resource in some_of(&SCOPES),
            aud in some_of(&NAMES), own in some_of(&NAMES), resource in some_of(&NAMES), serves in any::<bool>(),
            (exp, actor_exp, with_actor) in (1i64..2000, 1i64..2000, any::<bool>()), impersonates in any::<bool>(),
        ) {
            let permission = if impersonates { "impersonate" } else { "exchange" };
            let client = client("c", json!({"scope": allowed.join(" "), "audiences": own, "permissions": [permission]}));
            let mut subject = claims(json!({"scope": held.join(" "), "aud": aud, "exp": exp}));
            subject.scope = subject.scope.filter(|scope| !scope.is_empty());
            let server = if serves { json!(["c"]) } else { json!([]) };
            let scopes: serde_json::Map<String, Value> = of_resource.iter().map(|name| ((*name).into(), json!(""))).collect();
            let known = resources(&json!({
                "https://a": {"serves": server, "scopes": scopes}, "https://c": {"open_to": "registered"},
            }));
            let mut body = form_urlencoded::Serializer::new(String::new());
            if !wanted.is_empty() {
                body.append_pair("scope", &wanted.join(" "));
            }
            for name in &resource {
                body.append_pair("resource", name);
            }
            if let Ok(granted) = grant(&client, &subject, &asked(&body.finish()), audiences(&known)) {
                let held = Scope::parse(&held.join(" ")).unwrap();
                prop_assert!(granted.scope.is_within(&held) && granted.scope.is_within(&client.settings.scope));
                prop_assert!(!granted.scope.has_reserved() && !granted.audiences.is_empty());
                let is_server = known.are_served_by(subject.aud.all(), "c");
                for audience in &granted.audiences {
                    let asks_for_it = client.settings.audiences.contains(audience) || audience == "https://c"
                        || (client.settings.audiences.is_empty() && audience == "https://default");
                    prop_assert!(asks_for_it && audience != "https://admin", "{}", audience);
                    prop_assert!(is_server || subject.aud.contains(audience), "{}", audience);
                }
            }
            let actor = claims(json!({"sub": "agent", "exp": actor_exp}));
            if let Ok(inherited) = Inherited::of(&client, ISSUER, &subject, with_actor.then_some(&actor)) {
                let ends_at = inherited.ends_at.unwrap();
                prop_assert!(ends_at <= exp && (!with_actor || ends_at <= actor_exp));
                prop_assert!(inherited.exchanged_from.iter().any(|origin| origin.jti == subject.jti && origin.is_of_subject()));
                prop_assert_eq!(inherited.act.is_none(), impersonates && !with_actor);
                prop_assert_eq!(inherited.sid, subject.sid);
            }
        }
    }
}
