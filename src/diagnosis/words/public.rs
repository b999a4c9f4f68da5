//! What anyone who holds a token may learn about its refusal: what the bytes show and, for an authentic token, the cause
//! and the time. Never who revoked it, or why.

use std::borrow::Cow;

use crate::diagnosis::finding::{Finding, Source};
use crate::diagnosis::report::Diagnosis;
use crate::protocol::cause::Cause;

/// Said of every token that is neither authentic nor visibly damaged, whatever the keys and the records say about it.
const NOT_VERIFIED: &str = "This server cannot verify the token.";
/// Said of every token from elsewhere, so that nobody learns which issuers are known here.
const FROM_ELSEWHERE: &str = "The token names an issuer or environment other than this server's.";

/// A description of a refusal that anyone may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicDescription {
    /// The page below `/docs/errors` that says more.
    pub page: &'static str,
    /// A sentence. It repeats nothing of what was sent, except for times that an authentic token names.
    pub text: Cow<'static, str>,
}

/// How much of the first finding anyone may learn.
enum Disclosure<'a> {
    NotVerified,
    FromElsewhere,
    Finding(&'a Finding),
}

impl<'a> Disclosure<'a> {
    fn of(diagnosis: &'a Diagnosis) -> Self {
        match diagnosis.findings.first() {
            Some(first) if matches!(first.cause, Cause::WrongEnvironment | Cause::ForeignToken) => Self::FromElsewhere,
            Some(first) if first.source == Source::Bytes || diagnosis.authentic.is_some() => Self::Finding(first),
            _ => Self::NotVerified,
        }
    }
}

/// Describes a refusal in one of a fixed set of sentences; also whether that names the cause.
pub fn fixed_sentence(diagnosis: &Diagnosis) -> (&'static str, bool) {
    match Disclosure::of(diagnosis) {
        Disclosure::NotVerified => (NOT_VERIFIED, false),
        Disclosure::FromElsewhere => (FROM_ELSEWHERE, false),
        Disclosure::Finding(first) => (first.cause.title(), true),
    }
}

/// Describes a refusal.
pub fn describe(diagnosis: &Diagnosis) -> PublicDescription {
    let first = match Disclosure::of(diagnosis) {
        Disclosure::Finding(first) => first,
        _ => return PublicDescription { page: "invalid_token", text: fixed_sentence(diagnosis).0.into() },
    };
    let title = first.cause.title();
    let text = match (first.source, first.at) {
        // These details repeat what the token says about itself.
        (Source::Bytes, _)
            if matches!(first.cause, Cause::AlgorithmNotAllowed | Cause::IdTokenAsAccessToken | Cause::NotAToken) =>
        {
            title.into()
        }
        (Source::Bytes, _) => first.detail.clone().into(),
        // The sender knows what it sent; the detail repeats nothing of it but numbers.
        (Source::Server, _) if first.holder.is_some() => first.detail.clone().into(),
        (Source::Server, Some(at)) => format!("{} ({at}).", title.trim_end_matches('.')).into(),
        (Source::Server, None) => title.into(),
    };
    PublicDescription { page: first.cause.name(), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::claims::AccessClaims;
    use crate::protocol::time::Timestamp;
    use crate::protocol::token_id::TokenId;

    fn claims() -> AccessClaims {
        serde_json::from_value(serde_json::json!({
            "iss": "https://auth.example", "sub": "c", "aud": "https://api.example", "client_id": "c",
            "iat": 1, "exp": 2, "jti": TokenId::new([0; 16]), "log": 3,
        }))
        .unwrap()
    }

    fn finding(cause: Cause, source: Source, at: Option<Timestamp>) -> Finding {
        Finding {
            cause,
            source,
            detail: "by client ops, because of a \"leak\"".into(),
            at,
            needed: None,
            remedy: None,
            holder: None,
        }
    }

    #[test]
    fn the_description_of_an_unverified_token_reveals_nothing_that_the_keys_say() {
        for cause in [Cause::BadSignature, Cause::UnknownKey, Cause::RetiredKey, Cause::AlgorithmNotAllowed] {
            let findings = vec![finding(cause, Source::Server, Some(Timestamp::from_seconds(1)))];
            let told = describe(&Diagnosis { findings, ..Diagnosis::default() });
            assert_eq!(told, PublicDescription { page: "invalid_token", text: NOT_VERIFIED.into() }, "{cause}");
        }
    }

    #[test]
    fn the_description_of_an_authentic_token_has_cause_and_time_but_never_who_or_why() {
        let at = Timestamp::from_seconds(1_800_000_000);
        for cause in Cause::ALL {
            let told = describe(&Diagnosis::of_access_token(claims(), vec![finding(*cause, Source::Server, Some(at))]));
            assert!(!told.text.contains("ops"), "{cause}");
        }
        let revoked =
            Diagnosis::of_access_token(claims(), vec![finding(Cause::TokenRevoked, Source::Server, Some(at))]);
        assert_eq!(describe(&revoked).text, "The token was revoked (2027-01-15T08:00:00.000Z).");
        assert_eq!(describe(&revoked).page, "token_revoked");
    }
}
