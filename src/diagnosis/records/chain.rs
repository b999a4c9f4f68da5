//! The chain behind an exchanged token (RFC 8693): who acted for whom, which tokens were exchanged, and which of them ended it.

use crate::diagnosis::finding::{Fact, Finding};
use crate::diagnosis::records::judge::{self, KnownRevocation};
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::origin::{Named, Origin};
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

/// What an explanation says about the chain. `state` has the revocations of each token in it, in their order.
pub(super) fn facts(claims: &AccessClaims, state: &[Vec<(Cause, Timestamp)>]) -> Vec<Fact> {
    let mut facts = vec![];
    let actors: Vec<&str> = std::iter::successors(claims.act.as_deref(), |actor| actor.act.as_deref())
        .map(|Actor { sub, .. }| sub.as_str())
        .collect();
    if let Some((current, before)) = actors.split_first() {
        let before = before.iter().map(|actor| format!("; {actor} did so before")).collect::<String>();
        facts.push(Fact::verified("acts", format!("{current} acts for {}{before}", claims.sub)));
    }
    for (origin, revocations) in claims.exchanged_from.iter().zip(state) {
        let Origin { jti, client_id, actor, .. } = origin;
        let whose = match actor {
            Some(actor) => format!("the actor {actor}"),
            None => format!("the subject {}", claims.sub),
        };
        let state = match revocations.iter().min_by_key(|(cause, _)| *cause) {
            Some((cause, at)) => format!("broken here: {cause}, {at}"),
            None => "not revoked".to_owned(),
        };
        facts.push(Fact::verified(
            "exchanged_from",
            format!("token {jti} of {whose}, issued to client {client_id}: {state}"),
        ));
    }
    facts
}
