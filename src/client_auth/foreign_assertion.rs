//! `private_key_jwt` by a token of a trusted issuer (RFC 7523 §2.2): a platform says which workload the client is, so that the client needs
//! no key of its own. The request names the client in `client_id`, the client names the issuer, and a rule of that maps the token to
//! the client. Such a token may be used again until it expires, unless its issuer says otherwise.

use std::fmt;

use crate::app::{App, Result};
use crate::client_auth::authenticated::Proof;
use crate::client_auth::{AuthRequest, Denied, Verdict};
use crate::crypto::sha256;
use crate::federation::{self, ForeignToken};
use crate::protocol::assertion::Problem;
use crate::protocol::confirmation::Sender;
use crate::protocol::trusted_issuer::IssuerUse;

/// A token of another issuer, and the client that it is to prove.
pub struct ForeignAssertion {
    client_id: String,
    token: ForeignToken,
}

impl fmt::Debug for ForeignAssertion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ForeignAssertion").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl ForeignAssertion {
    /// Reads a token that is not one of the client about itself. `None` if it is none of another issuer, or has no form at all: then it
    /// is judged as one of the client.
    pub(super) fn read(client_id: &str, text: &str) -> Option<Self> {
        let token = ForeignToken::read(text).ok()?;
        let is_foreign = !client_id.is_empty() && !token.is_self_issued() && !token.is_identity_assertion();
        // What says neither who issued it nor whom it is about is no token of anybody.
        // One that says only whom it is about may be of the client, if that is the client.
        let has_issuer = token.claims().issuer().is_some();
        let names_somebody = token.claims().subject().is_ok_and(|sub| has_issuer || sub != client_id);
        (is_foreign && names_somebody).then(|| Self { client_id: client_id.to_owned(), token })
    }

    /// The client that the request names.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What needs neither the client nor its issuers, so that the answer is the same for every client.
    pub(super) fn check(&self, app: &App) -> std::result::Result<(), Problem> {
        self.token.claims().check(app.clock.now())
    }
}

pub(super) async fn prove<'a>(app: &App, asked: &AuthRequest<'a>, assertion: &ForeignAssertion) -> Result<Verdict<'a>> {
    let used_for = IssuerUse::ClientAssertion;
    let refused = |problem: Problem| {
        Ok(Verdict::Decided(Err(Denied { fault: Some(problem.fault), reason: problem.reason.into() })))
    };
    // DPoP proofs are about the token that is issued; here, only the certificate of the connection counts.
    let sender = Sender { key: None, ..asked.request.sender };
    let judged =
        federation::judge(app, asked.request.issuer, asked.client, &sender, &assertion.token, used_for).await?;
    let trusted = match judged {
        Ok(trusted) => trusted,
        Err(problem) => return refused(problem),
    };
    match federation::consume(app, &trusted, &assertion.token, used_for).await? {
        Ok(()) => Ok(Verdict::Decided(Ok(Proof::Issuer(sha256(trusted.issuer.issuer.as_bytes()))))),
        Err(problem) => refused(problem),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::crypto::base64url;

    #[test]
    fn only_a_token_that_somebody_else_made_is_one_of_another_issuer() {
        let read = |header: Value, claims: Value| {
            let text = format!("{}.{}.c2ln", base64url(header.to_string()), base64url(claims.to_string()));
            ForeignAssertion::read("worker", &text).is_some()
        };
        let header = json!({"alg": "RS256"});
        assert!(read(header.clone(), json!({"iss": "https://idp.example", "sub": "repo:octo/app:ref"})));
        assert!(read(header.clone(), json!({"iss": "https://idp.example", "sub": "worker"})));
        assert!(read(json!({"alg": "RS256", "typ": "JOSE"}), json!({"sub": "spiffe://td.example/a"})));
        for (header, claims) in [
            (header.clone(), json!({"iss": "worker", "sub": "worker"})),
            (header.clone(), json!({"iss": "other", "sub": "other"})),
            (header.clone(), json!({"sub": "worker"})),
            (header.clone(), json!({"iss": "https://idp.example"})),
            (json!({"alg": "RS256", "typ": "oauth-id-jag+jwt"}), json!({"iss": "https://idp.example", "sub": "a"})),
            (json!({"alg": "none"}), json!({"iss": "https://idp.example", "sub": "a"})),
            (json!({"alg": "RS256", "typ": "at+jwt"}), json!({"iss": "https://idp.example", "sub": "a"})),
        ] {
            assert!(!read(header.clone(), claims.clone()), "{header} {claims}");
        }
    }
}
