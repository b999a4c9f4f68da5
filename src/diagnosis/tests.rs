use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::crypto::base64url;
use crate::jose::algorithm::SigningAlgorithm;
use crate::keys::keyring::KeyRing;
use crate::keys::master::MasterKey;
use crate::keys::record::{KeyRecord, KeyUse};
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::time::Timestamp;
use crate::tokens::context::TokenContext;
use crate::tokens::environment::{Environment, KnownIssuer};
use crate::tokens::refresh::RefreshToken;
use crate::tokens::verify::verify;
use crate::tokens::{jwt, opaque};

const ISSUER: &str = "https://auth.example";

struct Bench {
    ring: KeyRing,
    jwt: String,
    opaque: String,
    refresh: String,
}

fn environment(name: &str) -> Environment {
    name.parse().unwrap()
}

fn claims(issuer: &str) -> AccessClaims {
    serde_json::from_value(json!({
        "iss": issuer, "sub": "c", "aud": "https://api.example", "client_id": "c", "scope": "read",
        "iat": 1, "exp": 2, "jti": Uuid::from_u128(1), "log": 3,
    }))
    .unwrap()
}

fn ring() -> KeyRing {
    let master = MasterKey::parse(&MasterKey::generate()).unwrap();
    let start = Timestamp::from_seconds(0);
    let records = [KeyUse::Signing, KeyUse::Token]
        .map(|key_use| KeyRecord::generate(key_use, SigningAlgorithm::Es256, &master, start, start));
    KeyRing::open(&records, &master.into()).unwrap()
}

static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    let ring = ring();
    let now = Timestamp::from_seconds(1);
    let (signing, token) = (
        ring.access_token_key(SigningAlgorithm::Es256, now).unwrap().clone(),
        ring.active_token_key(now).unwrap().clone(),
    );
    Bench {
        jwt: jwt::write(&claims(ISSUER), &signing),
        opaque: opaque::write(&claims(ISSUER), &environment("live"), &token),
        refresh: RefreshToken::first(Uuid::from_u128(9)).write(&environment("live"), &token),
        ring,
    }
});

static LIVE: LazyLock<Environment> = LazyLock::new(|| environment("live"));
static SISTERS: LazyLock<[KnownIssuer; 1]> =
    LazyLock::new(|| [KnownIssuer { environment: environment("staging"), issuer: "https://staging.example".into() }]);

fn here(ring: &KeyRing) -> TokenContext<'_> {
    TokenContext { issuer: ISSUER, environment: &LIVE, siblings: &*SISTERS, ring }
}

fn read_with(text: &str, ring: &KeyRing, proofs: usize) -> Diagnosis {
    examine(text, verify(text, here(ring)), here(ring), proofs)
}

fn read(text: &str) -> Diagnosis {
    read_with(text, &BENCH.ring, MAX_REPAIR_CHECKS)
}

fn causes(text: &str) -> Vec<Cause> {
    read(text).findings.iter().map(|finding| finding.cause).collect()
}

fn object(value: &Value) -> String {
    base64url(value.to_string())
}

/// What happens to tokens on their way, and what it is called; whether it can be undone and so proved.
fn accidents(token: &str) -> Vec<(String, Cause, bool)> {
    let half = token.len() / 2;
    let (start, end) = token.split_at(half);
    let of = |text: String, cause| (text, cause, true);
    vec![
        of(format!(" {token}"), Cause::SurroundingWhitespace),
        of(format!("{token}\n"), Cause::SurroundingWhitespace),
        of(format!("\t{token}\r\n"), Cause::SurroundingWhitespace),
        of(format!("{start}\n{end}"), Cause::LineBreak),
        of(format!("{start}\r\n{end}"), Cause::LineBreak),
        of(format!("{token}\\n"), Cause::LineBreak),
        of(format!("{}\n{}", &token[..token.len() - 9], &token[token.len() - 9..]), Cause::LineBreak),
        of(format!("{} {}", &token[..token.len() - 9], &token[token.len() - 9..]), Cause::InvisibleCharacter),
        of(format!("{start}\u{200b}{end}"), Cause::InvisibleCharacter),
        of(format!("\u{feff}{token}"), Cause::InvisibleCharacter),
        of(format!("{token}\u{a0}"), Cause::InvisibleCharacter),
        of(format!("{start} {end}"), Cause::InvisibleCharacter),
        of(format!("{start}\0{end}"), Cause::InvisibleCharacter),
        of(format!("Bearer {token}"), Cause::BearerPrefixLeftIn),
        of(format!("bearer{token}"), Cause::BearerPrefixLeftIn),
        of(format!("Bearer%20{token}"), Cause::BearerPrefixLeftIn),
        of(format!("Authorization: Bearer {token}"), Cause::BearerPrefixLeftIn),
        of(format!("Bearer \"{token}\""), Cause::BearerPrefixLeftIn),
        of(format!("\"Bearer {token}\""), Cause::BearerPrefixLeftIn),
        of(format!("\"{token}\""), Cause::Quoted),
        of(format!("'{token}"), Cause::Quoted),
        of(format!("“{token}”"), Cause::Quoted),
        of(format!("\\\"{token}\\\""), Cause::Quoted),
        of(format!("\"{token}\","), Cause::Quoted),
        of(format!("&quot;{token}&quot;"), Cause::Quoted),
        of(format!("<{token}>"), Cause::Quoted),
        of(format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\"}}"), Cause::NotAToken),
        of(token.replacen(['.', '_'], if token.contains('.') { "%2E" } else { "%5F" }, 1), Cause::PercentEncoded),
        of(token.replace(['.'], "%252E").replace('_', "%255F"), Cause::PercentEncoded),
        of(format!("{token}{token}"), Cause::TwoTokensJoined),
        of(format!("{token},{token}"), Cause::TwoTokensJoined),
        of(format!("{token} {token}"), Cause::TwoTokensJoined),
        of(format!("{token}, Bearer {token}"), Cause::TwoTokensJoined),
        of(format!("{token}="), Cause::WrongBase64Alphabet),
        of(format!("{}{}", token[..1].to_uppercase(), &token[1..]), Cause::ChangedCase),
        of(format!("Token {token}"), Cause::WrongScheme),
        of(format!("Baerer {token}"), Cause::WrongScheme),
        of(format!("access_token={token}"), Cause::NotAToken),
        of(format!("https://api.example/data?access_token={token}&x=1"), Cause::NotAToken),
        of(format!("{{'access_token': '{token}', 'token_type': 'Bearer'}}"), Cause::NotAToken),
        of(format!("export TOKEN=\"{token}\""), Cause::Quoted),
        of(format!("({token})"), Cause::Quoted),
        of(format!("[{token}]"), Cause::Quoted),
        of(format!("\u{1b}[32m{token}\u{1b}[0m"), Cause::InvisibleCharacter),
        of(format!("{start}\u{b}{end}"), Cause::InvisibleCharacter),
        of(format!("{start}\\n{end}"), Cause::LineBreak),
        of(format!("{start}\\\n{end}"), Cause::LineBreak),
        of(format!("\"{{\\\"access_token\\\":\\\"{token}\\\"}}\""), Cause::Quoted),
        (format!("{}[truncated]", &token[..60]), Cause::Truncated, false),
        (format!("{}... (587 chars)", &token[..60]), Cause::Truncated, false),
        (token[..token.len() - 1].to_owned(), Cause::Truncated, false),
        (token[..token.len() - 20].to_owned(), Cause::Truncated, false),
        (token[..20].to_owned(), Cause::Truncated, false),
        (format!("{}...", &token[..30]), Cause::Truncated, false),
        (format!("{}…{}", &token[..12], &token[token.len() - 8..]), Cause::Truncated, false),
        (token[3..].to_owned(), Cause::Truncated, false),
        (token.to_lowercase(), Cause::ChangedCase, false),
        (token.to_uppercase(), Cause::ChangedCase, false),
    ]
}

#[test]
fn damage_is_named_and_where_it_can_be_undone_it_is_proved() {
    for token in [&BENCH.jwt, &BENCH.opaque, &BENCH.refresh] {
        for (text, cause, can_be_undone) in accidents(token) {
            let diagnosis = read(&text);
            // Case and punctuation of a JWT's own first letter are no letters of base64.
            assert_eq!(diagnosis.cause(), Some(cause), "{text}: {:?}", diagnosis.findings);
            assert_eq!(diagnosis.authentic.is_some(), can_be_undone, "{text}: {:?}", diagnosis.damage);
            assert!(diagnosis.damage.iter().all(|damage| damage.proved == can_be_undone), "{text}");
            let told = format!("{:?} {:?}", diagnosis.findings, diagnosis.damage);
            assert!(!told.contains(&token[token.len() - 12..]), "{told}");
        }
    }
}

#[test]
fn the_first_cause_does_not_depend_on_the_proof_of_a_repair() {
    for token in [&BENCH.jwt, &BENCH.opaque, &BENCH.refresh] {
        for (text, cause, _) in accidents(token) {
            assert_eq!(read_with(&text, &BENCH.ring, 0).cause(), Some(cause), "{text}");
        }
    }
}

#[test]
fn what_is_no_token_is_named_as_such() {
    for text in [
        "undefined",
        "null",
        "None",
        "[object Object]",
        "$TOKEN",
        "${TOKEN}",
        "{{token}}",
        "<token>",
        "%TOKEN%",
        "your_token_here",
        "YOUR_ACCESS_TOKEN",
        "<html><body>502</body></html>",
        "{\"error\":\"invalid_grant\"}",
        "[]",
        "https://auth.example/auth/token",
        "me@example.com",
        "hello",
        "0",
        "Basic dXNlcjpwYXNz",
        " undefined\n",
        "\"null\"",
        "3fa85f64-5717-4562-b3fc-2c963f66afa6",
        "a.b.c",
        "one two three",
        "é",
        "....",
        "%",
        "eyJ",
    ] {
        assert_eq!(causes(text), [Cause::NotAToken], "{text}");
    }
    for text in ["", " ", "\n", "\"\"", "Bearer "] {
        assert_eq!(causes(text), [Cause::Missing], "{text:?}");
    }
}

#[test]
fn the_kind_is_told_by_form() {
    assert_eq!(causes(&BENCH.refresh), [Cause::RefreshTokenAsAccessToken]);
    let secret = environment("live").generate_client_secret();
    assert_eq!(causes(&secret), [Cause::ClientSecretAsToken]);
    let id_token = format!(
        "{}.{}.{}",
        object(&json!({"alg": "RS256", "kid": "k", "typ": "JWT"})),
        object(&json!({"iss": ISSUER, "sub": "u", "aud": "app", "exp": 1, "iat": 0, "nonce": "n"})),
        "a".repeat(342),
    );
    assert_eq!(causes(&id_token), [Cause::IdTokenAsAccessToken, Cause::UnknownKey]);
}

#[test]
fn a_header_of_the_right_length_that_cannot_be_read_was_changed() {
    let changed = format!("{}~{}", &BENCH.jwt[..20], &BENCH.jwt[21..]);
    assert_eq!(causes(&changed), [Cause::BadSignature]);
    let other = if &BENCH.jwt[5..6] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &BENCH.jwt[..5], &BENCH.jwt[6..]);
    assert_eq!(causes(&changed), [Cause::BadSignature]);
}

#[test]
fn what_says_that_it_is_an_id_token_is_one_whatever_else_it_says() {
    let typ = object(&json!({"alg": "RS256", "kid": "k", "typ": "JWT"}));
    let claims =
        json!({"iss": "https://a.example", "sub": "u", "aud": "x", "exp": 2, "iat": 1, "nonce": "n", "roles": []});
    let text = format!("{typ}.{}.{}", object(&claims), "a".repeat(342));
    assert_eq!(causes(&text)[0], Cause::IdTokenAsAccessToken);
}

#[test]
fn access_tokens_of_others_are_no_id_tokens() {
    let typ = object(&json!({"alg": "RS256", "kid": "k", "typ": "JWT"}));
    for claims in [
        json!({"iss": "https://a.example", "sub": "c@clients", "aud": "https://api", "exp": 2, "iat": 1, "azp": "c", "gty": "x"}),
        json!({"iss": "https://a.example", "sub": "u", "aud": "authenticated", "exp": 2, "iat": 1, "role": "r", "email": "e"}),
        json!({"iss": "https://a.example", "sub": "u", "aud": "my-client", "exp": 2, "iat": 1}),
        json!({"iss": "https://a.example", "sub": "u", "aud": "x", "exp": 2, "iat": 1, "typ": "Bearer", "azp": "c"}),
    ] {
        let text = format!("{typ}.{}.{}", object(&claims), "a".repeat(342));
        assert_eq!(causes(&text), [Cause::ForeignToken, Cause::UnknownKey], "{claims}");
    }
}

#[test]
fn a_place_is_counted_in_what_was_sent() {
    let detail = |text: &str| read(text).findings.first().unwrap().detail.clone();
    let token = &BENCH.jwt;
    let (first, second) = (token.len() + 1, token.len() + 3);
    assert!(detail(&format!("{token}{token}")).contains(&format!("at character {first}.")));
    assert!(detail(&format!("{token}, {token}")).contains(&format!("at character {second}.")));
    assert!(detail(&format!("{}\u{200b}{}", &token[..9], &token[9..])).contains("at character 10."));
    let inner = read(&format!("Bearer {}\n{}", &token[..9], &token[9..]));
    assert!(inner.damage.iter().any(|damage| damage.detail.contains("at character 17.")), "{:?}", inner.damage);
}

#[test]
fn of_two_tokens_the_access_token_is_meant() {
    let both = read(&format!("{} {}", BENCH.jwt, BENCH.refresh));
    assert!(both.claims().is_some());
    assert_eq!(both.findings.iter().map(|finding| finding.cause).collect::<Vec<_>>(), [Cause::TwoTokensJoined]);
}

#[test]
fn the_origin_is_told_by_issuer_or_prefix() {
    let other = ring();
    let now = Timestamp::from_seconds(1);
    let (signing, token) =
        (other.access_token_key(SigningAlgorithm::Es256, now).unwrap(), other.active_token_key(now).unwrap());
    let staging = claims("https://staging.example");
    assert_eq!(causes(&jwt::write(&staging, signing)), [Cause::WrongEnvironment, Cause::UnknownKey]);
    assert_eq!(causes(&opaque::write(&staging, &environment("staging"), token)), [Cause::WrongEnvironment]);
    let refresh = RefreshToken::first(Uuid::nil()).write(&environment("staging"), token);
    assert_eq!(causes(&refresh), [Cause::RefreshTokenAsAccessToken, Cause::WrongEnvironment]);
    assert_eq!(causes(&opaque::write(&staging, &environment("other"), token)), [Cause::ForeignToken]);
    assert_eq!(causes(&jwt::write(&claims("https://e.example"), signing)), [Cause::ForeignToken, Cause::UnknownKey]);
    assert_eq!(causes("ghp_0123456789abcdefghij0123456789abcdefgh"), [Cause::ForeignToken]);
    let ours = BENCH.ring.access_token_key(SigningAlgorithm::Es256, now).unwrap();
    assert_eq!(causes(&jwt::write(&claims("https://old.example"), ours)), [Cause::WrongIssuer]);
}

#[test]
fn int_020_int_025_and_int_027_a_forged_header_is_named_by_what_is_wrong_with_it() {
    let kid = &BENCH.ring.access_token_key(SigningAlgorithm::Es256, Timestamp::from_seconds(1)).unwrap().kid;
    let rest = BENCH.jwt.split_once('.').unwrap().1;
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
fn a_key_that_was_withdrawn_is_told_from_one_that_never_was() {
    let other = ring();
    let now = Timestamp::from_seconds(1);
    let (signing, token) =
        (other.access_token_key(SigningAlgorithm::Es256, now).unwrap(), other.active_token_key(now).unwrap());
    let texts = [jwt::write(&claims(ISSUER), signing), opaque::write(&claims(ISSUER), &environment("live"), token)];
    let retired = [signing.kid.clone(), base64url(token.id)].into_iter().map(|kid| (kid, now)).collect();
    let knowing = ring().with_retired(retired);
    for text in texts {
        assert_eq!(causes(&text), [Cause::UnknownKey]);
        assert_eq!(read_with(&text, &knowing, 0).cause(), Some(Cause::RetiredKey));
    }
}

#[test]
fn a_changed_character_is_a_bad_signature() {
    for token in [&BENCH.jwt, &BENCH.opaque] {
        let at = token.len() - 30;
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        assert_eq!(causes(&changed), [Cause::BadSignature]);
    }
}

#[test]
fn what_is_only_claimed_is_never_marked_as_verified() {
    let last = if BENCH.jwt.ends_with('A') { "Q" } else { "A" };
    let forged = format!("{}{last}", &BENCH.jwt[..BENCH.jwt.len() - 1]);
    for text in [forged, BENCH.jwt.replacen('.', "%2E", 1) + "x"] {
        let diagnosis = read(&text);
        assert!(diagnosis.authentic.is_none());
        assert!(diagnosis.facts.iter().all(|fact| !fact.verified), "{:?}", diagnosis.facts);
    }
    let good = read(&format!("\"{}\"", BENCH.jwt));
    let issuer = good.facts.iter().find(|fact| fact.fact == "issuer").unwrap();
    assert!(issuer.verified && issuer.value == ISSUER);
    assert_eq!(good.facts.iter().filter(|fact| fact.fact == "issuer").count(), 1);
}

#[test]
fn encodings_in_encodings_are_undone_and_in_the_end_given_up() {
    let mut text = BENCH.jwt.clone();
    text = text.replace('.', "%2E");
    for _ in 0..9 {
        text = text.replace('%', "%25");
    }
    assert_eq!(causes(&text), [Cause::PercentEncoded]);
    for _ in 0..100 {
        text = text.replace('%', "%25");
    }
    assert_eq!(read(&text).cause(), Some(Cause::PercentEncoded));
}

#[test]
fn a_good_token_has_no_finding() {
    assert_eq!(causes(&BENCH.jwt), []);
    assert_eq!(causes(&BENCH.opaque), []);
    assert_eq!(read(&BENCH.refresh).accepting_refresh_tokens().cause(), None);
}

/// One of the things that happen to texts.
fn happen(text: &str, what: u8, place: usize) -> String {
    let at = text.char_indices().map(|(at, _)| at).nth(place % (text.chars().count() + 1)).unwrap_or(text.len());
    let (start, end) = text.split_at(at);
    match what % 10 {
        0 => format!("{start}\n{end}"),
        1 => format!("{start}\u{200b}{end}"),
        2 => format!("{start}%{end}"),
        3 => start.to_owned(),
        4 => end.to_owned(),
        5 => format!("\"{text}\""),
        6 => format!("{start}{text}"),
        7 => text.to_uppercase(),
        8 => text.replace(['.', '%'], "%25"),
        _ => format!("Bearer {text}"),
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC{0,200}|[-A-Za-z0-9_.=+/% \n\"{}]{0,300}") {
        prop_assert!(read(&text).authentic.is_none());
        prop_assert!(read(&text).cause().is_some());
    }

    #[test]
    fn whatever_happens_to_a_token_has_a_name_and_the_token_is_not_told(
        kind in 0usize..3,
        accidents in proptest::collection::vec((any::<u8>(), any::<usize>()), 1..5),
    ) {
        let token = [&BENCH.jwt, &BENCH.opaque, &BENCH.refresh][kind];
        let mut text = token.clone();
        for (what, place) in accidents {
            text = happen(&text, what, place);
        }
        prop_assume!(text != *token);
        let diagnosis = read(&text);
        prop_assert!(diagnosis.cause().is_some());
        prop_assert_eq!(read_with(&text, &BENCH.ring, 0).cause(), diagnosis.cause());
        let told = format!("{:?} {:?} {:?}", diagnosis.findings, diagnosis.damage, diagnosis.facts);
        prop_assert!(!told.contains(&token[token.len() - 20..]));
        prop_assert!(diagnosis.findings.is_sorted_by_key(|finding| finding.cause));
    }
}
