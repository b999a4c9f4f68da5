//! The environment name and the readable prefixes that carry it: `jat_live_…`, `jrt_live_…`, `jcs_live_…`.

use std::fmt;
use std::str::FromStr;

use crate::crypto::{base64url, random};

/// Prefix of opaque access tokens.
pub const ACCESS_TOKEN_PREFIX: &str = "jat_";
/// Prefix of refresh tokens.
pub const REFRESH_TOKEN_PREFIX: &str = "jrt_";
/// Prefix of authorization codes.
pub const AUTHORIZATION_CODE_PREFIX: &str = "jac_";
/// Prefix of device codes.
pub const DEVICE_CODE_PREFIX: &str = "jdc_";
/// Prefix of generated client secrets.
pub const CLIENT_SECRET_PREFIX: &str = "jcs_";
/// Prefix of registration access tokens.
pub const REGISTRATION_TOKEN_PREFIX: &str = "jrg_";

/// Every prefix, and what has it.
pub const PREFIXES: [(&str, &str); 6] = [
    (ACCESS_TOKEN_PREFIX, "an access token"),
    (REFRESH_TOKEN_PREFIX, "a refresh token"),
    (AUTHORIZATION_CODE_PREFIX, "an authorization code"),
    (DEVICE_CODE_PREFIX, "a device code"),
    (CLIENT_SECRET_PREFIX, "a client secret"),
    (REGISTRATION_TOKEN_PREFIX, "a registration access token"),
];

/// The short name of an environment, such as `live` or `staging`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Environment(String);

/// A sibling environment, whose tokens are recognised and named in refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownIssuer {
    /// Its name in prefixes.
    pub environment: Environment,
    /// The `iss` of its tokens.
    pub issuer: String,
}

impl FromStr for Environment {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if (1..=16).contains(&name.len()) && name.bytes().all(legal) {
            Ok(Self(name.to_owned()))
        } else {
            Err("an environment name must be 1 to 16 lower-case letters and digits".into())
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Environment {
    /// Writes the prefix, this environment and the bytes as text.
    pub fn write(&self, prefix: &str, bytes: &[u8]) -> String {
        format!("{prefix}{self}_{}", base64url(bytes))
    }

    /// With what a generated client secret begins.
    pub fn client_secret_prefix(&self) -> String {
        self.write(CLIENT_SECRET_PREFIX, &[])
    }

    /// A new client secret of 256 random bits.
    pub fn generate_client_secret(&self) -> String {
        self.write(CLIENT_SECRET_PREFIX, &random::<32>())
    }

    /// A new registration access token of 256 random bits.
    pub fn generate_registration_token(&self) -> String {
        self.write(REGISTRATION_TOKEN_PREFIX, &random::<32>())
    }
}

/// Splits what follows a prefix into the environment's name and the rest.
pub fn split(after_prefix: &str) -> Option<(Environment, &str)> {
    let (name, rest) = after_prefix.split_once('_')?;
    Some((name.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_name_is_short_and_plain() {
        assert!("live".parse::<Environment>().is_ok());
        for name in ["", "Live", "my_env", "a-b", "seventeenletterss", "é"] {
            assert!(name.parse::<Environment>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_secret_shows_its_environment_and_holds_256_bits() {
        let secret = "live".parse::<Environment>().unwrap().generate_client_secret();
        let (environment, rest) = split(secret.strip_prefix(CLIENT_SECRET_PREFIX).unwrap()).unwrap();
        assert_eq!(environment.to_string(), "live");
        assert_eq!(crate::crypto::from_base64url(rest).unwrap().len(), 32);
    }
}
