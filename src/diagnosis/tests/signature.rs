//! Where a token comes from, and which key made it.

use super::*;

#[test]
fn an_unreadable_header_of_the_right_length_was_changed() {
    let changed = format!("{}~{}", &SERVER.jwt[..20], &SERVER.jwt[21..]);
    assert_eq!(causes(&changed), [Cause::BadSignature]);
    let other = if &SERVER.jwt[5..6] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &SERVER.jwt[..5], &SERVER.jwt[6..]);
    assert_eq!(causes(&changed), [Cause::BadSignature]);
}

#[test]
fn issuer_or_prefix_tells_the_origin() {
    let other = ring();
    let now = Timestamp::from_seconds(1);
    let (signing, token) =
        (other.access_token_key(SigningAlgorithm::Es256, now).unwrap(), other.active_token_key(now).unwrap());
    let staging = claims("https://staging.example");
    assert_eq!(
        causes(&jwt::write(&staging, AccessTokenTyp::AtJwt, signing)),
        [Cause::WrongEnvironment, Cause::UnknownKey]
    );
    assert_eq!(causes(&opaque::write(&staging, &environment("staging"), token)), [Cause::WrongEnvironment]);
    let refresh = RefreshToken::first(Uuid::nil()).write(&environment("staging"), token);
    assert_eq!(causes(&refresh), [Cause::RefreshTokenAsAccessToken, Cause::WrongEnvironment]);
    assert_eq!(causes(&opaque::write(&staging, &environment("other"), token)), [Cause::ForeignToken]);
    assert_eq!(
        causes(&jwt::write(&claims("https://e.example"), AccessTokenTyp::AtJwt, signing)),
        [Cause::ForeignToken, Cause::UnknownKey]
    );
    assert_eq!(causes("ghp_0123456789abcdefghij0123456789abcdefgh"), [Cause::ForeignToken]);
    let ours = SERVER.ring.access_token_key(SigningAlgorithm::Es256, now).unwrap();
    assert_eq!(causes(&jwt::write(&claims("https://old.example"), AccessTokenTyp::AtJwt, ours)), [Cause::WrongIssuer]);
}

#[test]
fn int_020_int_025_and_int_027_a_forged_header_is_refused_for_what_is_wrong_with_it() {
    let kid = &SERVER.ring.access_token_key(SigningAlgorithm::Es256, Timestamp::from_seconds(1)).unwrap().kid;
    let rest = SERVER.jwt.split_once('.').unwrap().1;
    for (header, expected) in [
        (json!({"alg": "none"}), vec![Cause::AlgorithmNotAllowed, Cause::UnknownKey]),
        (json!({"alg": "HS256", "kid": kid}), vec![Cause::AlgorithmNotAllowed, Cause::BadSignature]),
        (json!({"alg": "EdDSA", "kid": kid}), vec![Cause::AlgorithmNotAllowed, Cause::BadSignature]),
        (json!({"alg": "ES256", "kid": "other", "typ": "at+jwt"}), vec![Cause::UnknownKey]),
        (json!({"alg": "ES256", "kid": ["x"]}), vec![Cause::UnknownKey]),
        (json!({"alg": "ES256", "kid": kid, "typ": "JWT"}), vec![Cause::BadSignature]),
        (json!({"typ": "at+jwt", "alg": "ES256", "kid": kid, "crit": ["x"]}), vec![Cause::BadSignature]),
    ] {
        assert_eq!(causes(&format!("{}.{rest}", object(&header))), expected, "{header}");
    }
    let unsigned = format!("{}.{}.", object(&json!({"alg": "none"})), rest.split('.').next().unwrap());
    assert_eq!(causes(&unsigned), [Cause::AlgorithmNotAllowed, Cause::UnknownKey]);
}

#[test]
fn a_deleted_key_is_distinguished_from_an_unknown_one() {
    let other = ring();
    let now = Timestamp::from_seconds(1);
    let (signing, token) =
        (other.access_token_key(SigningAlgorithm::Es256, now).unwrap(), other.active_token_key(now).unwrap());
    let texts = [
        jwt::write(&claims(ISSUER), AccessTokenTyp::AtJwt, signing),
        opaque::write(&claims(ISSUER), &environment("live"), token),
    ];
    let retired = [signing.kid.clone(), base64url(token.id)].into_iter().map(|kid| (kid, now)).collect();
    let knowing = ring().with_retired(retired);
    for text in texts {
        assert_eq!(causes(&text), [Cause::UnknownKey]);
        assert_eq!(read_with(&text, &knowing, 0).cause(), Some(Cause::RetiredKey));
    }
}

#[test]
fn a_changed_character_is_a_bad_signature() {
    for token in [&SERVER.jwt, &SERVER.opaque] {
        let at = token.len() - 30;
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert_eq!(causes(&changed), [Cause::BadSignature]);
    }
}

#[test]
fn unverified_claims_are_never_marked_as_verified() {
    let last = if SERVER.jwt.ends_with('A') { "Q" } else { "A" };
    let forged = format!("{}{last}", &SERVER.jwt[..SERVER.jwt.len() - 1]);
    for text in [forged, SERVER.jwt.replacen('.', "%2E", 1) + "x"] {
        let diagnosis = read(&text);
        assert!(diagnosis.authentic.is_none());
        assert!(diagnosis.facts.iter().all(|fact| !fact.verified), "{:?}", diagnosis.facts);
    }
    let good = read(&format!("\"{}\"", SERVER.jwt));
    let issuer = good.facts.iter().find(|fact| fact.fact == "issuer").unwrap();
    assert!(issuer.verified && issuer.value == ISSUER);
    assert_eq!(good.facts.iter().filter(|fact| fact.fact == "issuer").count(), 1);
}
