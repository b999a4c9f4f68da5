//! Texts that are not tokens, and tokens of the wrong kind.

use super::*;
use crate::diagnosis::finding::Fact;
use crate::tokens::code::{Code, CodeKind};

#[test]
fn a_text_that_is_not_a_token_is_named_as_such() {
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
fn the_form_tells_the_kind() {
    assert_eq!(causes(&SERVER.refresh), [Cause::RefreshTokenAsAccessToken]);
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
fn codes_and_registration_tokens_are_not_called_malformed() {
    let key = SERVER.ring.active_token_key(Timestamp::from_seconds(1)).unwrap();
    let session = Uuid::from_u128(9);
    let (live, staging) = (environment("live"), environment("staging"));
    let code = Code::new(CodeKind::Authorization, session);
    let device = Code::new(CodeKind::Device, session).write(&live, key);
    for text in [&code.write(&live, key), &device] {
        assert_eq!(causes(text), [Cause::CodeAsToken]);
        let verified = Fact::verified("session", session.to_string());
        assert!(read(text).facts.contains(&verified), "{:?}", read(text).facts);
        assert_eq!(causes(&format!("{text} ")), [Cause::SurroundingWhitespace, Cause::CodeAsToken]);
        assert_eq!(causes(&text[..text.len() - 9]), [Cause::Truncated, Cause::CodeAsToken]);
        assert_eq!(causes(&text[1..]), [Cause::Truncated, Cause::CodeAsToken]);
        assert_eq!(read_with(text, &ring(), 0).cause(), Some(Cause::CodeAsToken), "another server knows it as well");
    }
    assert_eq!(causes(&code.write(&staging, key)), [Cause::CodeAsToken, Cause::WrongEnvironment]);
    assert_eq!(causes(&device.replacen("jdc_", "jac_", 1)), [Cause::CodeAsToken, Cause::BadSignature]);
    assert_eq!(causes(&live.generate_registration_token()), [Cause::RegistrationTokenAsToken]);
}

#[test]
fn claims_of_an_id_token_outweigh_those_of_an_access_token() {
    let typ = object(&json!({"alg": "RS256", "kid": "k", "typ": "JWT"}));
    let claims =
        json!({"iss": "https://a.example", "sub": "u", "aud": "x", "exp": 2, "iat": 1, "nonce": "n", "roles": []});
    let text = format!("{typ}.{}.{}", object(&claims), "a".repeat(342));
    assert_eq!(causes(&text)[0], Cause::IdTokenAsAccessToken);
}

#[test]
fn access_tokens_of_other_services_are_not_taken_for_id_tokens() {
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
