//! What whoever holds a token may be told about its refusal, without having said who he is: what the bytes show, and for
//! an authentic token the cause and the time. Never by whom or why a token was taken back.

use std::borrow::Cow;

use crate::oauth::cause::Cause;
use crate::oauth::claims::AccessClaims;
use crate::oauth::time::Timestamp;

/// What is said of every token that is not authentic and not visibly damaged: whatever the keys or the state of this
/// server would add is for those who may know it.
const NOT_VERIFIED: &str = "The token is not one that this server can verify.";

/// A description of a refusal for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The page below `/docs/errors` that says more.
    pub page: &'static str,
    /// A sentence. It holds nothing of what was sent but moments that an authentic token names.
    pub description: Cow<'static, str>,
}

/// Describes a refusal. `claims` are those of the token, if it is authentic.
pub fn describe(cause: Cause, claims: Option<&AccessClaims>) -> Told {
    let description = match (cause, claims) {
        // Which it is depends on keys and settings of this server.
        (
            Cause::WrongEnvironment
            | Cause::ForeignToken
            | Cause::AlgorithmNotAllowed
            | Cause::UnknownKey
            | Cause::RetiredKey
            | Cause::BadSignature,
            _,
        ) => return Told { page: "invalid_token", description: NOT_VERIFIED.into() },
        (Cause::Expired, Some(claims)) => {
            format!("The token expired at {}.", Timestamp::from_seconds(claims.exp)).into()
        }
        (Cause::NotYetValid, Some(claims)) => {
            let from = claims.nbf.map_or(claims.iat, |nbf| nbf.max(claims.iat));
            format!("The token is not valid before {}.", Timestamp::from_seconds(from)).into()
        }
        _ => cause.title().into(),
    };
    Told { page: cause.name(), description }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_that_is_not_authentic_is_described_alike_whatever_the_keys_say() {
        let told = describe(Cause::BadSignature, None);
        for cause in [Cause::UnknownKey, Cause::RetiredKey, Cause::AlgorithmNotAllowed, Cause::ForeignToken] {
            assert_eq!(describe(cause, None), told, "{cause}");
        }
        assert_eq!(told.page, "invalid_token");
    }

    #[test]
    fn the_time_is_named_where_the_token_has_it() {
        let claims: AccessClaims = serde_json::from_value(json!({
            "iss": "https://auth.example", "sub": "c", "aud": "https://api.example", "client_id": "c",
            "iat": 1_800_000_000, "exp": 1_800_000_900, "jti": "6f1c2a4e-0d3b-4c5a-9e8f-7a6b5c4d3e2f", "log": 3,
        }))
        .unwrap();
        let expired = describe(Cause::Expired, Some(&claims));
        assert_eq!(expired.description, "The token expired at 2027-01-15T08:15:00.000Z.");
        let early = describe(Cause::NotYetValid, Some(&claims));
        assert_eq!(early.description, "The token is not valid before 2027-01-15T08:00:00.000Z.");
        assert_eq!(describe(Cause::Expired, None).description, Cause::Expired.title());
    }

    #[test]
    fn every_description_is_one_that_a_challenge_may_hold() {
        for cause in Cause::ALL {
            let description = describe(*cause, None).description;
            let legal = |byte: u8| matches!(byte, 0x20..=0x7E) && byte != b'"' && byte != b'\\';
            assert!(description.bytes().all(legal), "{cause}: {description}");
        }
    }
}
