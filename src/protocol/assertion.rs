//! Client assertions (RFC 7521 §4.2, RFC 7523 §2.2 and §3): what a client says of itself, and the rules for that. Who signed
//! one is judged elsewhere.

use serde::Deserialize;
use serde_json::Number;

use crate::protocol::names::names;
use crate::protocol::time::Timestamp;

/// The only `client_assertion_type` (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The types that an assertion may have in its header; it may also have none.
pub const ASSERTION_JWT_TYPES: [&str; 2] = ["JWT", "client-authentication+jwt"];
/// The longest life of an assertion, in seconds.
pub const LONGEST_LIFE: i64 = 300;
/// How many seconds the clock of a client may be ahead of ours.
pub const LARGEST_SKEW: i64 = 60;
/// The longest `jti`, in bytes.
const LONGEST_ID: usize = 1024;

names! {
    /// What is wrong with a client assertion, as the log and the metrics name it.
    Fault {
        /// It is no signed JWT, or its claims do not have the right types.
        Malformed "assertion_malformed",
        /// It is a JWT of another type (RFC 8725 §3.11).
        WrongType "assertion_wrong_type",
        /// Its `alg` is none by which clients sign here.
        AlgorithmNotAllowed "assertion_algorithm_not_allowed",
        /// Its `iss` and `sub` are not both the `client_id`.
        WrongSubject "assertion_wrong_subject",
        /// Its `aud` is missing, or names somebody else.
        WrongAudience "assertion_wrong_audience",
        /// It has no `exp`.
        NoExpiry "assertion_no_expiry",
        /// It has expired.
        Expired "assertion_expired",
        /// Its `iat` or `nbf` lies in the future.
        NotYetValid "assertion_not_yet_valid",
        /// It is valid for too long.
        LivesTooLong "assertion_lives_too_long",
        /// It has no `jti`, or one that is too long.
        NoId "assertion_no_jti",
        /// No key of the client fits its `kid` and its `alg`.
        UnknownKey "assertion_unknown_key",
        /// No key of the client that fits made its signature.
        BadSignature "assertion_bad_signature",
        /// The security profile of the client does not allow its `alg`.
        ProfileAlgorithm "assertion_profile_algorithm",
        /// The security profile of the client does not allow its `aud`.
        ProfileAudience "assertion_profile_audience",
        /// It was used before.
        UsedBefore "assertion_used_before",
        /// The client does not name its issuer, or that is not trusted for this use.
        UntrustedIssuer "assertion_untrusted_issuer",
        /// It was issued longer ago than its issuer's `max_age`.
        TooOld "assertion_too_old",
        /// No rule of its issuer matches.
        ConditionFailed "assertion_condition_failed",
        /// Several rules of its issuer match.
        SeveralRules "assertion_several_rules",
        /// It is for another client.
        WrongClient "assertion_wrong_client",
        /// Its subject may not be granted tokens here.
        NoSuchSubject "assertion_no_such_subject",
        /// It is bound to a key or a certificate (`cnf`), and the sender did not prove to hold that.
        NotHeld "assertion_not_held",
    }
}

impl Fault {
    /// What the client is told. It rests on what the client sent and on what everybody knows, or on a signature that was good. Of
    /// keys it says the same as if there were no such client.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Malformed => "The client_assertion is not a signed JWT whose claims have the right types.",
            Self::WrongType => "The typ of the client_assertion must be JWT or client-authentication+jwt, or absent.",
            Self::AlgorithmNotAllowed => "The alg of the client_assertion must be ES256, EdDSA, RS256 or PS256.",
            Self::WrongSubject => {
                "The iss and the sub of the client_assertion must both be the client_id, or, for a token of a trusted issuer, send the \
                 client_id."
            }
            Self::WrongAudience => {
                "The aud of the client_assertion must be the issuer of this server, or a URL of its token endpoint or its \
                 pushed authorization request endpoint, and name nobody else."
            }
            Self::NoExpiry => "The client_assertion has no exp.",
            Self::Expired => "The client_assertion has expired: check the clock of the client.",
            Self::NotYetValid => {
                "The iat or nbf of the client_assertion is more than 60 seconds in the future: check the clock of the client."
            }
            Self::LivesTooLong => "The client_assertion is valid for more than 5 minutes.",
            Self::NoId => "The client_assertion has no jti of at most 1024 bytes.",
            Self::UnknownKey | Self::BadSignature => NOT_PROVED,
            Self::ProfileAlgorithm => {
                "The client has security_profile fapi2, rule signing_algorithms: signatures are PS256, ES256 or EdDSA."
            }
            Self::ProfileAudience => {
                "The client has security_profile fapi2, rule client_assertion_audience: the aud of a client assertion is the issuer alone, \
                 as a string."
            }
            Self::UsedBefore => "The client_assertion was used before: make one with a new jti for each request.",
            // Only tokens of other issuers have these.
            Self::UntrustedIssuer
            | Self::TooOld
            | Self::ConditionFailed
            | Self::SeveralRules
            | Self::WrongClient
            | Self::NoSuchSubject
            | Self::NotHeld => NOT_PROVED,
        }
    }
}

/// What a client is told whose assertion proves nothing, whether there is such a client or not.
pub const NOT_PROVED: &str = "Client authentication failed: check the client_id, and that the client is registered for \
                              private_key_jwt with the key that signed the client_assertion.";

/// What is wrong with an assertion, and the exact reason, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub fault: Fault,
    /// How exactly.
    pub reason: String,
}

impl Problem {
    /// A problem with its exact reason.
    pub fn new(fault: Fault, reason: impl Into<String>) -> Self {
        Self { fault, reason: reason.into() }
    }
}

/// What an assertion says (RFC 7523 §3).
#[derive(Clone, Debug, Deserialize)]
pub struct AssertionClaims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<Number>,
    iat: Option<Number>,
    nbf: Option<Number>,
    jti: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
        }
    }
}

impl AssertionClaims {
    /// The client that it says it is: the issuer and the subject in one (RFC 7523 §3).
    ///
    /// # Errors
    /// [`Fault::WrongSubject`].
    pub fn client_id(&self) -> Result<&str, Problem> {
        match (self.iss.as_deref(), self.sub.as_deref()) {
            (Some(iss), Some(sub)) if iss == sub && !sub.is_empty() => Ok(sub),
            (None, _) => Err(Problem::new(Fault::WrongSubject, "the assertion has no iss")),
            (_, None) => Err(Problem::new(Fault::WrongSubject, "the assertion has no sub")),
            _ => Err(Problem::new(Fault::WrongSubject, "the iss and the sub of the assertion differ, or are empty")),
        }
    }

    /// Its `jti`.
    pub fn id(&self) -> &str {
        self.jti.as_deref().unwrap_or_default()
    }

    /// When it expires; the earliest moment that there is if it does not say.
    pub fn expires_at(&self) -> Timestamp {
        self.exp.as_ref().map_or(Timestamp::from_millis(i64::MIN), moment)
    }

    /// Checks audience, times and id. `audiences` are the names of this server.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, audiences: &[&str], now: Timestamp) -> Result<(), Problem> {
        self.check_audience(audiences)?;
        self.check_times(now)?;
        match self.id().len() {
            1..=LONGEST_ID => Ok(()),
            0 => Err(Problem::new(Fault::NoId, "the assertion has no jti")),
            length => Err(Problem::new(Fault::NoId, format!("the jti of the assertion has {length} bytes"))),
        }
    }

    /// Whether it is for this issuer alone, and says so by a string: in a list, or by the URL of an endpoint, it is not.
    pub fn is_for_issuer_alone(&self, issuer: &str) -> bool {
        matches!(&self.aud, Some(Audience::One(value)) if value == issuer)
    }

    /// An assertion that another server may accept as well could be sent here by that server.
    fn check_audience(&self, audiences: &[&str]) -> Result<(), Problem> {
        let values = self.aud.as_ref().map(Audience::values).unwrap_or_default();
        if values.is_empty() {
            return Err(Problem::new(Fault::WrongAudience, "the assertion has no aud"));
        }
        match values.iter().find(|value| !audiences.contains(&value.as_str())) {
            None => Ok(()),
            Some(other) => {
                let shown: String = other.chars().take(200).collect();
                let names = audiences.join(", ");
                let reason = format!("the aud of the assertion has {shown:?}, and may have {names} only");
                Err(Problem::new(Fault::WrongAudience, reason))
            }
        }
    }

    fn check_times(&self, now: Timestamp) -> Result<(), Problem> {
        let Some(exp) = self.exp.as_ref().map(moment) else {
            return Err(Problem::new(Fault::NoExpiry, "the assertion has no exp"));
        };
        let since = |moment: Timestamp| now.millis().saturating_sub(moment.millis());
        if exp <= now {
            let reason = format!("the assertion expired {} ago", seconds(since(exp)));
            return Err(Problem::new(Fault::Expired, reason));
        }
        for (name, number) in [("iat", &self.iat), ("nbf", &self.nbf)] {
            let ahead = number.as_ref().map_or(0, |number| -since(moment(number)));
            if ahead > LARGEST_SKEW * 1000 {
                let reason = format!("the {name} of the assertion is {} ahead", seconds(ahead));
                return Err(Problem::new(Fault::NotYetValid, reason));
            }
        }
        // The clock of a client that says when it made the assertion may differ; the life does not.
        let own_life = self.iat.as_ref().map_or(0, |iat| exp.millis().saturating_sub(moment(iat).millis()));
        let rest = -since(exp);
        if own_life > LONGEST_LIFE * 1000 || rest > (LONGEST_LIFE + LARGEST_SKEW) * 1000 {
            let reason = format!("the assertion is valid for {}", seconds(own_life.max(rest)));
            return Err(Problem::new(Fault::LivesTooLong, reason));
        }
        Ok(())
    }
}

pub(super) fn seconds(millis: i64) -> String {
    format!("{}.{:03} s", millis / 1000, millis % 1000)
}

/// A `NumericDate`, which may have a fraction (RFC 7519 §2).
pub(super) fn moment(number: &Number) -> Timestamp {
    match number.as_i64() {
        Some(seconds) => Timestamp::from_seconds(seconds),
        None => {
            let millis = (number.as_f64().unwrap_or(f64::MAX) * 1000.0).floor();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what is too large becomes the largest, which is refused"
            )]
            let millis = millis as i64;
            Timestamp::from_millis(millis)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const OURS: [&str; 3] =
        ["https://auth.example", "https://auth.example/auth/token", "https://auth.example/auth/par"];

    /// A good assertion with members replaced or, by null, removed.
    fn claims(changes: Value) -> AssertionClaims {
        let mut claims = json!({
            "iss": "worker", "sub": "worker", "aud": OURS[0], "exp": NOW + 60, "iat": NOW, "nbf": NOW, "jti": "1",
        });
        let members = claims.as_object_mut().unwrap();
        members.extend(changes.as_object().cloned().unwrap());
        members.retain(|_, value| !value.is_null());
        serde_json::from_value(claims).unwrap()
    }

    fn fault(changes: Value) -> Option<Fault> {
        let claims = claims(changes);
        let checked = claims.client_id().map(drop).and_then(|()| claims.check(&OURS, Timestamp::from_seconds(NOW)));
        checked.err().map(|problem| problem.fault)
    }

    #[test]
    fn a_good_assertion_breaks_no_rule() {
        for changes in [
            json!({}),
            json!({"iat": null, "nbf": null}),
            json!({"aud": OURS[1]}),
            json!({"aud": OURS}),
            json!({"exp": NOW + 1}),
            json!({"exp": NOW as f64 + 0.5}),
            json!({"exp": NOW + 300}),
            json!({"exp": NOW + 360, "iat": NOW + 60, "nbf": NOW + 60}),
            json!({"exp": NOW + 360, "iat": null}),
            json!({"iat": NOW - 240}),
            json!({"jti": "x".repeat(1024)}),
            json!({"more": {"of": "it"}}),
        ] {
            assert_eq!(fault(changes.clone()), None, "{changes}");
        }
        assert_eq!(claims(json!({})).client_id(), Ok("worker"));
        assert_eq!(claims(json!({"exp": NOW as f64 + 0.5})).expires_at(), Timestamp::from_millis(NOW * 1000 + 500));
    }

    #[test]
    fn pkj_002_pkj_003_pkj_007_pkj_012_each_rule_for_claims_refuses_what_breaks_it() {
        for (changes, expected) in [
            (json!({"iss": null}), Fault::WrongSubject),
            (json!({"sub": null}), Fault::WrongSubject),
            (json!({"iss": "other"}), Fault::WrongSubject),
            (json!({"iss": "Worker"}), Fault::WrongSubject),
            (json!({"iss": "", "sub": ""}), Fault::WrongSubject),
            (json!({"aud": null}), Fault::WrongAudience),
            (json!({"aud": []}), Fault::WrongAudience),
            (json!({"aud": ""}), Fault::WrongAudience),
            (json!({"aud": "https://auth.example/"}), Fault::WrongAudience),
            (json!({"aud": "https://auth.example/auth/introspect"}), Fault::WrongAudience),
            (json!({"aud": [OURS[0], "https://other.example"]}), Fault::WrongAudience),
            (json!({"exp": null}), Fault::NoExpiry),
            (json!({"exp": NOW}), Fault::Expired),
            (json!({"exp": NOW as f64 - 0.001}), Fault::Expired),
            (json!({"exp": -1}), Fault::Expired),
            (json!({"exp": i64::MIN}), Fault::Expired),
            (json!({"exp": -1e300}), Fault::Expired),
            (json!({"iat": NOW + 61}), Fault::NotYetValid),
            (json!({"nbf": NOW as f64 + 60.5}), Fault::NotYetValid),
            (json!({"nbf": i64::MAX}), Fault::NotYetValid),
            (json!({"exp": NOW + 301}), Fault::LivesTooLong),
            (json!({"exp": NOW + 361, "iat": null}), Fault::LivesTooLong),
            (json!({"exp": NOW + 86_400}), Fault::LivesTooLong),
            (json!({"exp": 1e300}), Fault::LivesTooLong),
            (json!({"exp": u64::MAX, "iat": null}), Fault::LivesTooLong),
            (json!({"iat": NOW - 241}), Fault::LivesTooLong),
            (json!({"iat": i64::MIN}), Fault::LivesTooLong),
            (json!({"jti": null}), Fault::NoId),
            (json!({"jti": ""}), Fault::NoId),
            (json!({"jti": "x".repeat(1025)}), Fault::NoId),
        ] {
            assert_eq!(fault(changes.clone()), Some(expected), "{changes}");
        }
    }

    #[test]
    fn the_reason_says_how_far_off_the_clock_is() {
        let reason = |changes| claims(changes).check(&OURS, Timestamp::from_seconds(NOW)).unwrap_err().reason;
        assert_eq!(reason(json!({"exp": NOW - 37})), "the assertion expired 37.000 s ago");
        assert_eq!(reason(json!({"iat": NOW + 90})), "the iat of the assertion is 90.000 s ahead");
        assert_eq!(reason(json!({"exp": NOW + 3600})), "the assertion is valid for 3600.000 s");
        assert!(reason(json!({"aud": "https://auth.example/"})).contains("\"https://auth.example/\""));
        let long = reason(json!({"aud": format!("x\n{}", "y".repeat(10_000))}));
        assert!(long.len() < 500 && !long.contains('\n'), "{long}");
    }

    #[test]
    fn claims_of_another_type_are_not_read() {
        for text in [
            r#"{"exp":"1800000060"}"#,
            r#"{"exp":true}"#,
            r#"{"iss":1}"#,
            r#"{"aud":{}}"#,
            r#"{"aud":[1]}"#,
            r#"{"jti":7}"#,
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"exp":1e999}"#,
        ] {
            assert!(serde_json::from_str::<AssertionClaims>(text).is_err(), "{text}");
        }
    }
}
