//! The chain behind an exchanged token (RFC 8693): who acted for whom, which tokens were exchanged, and which of them ended it.

use crate::diagnosis::finding::{Fact, Finding};
use crate::diagnosis::records::judge::{self, KnownRevocation};
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::origin::{Named, Origin, Trust};
use crate::protocol::subject::Actor;
use crate::protocol::time::Timestamp;

/// The reasons to refuse a token that lie in one that was exchanged for it.
pub(super) fn broken(named: Named<'_>, revocations: &[KnownRevocation]) -> Vec<Finding> {
    let Named { jti, client_id, .. } = named;
    let in_chain = |finding: Finding| {
        let detail = format!("It came of token {jti} of client {client_id} by exchange. Of that: {}", finding.detail);
        Finding { detail, remedy: Some("Exchange a token that is in force."), ..finding }
    };
    revocations.iter().map(|revocation| in_chain(judge::revoked(revocation, None))).collect()
}

/// The reason to refuse a token that came of one whose key was deleted.
pub(super) fn without_key(origin: &Origin, at: Timestamp) -> Finding {
    let Origin { jti, client_id, kid, .. } = origin;
    let kid = kid.as_deref().unwrap_or_default();
    let detail = format!(
        "It came of token {jti} of client {client_id} by exchange. The key {kid} that made that was deleted at {at}."
    );
    Finding {
        remedy: Some("Exchange a token that is in force."),
        ..Finding::from_server(Cause::RetiredKey, detail).at(at)
    }
}

/// The reason to refuse a token that came of one of another issuer, which is no longer accepted.
pub(super) fn without_trust(trust: &Trust) -> Finding {
    let issuer = &trust.issuer;
    let detail = format!(
        "It came of a token of the issuer {issuer} by exchange. That issuer, its use jwt_bearer, or the rule that the token met is not \
         trusted any more."
    );
    Finding {
        remedy: Some("Exchange a token of an issuer that is trusted now."),
        ..Finding::from_server(Cause::TokenRevoked, detail)
    }
}

/// What an explanation says about the chain. `state` has the reasons to refuse each token in it, in their order, and when they came up,
/// if that is known.
pub(super) fn facts(claims: &AccessClaims, state: &[Vec<(Cause, Option<Timestamp>)>]) -> Vec<Fact> {
    let mut facts = vec![];
    let actors: Vec<&str> = std::iter::successors(claims.act.as_deref(), |actor| actor.act.as_deref())
        .map(|Actor { sub, .. }| sub.as_str())
        .collect();
    if let Some((current, before)) = actors.split_first() {
        let before = before.iter().map(|actor| format!("; {actor} did so before")).collect::<String>();
        facts.push(Fact::verified("acts", format!("{current} acts for {}{before}", claims.sub)));
    }
    for (origin, revocations) in claims.exchanged_from.iter().zip(state) {
        let Origin { jti, client_id, actor, trust, .. } = origin;
        let whose = match actor {
            Some(actor) => format!("the actor {actor}"),
            None => format!("the subject {}", claims.sub),
        };
        let state = match revocations.iter().min_by_key(|(cause, _)| *cause) {
            Some((cause, Some(at))) => format!("broken here: {cause}, {at}"),
            Some((cause, None)) => format!("broken here: {cause}"),
            None => "not revoked".to_owned(),
        };
        let link = match trust {
            Some(Trust { issuer, .. }) => {
                format!("token of the issuer {issuer} about {whose}, presented by client {client_id}: {state}")
            }
            None => format!("token {jti} of {whose}, issued to client {client_id}: {state}"),
        };
        facts.push(Fact::verified("exchanged_from", link));
    }
    facts
}
