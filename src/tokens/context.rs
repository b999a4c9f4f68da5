//! Where a token may come from: this server, a sibling environment, or somebody else.

use crate::keys::keyring::KeyRing;
use crate::protocol::cause::Cause;
use crate::tokens::environment::{Environment, KnownIssuer};

/// What is known of this server when a token is read.
#[derive(Clone, Copy)]
pub struct TokenContext<'a> {
    /// The `iss` of its tokens.
    pub issuer: &'a str,
    /// The name in its prefixes.
    pub environment: &'a Environment,
    /// Its sibling environments.
    pub siblings: &'a [KnownIssuer],
    /// Its keys.
    pub ring: &'a KeyRing,
}

impl TokenContext<'_> {
    /// The cause against a token that claims another issuer.
    pub fn of_issuer(self, issuer: &str) -> Cause {
        self.known_or_foreign(|sibling| sibling.issuer == issuer)
    }

    /// The cause against a token that claims another environment.
    pub fn of_environment(self, environment: &Environment) -> Cause {
        self.known_or_foreign(|sibling| sibling.environment == *environment)
    }

    fn known_or_foreign(self, is_it: impl Fn(&KnownIssuer) -> bool) -> Cause {
        if self.siblings.iter().any(is_it) { Cause::WrongEnvironment } else { Cause::ForeignToken }
    }
}
