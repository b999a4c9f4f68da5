//! Step "holder's proof": whoever uses a token that is bound to something proves to hold that (RFC 9449 §7, RFC 8705 §3).
//!
//! A bound token without a proof that can be checked is refused, and never taken for a bearer token.

use std::fmt;

use crate::app::{App, Result};
use crate::diagnosis::judge;
use crate::diagnosis::{Finding, HolderFault};
use crate::issuer::Issuer;
use crate::protocol::bearer::Scheme;
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::confirmation::{Confirmation, Sender};
use crate::protocol::dpop::{Fault, Problem, Target};
use crate::validation::proof;

/// A token as it was presented, and what came with it.
#[derive(Clone)]
pub struct Presented<'a> {
    /// The text of the token.
    pub text: &'a str,
    /// The scheme before it.
    pub scheme: Scheme,
    /// What the sender proved about itself by its connection.
    pub sender: Sender,
    /// The values of the DPoP headers.
    pub proofs: Vec<&'a [u8]>,
    /// The request that a proof must be about; none if it is not known for sure.
    pub target: Option<Target>,
}

impl fmt::Debug for Presented<'_> {
    /// Without the token and the proofs, which could be used.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, sender, target, .. } = self;
        write!(formatter, "Presented({scheme:?}, {sender:?}, {target:?})")
    }
}

/// A token whose holder's proof breaks no rule; the proof does not count yet.
#[derive(Debug)]
pub(super) struct Held(Option<proof::Proof>);

/// Checks the proof of a token's holder, as far as that needs no memory.
pub(super) fn check(
    app: &App,
    issuer: &Issuer,
    claims: &AccessClaims,
    presented: &Presented<'_>,
) -> std::result::Result<Held, Finding> {
    match (&claims.cnf, presented.scheme) {
        (None, Scheme::Bearer) => Ok(Held(None)),
        (Some(certificate @ Confirmation::Certificate(_)), Scheme::Bearer) => {
            if presented.sender.holds(certificate) {
                return Ok(Held(None));
            }
            let (cause, detail) = match presented.sender.certificate {
                None => (Cause::ProofMissing, "It is bound to a certificate, and the request came without one."),
                Some(_) => {
                    (Cause::ProofKeyMismatch, "It is bound to another certificate than the one of the connection.")
                }
            };
            Err(judge::not_held(cause, detail.into(), HolderFault::Other))
        }
        (None | Some(Confirmation::Certificate(_)), Scheme::Dpop) => {
            let detail = "The scheme is DPoP, but the token is not bound to a key: it must be Bearer.";
            Err(judge::not_held(Cause::WrongScheme, detail.into(), HolderFault::Other))
        }
        (Some(Confirmation::Key(_)), Scheme::Bearer) => {
            let detail = "It is bound to a key: send it with the scheme DPoP and a proof of that key.";
            Err(judge::not_held(Cause::ProofMissing, detail.into(), HolderFault::Key))
        }
        (Some(confirmation), Scheme::Dpop) => by_key(app, issuer, confirmation, presented),
    }
}

fn by_key(
    app: &App,
    issuer: &Issuer,
    confirmation: &Confirmation,
    presented: &Presented<'_>,
) -> std::result::Result<Held, Finding> {
    let missing = |detail: &str| Err(judge::not_held(Cause::ProofMissing, detail.into(), HolderFault::Key));
    if presented.proofs.is_empty() {
        return missing("It is bound to a key, and the request has no DPoP header with a proof of that key.");
    }
    let Some(target) = &presented.target else {
        return missing(
            "Its proof cannot be checked, because this server does not know for sure which request it is about: the proxy must be \
             in JETON_TRUSTED_PROXIES and say method and address of the request.",
        );
    };
    let proof = proof::check(app, issuer, &presented.proofs, target, Some(presented.text))
        .map_err(|problem| not_valid(app, &problem))?;
    let sender = Sender { key: Some(proof.key), ..presented.sender };
    if sender.holds(confirmation) {
        return Ok(Held(Some(proof)));
    }
    let detail = "It is bound to another key than that of the proof.";
    Err(judge::not_held(Cause::ProofKeyMismatch, detail.into(), HolderFault::Key))
}

/// Lets the proof count: the last step, because it can be taken only once.
pub(super) async fn use_up(app: &App, held: &Held) -> Result<std::result::Result<(), Finding>> {
    match &held.0 {
        None => Ok(Ok(())),
        Some(proof) => Ok(Box::pin(proof::use_once(app, proof)).await?.map_err(|problem| not_valid(app, &problem))),
    }
}

fn not_valid(app: &App, problem: &Problem) -> Finding {
    app.metrics.proof_refused(problem.fault);
    tracing::info!(
        fault = problem.fault.name(),
        reason = problem.to_string(),
        "the proof of a token's holder is not valid"
    );
    let fault = if problem.fault == Fault::WrongNonce { HolderFault::Nonce } else { HolderFault::Key };
    judge::not_held(Cause::ProofInvalid, problem.description.clone(), fault)
}
