//! ID tokens (OpenID Connect Core §2): they tell a client who logged in, and grant nothing.
//!
//! Their `typ` is `JWT`, which an access token may have as well. So an ID token never has the claim `log`, which every access token
//! of this server has, and neither reads as the other.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::crypto::{base64url, sha256, sha512};
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::jws::{self, ExpectedType};
use crate::keys::keyring::ReadySigningKey;
use crate::tokens::context::TokenContext;
use crate::tokens::jwt;

const TYPE: &str = "JWT";

/// The claims of an ID token.
#[derive(Clone, Debug, Serialize)]
pub struct IdClaims<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The user.
    pub sub: &'a str,
    /// The client alone.
    pub aud: &'a str,
    /// When it expires, in seconds since the epoch.
    pub exp: i64,
    /// When it was issued, in seconds since the epoch.
    pub iat: i64,
    /// When the person logged in, in seconds since the epoch.
    pub auth_time: i64,
    /// What the client sent with its authorization request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    /// The [`access_token_hash`] of the access token beside it.
    pub at_hash: String,
    /// The session.
    pub sid: Uuid,
    /// How the person logged in (RFC 8176).
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub amr: &'a [String],
    /// The claims about the person that were asked for by name.
    #[serde(flatten)]
    pub profile: Map<String, Value>,
}

/// Signs the claims.
pub fn write(claims: &IdClaims<'_>, key: &ReadySigningKey) -> String {
    jws::sign(&jws::header_segment(TYPE, key.algorithm, &key.kid), claims, &key.key)
}

/// The left half of the hash of an access token, in base64url (Core §3.1.3.6): of the hash function of the algorithm that signs the
/// ID token. Ed25519 is EdDSA with SHA-512 (RFC 8032 §5.1).
pub fn access_token_hash(access_token: &str, algorithm: SigningAlgorithm) -> String {
    let text = access_token.as_bytes();
    match algorithm {
        SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => base64url(&sha256(text)[..16]),
        SigningAlgorithm::EdDsa => base64url(&sha512(text)[..32]),
    }
}

/// What an ID token of this server says to this server, as an `id_token_hint`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hint {
    iss: String,
    /// The user.
    pub sub: String,
    /// The client.
    #[serde(rename = "aud")]
    pub client_id: String,
    /// The session.
    pub sid: Uuid,
    /// When it expires, in seconds since the epoch. A hint may have expired (RP-Initiated Logout §2).
    pub exp: i64,
}

/// Reads an ID token that this server signed, also one that has expired.
pub fn read(text: &str, context: TokenContext<'_>) -> Option<Hint> {
    #[derive(Deserialize)]
    struct Claims {
        log: Option<IgnoredAny>,
        #[serde(flatten)]
        hint: Hint,
    }
    if text.len() > jwt::LONGEST {
        return None;
    }
    let key = context.ring.signing_key(&jws::header(text).ok()?.kid?)?;
    let (_, claims): (_, Claims) = jws::verify(text, ExpectedType::OneOf(&[TYPE]), &key.verification).ok()?;
    (claims.log.is_none() && claims.hint.iss == context.issuer).then_some(claims.hint)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::keys::keyring::KeyRing;
    use crate::protocol::claims::AccessClaims;
    use crate::protocol::client::AccessTokenTyp;
    use crate::protocol::time::Timestamp;
    use crate::protocol::token_id::TokenId;
    use crate::tokens::environment::Environment;

    const ISSUER: &str = "https://auth.example";

    fn claims(profile: Value) -> IdClaims<'static> {
        IdClaims {
            iss: ISSUER,
            sub: "u",
            aud: "app",
            exp: 2,
            iat: 1,
            auth_time: 1,
            nonce: Some("n-0S6_WzA2Mj é"),
            at_hash: "x".into(),
            sid: Uuid::from_u128(7),
            amr: &[],
            profile: profile.as_object().cloned().unwrap(),
        }
    }

    #[test]
    fn oid_005_the_hash_of_an_access_token_is_the_left_half_of_the_algorithms_hash() {
        // OpenID Connect Core appendix A.3.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Ps256, SigningAlgorithm::Es256] {
            assert_eq!(access_token_hash(token, algorithm), "77QmUPtjPfzWtF2AnpK9RQ");
        }
        assert_eq!(access_token_hash(token, SigningAlgorithm::EdDsa).len(), 43);
    }

    #[test]
    fn an_id_token_and_an_access_token_never_read_as_each_other() {
        let environment: Environment = "live".parse().unwrap();
        for algorithm in SigningAlgorithm::ALL {
            let ring = KeyRing::with_signing_key(algorithm);
            let context = TokenContext { issuer: ISSUER, environment: &environment, siblings: &[], ring: &ring };
            let key = ring.signing_key_for(algorithm, Timestamp::from_seconds(1)).unwrap();
            let id_token = write(&claims(json!({"name": "Anna"})), key);
            let hint = read(&id_token, context).unwrap();
            assert_eq!((hint.sub.as_str(), hint.client_id.as_str(), hint.sid), ("u", "app", Uuid::from_u128(7)));
            assert_eq!(read(&id_token, TokenContext { issuer: "https://other.example", ..context }), None);
            assert!(jwt::read(&id_token, context).is_err());
            let access: AccessClaims = serde_json::from_value(json!({
                "iss": ISSUER, "sub": "u", "aud": "app", "client_id": "app", "iat": 1, "exp": 2, "log": 3,
                "jti": TokenId::new([1; 16]), "sid": Uuid::from_u128(7),
            }))
            .unwrap();
            for typ in AccessTokenTyp::ALL {
                let token = jwt::write(&access, *typ, key);
                assert!(jwt::read(&token, context).is_ok());
                assert_eq!(read(&token, context), None, "{algorithm}");
            }
        }
    }

    #[test]
    fn oid_013_the_header_names_type_algorithm_and_key() {
        let ring = KeyRing::with_signing_key(SigningAlgorithm::Rs256);
        let key = ring.signing_key_for(SigningAlgorithm::Rs256, Timestamp::from_seconds(1)).unwrap();
        let header = jws::header(&write(&claims(json!({})), key)).unwrap();
        assert_eq!((header.typ.as_deref(), header.alg.as_str()), (Some("JWT"), "RS256"));
        assert_eq!(header.kid.as_deref(), Some(key.kid.as_str()));
    }
}
