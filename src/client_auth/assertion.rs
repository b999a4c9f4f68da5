//! A client assertion as it is read (RFC 7523 §3): what its bytes show. Nothing is proved yet.

use std::fmt;

use crate::crypto::sha256;
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::assertion::{malformed, parts};
use crate::jose::jws::{ExpectedType, Header};
use crate::protocol::assertion::{ASSERTION_JWT_TYPES, AssertionClaims, Problem};

/// A client assertion whose header and claims were read.
pub struct Assertion {
    text: String,
    header: Header,
    claims: AssertionClaims,
    client_id: String,
}

impl fmt::Debug for Assertion {
    /// Without the text, which could be used.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Assertion").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Assertion {
    /// The types that it may have, if any.
    pub(super) const TYPES: ExpectedType<'static> = ExpectedType::AbsentOr(&ASSERTION_JWT_TYPES);

    /// Reads an assertion, and checks its header and whom it is about.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let is_type = |typ: Option<&str>| Self::TYPES.includes(typ);
        let (header, payload) = parts(text, is_type, SigningAlgorithm::to_verify)?;
        let claims: AssertionClaims = serde_json::from_slice(&payload)
            .map_err(|_| malformed("a claim of the assertion is there twice or has the wrong type"))?;
        let client_id = claims.client_id()?.to_owned();
        Ok(Self { text: text.to_owned(), header, claims, client_id })
    }

    /// The client that it says it is.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    pub(super) const fn claims(&self) -> &AssertionClaims {
        &self.claims
    }

    /// The hash of the client and the `jti`: no two assertions that count have the same.
    pub(super) fn identity(&self) -> [u8; 32] {
        // No client_id has a NUL.
        sha256(format!("{}\0{}", self.client_id, self.claims.id()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::crypto::base64url;
    use crate::protocol::assertion::Fault;

    fn text(header: &Value, claims: &str) -> String {
        format!("{}.{}.c2ln", base64url(header.to_string()), base64url(claims))
    }

    #[test]
    fn pkj_008_each_rule_for_the_form_refuses_what_breaks_it() {
        let claims = r#"{"iss":"c","sub":"c","jti":"1"}"#;
        let fault = |text: &str| Assertion::read(text).err().map(|problem| problem.fault);
        for header in [
            json!({"alg": "ES256"}),
            json!({"alg": "ES256", "typ": "JWT"}),
            json!({"alg": "Ed25519"}),
            json!({"alg": "PS256", "typ": "client-authentication+jwt", "kid": "a"}),
            json!({"alg": "EdDSA", "typ": "application/jwt", "jwk": {}, "jku": "https://e.example", "x5u": "x"}),
        ] {
            assert_eq!(fault(&text(&header, claims)), None, "{header}");
        }
        for (header, expected) in [
            (json!({"alg": "ES256", "typ": "at+jwt"}), Fault::WrongType),
            (json!({"alg": "ES256", "typ": "dpop+jwt"}), Fault::WrongType),
            (json!({"alg": "ES256", "typ": "logout+jwt"}), Fault::WrongType),
            (json!({"alg": "ed25519"}), Fault::AlgorithmNotAllowed),
            (json!({"alg": "none"}), Fault::AlgorithmNotAllowed),
            (json!({"alg": "None"}), Fault::AlgorithmNotAllowed),
            (json!({"alg": "HS256"}), Fault::AlgorithmNotAllowed),
            (json!({"alg": "RS512"}), Fault::AlgorithmNotAllowed),
            (json!({"alg": "es256"}), Fault::AlgorithmNotAllowed),
            (json!({"alg": "ES256", "crit": ["exp"]}), Fault::Malformed),
            (json!({"typ": "JWT"}), Fault::Malformed),
            (json!({"alg": 1}), Fault::Malformed),
            (json!("ES256"), Fault::Malformed),
        ] {
            assert_eq!(fault(&text(&header, claims)), Some(expected), "{header}");
        }
        let header = json!({"alg": "ES256"});
        for claims in ["", "[]", "null", "{", "[\"c\",\"c\"]", r#"{"iss":"c","iss":"c"}"#, r#"{"exp":"soon"}"#] {
            assert_eq!(fault(&text(&header, claims)), Some(Fault::Malformed), "{claims}");
        }
        let good = text(&header, claims);
        let padded = format!("{}.{}==.c2ln", base64url(header.to_string()), base64url(claims));
        for wrong in
            ["", "x", "a.b", "a.b.c", &good[..good.len() - 5], &format!("{good}.x"), &padded, &" ".repeat(20_000)]
        {
            assert_eq!(fault(wrong), Some(Fault::Malformed), "{wrong:.60}");
        }
        assert_eq!(fault(&text(&header, r#"{"iss":"c","sub":"d"}"#)), Some(Fault::WrongSubject));
    }

    #[test]
    fn an_identity_is_that_of_the_client_and_the_jti_alone() {
        let identity = |client: &str, jti: &str, exp: i64| {
            let claims = json!({"iss": client, "sub": client, "jti": jti, "exp": exp}).to_string();
            Assertion::read(&text(&json!({"alg": "ES256"}), &claims)).unwrap().identity()
        };
        let one = identity("a", "1", 1);
        assert_eq!(one, identity("a", "1", 2));
        assert!(one != identity("b", "1", 1) && one != identity("a", "2", 1));
        assert_ne!(identity("a", "b1", 1), identity("ab", "1", 1));
    }

    #[test]
    fn an_assertion_is_never_shown() {
        let text = text(&json!({"alg": "ES256"}), r#"{"iss":"c","sub":"c","jti":"a-secret-jti"}"#);
        let shown = format!("{:?}", Assertion::read(&text).unwrap());
        assert!(!shown.contains(&text) && !shown.contains("a-secret-jti"), "{shown}");
    }
}
