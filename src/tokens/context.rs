//! What reading a token takes: the issuer, its siblings and its keys.

use crate::keys::keyring::KeyRing;
use crate::protocol::cause::Cause;
use crate::tokens::environment::{Environment, KnownIssuer};

/// The issuer that reads a token, as far as reading needs it.
#[derive(Clone, Copy)]
pub struct TokenContext<'a> {
    /// The `iss` of its tokens.
    pub issuer: &'a str,
    /// The environment in its prefixes.
    pub environment: &'a Environment,
    /// Its sibling environments.
    pub siblings: &'a [KnownIssuer],
    /// Its keys.
    pub ring: &'a KeyRing,
}

impl TokenContext<'_> {
    /// Why a token that names another issuer is refused.
    pub fn of_issuer(self, issuer: &str) -> Cause {
        self.known_or_foreign(|sibling| sibling.issuer == issuer)
    }

    /// Why a token that names another environment is refused.
    pub fn of_environment(self, environment: &Environment) -> Cause {
        self.known_or_foreign(|sibling| sibling.environment == *environment)
    }

    fn known_or_foreign(self, is_named: impl Fn(&KnownIssuer) -> bool) -> Cause {
        if self.siblings.iter().any(is_named) { Cause::WrongEnvironment } else { Cause::ForeignToken }
    }
}
