//! Logout tokens (OpenID Connect Back-Channel Logout §2.4): they tell a client that a session of a person has ended.
//!
//! Their `typ` is one that no other token has, so that none is taken for an ID token or an access token, or the other way round.

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::crypto::random;
use crate::jose::jws;
use crate::keys::keyring::ReadySigningKey;
use crate::protocol::logout::{EVENT, LOGOUT_TOKEN_LIFE, LogoutNotice};
use crate::protocol::time::Timestamp;
use crate::protocol::token_id::TokenId;

const TYPE: &str = "logout+jwt";

/// The claims. There is never a `nonce`.
#[derive(Serialize)]
struct LogoutClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: TokenId,
    sid: Uuid,
    events: Value,
}

/// Writes the token of a notice. Each has a `jti` of its own: a client that remembers them would refuse a repetition, whose answer
/// may have been lost.
pub fn write(issuer: &str, notice: &LogoutNotice, now: Timestamp, key: &ReadySigningKey) -> String {
    let claims = LogoutClaims {
        iss: issuer,
        sub: &notice.sub,
        aud: &notice.client_id,
        iat: now.seconds(),
        exp: now.seconds() + LOGOUT_TOKEN_LIFE,
        jti: TokenId::new(random()),
        sid: notice.session,
        events: json!({ EVENT: {} }),
    };
    jws::sign(&jws::header_segment(TYPE, key.algorithm, &key.kid), &claims, &key.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::algorithm::SigningAlgorithm;
    use crate::jose::jws::ExpectedType;
    use crate::keys::keyring::KeyRing;
    use crate::tokens::context::TokenContext;
    use crate::tokens::{id_token, jwt};

    const ISSUER: &str = "https://auth.example";

    #[test]
    fn oid_015_a_logout_token_has_the_claims_of_the_standard_and_is_no_other_token() {
        let environment = "live".parse().unwrap();
        let notice =
            LogoutNotice { session: Uuid::from_u128(7), client_id: "app".into(), sub: "u".into(), attempts: 1 };
        for algorithm in SigningAlgorithm::ALL {
            let ring = KeyRing::with_signing_key(algorithm);
            let now = Timestamp::from_seconds(1000);
            let key = ring.signing_key_for(algorithm, now).unwrap();
            let token = write(ISSUER, &notice, now, key);
            let public = &ring.signing_key(&key.kid).unwrap().verification;
            let (header, claims): (_, Value) = jws::verify(&token, ExpectedType::OneOf(&[TYPE]), public).unwrap();
            assert_eq!((header.alg.as_str(), header.kid.as_deref()), (algorithm.name(), Some(key.kid.as_str())));
            let jti = claims["jti"].as_str().unwrap();
            let expected = json!({
                "iss": ISSUER, "sub": "u", "aud": "app", "iat": 1000, "exp": 1120, "jti": jti, "sid": Uuid::from_u128(7),
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            });
            assert_eq!(claims, expected);
            assert_ne!(token, write(ISSUER, &notice, now, key), "each has a jti of its own");
            let context = TokenContext { issuer: ISSUER, environment: &environment, siblings: &[], ring: &ring };
            assert!(jwt::read(&token, context).is_err(), "{algorithm}");
            assert_eq!(id_token::read(&token, context), None, "{algorithm}");
        }
    }
}
