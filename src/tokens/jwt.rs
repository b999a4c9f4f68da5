//! Access tokens as JWTs (RFC 9068).

use serde::Deserialize;

use crate::crypto::from_base64url;
use crate::jose::algorithm::SigningAlgorithm;
use crate::jose::jws::{self, ExpectedType};
use crate::keys::keyring::ReadySigningKey;
use crate::protocol::claims::AccessClaims;
use crate::protocol::client::AccessTokenTyp;
use crate::tokens::context::TokenContext;
use crate::tokens::error::VerifyError;

/// The length of the longest token of this server, in bytes: scope, audiences and claims are bounded. Longer texts are
/// refused unread.
pub const LONGEST: usize = 20 * 1024;

/// The types of access tokens.
const TYPES: [&str; 2] = [AccessTokenTyp::AtJwt.name(), AccessTokenTyp::Jwt.name()];

/// Signs the claims.
pub fn write(claims: &AccessClaims, typ: AccessTokenTyp, key: &ReadySigningKey) -> String {
    jws::sign(key.header_segment(typ), claims, &key.key)
}

/// The length of what [`write()`] makes of the claims, in bytes.
pub fn length(claims: &AccessClaims, typ: AccessTokenTyp, key: &ReadySigningKey) -> usize {
    jws::signed_length(key.header_segment(typ), claims, &key.key)
}

/// Verifies the signature and the issuer, and reads the claims. The header must be, byte for byte, one that a key of this
/// server writes. Time, audience and revocation are checked elsewhere.
pub fn read(token: &str, context: TokenContext<'_>) -> Result<AccessClaims, VerifyError> {
    let (header_segment, _) = token.split_once('.').ok_or(VerifyError::NotOurs)?;
    let Some(key) = context.ring.signing_key_of(header_segment) else {
        return Err(if may_be_of_a_new_key(token, context) { VerifyError::UnknownKey } else { VerifyError::NotOurs });
    };
    let verified = jws::verify(token, ExpectedType::OneOf(&TYPES), &key.verification);
    let (_, claims): (_, AccessClaims) = verified.map_err(|_| VerifyError::NotOurs)?;
    if claims.iss == context.issuer { Ok(claims) } else { Err(VerifyError::OtherIssuer(Box::new(claims))) }
}

/// Whether another node may have signed this token with a key that this node has not seen yet: it names our issuer, an
/// algorithm of ours, and a key that was never deleted.
fn may_be_of_a_new_key(token: &str, context: TokenContext<'_>) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
    }
    let Ok(jws::Header { alg, kid: Some(kid), .. }) = jws::header(token) else { return false };
    let payload = token.split('.').nth(1).and_then(from_base64url).unwrap_or_default();
    serde_json::from_slice(&payload).is_ok_and(|Claims { iss }| iss == context.issuer)
        && alg.parse::<SigningAlgorithm>().is_ok()
        && context.ring.signing_key(&kid).is_none()
        && context.ring.retired(&kid).is_none()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::crypto::base64url;
    use crate::keys::keyring::KeyRing;
    use crate::protocol::time::Timestamp;
    use crate::protocol::token_id::TokenId;
    use crate::tokens::environment::Environment;

    const ISSUER: &str = "https://auth.example";

    fn at<'a>(issuer: &'a str, ring: &'a KeyRing) -> TokenContext<'a> {
        static LIVE: LazyLock<Environment> = LazyLock::new(|| "live".parse().unwrap());
        TokenContext { issuer, environment: &LIVE, siblings: &[], ring }
    }

    fn claims() -> AccessClaims {
        serde_json::from_value(json!({
            "iss": ISSUER, "sub": "c", "aud": "https://api.example", "client_id": "c", "scope": "read",
            "iat": 1, "exp": 2, "jti": TokenId::new([1; 16]), "log": 3, "tenant": "blue",
        }))
        .unwrap()
    }

    fn token_of(typ: AccessTokenTyp, ring: &KeyRing) -> String {
        let key = ring.access_token_key(SigningAlgorithm::Es256, Timestamp::from_seconds(1)).unwrap();
        write(&claims(), typ, key)
    }

    fn token(ring: &KeyRing) -> String {
        token_of(AccessTokenTyp::AtJwt, ring)
    }

    #[test]
    fn what_is_written_reads_back_with_every_algorithm() {
        for algorithm in SigningAlgorithm::OF_ACCESS_TOKENS {
            let ring = KeyRing::with_signing_key(algorithm);
            for typ in AccessTokenTyp::ALL {
                let token = token_of(*typ, &ring);
                assert_eq!(jws::header(&token).unwrap().typ.as_deref(), Some(typ.name()));
                assert_eq!(read(&token, at(ISSUER, &ring)), Ok(claims()), "{algorithm}");
            }
        }
    }

    #[test]
    fn int_029_no_second_spelling_passes() {
        let ring = KeyRing::with_signing_key(SigningAlgorithm::Es256);
        let token = token(&ring);
        for other in [
            format!("{token}="),
            format!("{token}\n"),
            format!(" {token}"),
            format!("{token}."),
            format!("{token}.x"),
            token.replacen('.', "=.", 1),
            token.to_uppercase(),
        ] {
            assert!(read(&other, at(ISSUER, &ring)).is_err(), "{other}");
        }
    }

    #[test]
    fn int_022_and_int_023_a_changed_or_stripped_token_is_refused() {
        let ring = KeyRing::with_signing_key(SigningAlgorithm::EdDsa);
        let token = token(&ring);
        let mut segments = token.split('.');
        let (header, _, signature) = (segments.next().unwrap(), segments.next(), segments.next().unwrap());
        let mut forged = claims();
        forged.exp = i64::MAX;
        let payload = base64url(serde_json::to_vec(&forged).unwrap());
        for other in
            [format!("{header}.{payload}.{signature}"), format!("{header}.{payload}."), format!("{header}.{payload}")]
        {
            assert_eq!(read(&other, at(ISSUER, &ring)), Err(VerifyError::NotOurs), "{other}");
        }
    }

    #[test]
    fn a_key_that_another_node_may_have_created_is_distinguished_from_one_that_is_never_ours() {
        let (ours, theirs) =
            (KeyRing::with_signing_key(SigningAlgorithm::Es256), KeyRing::with_signing_key(SigningAlgorithm::Es256));
        let token = token(&theirs);
        assert_eq!(read(&token, at(ISSUER, &ours)), Err(VerifyError::UnknownKey));
        assert_eq!(read(&token, at("https://other.example", &ours)), Err(VerifyError::NotOurs));
        let kid = theirs.access_token_key(SigningAlgorithm::Es256, Timestamp::from_seconds(1)).unwrap().kid.clone();
        let ours = ours.with_retired([(kid, Timestamp::from_seconds(1))].into());
        assert_eq!(read(&token, at(ISSUER, &ours)), Err(VerifyError::NotOurs));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in "[-A-Za-z0-9_.=+/ ]{0,300}") {
            let ring = KeyRing::default();
            prop_assert!(read(&text, at(ISSUER, &ring)).is_err());
        }
    }
}
