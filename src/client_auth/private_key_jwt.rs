//! `private_key_jwt`: the client signs an assertion with a key of its own (RFC 7523 §2.2 and §3).
//!
//! Only keys of the client are tried: those that are registered, or those at its `jwks_uri`. Of these, a key that is not known is
//! looked for once more, and if the host cannot be reached, nobody is refused.

use crate::app::{App, Failure, Result};
use crate::client_auth::assertion::Assertion;
use crate::client_auth::authenticated::Proof;
use crate::client_auth::{AuthRequest, Credentials, Denied, Verdict, denied};
use crate::issuer::Issuer;
use crate::jose::key_set::{KeySet, Unverified};
use crate::key_sets::Unfetched;
use crate::protocol::assertion::{Fault, LARGEST_SKEW};
use crate::protocol::client::Client;
use crate::protocol::error::Refusal;
use crate::protocol::security_profile;
use crate::store::UsedAssertion;

/// The names of this server as audiences: the issuer, the token endpoint (RFC 7523 §3) and the one for pushed authorization
/// requests (RFC 9126 §2).
const ENDPOINTS: [&str; 2] = ["/auth/token", "/auth/par"];

/// Checks what needs neither the client nor its keys, so that the answer is the same for every client.
pub(super) fn check(app: &App, issuer: &Issuer, assertion: &Assertion) -> std::result::Result<(), Refusal> {
    let [token, pushed] = ENDPOINTS.map(|path| issuer.endpoint(path));
    assertion.claims().check(&[issuer.url(), &token, &pushed], app.clock.now()).map_err(Refusal::assertion)
}

pub(super) async fn prove<'a>(app: &App, asked: &AuthRequest<'a>) -> Result<Verdict<'a>> {
    let Credentials::Assertion(assertion) = asked.credentials else {
        return Ok(Verdict::Decided(Err(denied("a client that has keys sent no assertion"))));
    };
    let key = match signer(app, asked.client, assertion).await? {
        Ok(key) => key,
        Err(unverified) => return Ok(Verdict::Decided(Err(about(unverified, assertion)))),
    };
    // Told only to who has the key.
    if let Err(denied) = check_profile(asked, assertion) {
        return Ok(Verdict::Decided(Err(denied)));
    }
    // The last step, because it counts. The row outlives the assertion by more than any clock may be off.
    let now = app.clock.now();
    let expires_at = assertion.claims().expires_at().plus_seconds(LARGEST_SKEW);
    let used = UsedAssertion { hash: assertion.identity(), now, expires_at };
    Ok(Verdict::Decided(match app.store.assertion_use(used).await? {
        Ok(()) => Ok(Proof::Key(key)),
        Err(before) => {
            let reason = format!("the assertion was used before, at {before}");
            Err(Denied { fault: Some(Fault::UsedBefore), reason: reason.into() })
        }
    }))
}

/// Checks what the security profile of the client requires of its assertions.
fn check_profile(asked: &AuthRequest<'_>, assertion: &Assertion) -> std::result::Result<(), Denied> {
    let settings = &asked.client.settings;
    let fault = if !security_profile::allows_algorithm(settings, &assertion.header().alg) {
        Fault::ProfileAlgorithm
    } else if settings.security_profile.is_some() && !assertion.claims().is_for_issuer_alone(asked.request.issuer.url())
    {
        Fault::ProfileAudience
    } else {
        return Ok(());
    };
    Err(Denied { fault: Some(fault), reason: fault.description().into() })
}

/// The thumbprint of the client's key that signed an assertion.
async fn signer(
    app: &App,
    client: &Client,
    assertion: &Assertion,
) -> Result<std::result::Result<[u8; 32], Unverified>> {
    let verify = |keys: &KeySet| keys.verify(assertion.text(), assertion.header(), Assertion::TYPES);
    let Some(address) = &client.settings.jwks_uri else {
        let registered = app.key_sets.registered(client);
        return Ok(registered.map_or(Err(Unverified::NoSuchKey), |registered| verify(&registered.1)));
    };
    let unavailable = |problem: Unfetched| Failure::Unavailable(format!("client {}: {problem}", client.client_id));
    let fetched = app.key_sets.at(&app.caller, address).await.map_err(unavailable)?;
    let unverified = match verify(fetched.keys()) {
        Ok(key) => return Ok(Ok(key)),
        // The key that it names is known, and did not sign it.
        Err(Unverified::BadSignature) if assertion.header().kid.is_some() => return Ok(Err(Unverified::BadSignature)),
        Err(unverified) => unverified,
    };
    match app.key_sets.newer(&app.caller, address, &fetched).await.map_err(unavailable)? {
        Some(newer) => Ok(verify(newer.keys())),
        None => Ok(Err(unverified)),
    }
}

fn about(unverified: Unverified, assertion: &Assertion) -> Denied {
    let alg = &assertion.header().alg;
    let (fault, reason) = match unverified {
        Unverified::NoSuchKey => {
            let name = if assertion.header().kid.is_some() { "the kid of the assertion and " } else { "" };
            (Fault::UnknownKey, format!("the client has no key for {name}the algorithm {alg}"))
        }
        Unverified::BadSignature => {
            (Fault::BadSignature, format!("no key of the client that fits made the {alg} signature of the assertion"))
        }
    };
    Denied { fault: Some(fault), reason: reason.into() }
}
