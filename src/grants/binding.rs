//! What the tokens of a request are bound to (RFC 9449 §5, RFC 8705 §3 and §4).

use crate::protocol::client::Client;
use crate::protocol::confirmation::{Confirmation, Sender};
use crate::protocol::error::Refusal;
use crate::protocol::security_profile;

/// Checks that the sender proved what this client has to prove, by its profile and by its settings.
///
/// # Errors
/// `invalid_request` if it did not. `invalid_dpop_proof` is for a proof that is there and not valid (RFC 9449 §5).
pub(crate) fn check(client: &Client, sender: &Sender) -> Result<(), Refusal> {
    security_profile::check_token_request(&client.settings, of_access_token(client, sender).is_some())?;
    if client.settings.dpop_bound_access_tokens && sender.key.is_none() {
        let text = "The client has dpop_bound_access_tokens: it must send a DPoP proof with each token request.";
        return Err(Refusal::invalid_request(text));
    }
    if client.settings.tls_client_certificate_bound_access_tokens {
        if sender.certificate.is_none() {
            let text = "The client has tls_client_certificate_bound_access_tokens: it must show its certificate with each token \
                        request, at the address in mtls_endpoint_aliases.";
            return Err(Refusal::invalid_request(text));
        }
        if sender.key.is_some() {
            let text = "The client has tls_client_certificate_bound_access_tokens: its tokens are bound to its certificate, so it \
                        must not send a DPoP proof.";
            return Err(Refusal::invalid_request(text));
        }
    }
    Ok(())
}

/// What an access token is bound to: the key that was proved, or the certificate if the client wants that. Others show a certificate
/// for some other reason, or because a browser chose one, and could not use what is bound to it.
pub(super) fn of_access_token(client: &Client, sender: &Sender) -> Option<Confirmation> {
    match sender.certificate {
        Some(certificate) if client.settings.tls_client_certificate_bound_access_tokens => {
            Some(Confirmation::Certificate(certificate))
        }
        _ => sender.key.map(Confirmation::Key),
    }
}

/// What a refresh token is bound to. That of a confidential client is bound to the client, which proves itself each time
/// (RFC 9449 §5, RFC 8705 §4).
pub(super) fn of_refresh_token(client: &Client, sender: &Sender) -> Option<Confirmation> {
    if client.is_public() { of_access_token(client, sender) } else { None }
}
