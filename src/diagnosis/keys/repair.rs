//! Proof of a repair: does the text verify once the damage is removed?

use crate::protocol::claims::AccessClaims;
use crate::tokens::context::TokenContext;
use crate::tokens::verify::{self, Verified, VerifyError};

/// The most repaired texts that are checked against the keys, with one key operation each.
pub const MAX_REPAIR_CHECKS: usize = 7;

/// What the keys say about the repaired texts.
pub(in crate::diagnosis) struct Checked<'t> {
    /// The repaired text that verified, and its token.
    pub(in crate::diagnosis) token: Option<(&'t str, Verified)>,
    /// The claims of one that a key of this server signed for another issuer.
    pub(in crate::diagnosis) other_issuer: Option<Box<AccessClaims>>,
}

/// Checks repaired texts. If several verify, an access token is preferred.
pub(in crate::diagnosis) fn check<'t>(candidates: &'t [String], context: TokenContext<'_>) -> Checked<'t> {
    let (mut verified, mut other_issuer) = (vec![], None);
    for candidate in candidates {
        match verify::verify(candidate, context) {
            Ok(token) => verified.push((candidate.as_str(), token)),
            Err(VerifyError::OtherIssuer(claims)) => other_issuer = Some(claims),
            Err(VerifyError::UnknownKey | VerifyError::NotOurs) => {}
        }
    }
    verified.sort_by_key(|(_, token)| matches!(token, Verified::Refresh(_)));
    Checked { token: verified.into_iter().next(), other_issuer }
}
