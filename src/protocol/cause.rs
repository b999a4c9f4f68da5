//! Why a token is refused: one list, in the order in which the causes are checked. The *first cause* is the first one that
//! applies. Logs, metrics, error pages and revocation records all use these names.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::protocol::schema::describe;

/// Makes the enum and its names from one table, so that they cannot drift apart.
macro_rules! causes {
    ($($variant:ident $name:literal $title:literal,)*) => {
        /// A reason to refuse a token.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause { $(#[doc = $title] $variant,)* }

        impl Cause {
            /// Every cause, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in logs, records and the URLs of error pages.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in one sentence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

causes! {
    Missing "missing" "No token was sent.",
    SentTwice "sent_twice" "The token was sent more than once.",
    InQueryString "in_query_string" "The token was sent in the URL.",
    WrongScheme "wrong_scheme" "The Authorization header does not use the Bearer scheme.",
    SurroundingWhitespace "surrounding_whitespace" "There is whitespace around the token.",
    LineBreak "line_break" "The token contains a line break.",
    InvisibleCharacter "invisible_character" "The token contains an invisible character.",
    BearerPrefixLeftIn "bearer_prefix_left_in" "The word Bearer is part of the token.",
    Quoted "quoted" "The token is in quotes.",
    PercentEncoded "percent_encoded" "The token is percent-encoded.",
    Truncated "truncated" "Part of the token is missing.",
    TwoTokensJoined "two_tokens_joined" "Two tokens were joined together.",
    WrongBase64Alphabet "wrong_base64_alphabet" "The token uses the wrong base64 alphabet.",
    ChangedCase "changed_case" "The letter case of the token was changed.",
    NotAToken "not_a_token" "The text is not a token.",
    RefreshTokenAsAccessToken "refresh_token_as_access_token" "A refresh token was sent instead of an access token.",
    IdTokenAsAccessToken "id_token_as_access_token" "An ID token was sent instead of an access token.",
    ClientSecretAsToken "client_secret_as_token" "A client secret was sent instead of a token.",
    CodeAsToken "code_as_token" "A code that is exchanged for tokens was sent instead of a token.",
    RegistrationTokenAsToken "registration_token_as_token" "A registration access token was sent instead of a token.",
    WrongEnvironment "wrong_environment" "The token belongs to another environment of this service.",
    ForeignToken "foreign_token" "The token was issued by another service.",
    AlgorithmNotAllowed "algorithm_not_allowed" "The token names an algorithm that is not allowed.",
    UnknownKey "unknown_key" "The token names a key that this server never had.",
    RetiredKey "retired_key" "The key that made the token was deleted.",
    BadSignature "bad_signature" "The signature does not match: the token was changed or forged.",
    ProofMissing "proof_missing" "The token is bound to a key or a certificate, and nothing proved that the sender holds it.",
    ProofInvalid "proof_invalid" "The DPoP proof that came with the token is not valid.",
    ProofKeyMismatch "proof_key_mismatch" "The token is not bound to what the sender proved to hold.",
    WrongIssuer "wrong_issuer" "Our key signed the token for another issuer.",
    TokenRevoked "token_revoked" "The token was revoked.",
    SessionRevoked "session_revoked" "The session was revoked.",
    RefreshReuseDetected "refresh_reuse_detected" "The session ended because a refresh token was used twice.",
    Superseded "superseded" "A newer session or refresh token has replaced it.",
    UserRevoked "user_revoked" "All tokens of the user were revoked.",
    ClientRevoked "client_revoked" "All tokens of the client were revoked.",
    AllRevoked "all_revoked" "All tokens were revoked.",
    UserDisabled "user_disabled" "The user was disabled.",
    ClientDisabled "client_disabled" "The client was disabled.",
    UserDeleted "user_deleted" "The user was deleted.",
    ClientDeleted "client_deleted" "The client was deleted.",
    Expired "expired" "The token has expired.",
    NotYetValid "not_yet_valid" "The token is not valid yet.",
    WrongAudience "wrong_audience" "The token is for another audience.",
    InsufficientScope "insufficient_scope" "The token lacks a required scope.",
    NeverIssued "never_issued" "The token is authentic, but this database has no record of it.",
    CouldNotCheck "could_not_check" "The token could not be checked right now.",
}

describe!(Cause {
    "description": "Why a token is refused. Each cause has a page below `/docs/errors`.",
    "type": "string",
    "enum": Cause::ALL,
});

/// How a resource server answers a request that it refuses (RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BearerAnswer {
    /// The status.
    pub status: u16,
    /// The `error` of the challenge; `None` if the request did not attempt Bearer authentication.
    pub error: Option<&'static str>,
}

impl Cause {
    /// How a resource server answers for this cause.
    pub const fn bearer_answer(self) -> BearerAnswer {
        match self {
            Self::Missing | Self::WrongScheme => BearerAnswer { status: 401, error: None },
            Self::SentTwice | Self::InQueryString => BearerAnswer { status: 400, error: Some("invalid_request") },
            Self::InsufficientScope => BearerAnswer { status: 403, error: Some("insufficient_scope") },
            Self::ProofInvalid => BearerAnswer { status: 401, error: Some("invalid_dpop_proof") },
            Self::CouldNotCheck => BearerAnswer { status: 503, error: None },
            _ => BearerAnswer { status: 401, error: Some("invalid_token") },
        }
    }

    /// Whether it concerns the token's user or client; of several such revocations, the latest is reported.
    pub const fn is_about_the_subject(self) -> bool {
        matches!(self, Self::UserDisabled | Self::ClientDisabled | Self::UserDeleted | Self::ClientDeleted)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Cause {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|cause| cause.name() == name).ok_or(())
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_as_its_cause() {
        for cause in Cause::ALL {
            assert_eq!(cause.name().parse(), Ok(*cause));
        }
    }
}
