//! Identity assertions (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant §3): they tell another authorization server who logged in
//! here with one of its clients, and grant nothing.
//!
//! Their `typ` is one that no other token has, so that none is taken for an ID token or an access token, here or elsewhere.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::jose::jws;
use crate::keys::keyring::ReadySigningKey;
use crate::protocol::claims::Audience;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::foreign_assertion::ID_JAG_TYPE;
use crate::protocol::scope::Scope;
use crate::protocol::token_id::TokenId;

/// The claims of an identity assertion.
#[derive(Clone, Debug, Serialize)]
pub struct AssertionClaims<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The user.
    pub sub: &'a str,
    /// The other server alone.
    pub aud: &'a str,
    /// The client, by its id there.
    pub client_id: &'a str,
    /// Its own id: there it counts once.
    pub jti: TokenId,
    /// When it was issued, in seconds since the epoch.
    pub iat: i64,
    /// When it expires, in seconds since the epoch.
    pub exp: i64,
    /// What the client wants there; absent if that is left to the other server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'a Scope>,
    /// The resources that it wants that for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Audience>,
    /// What it is bound to, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// When the person logged in, in seconds since the epoch.
    pub auth_time: i64,
    /// How the person logged in (RFC 8176).
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub amr: &'a [String],
    /// The email address of the person and whether it is verified, if the person let the client know it.
    #[serde(flatten)]
    pub email: Map<String, Value>,
}

/// Signs the claims.
pub fn write(claims: &AssertionClaims<'_>, key: &ReadySigningKey) -> String {
    jws::sign(&jws::header_segment(ID_JAG_TYPE, key.algorithm, &key.kid), claims, &key.key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::algorithm::SigningAlgorithm;
    use crate::jose::jws::ExpectedType;
    use crate::keys::keyring::KeyRing;
    use crate::protocol::time::Timestamp;
    use crate::tokens::context::TokenContext;
    use crate::tokens::{id_token, jwt};

    const ISSUER: &str = "https://auth.example";

    #[test]
    fn an_identity_assertion_says_what_it_must_and_reads_as_no_other_token() {
        let environment = "live".parse().unwrap();
        let scope = Scope::parse("read").unwrap();
        for algorithm in SigningAlgorithm::ALL {
            let ring = KeyRing::with_signing_key(algorithm);
            let key = ring.signing_key_for(algorithm, Timestamp::from_seconds(1)).unwrap();
            let claims = AssertionClaims {
                iss: ISSUER,
                sub: "u",
                aud: "https://as.example",
                client_id: "app",
                jti: TokenId::new([7; 16]),
                iat: 1,
                exp: 301,
                scope: Some(&scope),
                resource: Some(Audience::new(vec!["https://api.example/".into()])),
                cnf: None,
                auth_time: 1,
                amr: &[],
                email: Map::new(),
            };
            let text = write(&claims, key);
            let (_, read): (_, Value) =
                jws::verify(&text, ExpectedType::OneOf(&[ID_JAG_TYPE]), &key.verification).unwrap();
            let expected = json!({
                "iss": ISSUER, "sub": "u", "aud": "https://as.example", "client_id": "app", "iat": 1, "exp": 301,
                "jti": TokenId::new([7; 16]), "scope": "read", "resource": "https://api.example/", "auth_time": 1,
            });
            assert_eq!(read, expected);
            let context = TokenContext { issuer: ISSUER, environment: &environment, siblings: &[], ring: &ring };
            assert!(jwt::read(&text, context).is_err() && id_token::read(&text, context).is_none(), "{algorithm}");
            // Not even if its claims were those of an ID token of this server.
            let sid = uuid::Uuid::from_u128(7);
            let hint = json!({"iss": ISSUER, "sub": "u", "aud": "app", "exp": 301, "sid": sid});
            let naked = jws::sign(&jws::header_segment(ID_JAG_TYPE, key.algorithm, &key.kid), &hint, &key.key);
            assert!(id_token::read(&naked, context).is_none(), "{algorithm}");
        }
    }
}
