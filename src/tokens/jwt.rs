//! Access tokens as JWTs (RFC 9068, RFC 8725).

use std::collections::HashSet;
use std::sync::LazyLock;

use jsonwebtoken::Validation;
use serde_json::Value;

use crate::crypto::{base64url, from_base64url};
use crate::jose::signing::SigningAlgorithm;
use crate::keys::keyring::ReadySigningKey;
use crate::protocol::claims::AccessClaims;
use crate::tokens::context::TokenContext;
use crate::tokens::verify::VerifyError;

/// Longer than any token of this server can be (scope, audiences and claims are bounded): nothing longer is looked at.
pub const LONGEST: usize = 20 * 1024;

/// Signs the claims.
///
/// # Panics
/// Never: claims are always JSON.
pub fn write(claims: &AccessClaims, key: &ReadySigningKey) -> String {
    let payload = serde_json::to_vec(claims).expect("claims are JSON");
    let mut token = String::with_capacity(key.header_segment.len() + payload.len() * 4 / 3 + 400);
    token.push_str(&key.header_segment);
    token.push('.');
    token.push_str(&base64url(payload));
    let signature = key.key.sign(token.as_bytes());
    token.push('.');
    token.push_str(&base64url(signature));
    token
}

/// Verifies the signature and reads the claims, whatever issuer they name. The header must be, byte for byte, the one that a
/// key of this server writes: no other `typ`, no `crit`, no key from the token itself (RFC 8725 §3.1, §3.10, §3.11). Time,
/// audience and revocation are judged elsewhere.
///
/// # Errors
/// When it is none of this server's tokens.
pub fn read(token: &str, origin: TokenContext<'_>) -> Result<AccessClaims, VerifyError> {
    let (header_segment, _) = token.split_once('.').ok_or(VerifyError::NotOurs)?;
    let Some(key) = origin.ring.signing_key_of(header_segment) else {
        return Err(if may_be_of_a_new_key(token, origin) { VerifyError::UnknownKey } else { VerifyError::NotOurs });
    };
    let verified = jsonwebtoken::decode::<AccessClaims>(token, &key.decoding, rules(key.algorithm));
    verified.map(|verified| verified.claims).map_err(|_| VerifyError::NotOurs)
}

/// What the library checks: the signature with exactly this algorithm, nothing else.
fn rules(algorithm: SigningAlgorithm) -> &'static Validation {
    static RULES: LazyLock<[Validation; 3]> = LazyLock::new(|| {
        SigningAlgorithm::ALL.map(|algorithm| {
            let mut rules = Validation::new(algorithm.for_verification());
            rules.required_spec_claims = HashSet::new();
            rules.validate_exp = false;
            rules.validate_aud = false;
            rules
        })
    });
    &RULES[SigningAlgorithm::ALL.iter().position(|known| *known == algorithm).unwrap_or_default()]
}

/// Whether a token whose header no known key writes could be of this server all the same: a key is named that was never
/// held, with an algorithm of ours, for this issuer.
fn may_be_of_a_new_key(token: &str, origin: TokenContext<'_>) -> bool {
    let mut segments = token.split('.');
    let mut object = || serde_json::from_slice::<Value>(&from_base64url(segments.next()?)?).ok();
    let (Some(header), Some(claims)) = (object(), object()) else { return false };
    let text = |value: &'_ Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_allowed = |name: String| SigningAlgorithm::ALL.iter().any(|algorithm| algorithm.name() == name);
    text(&claims, "iss").is_some_and(|issuer| issuer == origin.issuer)
        && text(&header, "alg").is_some_and(is_allowed)
        && text(&header, "kid")
            .is_some_and(|kid| origin.ring.signing_key(&kid).is_none() && origin.ring.retired(&kid).is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::keys::keyring::{KeyRecord, KeyRing, KeyUse};
    use crate::keys::master::MasterKey;
    use crate::protocol::time::Timestamp;
    use crate::tokens::environment::Environment;

    const ISSUER: &str = "https://auth.example";

    fn ring(algorithm: SigningAlgorithm) -> KeyRing {
        let master = MasterKey::parse(&MasterKey::generate()).unwrap();
        let start = Timestamp::from_seconds(0);
        KeyRing::open(&[KeyRecord::generate(KeyUse::Signing, algorithm, &master, start, start)], &master.into())
            .unwrap()
    }

    fn at<'a>(issuer: &'a str, ring: &'a KeyRing) -> TokenContext<'a> {
        static LIVE: LazyLock<Environment> = LazyLock::new(|| "live".parse().unwrap());
        TokenContext { issuer, environment: &LIVE, siblings: &[], ring }
    }

    fn claims() -> AccessClaims {
        serde_json::from_value(json!({
            "iss": ISSUER, "sub": "c", "aud": "https://api.example", "client_id": "c", "scope": "read",
            "iat": 1, "exp": 2, "jti": Uuid::from_u128(1), "log": 3, "tenant": "blue",
        }))
        .unwrap()
    }

    fn token(ring: &KeyRing) -> String {
        write(&claims(), ring.active_signing_key(Timestamp::from_seconds(1)).unwrap())
    }

    #[test]
    fn what_is_written_reads_back_with_every_algorithm() {
        for algorithm in SigningAlgorithm::ALL {
            let ring = ring(algorithm);
            assert_eq!(read(&token(&ring), at(ISSUER, &ring)), Ok(claims()), "{algorithm}");
        }
    }

    #[test]
    fn int_029_no_second_spelling_passes() {
        let ring = ring(SigningAlgorithm::Es256);
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
        let ring = ring(SigningAlgorithm::EdDsa);
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
    fn a_key_that_another_node_may_have_made_is_told_from_what_can_never_be_ours() {
        let (ours, theirs) = (ring(SigningAlgorithm::Es256), ring(SigningAlgorithm::Es256));
        let token = token(&theirs);
        assert_eq!(read(&token, at(ISSUER, &ours)), Err(VerifyError::UnknownKey));
        assert_eq!(read(&token, at("https://other.example", &ours)), Err(VerifyError::NotOurs));
        let kid = theirs.active_signing_key(Timestamp::from_seconds(1)).unwrap().kid.clone();
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
