//! Clients (RFC 6749 §2, metadata names of RFC 7591 §2).

mod settings;
mod values;

use std::fmt;

use uuid::Uuid;

use crate::protocol::time::Timestamp;

pub use settings::{ClientSettings, DEFAULT_MAX_SESSIONS, IdentityAssertionAudience, Jwks};
pub use values::{
    AccessTokenFormat, AccessTokenTyp, ApplicationType, AuthMethod, Consent, GrantType, IdTokenAlgorithm, Permission,
    RegisteredBy, SecurityProfile,
};

/// The stored form of a secret, never the secret itself.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretDigest {
    /// SHA-256 of a generated secret of 256 random bits.
    Generated([u8; 32]),
    /// Argon2id (PHC string) of a secret that somebody chose.
    Chosen(String),
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretDigest")
    }
}

/// One of the at most two secrets of a client.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    /// Its id.
    pub id: Uuid,
    /// What is compared.
    pub digest: SecretDigest,
    /// When it was made.
    pub created_at: Timestamp,
    /// Roughly when it was last accepted.
    pub last_used_at: Option<Timestamp>,
}

/// How many secrets a client may have at a time.
pub const MOST_SECRETS: usize = 2;

/// A client as it is stored.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id in the protocol, compared exactly.
    pub client_id: String,
    /// Its configuration.
    pub settings: ClientSettings,
    /// Its secrets.
    pub secrets: Vec<ClientSecret>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

impl Client {
    /// Whether nothing proves who it is (RFC 6749 §2.1).
    pub const fn is_public(&self) -> bool {
        self.settings.token_endpoint_auth_method.is_public()
    }

    /// Whether it may use a grant. For token exchange, it needs no entry in `grant_types`.
    pub fn may_use(&self, grant: GrantType) -> bool {
        match grant {
            GrantType::TokenExchange => self.settings.uses_token_exchange(),
            _ => self.settings.grant_types.contains(&grant),
        }
    }

    /// Whether its refresh tokens rotate: a public client's always do (RFC 9700 §4.14.2).
    pub fn rotates(&self) -> bool {
        self.is_public() || self.settings.refresh_token_rotation
    }

    /// For how many milliseconds a repeated refresh returns the same successor.
    pub fn retry_window_millis(&self) -> i64 {
        let default = if self.is_public() { 10 } else { 30 };
        self.settings.retry_window.unwrap_or(default) * 1000
    }
}

/// Checks a display name.
///
/// # Errors
/// What is wrong with it.
pub fn check_client_name(name: &str) -> Result<(), String> {
    if name.len() > 255 || name.chars().any(char::is_control) {
        return Err("client_name is at most 255 bytes without control characters".into());
    }
    Ok(())
}

/// Checks a `client_id`: at most 255 VSCHARs (RFC 6749 appendix A.1), and not in the form of a user id, so that the
/// subject of a client's token is never taken for a user (RFC 9700 §4.15).
pub fn check_client_id(client_id: &str) -> Result<(), String> {
    if client_id.is_empty() || client_id.len() > 255 || !client_id.bytes().all(|byte| (0x20..=0x7E).contains(&byte)) {
        return Err("client_id must be 1 to 255 printable ASCII characters".into());
    }
    if client_id.trim() != client_id {
        return Err("client_id must not begin or end with a space".into());
    }
    if Uuid::try_parse(client_id).is_ok() {
        return Err("client_id must not have the form of a user id (a UUID)".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ccr_004_a_client_id_in_the_form_of_a_user_id_is_refused() {
        for id in [
            "018f4d2e-0000-7000-8000-000000000000",
            "{018f4d2e-0000-7000-8000-000000000000}",
            "urn:uuid:018f4d2e-0000-7000-8000-000000000000",
            "018f4d2e000070008000000000000000",
        ] {
            assert!(check_client_id(id).is_err(), "{id}");
        }
    }

    #[test]
    fn a_client_id_is_printable_ascii() {
        assert!(check_client_id("% + : space \" \\ &").is_ok());
        for id in ["", "é", "a\nb", "\0", " a", "a "] {
            assert!(check_client_id(id).is_err(), "{id:?}");
        }
    }
}
