//! Where a token may come from: this server, a sister environment, or somebody else.

use super::environment::{Environment, KnownIssuer};
use super::keyring::KeyRing;
use crate::oauth::cause::Cause;

/// What is known of this server when a token is read.
#[derive(Clone, Copy)]
pub struct Origin<'a> {
    /// The `iss` of its tokens.
    pub issuer: &'a str,
    /// The name in its prefixes.
    pub environment: &'a Environment,
    /// Its sister environments.
    pub sisters: &'a [KnownIssuer],
    /// Its keys.
    pub ring: &'a KeyRing,
}

impl Origin<'_> {
    /// The cause against a token that claims another issuer.
    pub fn of_issuer(self, issuer: &str) -> Cause {
        self.known_or_foreign(|sister| sister.issuer == issuer)
    }

    /// The cause against a token that claims another environment.
    pub fn of_environment(self, environment: &Environment) -> Cause {
        self.known_or_foreign(|sister| sister.environment == *environment)
    }

    fn known_or_foreign(self, is_it: impl Fn(&KnownIssuer) -> bool) -> Cause {
        if self.sisters.iter().any(is_it) { Cause::WrongEnvironment } else { Cause::ForeignToken }
    }
}
