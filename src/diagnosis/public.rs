//! What whoever holds a token may be told about its refusal, without having said who he is: what the bytes show, and for
//! an authentic token the cause and the time. Never by whom or why a token was taken back.

use std::borrow::Cow;

use crate::diagnosis::{Basis, Diagnosis};
use crate::protocol::cause::Cause;

/// What is said of every token that is not authentic and not visibly damaged: whatever the keys or the state of this
/// server would add is for those who may know it.
const NOT_VERIFIED: &str = "The token is not one that this server can verify.";
/// Whether an issuer is known here is not told.
const OF_OTHERS: &str = "The token names another issuer or environment than this server.";

/// A description of a refusal for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The page below `/docs/errors` that says more.
    pub page: &'static str,
    /// A sentence. It holds nothing of what was sent but moments that an authentic token names.
    pub description: Cow<'static, str>,
}

/// Describes a refusal in a fixed sentence, and says whether that sentence names the cause.
pub fn fixed_sentence(diagnosis: &Diagnosis) -> (&'static str, bool) {
    match diagnosis.findings.first() {
        Some(first) if matches!(first.cause, Cause::WrongEnvironment | Cause::ForeignToken) => (OF_OTHERS, false),
        Some(first) if first.basis == Basis::Bytes || diagnosis.authentic.is_some() => (first.cause.title(), true),
        _ => (NOT_VERIFIED, false),
    }
}

/// Describes a refusal.
pub fn describe(diagnosis: &Diagnosis) -> Told {
    let unverified = Told { page: "invalid_token", description: NOT_VERIFIED.into() };
    let Some(first) = diagnosis.findings.first() else { return unverified };
    let title = first.cause.title();
    let description = match (first.cause, first.basis, first.at) {
        (Cause::WrongEnvironment | Cause::ForeignToken, ..) => {
            return Told { description: OF_OTHERS.into(), ..unverified };
        }
        (Cause::AlgorithmNotAllowed | Cause::IdTokenAsAccessToken | Cause::NotAToken, Basis::Bytes, _) => title.into(),
        (_, Basis::Bytes, _) => first.detail.clone().into(),
        (_, Basis::State, _) if diagnosis.authentic.is_none() => return unverified,
        (_, Basis::State, Some(at)) => format!("{} ({at}).", title.trim_end_matches('.')).into(),
        (_, Basis::State, None) => title.into(),
    };
    Told { page: first.cause.name(), description }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Finding;
    use crate::protocol::claims::AccessClaims;
    use crate::protocol::time::Timestamp;

    fn claims() -> AccessClaims {
        serde_json::from_value(serde_json::json!({
            "iss": "https://auth.example", "sub": "c", "aud": "https://api.example", "client_id": "c",
            "iat": 1, "exp": 2, "jti": uuid::Uuid::nil(), "log": 3,
        }))
        .unwrap()
    }

    fn finding(cause: Cause, basis: Basis, at: Option<Timestamp>) -> Finding {
        Finding { cause, basis, detail: "by client ops, because of a \"leak\"".into(), at, needed: None, remedy: None }
    }

    #[test]
    fn a_token_that_is_not_authentic_is_described_alike_whatever_the_keys_say() {
        for cause in [Cause::BadSignature, Cause::UnknownKey, Cause::RetiredKey, Cause::AlgorithmNotAllowed] {
            let findings = vec![finding(cause, Basis::State, Some(Timestamp::from_seconds(1)))];
            let told = describe(&Diagnosis { findings, ..Diagnosis::default() });
            assert_eq!(told, Told { page: "invalid_token", description: NOT_VERIFIED.into() }, "{cause}");
        }
    }

    #[test]
    fn of_an_authentic_token_cause_and_time_are_told_and_never_who_or_why() {
        let at = Timestamp::from_seconds(1_800_000_000);
        for cause in Cause::ALL {
            let told = describe(&Diagnosis::of_claims(claims(), vec![finding(*cause, Basis::State, Some(at))]));
            assert!(!told.description.contains("ops"), "{cause}");
        }
        let revoked = Diagnosis::of_claims(claims(), vec![finding(Cause::TokenRevoked, Basis::State, Some(at))]);
        assert_eq!(describe(&revoked).description, "The token was revoked (2027-01-15T08:00:00.000Z).");
        assert_eq!(describe(&revoked).page, "token_revoked");
    }
}
