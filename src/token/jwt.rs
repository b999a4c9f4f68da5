//! Access tokens as JWTs (RFC 9068, RFC 8725).

use std::collections::HashSet;
use std::sync::LazyLock;

use jsonwebtoken::Validation;
use serde_json::Value;

use super::keyring::ReadySigningKey;
use super::origin::Origin;
use super::signing::SigningAlgorithm;
use super::{base64url, from_base64url};
use crate::oauth::cause::Cause;
use crate::oauth::claims::AccessClaims;

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

/// Verifies the signature and reads the claims. The header must be, byte for byte, the one that a key of this server
/// writes: no other `typ`, no `crit`, no key from the token itself (RFC 8725 §3.1, §3.10, §3.11). Time, audience and
/// revocation are judged elsewhere.
///
/// # Errors
/// The cause why it is none of this server's tokens.
pub fn read(token: &str, origin: Origin<'_>) -> Result<AccessClaims, Cause> {
    if token.len() > LONGEST {
        return Err(Cause::NotAToken);
    }
    let (header_segment, _) = token.split_once('.').ok_or(Cause::NotAToken)?;
    let Some(key) = origin.ring.signing_key_of(header_segment) else {
        return Err(foreign_header(token, origin));
    };
    let verified = jsonwebtoken::decode::<AccessClaims>(token, &key.decoding, rules(key.algorithm));
    let claims = verified.map_err(|_| claimed_origin(token, origin).unwrap_or(Cause::BadSignature))?.claims;
    if claims.iss == origin.issuer { Ok(claims) } else { Err(Cause::WrongIssuer) }
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

/// Why a token with a header that no key of this server writes is refused, by what the token claims.
fn foreign_header(token: &str, origin: Origin<'_>) -> Cause {
    let segments: Vec<&str> = token.split('.').collect();
    let header = segments.first().and_then(from_base64url).and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    let Some(Value::Object(header)) = header else { return Cause::NotAToken };
    if segments.len() != 3 {
        return Cause::Truncated;
    }
    if let Some(cause) = claimed_origin(token, origin) {
        return cause;
    }
    let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    if !SigningAlgorithm::ALL.iter().any(|known| known.name() == algorithm) {
        return Cause::AlgorithmNotAllowed;
    }
    match header.get("kid").and_then(Value::as_str) {
        // A key of this server, but not its header: another type of JWT, or a forgery.
        Some(kid) if origin.ring.has_signing_key(kid) => Cause::BadSignature,
        _ => Cause::UnknownKey,
    }
}

/// The cause against a token that itself says that somebody else issued it.
fn claimed_origin(token: &str, origin: Origin<'_>) -> Option<Cause> {
    let claims: Value = serde_json::from_slice(&from_base64url(token.split('.').nth(1)?)?).ok()?;
    let issuer = claims.get("iss")?.as_str()?;
    (issuer != origin.issuer).then(|| origin.of_issuer(issuer))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::oauth::time::Timestamp;
    use crate::token::environment::{Environment, KnownIssuer};
    use crate::token::keyring::{KeyRecord, KeyRing, KeyUse};
    use crate::token::master::MasterKey;

    const ISSUER: &str = "https://auth.example";

    fn ring(algorithm: SigningAlgorithm) -> KeyRing {
        let master = MasterKey::parse(&MasterKey::generate()).unwrap();
        let start = Timestamp::from_seconds(0);
        KeyRing::open(&[KeyRecord::generate(KeyUse::Signing, algorithm, &master, start, start)], &master).unwrap()
    }

    fn at<'a>(issuer: &'a str, ring: &'a KeyRing) -> Origin<'a> {
        static LIVE: LazyLock<Environment> = LazyLock::new(|| "live".parse().unwrap());
        static SISTERS: LazyLock<[KnownIssuer; 1]> = LazyLock::new(|| {
            [KnownIssuer { environment: "staging".parse().unwrap(), issuer: "https://staging.example".into() }]
        });
        Origin { issuer, environment: &LIVE, sisters: &*SISTERS, ring }
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
            assert_eq!(read(&other, at(ISSUER, &ring)), Err(Cause::BadSignature), "{other}");
        }
    }

    #[test]
    fn int_020_int_025_and_int_027_a_foreign_header_is_refused_by_what_it_claims() {
        let ring = ring(SigningAlgorithm::Es256);
        let token = token(&ring);
        let rest = token.split_once('.').unwrap().1;
        let kid = &ring.active_signing_key(Timestamp::from_seconds(1)).unwrap().kid;
        for (header, cause) in [
            (json!({"alg": "none"}), Cause::AlgorithmNotAllowed),
            (json!({"alg": "HS256", "kid": kid}), Cause::AlgorithmNotAllowed),
            (json!({"alg": "ES256", "kid": "other", "typ": "at+jwt"}), Cause::UnknownKey),
            (json!({"alg": "ES256", "kid": ["x"]}), Cause::UnknownKey),
            (json!({"alg": "ES256", "kid": kid, "typ": "JWT"}), Cause::BadSignature),
            (json!({"typ": "at+jwt", "alg": "ES256", "kid": kid, "crit": ["x"]}), Cause::BadSignature),
        ] {
            let forged = format!("{}.{rest}", base64url(header.to_string()));
            assert_eq!(read(&forged, at(ISSUER, &ring)), Err(cause), "{header}");
        }
    }

    #[test]
    fn int_031_a_token_of_another_issuer_is_foreign() {
        let ours = ring(SigningAlgorithm::Es256);
        let theirs = ring(SigningAlgorithm::Es256);
        assert_eq!(read(&token(&theirs), at("https://other.example", &ours)), Err(Cause::ForeignToken));
        assert_eq!(read(&token(&ours), at("https://other.example", &ours)), Err(Cause::WrongIssuer));
    }

    #[test]
    fn a_token_of_a_sister_environment_is_named_as_such() {
        let (ours, theirs) = (ring(SigningAlgorithm::Es256), ring(SigningAlgorithm::Es256));
        let claims = AccessClaims { iss: "https://staging.example".into(), ..claims() };
        let token = write(&claims, theirs.active_signing_key(Timestamp::from_seconds(1)).unwrap());
        assert_eq!(read(&token, at(ISSUER, &ours)), Err(Cause::WrongEnvironment));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_a_panic(text in "[-A-Za-z0-9_.=+/ ]{0,300}") {
            let ring = KeyRing::default();
            prop_assert!(read(&text, at(ISSUER, &ring)).is_err());
        }
    }
}
