//! JWTs by hand: signing anything with any key, and public keys in every form.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::support::TestServer;

/// The forger's own keys, one of each kind.
pub(crate) static OWN_KEYS: LazyLock<[(SigningAlgorithm, SigningKey); 3]> = LazyLock::new(|| {
    SigningAlgorithm::OF_ACCESS_TOKENS
        .map(|algorithm| (algorithm, SigningKey::parse(algorithm, &SigningKey::generate(algorithm)).unwrap()))
});

/// The claims of a JWT, verified with the published key that its header names.
pub(crate) async fn verified(app: &TestServer, token: &str) -> Value {
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.expect("the header names a key");
    let keys = app.published_keys().await;
    let jwk = keys.iter().find(|key| key["kid"] == kid).expect("the key is published");
    verify(token, jwk).expect("the signature is good")
}

/// The claims, if the signature is that of this key with its own algorithm.
pub(crate) fn verify(token: &str, jwk: &Value) -> Result<Value, jsonwebtoken::errors::Error> {
    let jwk: Jwk = serde_json::from_value(jwk.clone()).unwrap();
    let algorithm: Algorithm = jwk.common.key_algorithm.expect("a key names its algorithm").to_string().parse()?;
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    (rules.validate_exp, rules.validate_aud) = (false, false);
    Ok(jsonwebtoken::decode(token, &DecodingKey::from_jwk(&jwk)?, &rules)?.claims)
}

/// The object with members replaced, added, or (by null) removed.
pub(crate) fn changed(object: &Value, changes: Value) -> Value {
    let mut object = object.as_object().unwrap().clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.shift_remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    Value::Object(object)
}

pub(crate) fn signing_input(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

pub(crate) fn sign(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let input = signing_input(header, claims);
    let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

pub(crate) fn sign_hmac(alg: &str, secret: &[u8], header: &Value, claims: &Value) -> String {
    let algorithm = match alg {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    let input = signing_input(header, claims);
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The public key as a SubjectPublicKeyInfo (RFC 5280 §4.1).
pub(crate) fn spki(jwk: &Value) -> Vec<u8> {
    const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
        \x03\x42\x00\x04";
    const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
    const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    match jwk["kty"].as_str().unwrap() {
        "EC" => [P256, &part("x"), &part("y")].concat(),
        "OKP" => [ED25519, &part("x")].concat(),
        _ => {
            let number = |name: &str| {
                let digits = part(name);
                let sign: &[u8] = if digits[0] < 0x80 { &[] } else { &[0] };
                der(2, &[sign, &digits].concat())
            };
            let key = der(0x30, &[number("n"), number("e")].concat());
            der(0x30, &[RSA, &der(3, &[&[0], key.as_slice()].concat())].concat())
        }
    }
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        ..128 => vec![tag, length[1]],
        128..256 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [head, content.to_vec()].concat()
}

pub(crate) fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}
