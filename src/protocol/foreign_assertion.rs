//! What a token of another issuer says (RFC 7523 §3), and the rules for that. Who signed it, and what that issuer is trusted with, is
//! judged elsewhere.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::protocol::assertion::{Fault, LARGEST_SKEW, Problem, moment, seconds};
use crate::protocol::condition;
use crate::protocol::confirmation::{Confirmation, Sender};
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// The type of an identity assertion (draft-ietf-oauth-identity-assertion-authz-grant §3).
pub const ID_JAG_TYPE: &str = "oauth-id-jag+jwt";
/// The types of other tokens, which may also have none; the second is that of JWT-SVIDs.
pub const FOREIGN_TYPES: [&str; 2] = ["JWT", "JOSE"];
/// The longest life of a token that is accepted, in seconds. Some platforms make theirs for a day, and date them back.
pub const LONGEST_FOREIGN_LIFE: i64 = 25 * 3600;
/// The longest `sub`, in bytes: that of a SPIFFE ID.
const LONGEST_SUB: usize = 2048;
/// The longest `jti`, in bytes.
const LONGEST_ID: usize = 1024;
/// The most characters of a value in a reason.
const SHOWN: usize = 200;

/// The claims of a token.
#[derive(Clone, Debug)]
pub struct ForeignClaims(Value);

/// A value for the log, cut to a bounded length.
pub fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() { format!("{cut:?}…") } else { format!("{cut:?}") }
}

impl ForeignClaims {
    /// Reads claims; registered ones must have their types (RFC 7519 §4.1).
    ///
    /// # Errors
    /// [`Fault::Malformed`].
    pub fn of(claims: Map<String, Value>) -> Result<Self, Problem> {
        let is_absent_or = |name: &str, is_right: fn(&Value) -> bool| claims.get(name).is_none_or(is_right);
        let texts = ["iss", "sub", "jti", "client_id"];
        let times = ["exp", "iat", "nbf"];
        let is_audience = |value: &Value| match value {
            Value::Array(entries) => entries.iter().all(Value::is_string),
            value => value.is_string(),
        };
        let is_right = texts.iter().all(|name| is_absent_or(name, Value::is_string))
            && times.iter().all(|name| is_absent_or(name, Value::is_number))
            && is_absent_or("aud", is_audience);
        if !is_right {
            return Err(Problem::new(Fault::Malformed, "a claim of the assertion has the wrong type"));
        }
        Ok(Self(Value::Object(claims)))
    }

    /// A claim by its name, or one inside an object by a JSON pointer (RFC 6901), which begins with `/`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        if name.starts_with('/') { self.0.pointer(name) } else { self.0.get(name) }
    }

    /// The texts of a claim.
    pub fn texts(&self, name: &str) -> Vec<String> {
        condition::texts(self.get(name))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Who issued it, as it says.
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// Its `jti`.
    pub fn id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// The client that it is for, as an identity assertion says.
    pub fn client_id(&self) -> Option<&str> {
        self.text("client_id")
    }

    /// Whom it is about.
    ///
    /// # Errors
    /// [`Fault::WrongSubject`].
    pub fn subject(&self) -> Result<&str, Problem> {
        match self.text("sub") {
            Some(sub) if sub.len() <= LONGEST_SUB => Ok(sub),
            Some(_) => Err(Problem::new(Fault::WrongSubject, "the sub of the assertion is too long")),
            None => Err(Problem::new(Fault::WrongSubject, "the assertion has no sub")),
        }
    }

    /// Its email address, if the issuer says that it verified that. Some write the truth value as a text.
    pub fn verified_email(&self) -> Option<&str> {
        let is_verified = match self.get("email_verified") {
            Some(Value::Bool(is_verified)) => *is_verified,
            Some(Value::String(text)) => text == "true",
            _ => false,
        };
        self.text("email").filter(|_| is_verified)
    }

    /// Its `scope`, if it has one (RFC 8693 §4.2).
    ///
    /// # Errors
    /// [`Fault::Malformed`].
    pub fn scope(&self) -> Result<Option<Scope>, Problem> {
        let malformed = |reason: &str| Problem::new(Fault::Malformed, reason);
        match self.get("scope") {
            None => Ok(None),
            Some(Value::String(text)) => match Scope::parse(text) {
                Ok(scope) => Ok(Some(scope)),
                Err(_) => Err(malformed("the scope of the assertion is no list of scopes")),
            },
            Some(_) => Err(malformed("the scope of the assertion is no text")),
        }
    }

    fn number(&self, name: &str) -> Option<Timestamp> {
        match self.get(name) {
            Some(Value::Number(number)) => Some(moment(number)),
            _ => None,
        }
    }

    /// When it expires; the earliest moment that there is if it does not say.
    pub fn expires_at(&self) -> Timestamp {
        self.number("exp").unwrap_or(Timestamp::from_millis(i64::MIN))
    }

    /// Checks what needs nothing but the token: whom it is about, its times and the form of its `jti`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, now: Timestamp) -> Result<(), Problem> {
        self.subject()?;
        if self.id().is_some_and(|id| id.len() > LONGEST_ID) {
            return Err(Problem::new(Fault::NoId, "the jti of the assertion is too long"));
        }
        let Some(exp) = self.number("exp") else {
            return Err(Problem::new(Fault::NoExpiry, "the assertion has no exp"));
        };
        let since = |moment: Timestamp| now.millis().saturating_sub(moment.millis());
        if exp <= now {
            return Err(Problem::new(Fault::Expired, format!("the assertion expired {} ago", seconds(since(exp)))));
        }
        for name in ["iat", "nbf"] {
            let ahead = self.number(name).map_or(0, |moment| since(moment).saturating_neg());
            if ahead > LARGEST_SKEW * 1000 {
                let reason = format!("the {name} of the assertion is {} ahead", seconds(ahead));
                return Err(Problem::new(Fault::NotYetValid, reason));
            }
        }
        let rest = since(exp).saturating_neg();
        if rest > LONGEST_FOREIGN_LIFE * 1000 {
            let reason = format!("the assertion is valid for another {}", seconds(rest));
            return Err(Problem::new(Fault::LivesTooLong, reason));
        }
        Ok(())
    }

    /// Checks its age, in seconds. Of a token that does not say when it was issued, it is the rest of its life that counts.
    ///
    /// # Errors
    /// [`Fault::TooOld`], [`Fault::LivesTooLong`].
    pub fn check_age(&self, max_age: i64, now: Timestamp) -> Result<(), Problem> {
        if let Some(iat) = self.number("iat") {
            let age = now.millis().saturating_sub(iat.millis());
            if age > max_age * 1000 {
                let reason =
                    format!("the assertion was issued {} ago, more than the max_age of its issuer", seconds(age));
                return Err(Problem::new(Fault::TooOld, reason));
            }
            return Ok(());
        }
        let rest = self.expires_at().millis().saturating_sub(now.millis());
        if rest > max_age * 1000 {
            let reason = format!(
                "the assertion has no iat and is valid for another {}, more than the max_age of its issuer",
                seconds(rest)
            );
            return Err(Problem::new(Fault::LivesTooLong, reason));
        }
        Ok(())
    }

    /// Checks that the sender holds the key or the certificate that it is bound to, if it is (RFC 7800 §3.1): whoever else has it may not
    /// use it. Says what that is.
    ///
    /// # Errors
    /// [`Fault::NotHeld`].
    pub fn check_holder(&self, sender: &Sender) -> Result<Option<Confirmation>, Problem> {
        let refused = |reason| Err(Problem::new(Fault::NotHeld, reason));
        let Some(cnf) = self.get("cnf") else { return Ok(None) };
        let Ok(confirmation) = Confirmation::deserialize(cnf) else {
            return refused(
                "the cnf of the assertion is neither one jkt nor one x5t#S256, so nobody can prove to hold it",
            );
        };
        match (sender.holds(&confirmation), confirmation) {
            (true, _) => Ok(Some(confirmation)),
            (false, Confirmation::Key(_)) => {
                refused("the assertion is bound to a key, of which the request has no DPoP proof")
            }
            (false, Confirmation::Certificate(_)) => {
                refused("the assertion is bound to a certificate that the sender did not show")
            }
        }
    }

    /// Checks its audience. A token that is for somebody else as well could be sent here by them.
    ///
    /// # Errors
    /// [`Fault::WrongAudience`].
    pub fn check_audience<'a>(&self, allowed: impl Iterator<Item = &'a str> + Clone) -> Result<(), Problem> {
        let values = self.texts("aud");
        if values.is_empty() {
            return Err(Problem::new(Fault::WrongAudience, "the assertion has no aud"));
        }
        match values.iter().find(|value| !allowed.clone().any(|one| one == value.as_str())) {
            None => Ok(()),
            Some(other) => {
                let names = allowed.collect::<Vec<_>>().join(", ");
                let reason = format!("the aud of the assertion has {}, and may have {names} only", shown(other));
                Err(Problem::new(Fault::WrongAudience, reason))
            }
        }
    }
}

/// What the sender of a token of another issuer is told that was refused. It rests on what was sent, or on a signature of a trusted
/// issuer that was good; of the conditions it says nothing.
pub const fn description(fault: Fault) -> &'static str {
    match fault {
        Fault::Malformed => "The assertion is not a signed JWT whose claims have the right types.",
        Fault::WrongType => "The typ of the assertion is that of something else.",
        Fault::AlgorithmNotAllowed => "The alg of the assertion must be ES256, EdDSA, RS256 or PS256.",
        Fault::WrongSubject => "The assertion has no sub, or one that cannot be that of a token.",
        Fault::WrongAudience => {
            "The aud of the assertion must be what this server expects of its issuer, and name nobody else."
        }
        Fault::NoExpiry => "The assertion has no exp.",
        Fault::Expired => "The assertion has expired.",
        Fault::NotYetValid => "The iat or nbf of the assertion is more than 60 seconds in the future.",
        Fault::LivesTooLong => "The assertion is valid for too long.",
        Fault::TooOld => "The assertion was issued too long ago: get a new one.",
        Fault::NoId => "The assertion has no jti of at most 1024 bytes.",
        Fault::UntrustedIssuer | Fault::UnknownKey | Fault::BadSignature => {
            "The assertion proves nothing here: check its iss, that the client names that issuer, and the key."
        }
        Fault::ConditionFailed => "The assertion meets the conditions of no rule: jeton issuer test says which fails.",
        Fault::SeveralRules => "The assertion meets the conditions of several rules, so it is unclear who it is.",
        Fault::WrongClient => "The assertion is for another client.",
        Fault::NoSuchSubject => "The assertion is about a subject that may not be granted tokens here.",
        Fault::NotHeld => {
            "The assertion is bound to a key or a certificate (cnf), and the request does not prove to hold that."
        }
        Fault::UsedBefore => "The assertion was used before: get a new one for each request.",
        // Of clients that sign for themselves.
        Fault::ProfileAlgorithm | Fault::ProfileAudience => fault.description(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    /// A good token with members replaced or, by null, removed.
    fn claims(changes: Value) -> Result<ForeignClaims, Problem> {
        let mut claims = json!({
            "iss": "https://idp.example", "sub": "anna", "aud": "https://auth.example", "exp": NOW + 300, "iat": NOW,
            "nbf": NOW, "jti": "1",
        });
        let members = claims.as_object_mut().unwrap();
        members.extend(changes.as_object().cloned().unwrap());
        members.retain(|_, value| !value.is_null());
        ForeignClaims::of(members.clone())
    }

    fn fault(changes: Value) -> Option<Fault> {
        let now = Timestamp::from_seconds(NOW);
        let checked = claims(changes).and_then(|claims| {
            claims.check(now)?;
            claims.check_audience(["https://auth.example", "other"].into_iter())?;
            claims.check_age(3600, now)
        });
        checked.err().map(|problem| problem.fault)
    }

    #[test]
    fn a_bound_token_is_used_by_its_holder_alone() {
        const OWN: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        const OTHER: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let checked = |cnf: Value, sender: &Sender| {
            claims(json!({ "cnf": cnf })).unwrap().check_holder(sender).map_err(|problem| problem.fault)
        };
        let nothing = Sender::default();
        let with_key = Sender { key: OWN.parse().ok(), ..nothing };
        let with_certificate = Sender { certificate: OWN.parse().ok(), ..nothing };
        let (key, certificate) = (json!({"jkt": OWN}), json!({"x5t#S256": OWN}));
        assert_eq!(checked(Value::Null, &nothing), Ok(None), "it is a bearer token");
        assert_eq!(checked(key.clone(), &with_key), Ok(with_key.key.map(Confirmation::Key)));
        let bound = with_certificate.certificate.map(Confirmation::Certificate);
        assert_eq!(checked(certificate.clone(), &with_certificate), Ok(bound));
        for (cnf, sender) in [
            (key.clone(), nothing),
            (key, with_certificate),
            (certificate.clone(), nothing),
            (certificate, with_key),
            (json!({"jkt": OTHER}), with_key),
            (json!({"jkt": OWN, "x5t#S256": OWN}), with_key),
            (json!({"kid": "a"}), with_key),
            (json!({}), with_key),
            (json!("a"), with_key),
        ] {
            assert_eq!(checked(cnf.clone(), &sender), Err(Fault::NotHeld), "{cnf}");
        }
    }

    #[test]
    fn jbg_002_jbg_003_jbg_007_each_rule_for_claims_refuses_what_breaks_it() {
        for changes in [
            json!({}),
            json!({"jti": null, "nbf": null}),
            json!({"iat": null}),
            json!({"iss": null}),
            json!({"aud": ["https://auth.example"]}),
            json!({"aud": ["other", "https://auth.example"]}),
            json!({"iat": NOW - 3600}),
            json!({"exp": NOW + 25 * 3600}),
            json!({"exp": NOW as f64 + 0.5}),
            json!({"iat": NOW + 60, "nbf": NOW + 60}),
        ] {
            assert_eq!(fault(changes.clone()), None, "{changes}");
        }
        for (changes, expected) in [
            (json!({"sub": null}), Fault::WrongSubject),
            (json!({"sub": ""}), Fault::WrongSubject),
            (json!({"sub": "x".repeat(2049)}), Fault::WrongSubject),
            (json!({"aud": null}), Fault::WrongAudience),
            (json!({"aud": []}), Fault::WrongAudience),
            (json!({"aud": "https://auth.example/"}), Fault::WrongAudience),
            (json!({"aud": ["https://auth.example", "https://else.example"]}), Fault::WrongAudience),
            (json!({"exp": null}), Fault::NoExpiry),
            (json!({"exp": NOW}), Fault::Expired),
            (json!({"exp": i64::MIN}), Fault::Expired),
            (json!({"exp": NOW + 365 * 86_400}), Fault::LivesTooLong),
            (json!({"exp": 1e300}), Fault::LivesTooLong),
            (json!({"exp": NOW + 3601, "iat": null}), Fault::LivesTooLong),
            (json!({"iat": NOW - 3601}), Fault::TooOld),
            (json!({"iat": i64::MIN}), Fault::TooOld),
            (json!({"iat": NOW + 61}), Fault::NotYetValid),
            (json!({"nbf": NOW + 61}), Fault::NotYetValid),
            (json!({"nbf": i64::MAX}), Fault::NotYetValid),
            (json!({"jti": "x".repeat(1025)}), Fault::NoId),
            (json!({"sub": 1}), Fault::Malformed),
            (json!({"exp": "1800000300"}), Fault::Malformed),
            (json!({"aud": {}}), Fault::Malformed),
            (json!({"aud": ["https://auth.example", 1]}), Fault::Malformed),
            (json!({"iss": ["https://idp.example"]}), Fault::Malformed),
        ] {
            assert_eq!(fault(changes.clone()), Some(expected), "{changes}");
        }
    }

    #[test]
    fn a_scope_is_a_text_of_names() {
        let scope = |value: Value| {
            let scope = claims(json!({ "scope": value })).unwrap().scope();
            scope.map(|scope| scope.map(|scope| scope.to_string())).map_err(|problem| problem.fault)
        };
        assert_eq!(scope(Value::Null), Ok(None));
        assert_eq!(scope(json!("read write")), Ok(Some("read write".into())));
        assert_eq!(scope(json!("")), Ok(Some(String::new())));
        for wrong in [json!(["read"]), json!(1), json!("a\"b")] {
            assert_eq!(scope(wrong.clone()), Err(Fault::Malformed), "{wrong}");
        }
    }

    #[test]
    fn an_email_address_counts_only_if_it_was_verified() {
        let email = |verified: Value| {
            let claims = claims(json!({"email": "anna@corp.example", "email_verified": verified})).unwrap();
            claims.verified_email().map(str::to_owned)
        };
        for verified in [json!(true), json!("true")] {
            assert_eq!(email(verified.clone()).as_deref(), Some("anna@corp.example"), "{verified}");
        }
        for verified in [json!(null), json!(false), json!("false"), json!(1), json!("True"), json!(["true"])] {
            assert_eq!(email(verified.clone()), None, "{verified}");
        }
    }

    #[test]
    fn a_claim_inside_an_object_is_found_by_a_pointer() {
        let nested =
            json!({"kubernetes.io": {"serviceaccount": {"uid": "7"}}, "https://sts.amazonaws.com/": {"org": "o"}});
        let claims = claims(nested).unwrap();
        assert_eq!(claims.texts("/kubernetes.io/serviceaccount/uid"), ["7"]);
        assert_eq!(claims.texts("/https:~1~1sts.amazonaws.com~1/org"), ["o"]);
        assert!(claims.texts("kubernetes.io").is_empty() && claims.texts("/kubernetes.io/x").is_empty());
    }
}
