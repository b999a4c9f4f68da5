//! Tokens from elsewhere: from a known sibling environment, and from unknown issuers.

use serde_json::json;

use super::ask::{Case, Sheet, examine};
use super::stage::{FOREIGN, Jwt, STAGING, Stage, elsewhere};
use crate::conformance::jose::{OWN_KEYS, changed, sign, sign_hmac};
use crate::support::{jwt_part, on_both_stores};

on_both_stores!(an_access_token_of_another_environment_is_named, async |backend| {
    let stage = Stage::start(backend).await;
    for (issuer, environment, cause) in [(STAGING, "staging", "wrong_environment"), (FOREIGN, "other", "foreign_token")]
    {
        let (app, clients) = elsewhere(backend, issuer, environment).await;
        for client in clients {
            let token = app.token(&client, &[("grant_type", "client_credentials")]).await.text("access_token");
            let answer = examine(&stage, &Case::new(format!("{environment}, {}", client.id), token, cause)).await;
            // A sibling is named in words that people recognise.
            let told = answer.body.contains("staging");
            assert!(cause != "wrong_environment" || told, "the sibling is named: {answer:?}");
        }
    }
});

/// Tokens of other services, recognised by their prefixes.
const FOREIGN_PREFIXES: [&str; 6] = [
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0abcdefghijkl_MNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyz01234567890",
    "glpat-x9Kd72mfLqPz0aBcDeFg",
    "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "npm_aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789",
];

on_both_stores!(tokens_of_other_services_are_foreign, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    for token in FOREIGN_PREFIXES {
        sheet.case(&stage, &Case::new(token, token, "foreign_token")).await;
    }
    // Without a prefix, nothing shows where it is from, or whether it is a token at all.
    for token in [
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "mF_9.B5f-4.1JqM",
        "2YotnFZFEjr1zCsicMWpAA",
        "v4.public.eyJkYXRhIjoidGhpcyBpcyBhIHNpZ25lZCBtZXNzYWdlIn0v3Jt8mx_TdM2ceTGoqwrh4yDFn0XsHvvV_D0DtwQxVr",
        "ya29.a0AfH6SMBx-abcdefghijklmnopqrstuvwxyz0123456789",
    ] {
        sheet.case(&stage, &Case::new(token, token, "foreign_token|not_a_token")).await;
    }
    // An encrypted token (RFC 7516), which this server cannot read.
    let jwe = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe\
               .48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6ji.XFBoMYUZodetZdvTiFvSkQ";
    sheet.case(&stage, &Case::new("a JWE", jwe, "foreign_token|not_a_token|algorithm_not_allowed")).await;
    sheet.close();
});

on_both_stores!(a_jwt_of_another_issuer_is_foreign_however_it_is_signed, async |backend| {
    let mut sheet = Sheet::default();
    let stage = Stage::start(backend).await;
    let good = stage.good(Jwt).await;
    let (header, claims) = (jwt_part(&good, 0), jwt_part(&good, 1));
    let of = |issuer: &str| changed(&claims, json!({"iss": issuer}));
    let slash = format!("{}/", stage.app.issuer());
    for issuer in [FOREIGN, "https://auth.example.com:8443", "http://auth.example.com", "accounts.google.com", &slash] {
        for (algorithm, key) in &*OWN_KEYS {
            let header = json!({"alg": algorithm.name(), "typ": "JWT", "kid": "1f2e3d"});
            let case = Case::new(format!("{issuer}, {algorithm}"), sign(key, &header, &of(issuer)), "foreign_token");
            sheet.case(&stage, &case).await;
        }
    }
    // A key id of this server in a token from elsewhere.
    let grafted = sign(&OWN_KEYS[0].1, &header, &of(FOREIGN));
    sheet.case(&stage, &Case::new("our key id", grafted, "foreign_token").made_from(&good)).await;
    // Neighbours in the order: the origin, and an algorithm that is not allowed anywhere.
    for (issuer, cause) in [(STAGING, "wrong_environment"), (FOREIGN, "foreign_token")] {
        let token = sign_hmac("HS256", b"secret", &json!({"alg": "HS256", "typ": "JWT"}), &of(issuer));
        let case = Case::new(format!("{issuer}, HS256"), token, cause).also(&["algorithm_not_allowed"]);
        sheet.case(&stage, &case.made_from(&good)).await;
    }
    sheet.close();
});
