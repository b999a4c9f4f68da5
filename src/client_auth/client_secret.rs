//! `client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1). A client may send its secret in either way.

use secrecy::{ExposeSecret, SecretString};

use crate::app::{App, Result};
use crate::client_auth::authenticated::Proof;
use crate::client_auth::{AuthRequest, Denied, Proved, Verdict, denied, hint};
use crate::crypto::{equal_in_constant_time, sha256};
use crate::issuer::Issuer;
use crate::passwords::pool::Overloaded;
use crate::passwords::queue::Requester;
use crate::protocol::client::{Client, SecretDigest};

/// Compares generated secrets, which is cheap. What does not match may still be a secret that somebody chose.
pub(super) async fn prove<'a>(app: &App, asked: &AuthRequest<'a>) -> Result<Verdict<'a>> {
    let Some(presented) = asked.credentials.secret() else {
        return Ok(Verdict::Decided(Err(denied("a client that has a secret presented none"))));
    };
    let hash = sha256(presented.expose_secret().as_bytes());
    let mut has_chosen = false;
    for secret in &asked.client.secrets {
        match &secret.digest {
            SecretDigest::Generated(digest) if equal_in_constant_time(digest, &hash) => {
                app.used_secrets.note(secret.id, app.clock.now());
                return Ok(Verdict::Decided(Ok(Proof::Secret(secret.id))));
            }
            SecretDigest::Generated(_) => {}
            SecretDigest::Chosen(_) => has_chosen = true,
        }
    }
    Ok(if has_chosen {
        Verdict::Guessable(Chosen { issuer: asked.request.issuer, client: asked.client, presented })
    } else {
        Verdict::Decided(Err(wrong(asked.request.issuer, presented)))
    })
}

/// A secret to compare with the client's chosen secrets, which takes a slow hash.
pub(super) struct Chosen<'a> {
    issuer: &'a Issuer,
    client: &'a Client,
    presented: &'a SecretString,
}

impl Chosen<'_> {
    /// Compares it, without hashing if this node remembers that it is right.
    pub(super) async fn verify(self, app: &App, requester: Requester) -> std::result::Result<Proved, Overloaded> {
        let text = self.presented.expose_secret();
        for secret in &self.client.secrets {
            let SecretDigest::Chosen(digest) = &secret.digest else { continue };
            let is_right = app.remembered.knows(secret.id, digest, text)
                || app.passwords.verify(self.presented.clone(), Some(digest.clone()), requester).await?;
            if is_right {
                app.remembered.remember(secret.id, digest, text);
                app.used_secrets.note(secret.id, app.clock.now());
                return Ok(Ok(Proof::Secret(secret.id)));
            }
        }
        Ok(Err(wrong(self.issuer, self.presented)))
    }
}

fn wrong(issuer: &Issuer, presented: &SecretString) -> Denied {
    denied(format!("wrong client secret{}", hint::about(issuer, Some(presented))))
}
