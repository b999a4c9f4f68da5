//! `self_signed_tls_client_auth`: a certificate with a key that is registered for the client (RFC 8705 §2.2).
//!
//! Nobody vouches for what else the certificate says, so its issuer and its names do not count. Its dates do: an expired one is most
//! likely a mistake.

use crate::app::{App, Failure, Result};
use crate::client_auth::authenticated::Proof;
use crate::client_auth::{AuthRequest, Proved, Verdict, certificate_of, denied};
use crate::key_sets::Unfetched;
use crate::protocol::client::Client;

pub(super) async fn prove<'a>(app: &App, asked: &AuthRequest<'a>) -> Result<Verdict<'a>> {
    judge(app, asked).await.map(Verdict::Decided)
}

async fn judge(app: &App, asked: &AuthRequest<'_>) -> Result<Proved> {
    let certificate = match certificate_of(app, asked) {
        Ok(certificate) => certificate,
        Err(denial) => return Ok(Err(denial)),
    };
    if let Err(problem) = certificate.check_use(app.clock.now()) {
        return Ok(Err(denied(problem)));
    }
    let Some(key) = certificate.key() else {
        return Ok(Err(denied("the key of the certificate is none that clients register: P-256, Ed25519 or RSA")));
    };
    if has(app, asked.client, key).await? {
        return Ok(Ok(Proof::Key(*key)));
    }
    let subject = certificate.subject().shown();
    Ok(Err(denied(format!("the key of the certificate of {subject} is none of the keys of the client"))))
}

/// Whether a key is one of the client's: registered, or at its `jwks_uri`, where one that is not known is looked for once more.
async fn has(app: &App, client: &Client, key: &[u8; 32]) -> Result<bool> {
    let Some(address) = &client.settings.jwks_uri else {
        return Ok(app.key_sets.registered(client).is_some_and(|registered| registered.1.has(key)));
    };
    let unavailable = |problem: Unfetched| Failure::Unavailable(format!("client {}: {problem}", client.client_id));
    let fetched = app.key_sets.at(&app.caller, address).await.map_err(unavailable)?;
    if fetched.keys().has(key) {
        return Ok(true);
    }
    let newer = app.key_sets.newer(&app.caller, address, &fetched).await.map_err(unavailable)?;
    Ok(newer.is_some_and(|newer| newer.keys().has(key)))
}
