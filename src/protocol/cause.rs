//! Why a token is refused: one list, in the order in which the causes are looked for. The *first cause* is the first
//! that holds. Logs, metrics, error pages and revocation records all use these names.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Makes the enumeration and its names from one table, so that they cannot drift apart.
macro_rules! causes {
    ($($variant:ident $name:literal $title:literal,)*) => {
        /// A reason to refuse a token.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Cause { $(#[doc = $title] $variant,)* }

        impl Cause {
            /// Every cause, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name, as it stands in logs, records and addresses of error pages.
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
    SentTwice "sent_twice" "The token was sent in two ways at once.",
    InQueryString "in_query_string" "The token was sent in the address.",
    WrongScheme "wrong_scheme" "The Authorization header has another scheme than Bearer.",
    SurroundingWhitespace "surrounding_whitespace" "White space stands around the token.",
    LineBreak "line_break" "A line break stands in the token.",
    InvisibleCharacter "invisible_character" "An invisible character stands in the token.",
    BearerPrefixLeftIn "bearer_prefix_left_in" "The word Bearer was left in front of the token.",
    Quoted "quoted" "The token stands in quotes.",
    PercentEncoded "percent_encoded" "The token was percent-encoded.",
    Truncated "truncated" "A part of the token is missing.",
    TwoTokensJoined "two_tokens_joined" "Two tokens were joined.",
    WrongBase64Alphabet "wrong_base64_alphabet" "The token was written in the wrong base64 alphabet.",
    ChangedCase "changed_case" "Upper and lower case of the token were changed.",
    NotAToken "not_a_token" "The text is not a token.",
    RefreshTokenAsAccessToken "refresh_token_as_access_token" "A refresh token was sent in place of an access token.",
    IdTokenAsAccessToken "id_token_as_access_token" "An ID token was sent in place of an access token.",
    ClientSecretAsToken "client_secret_as_token" "A client secret was sent in place of a token.",
    WrongEnvironment "wrong_environment" "The token is of another environment of this service.",
    ForeignToken "foreign_token" "The token was issued by somebody else.",
    AlgorithmNotAllowed "algorithm_not_allowed" "The token names an algorithm that is not allowed.",
    UnknownKey "unknown_key" "The token names a key that this server never had.",
    RetiredKey "retired_key" "The token was made with a key that was withdrawn.",
    BadSignature "bad_signature" "The signature does not fit: the token was changed or is forged.",
    WrongIssuer "wrong_issuer" "The token was made with our key for another issuer.",
    TokenRevoked "token_revoked" "The token was revoked.",
    SessionRevoked "session_revoked" "The session was revoked.",
    RefreshReuseDetected "refresh_reuse_detected" "The session ended because a spent refresh token was used again.",
    Superseded "superseded" "A newer session or a newer refresh token has taken its place.",
    UserRevoked "user_revoked" "The tokens of the user were revoked.",
    ClientRevoked "client_revoked" "The tokens of the client were revoked.",
    AllRevoked "all_revoked" "All tokens were revoked.",
    UserDisabled "user_disabled" "The user was disabled.",
    ClientDisabled "client_disabled" "The client was disabled.",
    UserDeleted "user_deleted" "The user was deleted.",
    ClientDeleted "client_deleted" "The client was deleted.",
    Expired "expired" "The token has expired.",
    NotYetValid "not_yet_valid" "The token is from the future.",
    WrongAudience "wrong_audience" "The token is meant for another audience.",
    InsufficientScope "insufficient_scope" "The token lacks a scope.",
    NeverIssued "never_issued" "The token is authentic, but its record does not exist in this database.",
    CouldNotCheck "could_not_check" "The token could not be checked just now.",
}

/// What a resource server answers to a request that it refuses (RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BearerAnswer {
    /// The status.
    pub status: u16,
    /// The `error` of the challenge; there is none when nobody has tried to send a token.
    pub error: Option<&'static str>,
}

impl Cause {
    /// What a resource server answers for this cause.
    pub const fn bearer_answer(self) -> BearerAnswer {
        match self {
            Self::Missing | Self::WrongScheme => BearerAnswer { status: 401, error: None },
            Self::SentTwice | Self::InQueryString => BearerAnswer { status: 400, error: Some("invalid_request") },
            Self::InsufficientScope => BearerAnswer { status: 403, error: Some("insufficient_scope") },
            Self::CouldNotCheck => BearerAnswer { status: 503, error: None },
            _ => BearerAnswer { status: 401, error: Some("invalid_token") },
        }
    }

    /// Whether it is about whoever holds the token: of several such revocations the last one is told.
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
