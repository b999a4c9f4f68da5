//! The facts about a text: what kind of token it is, and what it says about itself.

use serde_json::Value;

use crate::diagnosis::bytes::reader::Object;
use crate::diagnosis::bytes::shape::{self, Prefixed, Shape};
use crate::diagnosis::bytes::unverified::UnverifiedJwt;
use crate::diagnosis::finding::Fact;
use crate::protocol::claims::AccessClaims;
use crate::tokens::context::TokenContext;
use crate::tokens::verify::Verified;

/// The form of a text, and what it claims.
pub(in crate::diagnosis) fn claimed(core: &str, shape: Shape, jwt: &UnverifiedJwt) -> Vec<Fact> {
    let form = match shape {
        Shape::Jwt => "JWT",
        Shape::Prefixed(Prefixed::AccessToken) => "opaque access token",
        Shape::Prefixed(Prefixed::RefreshToken) => "refresh token",
        Shape::Prefixed(Prefixed::AuthorizationCode) => "authorization code",
        Shape::Prefixed(Prefixed::DeviceCode) => "device code",
        Shape::Prefixed(Prefixed::ClientSecret) => "client secret",
        Shape::Prefixed(Prefixed::RegistrationToken) => "registration access token",
        Shape::Headless => "token without its beginning",
        Shape::Foreign(_) => "token of another service",
        Shape::Nothing => return vec![],
    };
    let mut facts = vec![Fact::claimed("form", form)];
    match shape {
        Shape::Jwt => {
            facts.extend(jwt.facts().into_iter().map(|(name, value)| Fact::claimed(name, value)));
        }
        Shape::Prefixed(_) => {
            let environment = shape::parts(core).0;
            facts.extend(environment.map(|environment| Fact::claimed("environment", environment.to_string())));
        }
        Shape::Foreign(maker) => facts.push(Fact::claimed("maker", maker)),
        Shape::Headless | Shape::Nothing => {}
    }
    facts
}

/// Marks as verified what an authentic token says.
pub(in crate::diagnosis) fn verify(facts: &mut Vec<Fact>, text: &str, token: &Verified, context: TokenContext<'_>) {
    match token {
        Verified::Access(claims) => verify_claims(facts, claims),
        Verified::Refresh(token) => {
            facts.push(Fact::verified("session", token.session.to_string()));
            facts.push(Fact::verified("generation", token.generation));
        }
    }
    // The header of a JWT is authenticated, and so are prefix and environment of the other tokens.
    let is_header_ours = text.split('.').next().is_some_and(|header| context.ring.signing_key_of(header).is_some());
    let is_authenticated =
        |fact: &str| fact == "environment" || (is_header_ours && matches!(fact, "algorithm" | "kid" | "type"));
    for fact in facts.iter_mut().filter(|fact| is_authenticated(fact.fact)) {
        *fact = Fact::verified(fact.fact, fact.value.take());
    }
}

/// Replaces what a token claimed by its verified claims.
pub(in crate::diagnosis) fn verify_claims(facts: &mut Vec<Fact>, claims: &AccessClaims) {
    let Ok(Value::Object(claims)) = serde_json::to_value(claims) else { return };
    let mut known = UnverifiedJwt { claims: Some(Object::new(claims)), ..UnverifiedJwt::default() }.facts();
    // The issuer, where only its digest is known.
    known.retain(|(_, value)| value != "");
    facts.retain(|fact| known.iter().all(|(name, _)| *name != fact.fact));
    facts.extend(known.into_iter().map(|(name, value)| Fact::verified(name, value)));
}
