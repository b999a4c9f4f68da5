//! What each cause means, how to recognise it, and what client, resource server and administrator can do. `/docs/errors/{code}`,
//! `/auth/explain` and the command line show these texts.
//!
//! `{issuer}` and `{ops}` are placeholders for the addresses of this server. Code is in backticks.

mod holder;
mod origin;
mod revocation;
mod sending;
mod transit;
mod validity;

use crate::protocol::cause::Cause;

/// The advice about an error.
#[derive(Clone, Copy, Debug)]
pub struct Advice {
    /// What it means.
    pub meaning: &'static str,
    /// How to recognise it.
    pub see: &'static str,
    /// What the client can do.
    pub client: &'static str,
    /// What the resource server can do.
    pub resource_server: &'static str,
    /// What the administrator can do.
    pub administrator: &'static str,
    /// Commands that help, besides those that explain.
    pub commands: &'static [&'static str],
}

/// The advice for someone who need not do anything.
pub const NOTHING: &str = "Nothing.";

/// The advice about what is no matter of resource servers.
pub(crate) const fn beside_resource_servers(
    meaning: &'static str,
    see: &'static str,
    client: &'static str,
    administrator: &'static str,
    commands: &'static [&'static str],
) -> Advice {
    Advice { meaning, see, client, resource_server: NOTHING, administrator, commands }
}

const REFUSE: &str = "Answer 401 `invalid_token`.";

/// The advice about a cause.
pub const fn about(cause: Cause) -> Advice {
    match cause {
        Cause::Missing => sending::MISSING,
        Cause::SentTwice => sending::SENT_TWICE,
        Cause::InQueryString => sending::IN_QUERY_STRING,
        Cause::WrongScheme => sending::WRONG_SCHEME,
        Cause::SurroundingWhitespace => transit::SURROUNDING_WHITESPACE,
        Cause::LineBreak => transit::LINE_BREAK,
        Cause::InvisibleCharacter => transit::INVISIBLE_CHARACTER,
        Cause::BearerPrefixLeftIn => transit::BEARER_PREFIX_LEFT_IN,
        Cause::Quoted => transit::QUOTED,
        Cause::PercentEncoded => transit::PERCENT_ENCODED,
        Cause::Truncated => transit::TRUNCATED,
        Cause::TwoTokensJoined => transit::TWO_TOKENS_JOINED,
        Cause::WrongBase64Alphabet => transit::WRONG_BASE64_ALPHABET,
        Cause::ChangedCase => transit::CHANGED_CASE,
        Cause::NotAToken => transit::NOT_A_TOKEN,
        Cause::RefreshTokenAsAccessToken => origin::REFRESH_TOKEN_AS_ACCESS_TOKEN,
        Cause::IdTokenAsAccessToken => origin::ID_TOKEN_AS_ACCESS_TOKEN,
        Cause::ClientSecretAsToken => origin::CLIENT_SECRET_AS_TOKEN,
        Cause::CodeAsToken => origin::CODE_AS_TOKEN,
        Cause::RegistrationTokenAsToken => origin::REGISTRATION_TOKEN_AS_TOKEN,
        Cause::WrongEnvironment => origin::WRONG_ENVIRONMENT,
        Cause::ForeignToken => origin::FOREIGN_TOKEN,
        Cause::AlgorithmNotAllowed => origin::ALGORITHM_NOT_ALLOWED,
        Cause::UnknownKey => origin::UNKNOWN_KEY,
        Cause::RetiredKey => origin::RETIRED_KEY,
        Cause::BadSignature => origin::BAD_SIGNATURE,
        Cause::ProofMissing => holder::PROOF_MISSING,
        Cause::ProofInvalid => holder::PROOF_INVALID,
        Cause::ProofKeyMismatch => holder::PROOF_KEY_MISMATCH,
        Cause::WrongIssuer => origin::WRONG_ISSUER,
        Cause::TokenRevoked => revocation::TOKEN_REVOKED,
        Cause::SessionRevoked => revocation::SESSION_REVOKED,
        Cause::RefreshReuseDetected => revocation::REFRESH_REUSE_DETECTED,
        Cause::Superseded => revocation::SUPERSEDED,
        Cause::UserRevoked => revocation::USER_REVOKED,
        Cause::ClientRevoked => revocation::CLIENT_REVOKED,
        Cause::AllRevoked => revocation::ALL_REVOKED,
        Cause::UserDisabled => revocation::USER_DISABLED,
        Cause::ClientDisabled => revocation::CLIENT_DISABLED,
        Cause::UserDeleted => revocation::USER_DELETED,
        Cause::ClientDeleted => revocation::CLIENT_DELETED,
        Cause::Expired => validity::EXPIRED,
        Cause::NotYetValid => validity::NOT_YET_VALID,
        Cause::WrongAudience => validity::WRONG_AUDIENCE,
        Cause::InsufficientScope => validity::INSUFFICIENT_SCOPE,
        Cause::NeverIssued => validity::NEVER_ISSUED,
        Cause::CouldNotCheck => validity::COULD_NOT_CHECK,
    }
}
