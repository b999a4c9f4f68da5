//! A hint for the log about a wrong secret: that it belongs elsewhere, or is not a secret at all.

use secrecy::{ExposeSecret, SecretString};

use crate::issuer::Issuer;
use crate::tokens::environment::{self, ACCESS_TOKEN_PREFIX, CLIENT_SECRET_PREFIX, REFRESH_TOKEN_PREFIX};

/// A hint to append to the reason of a refusal; empty if the secret gives none.
pub(super) fn about(issuer: &Issuer, secret: Option<&SecretString>) -> String {
    let Some(secret) = secret.map(ExposeSecret::expose_secret) else { return String::new() };
    if let Some((theirs, _)) = secret.strip_prefix(CLIENT_SECRET_PREFIX).and_then(environment::split) {
        let ours = issuer.environment();
        if theirs == *ours {
            return String::new();
        }
        let which = if issuer.has_sibling(&theirs) { "the sibling environment" } else { "the unknown environment" };
        return format!(": it belongs to {which} {theirs}, and this is {ours}");
    }
    let is_token = ["eyJ", ACCESS_TOKEN_PREFIX, REFRESH_TOKEN_PREFIX].iter().any(|prefix| secret.starts_with(prefix));
    if is_token {
        return ": a token was sent instead of the secret".to_owned();
    }
    let is_damaged = secret.trim() != secret || secret.starts_with(['"', '\'']);
    if is_damaged { ": there are white space or quotes around it".to_owned() } else { String::new() }
}
