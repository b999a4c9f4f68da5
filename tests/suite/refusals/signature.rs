//! Tokens that claim to be from this server and are not, or whose key is gone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};

use super::ask::{Case, Sheet, causes, examine, without};
use super::stage::{Form, Jwt, Opaque, Stage};
use crate::conformance::jose::{OWN_KEYS, changed, sign, sign_hmac, signing_input};
use crate::support::{Answer, Setup, jwt_part, on_both_stores};

/// How a forger signs.
#[derive(Clone, Copy)]
enum Signed {
    /// Not at all.
    Unsigned,
    /// With the signature of the good token.
    Grafted,
    /// With an ES256 key of the forger's own.
    OwnKey,
    /// With an RSA key of the forger's own.
    OwnRsaKey,
    /// With a shared secret.
    Hmac,
    /// With zeros.
    Zeros,
}

use Signed::{Grafted, Hmac, OwnKey, OwnRsaKey, Unsigned, Zeros};

fn forge(good: &str, header: Value, claims: Value, signed: Signed) -> String {
    let (header, claims) = (changed(&jwt_part(good, 0), header), changed(&jwt_part(good, 1), claims));
    let input = signing_input(&header, &claims);
    match signed {
        Unsigned => format!("{input}."),
        Grafted => format!("{input}.{}", good.rsplit_once('.').unwrap().1),
        OwnKey => sign(&OWN_KEYS[0].1, &header, &claims),
        OwnRsaKey => sign(&OWN_KEYS[2].1, &header, &claims),
        Hmac => sign_hmac(header["alg"].as_str().unwrap(), b"secret", &header, &claims),
        Zeros => format!("{input}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
    }
}

/// What is changed in the header and in the claims, how it is signed, and the first cause.
type Row = (&'static str, &'static str, Signed, &'static str);

/// The bytes show it: the header names an algorithm that no key of this server uses.
#[rustfmt::skip]
const ALGORITHMS: [Row; 13] = [
    (r#"{"alg": "none"}"#,                   "{}", Unsigned,  "algorithm_not_allowed"),
    (r#"{"alg": "none"}"#,                   "{}", Grafted,   "algorithm_not_allowed"),
    (r#"{"alg": "None"}"#,                   "{}", Unsigned,  "algorithm_not_allowed"),
    (r#"{"alg": "nOnE", "kid": null}"#,      "{}", Grafted,   "algorithm_not_allowed"),
    (r#"{"alg": "HS256"}"#,                  "{}", Hmac,      "algorithm_not_allowed"),
    (r#"{"alg": "HS256", "kid": null}"#,     "{}", Hmac,      "algorithm_not_allowed"),
    (r#"{"alg": "HS512"}"#,                  "{}", Hmac,      "algorithm_not_allowed"),
    (r#"{"alg": "PS256"}"#,                  "{}", OwnRsaKey, "algorithm_not_allowed"),
    (r#"{"alg": "ES256K"}"#,                 "{}", Grafted,   "algorithm_not_allowed"),
    (r#"{"alg": "es256"}"#,                  "{}", Grafted,   "algorithm_not_allowed"),
    (r#"{"alg": ""}"#,                       "{}", Grafted,   "algorithm_not_allowed"),
    (r#"{"alg": null}"#,                     "{}", Grafted,   "algorithm_not_allowed"),
    (r#"{"alg": 7}"#,                        "{}", Grafted,   "algorithm_not_allowed"),
];

/// It takes the keys to see it.
#[rustfmt::skip]
const KEYS: [Row; 17] = [
    (r#"{"kid": "unknown1"}"#,               "{}", OwnKey,    "unknown_key"),
    (r#"{"kid": "unknown1"}"#,               "{}", Grafted,   "unknown_key"),
    (r#"{"kid": ""}"#,                       "{}", OwnKey,    "unknown_key"),
    (r#"{"kid": null}"#,                     "{}", OwnKey,    "unknown_key"),
    (r#"{"kid": null}"#,                     "{}", Grafted,   "unknown_key"),
    (r#"{"kid": 7}"#,                        "{}", Grafted,   "unknown_key"),
    (r#"{"kid": "../../../dev/null"}"#,      "{}", OwnKey,    "unknown_key"),
    (r#"{"kid": "' OR 1=1--"}"#,             "{}", OwnKey,    "unknown_key"),
    ("{}",                                   "{}", OwnKey,    "bad_signature"),
    ("{}",                                   "{}", Zeros,     "bad_signature"),
    ("{}", r#"{"scope": "read write admin"}"#,     Grafted,   "bad_signature"),
    ("{}", r#"{"exp": 4000000000}"#,               Grafted,   "bad_signature"),
    ("{}", r#"{"sub": "mallory"}"#,                Grafted,   "bad_signature"),
    ("{}", r#"{"client_id": "other"}"#,            Grafted,   "bad_signature"),
    ("{}", r#"{"aud": null}"#,                     Grafted,   "bad_signature"),
    ("{}", r#"{"jti": null}"#,                     Grafted,   "bad_signature"),
    (r#"{"alg": "RS256"}"#,                  "{}", OwnRsaKey, "algorithm_not_allowed|bad_signature"),
];

fn case(good: &str, (header, claims, signed, cause): &Row) -> Case {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let text = forge(good, parse(header), parse(claims), *signed);
    Case::new(format!("{header} {claims} {cause}"), text, cause).made_from(good)
}

on_both_stores!(a_forged_jwt_is_named, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    for row in &ALGORITHMS {
        sheet.case(&stage, &case(&good, row)).await;
    }
    for row in &KEYS {
        let case = case(&good, row);
        sheet.case(&stage, &if row.3.contains('|') { case.perhaps_hidden() } else { case.hidden() }).await;
    }
    // Neighbours in the order.
    for header in [json!({"alg": "HS256", "kid": "unknown1"}), json!({"alg": "none", "kid": null})] {
        let case = Case::new(header.to_string(), forge(&good, header, json!({}), Grafted), "algorithm_not_allowed");
        sheet.case(&stage, &case.made_from(&good).also(&["unknown_key"])).await;
    }
    sheet.close();
});

on_both_stores!(the_claims_of_a_forged_token_are_never_called_verified, async |backend| {
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    for (header, signed) in
        [(json!({}), Grafted), (json!({"kid": "unknown1"}), OwnKey), (json!({"alg": "none"}), Unsigned)]
    {
        let claims = json!({"sub": "mallory", "scope": "everything", "tenant": "mallory-and-sons"});
        let answer = stage.explain(&stage.rs, &forge(&good, header, claims, signed)).await;
        for evidence in answer.assert_ok().json["evidence"].as_array().unwrap() {
            let claimed = ["mallory", "everything"].iter().any(|word| evidence["value"].to_string().contains(word));
            assert!(!claimed || evidence["verified"] == json!(false), "{evidence}");
        }
    }
});

/// The sealed bytes of an opaque token with one bit flipped.
fn flipped(token: &str, byte: usize) -> String {
    let at = token.match_indices('_').nth(1).unwrap().0 + 1;
    let mut bytes = URL_SAFE_NO_PAD.decode(&token[at..]).unwrap();
    let index = byte % bytes.len();
    bytes[index] ^= 1;
    format!("{}{}", &token[..at], URL_SAFE_NO_PAD.encode(bytes))
}

/// Which byte of an opaque token is changed (version, key id, nonce, sealed claims), and the cause.
const OPAQUE: [(usize, &str); 6] = [
    (0, "not_a_token|bad_signature|unknown_key"),
    (1, "unknown_key"),
    (6, "unknown_key"),
    (7, "bad_signature"),
    (18, "bad_signature"),
    (100, "bad_signature"),
];

on_both_stores!(a_changed_opaque_token_is_named, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    let good = stage.good(Opaque).await;
    for (byte, cause) in OPAQUE {
        let case = Case::new(format!("byte {byte}"), flipped(&good, byte), cause).made_from(&good);
        sheet.case(&stage, &if byte == 0 { case.perhaps_hidden() } else { case.hidden() }).await;
    }
    // Under a name that was never its own.
    let case =
        Case::new("renamed", good.replacen("jat_", "jrt_", 1), "truncated|not_a_token|refresh_token_as_access_token");
    sheet.case(&stage, &case.made_from(&good).perhaps_hidden()).await;
    let case = Case::new("moved", good.replacen("_live_", "_staging_", 1), "wrong_environment").made_from(&good);
    sheet.case(&stage, &case).await;
    sheet.close();
});

/// The id of the key that made a token.
fn key_of(token: &str) -> String {
    match token.strip_prefix("jat_live_") {
        Some(body) => URL_SAFE_NO_PAD.encode(&URL_SAFE_NO_PAD.decode(body).unwrap()[1..7]),
        None => jwt_part(token, 0)["kid"].as_str().unwrap().to_owned(),
    }
}

/// Puts new keys into use. The clock must be a manual one.
pub(super) async fn rotate_keys(stage: &Stage) {
    stage.admin(Method::POST, "keys/rotate", None).await;
    stage.app.advance(601);
}

/// Deletes the key that made the token.
pub(super) async fn delete_key_of(stage: &Stage, token: &str) {
    stage.admin(Method::DELETE, &format!("keys/{}", key_of(token)), None).await;
}

on_both_stores!(a_token_of_a_deleted_key_is_distinguished_from_one_of_an_unknown_key, async |backend| {
    let mut sheet = Sheet::default();
    for form in [Jwt, Opaque] {
        let stage = Stage::start_with(backend, Setup::default().with_manual_clock()).await;
        let good = stage.good(form).await;
        let (unknown, bad) = match form {
            Jwt => (
                forge(&good, json!({"kid": "unknown1"}), json!({}), Grafted),
                forge(&good, json!({}), json!({}), OwnKey),
            ),
            _ => (flipped(&good, 1), flipped(&good, 100)),
        };
        rotate_keys(&stage).await;
        let before = stage.explain(&stage.other, &good).await;
        delete_key_of(&stage, &good).await;
        let retired = Case::new(format!("{form:?}"), good.clone(), "retired_key").hidden();
        sheet.case(&stage, &retired).await;
        let unknown = Case::new(format!("{form:?}"), unknown, "unknown_key").made_from(&good).hidden();
        sheet.case(&stage, &unknown).await;
        // Without the key, a bad signature can no longer be recognised.
        let bad = Case::new(format!("{form:?}"), bad, "retired_key").made_from(&good).hidden();
        sheet.case(&stage, &bad).await;
        // A stranger cannot distinguish the three from each other or from the valid token.
        let mut answers = vec![before];
        for case in [&retired, &unknown, &bad] {
            answers.push(stage.explain(&stage.other, &case.text).await);
        }
        assert_indistinguishable(&answers);
        assert_verified_alike(&stage, form, &[&retired, &unknown, &bad]).await;
    }
    sheet.close();
});

on_both_stores!(a_stranger_cannot_distinguish_an_unknown_key_a_bad_signature_and_a_valid_token, async |backend| {
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    let unknown =
        Case::new("unknown", forge(&good, json!({"kid": "unknown1"}), json!({}), OwnKey), "unknown_key").hidden();
    let bad = Case::new("bad", forge(&good, json!({}), json!({}), OwnKey), "bad_signature").hidden();
    let mut answers = vec![stage.explain(&stage.other, &good).await];
    for case in [&unknown, &bad] {
        answers.push(stage.explain(&stage.other, &case.text).await);
    }
    assert_indistinguishable(&answers);
    assert_verified_alike(&stage, Jwt, &[&unknown, &bad]).await;
    let opaque = stage.good(Opaque).await;
    let mut answers = vec![stage.explain(&stage.other, &opaque).await];
    for byte in [1, 100] {
        answers.push(stage.explain(&stage.other, &flipped(&opaque, byte)).await);
    }
    assert_indistinguishable(&answers);
});

/// The answers say the same, but for the request and for what the token itself says.
#[track_caller]
pub(super) fn assert_indistinguishable(answers: &[Answer]) {
    let said = |answer: &Answer| {
        let evidence = answer.json["evidence"].as_array().cloned().unwrap_or_default();
        let facts: Vec<Value> = evidence.iter().map(|fact| without(fact, &["value"])).collect();
        (answer.status, without(&answer.json, &["request_id", "evidence"]), facts)
    };
    for answer in &answers[1..] {
        assert_eq!(said(answer), said(&answers[0]));
        assert_eq!(answer.json["limited"], json!(true), "{answer:?}");
    }
}

/// `/auth/verify` answers byte for byte alike, whatever is wrong with the signature.
async fn assert_verified_alike(stage: &Stage, form: Form, cases: &[&Case]) {
    let mut answers = Vec::new();
    for case in cases {
        let answer = stage.verify(&case.text, None, None).await;
        let mut headers = answer.headers.clone();
        headers.remove("date");
        headers.remove("x-request-id").expect("every answer has a request id");
        let body = without(&answer.json, &["request_id"]);
        answers.push((answer.status, headers, if answer.json.is_null() { json!(answer.body) } else { body }));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{form:?}: {answers:?}");
}

on_both_stores!(a_token_that_our_key_made_for_another_issuer_is_named, async |backend| {
    let stage = Stage::start(backend).await;
    let (jwt, opaque) = (stage.good(Jwt).await, stage.good(Opaque).await);
    let revoked = stage.good(Jwt).await;
    stage.app.revoke(&stage.main, &revoked).await.assert_ok();
    let stage = stage.restart(Setup::default().set("JETON_ISSUER", "https://login.example.com")).await;
    for (name, token, also) in
        [("a JWT", jwt, &[][..]), ("an opaque token", opaque, &[]), ("a revoked JWT", revoked, &["token_revoked"])]
    {
        let case = Case::new(name, token, "wrong_issuer").perhaps_hidden().also(also);
        let answer = examine(&stage, &case).await;
        assert!(!causes(&answer).contains(&"foreign_token".to_owned()), "our key made it: {answer:?}");
    }
});
