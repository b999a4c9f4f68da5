//! Answers of the introspection endpoint as JWTs (RFC 9701 §5): for resource servers that have to prove later what they were told.
//!
//! Their `typ` is one that no other token has, and what they say of a token is inside `token_introspection`: none is taken for the
//! token, or for one of the resource server.

use serde::Serialize;

use crate::jose::jws;
use crate::keys::keyring::ReadySigningKey;
use crate::protocol::time::Timestamp;

/// The `typ`, and the end of the media type.
const TYPE: &str = "token-introspection+jwt";

#[derive(Serialize)]
struct Claims<'a, T> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    token_introspection: &'a T,
}

/// Signs an answer for the resource server that asked. There is no `sub` and no `exp`, so that nothing takes it for a token.
pub fn write(
    issuer: &str,
    resource_server: &str,
    answer: &impl Serialize,
    now: Timestamp,
    key: &ReadySigningKey,
) -> String {
    let claims = Claims { iss: issuer, aud: resource_server, iat: now.seconds(), token_introspection: answer };
    jws::sign(&jws::header_segment(TYPE, key.algorithm, &key.kid), &claims, &key.key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::jose::algorithm::SigningAlgorithm;
    use crate::jose::jws::ExpectedType;
    use crate::keys::keyring::KeyRing;
    use crate::protocol::token_id::TokenId;
    use crate::tokens::context::TokenContext;
    use crate::tokens::{id_token, jwt};

    const ISSUER: &str = "https://auth.example";

    #[test]
    fn ijw_009_an_answer_reads_as_no_token() {
        let now = Timestamp::from_seconds(1);
        let ring = KeyRing::with_signing_key(SigningAlgorithm::Es256);
        let key = ring.signing_key_for(SigningAlgorithm::Es256, now).unwrap();
        // Every member of an access token, at the place where it would count.
        let token = json!({
            "iss": ISSUER, "sub": "c", "aud": "a", "client_id": "c", "iat": 1, "exp": 9, "log": 3, "jti": TokenId::new([1; 16]),
        });
        let text = write(ISSUER, "rs", &token, now, key);
        let (_, claims): (_, Value) = jws::verify(&text, ExpectedType::OneOf(&[TYPE]), &key.verification).unwrap();
        assert_eq!(claims, json!({"iss": ISSUER, "aud": "rs", "iat": 1, "token_introspection": token}));
        let environment = "live".parse().unwrap();
        let context = TokenContext { issuer: ISSUER, environment: &environment, siblings: &[], ring: &ring };
        assert!(jwt::read(&text, context).is_err() && id_token::read(&text, context).is_none());
        // Not even if its claims were those of a token.
        let naked = jws::sign(&jws::header_segment(TYPE, key.algorithm, &key.kid), &token, &key.key);
        assert!(jwt::read(&naked, context).is_err() && id_token::read(&naked, context).is_none());
    }
}
