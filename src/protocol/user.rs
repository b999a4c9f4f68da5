//! Users, and how their names are compared.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::protocol::claims::ExtraClaims;
use crate::protocol::role::Role;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// The longest username and the longest password, in bytes.
pub const LONGEST_CREDENTIAL: usize = 1024;

/// A user as it is stored.
#[derive(Clone, Debug)]
pub struct User {
    /// Its id inside this server, by which administrators address it.
    pub id: Uuid,
    /// The `sub` of its tokens, which never changes: given at creation, or else its id.
    pub sub: String,
    /// The name as it was entered.
    pub username: String,
    /// Argon2id (PHC string) of the password; without one, the user cannot log in.
    pub password_hash: Option<String>,
    /// What it may be granted; if absent, whatever the client may.
    pub scope: Option<Scope>,
    /// Claims that go into its tokens.
    pub claims: ExtraClaims,
    /// Claims of OpenID Connect (Core §5.1), which go into ID tokens and UserInfo, by scope.
    pub profile: ExtraClaims,
    /// Whether it may log in.
    pub enabled: bool,
    /// What it may administer in the console, if anything.
    pub role: Option<Role>,
    /// Whether it has a second factor. Writing a user does not change that.
    pub has_second_factor: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

impl User {
    /// Whether it can log in and administer everything: a user without a password cannot.
    pub fn is_administrator(&self) -> bool {
        self.enabled && self.password_hash.is_some() && self.role == Some(Role::Admin)
    }
}

/// A username in the form that is compared: Unicode NFKC and case folding.
pub fn username_key(username: &str) -> String {
    username.nfkc().default_case_fold().nfkc().collect()
}

/// Whether a text may be a username or a password: not too long, and without control characters (RFC 6749 appendix A.15
/// excludes CR and LF; keyboards do not produce the others).
pub fn is_credential(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_CREDENTIAL && !text.chars().any(char::is_control)
}

/// Checks the name of a new user.
pub fn check_username(username: &str) -> Result<(), String> {
    if !is_credential(username) || username.len() > 255 {
        return Err("username must be 1 to 255 bytes without control characters".into());
    }
    if username.trim() != username {
        return Err("username must not begin or end with white space".into());
    }
    // In the form in which names are compared: digits can be written in other ways.
    if Uuid::try_parse(&username_key(username)).is_ok() {
        return Err("username must not have the form of a user id (a UUID)".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_compared_after_normalisation_and_case_folding() {
        for (one, other) in [("Alice", "aLICE"), ("straße", "STRASSE"), ("\u{FB01}n", "fin"), ("e\u{301}", "\u{E9}")] {
            assert_eq!(username_key(one), username_key(other));
        }
        assert_ne!(username_key("alice"), username_key("alice "));
    }

    #[test]
    fn a_username_has_no_control_characters() {
        for name in [
            "",
            "a\0",
            "alice\r\n",
            "\u{1b}[2J",
            "a\u{85}",
            " a",
            "018f4d2e-0000-7000-8000-000000000000",
            "\u{FF10}18f4d2e-0000-7000-8000-000000000000",
        ] {
            assert!(check_username(name).is_err(), "{name:?}");
        }
        assert!(check_username("bob@example.com").is_ok());
    }
}
