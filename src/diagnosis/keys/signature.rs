//! The algorithm, the key and the signature that a text names.

use crate::crypto::{base64url, from_base64url};
use crate::diagnosis::bytes::characters::printable;
use crate::diagnosis::bytes::shape::{self, Shape};
use crate::diagnosis::bytes::unverified::UnverifiedJwt;
use crate::diagnosis::finding::Finding;
use crate::diagnosis::report::Diagnosis;
use crate::jose::algorithm::SigningAlgorithm;
use crate::keys::token_key::KEY_ID_LENGTH;
use crate::protocol::cause::Cause;
use crate::tokens::context::TokenContext;

/// Finds what is wrong with the signature of a whole text that does not verify. Only if the text itself was checked
/// against the keys (`was_checked`) does a known key mean that the signature is wrong.
pub(in crate::diagnosis) fn examine(
    diagnosis: &mut Diagnosis,
    core: &str,
    shape: Shape,
    jwt: &UnverifiedJwt,
    context: TokenContext<'_>,
    was_checked: bool,
) {
    match shape {
        Shape::Jwt => {
            diagnosis.add(algorithm(jwt, context));
            let kid = jwt.kid();
            let is_ours = kid.is_some_and(|kid| context.ring.signing_key(kid).is_some());
            key(diagnosis, kid.map(printable).as_deref(), is_ours, context, was_checked);
        }
        Shape::Prefixed(kind) if !kind.is_random() => {
            let (environment, body) = shape::parts(core);
            if environment.as_ref() != Some(context.environment) {
                return;
            }
            let bytes = from_base64url(body).unwrap_or_default();
            let id: Option<[u8; KEY_ID_LENGTH]> = bytes.get(1..=KEY_ID_LENGTH).and_then(|id| id.try_into().ok());
            let Some(id) = id else {
                let detail = "It is not encoded the way such tokens are: a character was changed.";
                return diagnosis.add([Finding::from_server(Cause::BadSignature, detail)]);
            };
            key(diagnosis, Some(&base64url(id)), context.ring.token_key(id).is_some(), context, was_checked);
        }
        _ => {}
    }
}

fn algorithm(jwt: &UnverifiedJwt, context: TokenContext<'_>) -> Option<Finding> {
    let named = jwt.algorithm();
    if !SigningAlgorithm::OF_ACCESS_TOKENS.iter().any(|known| Some(known.name()) == named) {
        let detail = match named {
            Some(name) => {
                format!("Its header names the algorithm {}, which this server never accepts.", printable(name))
            }
            None => "Its header names no algorithm.".to_owned(),
        };
        return Some(Finding::from_bytes(Cause::AlgorithmNotAllowed, detail));
    }
    let key = jwt.kid().and_then(|kid| context.ring.signing_key(kid))?;
    let named = named.filter(|name| *name != key.algorithm.name())?;
    let detail = format!("Its header names the algorithm {named}, but its key is for {}.", key.algorithm);
    Some(Finding::from_server(Cause::AlgorithmNotAllowed, detail))
}

fn key(diagnosis: &mut Diagnosis, kid: Option<&str>, is_ours: bool, context: TokenContext<'_>, was_checked: bool) {
    let Some(kid) = kid else {
        let detail = "Its header names no key; every token of this server does.";
        return diagnosis.add([Finding::from_server(Cause::UnknownKey, detail)]);
    };
    let finding = match context.ring.retired(kid) {
        _ if is_ours => was_checked.then(|| {
            let detail = format!("It names the key {kid} of this server, but the signature does not match.");
            Finding::from_server(Cause::BadSignature, detail)
        }),
        Some(at) => {
            diagnosis.retired_kid = Some(kid.to_owned());
            let detail = format!("It names the key {kid}, which was deleted at {at}.");
            Some(Finding::from_server(Cause::RetiredKey, detail).at(at))
        }
        None => {
            let detail = format!("It names the key {kid}, which is not one of this server's keys.");
            Some(Finding::from_server(Cause::UnknownKey, detail))
        }
    };
    diagnosis.add(finding);
}
