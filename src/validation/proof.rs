//! DPoP proofs (RFC 9449 §4.3): read, verified with the key that they carry, and used once.
//!
//! What needs no memory is checked first. A proof counts as used only once everything else about the request is good.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::app::{App, Failure, Request, Result};
use crate::crypto::{base64url, sha256};
use crate::current_request;
use crate::issuer::Issuer;
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::jwk::Jwk;
use crate::jose::jws::{self, ExpectedType, Header, JwsError};
use crate::jose::verification::VerificationKey;
use crate::protocol::confirmation::{KeyThumbprint, Sender};
use crate::protocol::dpop::{Fault, Problem, ProofClaims, TYPE, Target};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::time::Timestamp;
use crate::settings::DpopNonce;
use crate::state::{ProofId, ProofUse};
use crate::tokens::dpop_nonce;

/// The name of the header with the proof.
pub const HEADER: &str = "dpop";
/// The types of proofs.
const TYPES: ExpectedType<'_> = ExpectedType::OneOf(&[TYPE]);
/// The longest proof, in bytes.
const LONGEST: usize = 8 * 1024;

/// A proof that breaks no rule, of which it is not known yet whether it was used before.
#[derive(Clone, Copy, Debug)]
pub struct Proof {
    /// The thumbprint of its key.
    pub key: KeyThumbprint,
    /// The algorithm that it is signed by.
    pub algorithm: SigningAlgorithm,
    id: ProofId,
    made_at: Timestamp,
}

/// The nonce that the next proof may have.
///
/// # Errors
/// No key is active.
pub fn nonce(app: &App, issuer: &Issuer) -> Result<String> {
    let now = app.clock.now();
    let keys = issuer.keys();
    let no_active_key = || Failure::Unavailable("there is no active key to make nonces with".into());
    Ok(dpop_nonce::write(now, issuer.environment(), keys.ring.active_token_key(now).ok_or_else(no_active_key)?))
}

/// Checks a proof: `sent` are the values of the header, of which there must be one. With a token, the proof must be about that.
///
/// # Errors
/// The first rule that it breaks.
pub fn check(
    app: &App,
    issuer: &Issuer,
    sent: &[&[u8]],
    target: &Target,
    token: Option<&str>,
) -> std::result::Result<Proof, Problem> {
    let [text] = sent else {
        return Err(Problem::new(Fault::Several, "There is more than one DPoP header: send one proof."));
    };
    let malformed = |text: &str| Problem::new(Fault::Malformed, text);
    let text = std::str::from_utf8(text).ok().map(str::trim).filter(|text| text.len() <= LONGEST);
    let text = text.ok_or_else(|| malformed("The DPoP header has more than 8 KiB, or is not text."))?;
    let (header, algorithm, key, thumbprint) = key_of(text)?;
    let verified = jws::verify_with_header::<ProofClaims>(text, &header, TYPES, &key);
    let claims = verified.map_err(|error| match error {
        JwsError::BadSignature => {
            Problem::new(Fault::BadSignature, "The signature of the proof was not made with the key in its jwk.")
        }
        JwsError::WrongAlgorithm => {
            Problem::new(Fault::BadKey, "The jwk of the proof is not a key for the alg of the proof.")
        }
        JwsError::BadClaims => malformed("A claim of the proof is there twice or has the wrong type."),
        _ => malformed("The proof is not a signed JWT in compact form."),
    })?;
    let now = app.clock.now();
    claims.check(target, token.map(|token| base64url(sha256(token.as_bytes()))).as_deref(), now)?;
    check_nonce(app, issuer, &claims, now)?;
    let hash = sha256(&[thumbprint.bytes().as_slice(), claims.id().as_bytes()].concat());
    let mut id = ProofId::default();
    id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    Ok(Proof { key: thumbprint, algorithm, id, made_at: claims.made_at() })
}

/// The header of a proof, its algorithm, and the key that it carries, which is the one that it must be signed with.
fn key_of(text: &str) -> std::result::Result<(Header, SigningAlgorithm, VerificationKey, KeyThumbprint), Problem> {
    #[derive(Deserialize)]
    struct Embedded<'a> {
        #[serde(borrow)]
        jwk: Option<&'a RawValue>,
    }
    let malformed = |text: &str| Problem::new(Fault::Malformed, text);
    let (header, json) = jws::header_with_json(text).map_err(|error| match error {
        JwsError::Critical => malformed("The proof requires an extension of JWS (crit)."),
        _ => malformed("The header of the proof is not a JSON object in base64url, or has no alg."),
    })?;
    if !TYPES.includes(header.typ.as_deref()) {
        return Err(Problem::new(Fault::WrongType, "The typ of the proof is not dpop+jwt."));
    }
    let Some(algorithm) = SigningAlgorithm::to_verify(&header.alg) else {
        let text = "The alg of the proof must be ES256, EdDSA (Ed25519), RS256 or PS256.";
        return Err(Problem::new(Fault::AlgorithmNotAllowed, text));
    };
    let embedded = serde_json::from_slice(&json).map_err(|_| malformed("The header of the proof has jwk twice."))?;
    let bad_key = |text: String| Problem::new(Fault::BadKey, text);
    let Embedded { jwk: Some(jwk) } = embedded else {
        return Err(bad_key("The header of the proof has no jwk: it must hold the public key.".into()));
    };
    let jwk = Jwk::from_object(jwk.get())
        .ok_or_else(|| bad_key("The jwk of the proof is not a key whose members have the right types.".into()))?;
    let key = VerificationKey::from_jwk(&jwk, &[algorithm]);
    let key = key.map_err(|problem| bad_key(format!("The jwk of the proof is not accepted: {problem}.")))?;
    Ok((header, algorithm, key, KeyThumbprint::new(jwk.thumbprint())))
}

/// A nonce is checked whenever there is one.
fn check_nonce(app: &App, issuer: &Issuer, claims: &ProofClaims, now: Timestamp) -> std::result::Result<(), Problem> {
    let wrong = |text: &str| Err(Problem::new(Fault::WrongNonce, text));
    match claims.nonce() {
        Some(nonce) if dpop_nonce::is_good(nonce, now, issuer.environment(), &issuer.keys().ring) => Ok(()),
        Some(_) => wrong(
            "The nonce of the proof is not one of this server, or is too old: use the one in the header DPoP-Nonce.",
        ),
        None if app.settings.dpop_nonce == DpopNonce::Required => {
            wrong("The proof must have the nonce in the header DPoP-Nonce.")
        }
        None => Ok(()),
    }
}

/// Lets a proof count. For the same request it may be met again.
///
/// # Errors
/// It counted before; or that cannot be known, because there are too many, or the other nodes cannot be told.
pub async fn use_once(app: &App, proof: &Proof) -> Result<std::result::Result<(), Problem>> {
    if current_request::current().is_some_and(|request| request.proof == Some(proof.id)) {
        return Ok(Ok(()));
    }
    let used_before = |text: String| Ok(Err(Problem::new(Fault::UsedBefore, text)));
    match app.state.use_proof(app.node, proof.id, proof.made_at).await? {
        ProofUse::Counts => {
            current_request::with(|request| request.proof = Some(proof.id));
            Ok(Ok(()))
        }
        ProofUse::Before(at) => {
            used_before(format!("The proof was used before, at {at}: make one with a new jti for each request."))
        }
        ProofUse::Unknown(since) => used_before(format!(
            "The proof was made before this server began to answer, at {since}, and may have been used before: make a new one."
        )),
        ProofUse::Full => Err(Failure::Unavailable("there are more DPoP proofs than this node can remember".into())),
    }
}

/// The request that a proof for an endpoint of this server must be about. Clients with certificates may know it by another address.
pub fn target_at(app: &App, issuer: &Issuer, method: &str, path: &str) -> Target {
    let alias = app.settings.mtls_url.as_ref().map(|url| format!("{url}{path}"));
    Target { method: method.to_owned(), address: issuer.endpoint(path), alias }
}

/// The proof of a request to an endpoint of this server, if it has one. The first good one makes bound tokens a feature that every
/// node must know: before the client is authenticated, because an assertion that was spent cannot be sent again.
///
/// # Errors
/// `invalid_dpop_proof`, or `use_dpop_nonce`, if it breaks a rule; or a node that is still running does not know bound tokens.
pub async fn of_request(app: &App, request: &Request<'_>, path: &str) -> Result<Option<Proof>> {
    let sent = request.header(HEADER);
    if sent.is_empty() {
        return Ok(None);
    }
    let target = target_at(app, request.issuer, request.method, path);
    let proof = check(app, request.issuer, &sent, &target, None).map_err(|problem| refuse(app, &problem))?;
    // On the heap, because it is rare.
    Box::pin(app.begin_to_bind()).await?;
    Ok(Some(proof))
}

/// What the sender of a request proved, once its proof counts.
///
/// # Errors
/// The proof was used before.
pub async fn sender(app: &App, request: &Request<'_>, proof: Option<&Proof>) -> Result<Sender> {
    let Some(proof) = proof else { return Ok(request.sender) };
    Box::pin(use_once(app, proof)).await?.map_err(|problem| refuse(app, &problem))?;
    Ok(Sender { key: Some(proof.key), ..request.sender })
}

fn refuse(app: &App, problem: &Problem) -> Refusal {
    app.metrics.proof_refused(problem.fault);
    let code = match problem.fault {
        Fault::WrongNonce => ErrorCode::UseDpopNonce,
        _ => ErrorCode::InvalidDpopProof,
    };
    Refusal::naming(code, problem.description.clone()).because(problem.to_string())
}
