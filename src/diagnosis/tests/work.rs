//! How much work an examination is.

use super::*;
use crate::protocol::client::AccessTokenTyp;

/// Texts that are much work: large JSON in base64 behind what is removed layer by layer.
fn tangled(length: usize) -> Vec<String> {
    let wide: Vec<String> = (0..length / 12).map(|number| format!("\"{number:04}\":0")).collect();
    let wide = base64url(format!(" {{{}}}", wide.join(",")));
    let nested = base64url(format!(" {{\"a\":[{}0]}}", "{\"a\":0},".repeat(length / 12)));
    let encoded = format!("%{}2E", "25".repeat(30));
    let mut texts = vec![];
    for object in [wide, nested] {
        texts.push(format!("authorizationbearer{object}.{object}.{encoded}"));
        texts.push(format!("authorizationbearer{object}.{encoded}..."));
        texts.push(format!("<\"{object}.a.{encoded}\">"));
    }
    texts.push(format!("eyJhIjp7{}.{encoded}", "eyJhIjp7".repeat(length / 8)));
    texts.push("(".repeat(length) + &encoded);
    texts.push("\u{200b}\u{200c}".repeat(length / 6) + &encoded);
    texts
}

#[test]
fn what_is_too_much_work_at_once_is_left_for_later_with_the_same_verdict() {
    let at_once = |text: &str| {
        let verified = verify(text, here(&SERVER.ring)).unwrap_err();
        examine_within(MAX_EFFORT_AT_ONCE, text, &verified, here(&SERVER.ring), 0)
    };
    for text in tangled(12_000) {
        assert!(at_once(&text).is_none(), "{}", &text[..40]);
        assert!(read(&text).cause().is_some());
    }
    let token = &SERVER.jwt;
    for text in
        [format!("\"Bearer {token}\"\n"), format!("{token}{token}"), token[1..].to_owned(), token.to_uppercase()]
    {
        let (now, later) = (at_once(&text).map(|diagnosis| diagnosis.findings), read_with(&text, &SERVER.ring, 0));
        assert_eq!(now, Some(later.findings), "{text}");
    }
}

#[test]
fn a_text_that_is_too_much_work_is_no_token() {
    let told = |text: &str| read(text).findings.iter().map(|finding| finding.detail.clone()).collect::<Vec<_>>();
    let texts = tangled(12_000);
    let given_up: Vec<_> =
        texts.iter().filter(|text| told(text)[0].contains("so long, or wrapped in so much")).collect();
    assert!(!given_up.is_empty());
    for text in given_up {
        assert_eq!(causes(text), [Cause::NotAToken]);
        assert_eq!(read_with(text, &SERVER.ring, 0).cause(), Some(Cause::NotAToken));
    }
}

#[test]
fn a_text_longer_than_any_token_is_judged_by_its_length_and_its_beginning() {
    let of = |text: &str| {
        let found = read(text);
        (found.cause(), found.findings[0].detail.clone(), found.damage.len())
    };
    let long = "x".repeat(40_000);
    let (cause, detail, damage) = of(&long);
    assert_eq!((cause, damage), (Some(Cause::NotAToken), 0));
    assert!(detail.contains("longer than any token") && !detail.contains("begins like"), "{detail}");
    assert!(of(&format!("{} {long}", SERVER.jwt)).1.contains("It begins like a token."));
}

#[test]
fn the_longest_token_of_this_server_is_examined_in_every_wrapping() {
    let mut claims = serde_json::to_value(claims(ISSUER)).unwrap();
    let members = (0..700).map(|number| (format!("m{number}"), json!("a value")));
    claims.as_object_mut().unwrap().extend(members);
    let claims: AccessClaims = serde_json::from_value(claims).unwrap();
    let key = SERVER.ring.access_token_key(SigningAlgorithm::Es256, Timestamp::from_seconds(1)).unwrap();
    let token = jwt::write(&claims, AccessTokenTyp::default(), key);
    assert!((jwt::LONGEST * 3 / 4..jwt::LONGEST).contains(&token.len()), "{}", token.len());
    for (text, cause) in [
        (format!("Authorization: Bearer \"{token}\"\n"), Cause::SurroundingWhitespace),
        (format!("{{\"access_token\":\"{token}\"}}"), Cause::NotAToken),
        (token.replace('.', "%2E"), Cause::PercentEncoded),
        (format!("{}\n{}", &token[..100], &token[100..]), Cause::LineBreak),
    ] {
        let found = read(&text);
        assert_eq!(found.cause(), Some(cause), "{:?}", found.findings);
        assert!(found.authentic.is_some());
    }
}
