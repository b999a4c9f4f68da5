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
        Shape::Prefixed(Prefixed::ClientSecret) => "client secret",
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
    if let Some(key) = text.split('.').next().and_then(|header| context.ring.signing_key_of(header)) {
        facts.retain(|fact| !matches!(fact.fact, "algorithm" | "kid" | "type"));
        facts.push(Fact::verified("algorithm", key.algorithm.name()));
        facts.push(Fact::verified("kid", key.kid.as_str()));
    }
    // Prefix and environment are authenticated along with the rest of an opaque token.
    for fact in facts.iter_mut().filter(|fact| fact.fact == "environment") {
        *fact = Fact::verified("environment", fact.value.take());
    }
}

/// Replaces what a token claimed by its verified claims.
pub(in crate::diagnosis) fn verify_claims(facts: &mut Vec<Fact>, claims: &AccessClaims) {
    let Ok(Value::Object(claims)) = serde_json::to_value(claims) else { return };
    let known = UnverifiedJwt { claims: Some(Object::new(claims)), ..UnverifiedJwt::default() }.facts();
    facts.retain(|fact| known.iter().all(|(name, _)| *name != fact.fact));
    facts.extend(known.into_iter().map(|(name, value)| Fact::verified(name, value)));
}
