//! The errors of RFC 6749 §5.2 and its extensions: what the client learns, and what only the log does.

use std::borrow::Cow;

use crate::protocol::assertion::{NOT_PROVED, Problem};
use crate::protocol::bearer::Scheme;
use crate::protocol::cause::Cause;
use crate::protocol::fault::Fault;
use crate::protocol::foreign_assertion;
use crate::protocol::identity::Identity;
use crate::protocol::names::names;

names! {
    /// The errors of the OAuth endpoints.
    ErrorCode {
        /// RFC 6749 §5.2.
        InvalidRequest "invalid_request",
        /// RFC 6749 §5.2.
        InvalidClient "invalid_client",
        /// RFC 6749 §5.2.
        InvalidGrant "invalid_grant",
        /// RFC 6749 §5.2.
        UnauthorizedClient "unauthorized_client",
        /// RFC 6749 §5.2.
        UnsupportedGrantType "unsupported_grant_type",
        /// RFC 6749 §5.2.
        InvalidScope "invalid_scope",
        /// RFC 8707 §2.
        InvalidTarget "invalid_target",
        /// RFC 6750 §3.1: the access token that authenticates the caller is not valid.
        InvalidToken "invalid_token",
        /// RFC 6750 §3.1: the access token that authenticates the caller does not allow this.
        InsufficientScope "insufficient_scope",
        /// RFC 6749 §4.1.2.1.
        UnsupportedResponseType "unsupported_response_type",
        /// RFC 6749 §4.1.2.1: the person said no.
        AccessDenied "access_denied",
        /// RFC 8628 §3.5: nobody has answered the request of the device yet.
        AuthorizationPending "authorization_pending",
        /// RFC 8628 §3.5: the same, and the device asks too often.
        SlowDown "slow_down",
        /// RFC 8628 §3.5: nobody answered the request of the device in time.
        ExpiredToken "expired_token",
        /// OpenID Connect Core §3.1.2.6.
        LoginRequired "login_required",
        /// OpenID Connect Core §3.1.2.6.
        ConsentRequired "consent_required",
        /// OpenID Connect Core §3.1.2.6, RFC 9126 §4.
        InvalidRequestUri "invalid_request_uri",
        /// OpenID Connect Core §3.1.2.6.
        RequestNotSupported "request_not_supported",
        /// OpenID Connect Core §3.1.2.6.
        RequestUriNotSupported "request_uri_not_supported",
        /// RFC 9449 §5.
        InvalidDpopProof "invalid_dpop_proof",
        /// RFC 9449 §8.
        UseDpopNonce "use_dpop_nonce",
        /// RFC 7591 §3.2.2.
        InvalidRedirectUri "invalid_redirect_uri",
        /// RFC 7591 §3.2.2.
        InvalidClientMetadata "invalid_client_metadata",
        /// RFC 7591 §3.2.2.
        UnapprovedSoftwareStatement "unapproved_software_statement",
        /// No error of OAuth: a form of this server's pages that it did not show to this browser.
        InvalidForm "invalid_form",
        /// The request could not be served right now (named as in RFC 6749 §4.1.2.1).
        TemporarilyUnavailable "temporarily_unavailable",
        /// A fault of the server (named as in RFC 6749 §4.1.2.1).
        ServerError "server_error",
    }
}

/// A refusal: a sentence for the client, and the exact reason for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The `error` member.
    pub code: ErrorCode,
    /// The `error_description` member: a fixed sentence, which may name scopes or a member of the body, but never a value.
    pub description: Cow<'static, str>,
    /// The exact reason, for the log only; never a token, password or secret.
    pub reason: Cow<'static, str>,
    /// Why the presented token was refused, if it was a token.
    pub cause: Option<Cause>,
    /// What was wrong with something else that was sent, if it has a name.
    pub fault: Option<Fault>,
    /// Whether the client may learn that cause.
    pub tells_cause: bool,
    /// The scheme of the challenge, if it is another one than `Bearer` (RFC 9449 §7.1).
    pub scheme: Option<Scheme>,
    /// Whom it concerns, for the log only.
    pub about: Option<Box<Identity>>,
}

impl Refusal {
    /// A refusal whose description is also the reason in the log.
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        let (description, reason) = (Cow::Borrowed(description), Cow::Borrowed(description));
        Self { code, description, reason, cause: None, fault: None, tells_cause: false, scheme: None, about: None }
    }

    /// The same for a sentence that names something.
    pub fn naming(code: ErrorCode, description: String) -> Self {
        Self { description: description.clone().into(), ..Self::new(code, "") }.because(description)
    }

    /// The same refusal with the exact reason, for the log only.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = reason.into();
        self
    }

    /// The same refusal with whom it concerns.
    #[must_use]
    pub fn about(mut self, identity: Identity) -> Self {
        let known = self.about.take().map(|known| *known).unwrap_or_default();
        self.about = Some(Box::new(known.and(identity)));
        self
    }

    /// The same refusal with the reason to refuse the presented token.
    #[must_use]
    pub const fn by(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// The same refusal with the name of what is wrong.
    #[must_use]
    pub fn with(mut self, fault: impl Into<Fault>) -> Self {
        self.fault = Some(fault.into());
        self
    }

    /// The same refusal, whose answer names the cause or does not.
    #[must_use]
    pub const fn telling_cause(mut self, tells_cause: bool) -> Self {
        self.tells_cause = tells_cause;
        self
    }

    /// The same refusal, which challenges for a token of this scheme.
    #[must_use]
    pub const fn challenging_for(mut self, scheme: Scheme) -> Self {
        self.scheme = Some(scheme);
        self
    }

    /// `invalid_request` with this sentence.
    pub const fn invalid_request(description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// `invalid_client`: always the same sentence, whatever was wrong with id or secret (conformance CAU-003).
    pub fn invalid_client(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            ErrorCode::InvalidClient,
            "Client authentication failed: check client_id and client_secret and send them in one way only.",
        )
        .because(reason)
    }

    /// `invalid_client` for what is wrong with a client assertion.
    pub fn assertion(problem: Problem) -> Self {
        let Problem { fault, reason } = problem;
        Self::new(ErrorCode::InvalidClient, fault.description()).with(fault).because(reason)
    }

    /// A refusal for what is wrong with a token of another issuer.
    pub fn foreign_assertion(code: ErrorCode, problem: Problem) -> Self {
        let Problem { fault, reason } = problem;
        Self::new(code, foreign_assertion::description(fault)).with(fault).because(reason)
    }

    /// `invalid_client` for an assertion that proves nothing, because of the client: always the same sentence, also where there is
    /// none (conformance CAU-003).
    pub fn unproved_assertion(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidClient, NOT_PROVED).because(reason)
    }

    /// The name under which it is logged and counted: why the token was refused, or what else is wrong, or the error.
    pub fn cause_name(&self) -> &'static str {
        let fault = self.fault.map_or(self.code.name(), Fault::name);
        self.cause.map_or(fault, Cause::name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gen_028_names_use_only_the_allowed_characters() {
        for code in ErrorCode::ALL {
            assert!(code.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        }
    }
}
