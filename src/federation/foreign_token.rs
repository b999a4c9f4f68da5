//! A token of another issuer as it is read: what its bytes show. Nothing is proved yet.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::crypto::from_base64url;
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::assertion::{LONGEST, no_object, parts};
use crate::jose::jws::{ExpectedType, Header};
use crate::protocol::assertion::Problem;
use crate::protocol::foreign_assertion::{FOREIGN_TYPES, ForeignClaims, ID_JAG_TYPE};

/// A token whose header and claims were read.
#[derive(Clone)]
pub(crate) struct ForeignToken {
    text: String,
    header: Header,
    claims: ForeignClaims,
    types: ExpectedType<'static>,
}

impl fmt::Debug for ForeignToken {
    /// Without the text and the claims, which could be used.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ForeignToken").field("alg", &self.header.alg).finish_non_exhaustive()
    }
}

impl ForeignToken {
    /// The types of a JWT, if any.
    pub(super) const USUAL_TYPES: ExpectedType<'static> = ExpectedType::AbsentOr(&["JWT"]);
    /// The same for a JWT-SVID.
    pub(super) const TYPES: ExpectedType<'static> = ExpectedType::AbsentOr(&FOREIGN_TYPES);
    /// The same for the token of a subject, which may be an access token (RFC 9068 §2.1).
    const SUBJECT_TYPES: ExpectedType<'static> = ExpectedType::AbsentOr(&["JWT", "at+jwt"]);
    /// The type of an identity assertion.
    pub(super) const ID_JAG: ExpectedType<'static> = ExpectedType::OneOf(&[ID_JAG_TYPE]);

    /// Reads a token, and checks its header.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        Self::read_as(text, Self::USUAL_TYPES, |typ| Self::TYPES.includes(typ) || Self::ID_JAG.includes(typ))
    }

    /// The same for the token of a subject that is exchanged (RFC 8693): an ID token, or one that may be an access token.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(crate) fn read_subject(text: &str, is_id_token: bool) -> Result<Self, Problem> {
        let types = if is_id_token { Self::USUAL_TYPES } else { Self::SUBJECT_TYPES };
        Self::read_as(text, types, |typ| types.includes(typ))
    }

    /// The same for a token whose use is not known yet: it may have the type of any.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(super) fn read_any(text: &str) -> Result<Self, Problem> {
        Self::read_as(text, Self::SUBJECT_TYPES, |typ| {
            [Self::SUBJECT_TYPES, Self::TYPES, Self::ID_JAG].iter().any(|types| types.includes(typ))
        })
    }

    /// Who issued a text, as it says, if it is a JWT that says so.
    pub(crate) fn issuer_of(text: &str) -> Option<String> {
        #[derive(Deserialize)]
        struct Issuer {
            iss: String,
        }
        let payload = text.split('.').nth(1).filter(|_| text.len() <= LONGEST)?;
        serde_json::from_slice::<Issuer>(&from_base64url(payload)?).ok().map(|claims| claims.iss)
    }

    fn read_as(
        text: &str,
        types: ExpectedType<'static>,
        is_allowed: impl Fn(Option<&str>) -> bool,
    ) -> Result<Self, Problem> {
        let (header, payload) = parts(text, is_allowed, SigningAlgorithm::from_name)?;
        let claims: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| no_object())?;
        Ok(Self { text: text.to_owned(), header, claims: ForeignClaims::of(claims)?, types })
    }

    /// Whether it is an identity assertion, by its type.
    pub(crate) fn is_identity_assertion(&self) -> bool {
        Self::ID_JAG.includes(self.header.typ.as_deref())
    }

    /// Whether it is one that a client signed about itself (RFC 7523 §3).
    pub(crate) fn is_self_issued(&self) -> bool {
        self.claims.issuer().is_some_and(|issuer| self.claims.subject().is_ok_and(|sub| sub == issuer))
    }

    /// What it says.
    pub(crate) const fn claims(&self) -> &ForeignClaims {
        &self.claims
    }

    /// The types that it may have where its use says no more.
    pub(super) const fn types(&self) -> ExpectedType<'static> {
        self.types
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    /// What is signed. The same may have several signatures.
    pub(super) fn signed_part(&self) -> &str {
        self.text.rsplit_once('.').map_or("", |(signed, _)| signed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crypto::base64url;
    use crate::protocol::assertion::Fault;

    fn text(header: &Value, claims: &str) -> String {
        format!("{}.{}.c2ln", base64url(header.to_string()), base64url(claims))
    }

    #[test]
    fn jbg_003_jbg_004_each_rule_for_the_form_refuses_what_breaks_it() {
        let claims = r#"{"iss":"https://idp.example","sub":"a"}"#;
        let fault = |text: &str| ForeignToken::read(text).err().map(|problem| problem.fault);
        for header in [
            json!({"alg": "RS256"}),
            json!({"alg": "ES256", "typ": "JWT", "kid": "a"}),
            json!({"alg": "ES256", "typ": "JOSE"}),
            json!({"alg": "ES256", "typ": "oauth-id-jag+jwt"}),
            json!({"alg": "EdDSA", "jwk": {}, "jku": "https://e.example", "x5u": "x", "x5c": ["x"]}),
        ] {
            assert_eq!(fault(&text(&header, claims)), None, "{header}");
        }
        for (header, expected) in [
            (json!({"alg": "RS256", "typ": "at+jwt"}), Fault::WrongType),
            (json!({"alg": "RS256", "typ": "client-authentication+jwt"}), Fault::WrongType),
            (json!({"alg": "RS256", "typ": "logout+jwt"}), Fault::WrongType),
            (json!({"alg": "none"}), Fault::AlgorithmNotAllowed),
            (json!({"alg": "HS256"}), Fault::AlgorithmNotAllowed),
            (json!({"alg": "ES384"}), Fault::AlgorithmNotAllowed),
            (json!({"alg": "RS256", "crit": ["exp"]}), Fault::Malformed),
            (json!({"typ": "JWT"}), Fault::Malformed),
        ] {
            assert_eq!(fault(&text(&header, claims)), Some(expected), "{header}");
        }
        let header = json!({"alg": "RS256"});
        let good = text(&header, claims);
        let two = format!("{good} {good}");
        for wrong in ["", "x", "a.b.c", &format!("{good}.x"), &two, &format!("{good},{good}"), &"x".repeat(20_000)] {
            assert_eq!(fault(wrong), Some(Fault::Malformed), "{wrong:.80}");
        }
        for claims in ["[]", "1", r#"{"sub":1}"#, r#"{"exp":"1"}"#, "{"] {
            assert_eq!(fault(&text(&header, claims)), Some(Fault::Malformed), "{claims}");
        }
    }

    #[test]
    fn the_token_of_a_subject_may_be_an_access_token_unless_it_is_presented_as_an_id_token() {
        let claims = r#"{"iss":"https://idp.example","sub":"a"}"#;
        let is_read = |typ: Value, is_id_token: bool| {
            ForeignToken::read_subject(&text(&json!({"alg": "RS256", "typ": typ}), claims), is_id_token).is_ok()
        };
        for (typ, as_id_token, otherwise) in [
            (json!(null), true, true),
            (json!("JWT"), true, true),
            (json!("at+jwt"), false, true),
            (json!("application/at+jwt"), false, true),
            (json!("JOSE"), false, false),
            (json!("oauth-id-jag+jwt"), false, false),
            (json!("logout+jwt"), false, false),
        ] {
            assert_eq!((is_read(typ.clone(), true), is_read(typ.clone(), false)), (as_id_token, otherwise), "{typ}");
        }
    }

    #[test]
    fn a_token_whose_use_is_not_known_may_have_the_type_of_any() {
        let claims = r#"{"iss":"https://idp.example","sub":"a"}"#;
        for (typ, is_read) in [
            (json!(null), true),
            (json!("JWT"), true),
            (json!("JOSE"), true),
            (json!("at+jwt"), true),
            (json!("oauth-id-jag+jwt"), true),
            (json!("logout+jwt"), false),
            (json!("client-authentication+jwt"), false),
        ] {
            let token = ForeignToken::read_any(&text(&json!({"alg": "RS256", "typ": typ}), claims));
            assert_eq!(token.is_ok(), is_read, "{typ}");
        }
    }

    #[test]
    fn the_issuer_is_read_without_the_rest() {
        let of = |claims: &str| ForeignToken::issuer_of(&text(&json!({}), claims));
        assert_eq!(of(r#"{"iss":"https://idp.example","exp":"x"}"#).as_deref(), Some("https://idp.example"));
        for claims in ["{}", r#"{"iss":1}"#, "[]", "{"] {
            assert_eq!(of(claims), None, "{claims}");
        }
        for text in ["", "jat_live_x", "a.!.c", "a.b"] {
            assert_eq!(ForeignToken::issuer_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let text = text(&json!({"alg": "RS256"}), r#"{"sub":"a-secret-sub"}"#);
        let shown = format!("{:?}", ForeignToken::read(&text).unwrap());
        assert!(!shown.contains(&text) && !shown.contains("a-secret-sub"), "{shown}");
    }
}
