//! What the tokens of a request are bound to (RFC 9449 §5, RFC 8705 §3 and §4).

use crate::protocol::client::Client;
use crate::protocol::confirmation::{Confirmation, Sender};
use crate::protocol::error::{ErrorCode, Refusal};

/// Checks that the sender proved what this client has to prove.
///
/// # Errors
/// If it did not.
pub(crate) fn check(client: &Client, sender: &Sender) -> Result<(), Refusal> {
    if client.settings.dpop_bound_access_tokens && sender.key.is_none() {
        let text = "The client has dpop_bound_access_tokens: it must send a DPoP proof with each token request.";
        return Err(Refusal::new(ErrorCode::InvalidDpopProof, text));
    }
    Ok(())
}

/// What an access token is bound to: the key that was proved.
pub(crate) fn of_access_token(_client: &Client, sender: &Sender) -> Option<Confirmation> {
    sender.key.map(Confirmation::Key)
}

/// What a refresh token is bound to. That of a confidential client is bound to the client, which proves itself each time
/// (RFC 9449 §5).
pub(super) fn of_refresh_token(client: &Client, sender: &Sender) -> Option<Confirmation> {
    if client.is_public() { of_access_token(client, sender) } else { None }
}
