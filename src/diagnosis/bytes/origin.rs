//! Tokens of other services and other environments, recognised by what they claim.

use crate::diagnosis::bytes::characters::printable;
use crate::diagnosis::bytes::shape::{self, Shape};
use crate::diagnosis::bytes::unverified::UnverifiedJwt;
use crate::diagnosis::finding::Finding;
use crate::protocol::cause::Cause;
use crate::tokens::context::TokenContext;

/// The finding against a text that claims to come from elsewhere.
pub(in crate::diagnosis) fn finding(
    core: &str,
    shape: Shape,
    jwt: &UnverifiedJwt,
    context: TokenContext<'_>,
) -> Option<Finding> {
    match shape {
        Shape::Foreign(maker) => {
            Some(Finding::from_bytes(Cause::ForeignToken, format!("It begins like a token from {maker}.")))
        }
        Shape::Prefixed(_) => of_environment(core, context),
        Shape::Jwt => of_issuer(jwt, context),
        Shape::Headless | Shape::Nothing => None,
    }
}

fn of_environment(core: &str, context: TokenContext<'_>) -> Option<Finding> {
    let theirs = shape::parts(core).0.filter(|environment| environment != context.environment)?;
    let ours = context.environment;
    let detail = format!("It belongs to the environment {theirs}; this server is the environment {ours}.");
    Some(Finding::from_bytes(context.of_environment(&theirs), detail))
}

fn of_issuer(jwt: &UnverifiedJwt, context: TokenContext<'_>) -> Option<Finding> {
    let Some(issuer) = jwt.issuer() else {
        let detail = "It names no issuer; every token of this server does.";
        return jwt.claims.is_some().then(|| Finding::from_bytes(Cause::ForeignToken, detail));
    };
    if issuer == context.issuer {
        return None;
    }
    let sibling = context.siblings.iter().find(|sibling| sibling.issuer == issuer);
    let name = sibling.map(|sibling| format!(" (the environment {})", sibling.environment)).unwrap_or_default();
    let detail = format!("It names the issuer {}{name}; this server is {}.", printable(issuer), context.issuer);
    Some(Finding::from_bytes(context.of_issuer(issuer), detail))
}
