//! Rows JWT: access tokens as JWTs (RFC 9068), and what a resource server refuses (RFC 8725).

use std::collections::BTreeSet;
use std::net::TcpListener;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::bearer::{assert_refused, with_bearer};
use super::forgery::{Forged, Forger, critical, signed_by_the_server};
use super::jose::verified;
use crate::support::scene::{ALICE, API, FILES, Scene, every_grant};
use crate::support::{Backend, Setup, TestServer, jwt_part, on_both_stores};

const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "RS256"];

/// A user's token and a client's own, with their answers' `expires_in`.
async fn both_kinds(scene: &Scene) -> [(String, Value); 2] {
    let user = scene.password(&scene.main, ALICE, &[]).await;
    let client = scene.client_credentials(&scene.main, &[]).await;
    [user, client].map(|answer| (answer.text("access_token"), answer.json["expires_in"].clone()))
}

/// Every forgery of an administrator's token is refused by the admin API, with each signing algorithm.
async fn assert_forgeries_refused(backend: Backend, forge: impl AsyncFn(&TestServer, &Forger) -> Forged) {
    for algorithm in ALGORITHMS {
        let app = TestServer::start_with(backend, Setup::default().set("JETON_SIGNING_ALG", algorithm)).await;
        let good = app.admin_token().await;
        for (what, forged) in forge(&app, &Forger::of(&app, &good).await).await {
            // A header cannot carry control characters, and loses spaces at its end.
            if forged.trim_end() != forged || forged.chars().any(char::is_control) {
                continue;
            }
            let answer = with_bearer(&app, &forged).await;
            assert_eq!(answer.status.as_u16(), 401, "{algorithm}, {what}: {answer:?}");
            // Nothing or a second space after Bearer is not a credential (RFC 6750 §2.1), so the challenge has no code.
            if !forged.is_empty() && !forged.starts_with(' ') {
                assert_refused(&answer);
            }
        }
        with_bearer(&app, &good).await.assert_ok();
    }
}

on_both_stores!(
    jwt_001_jwt_002_jwt_003_jwt_015_jwt_017_and_jwt_018_header_and_form_are_those_of_rfc_9068,
    async |backend| {
        for algorithm in ALGORITHMS {
            let scene = Scene::start_with(backend, Setup::default().set("JETON_SIGNING_ALG", algorithm)).await;
            for (token, _) in both_kinds(&scene).await {
                let header = jwt_part(&token, 0);
                // JWT-001 and JWT-002
                assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!(algorithm)));
                // JWT-003
                verified(&scene.app, &token).await;
                // JWT-015
                assert!(header["kid"].as_str().is_some_and(|kid| !kid.is_empty()), "{header}");
                for name in ["jku", "x5u", "jwk", "x5c", "crit"] {
                    assert!(header.get(name).is_none(), "{header}");
                }
                // JWT-017
                let parts: Vec<&str> = token.split('.').collect();
                let is_base64url = |part: &&str| {
                    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                };
                assert!(parts.len() == 3 && parts.iter().all(is_base64url) && token.len() < 8192, "{token}");
                // JWT-018: a repeated name would be lost when the claims are written again.
                for (index, part) in parts.iter().take(2).enumerate() {
                    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
                    assert_eq!(jwt_part(&token, index).to_string(), text);
                }
            }
        }
    }
);

on_both_stores!(jwt_004_to_jwt_011_jwt_016_and_jwt_019_the_claims_tell_who_for_whom_and_how_long, async |backend| {
    let scene = Scene::start(backend).await;
    let metadata = scene.app.get("/.well-known/oauth-authorization-server").await.json;
    for (token, expires_in) in both_kinds(&scene).await {
        let claims = verified(&scene.app, &token).await;
        // JWT-004
        for name in ["iss", "sub", "client_id", "jti"] {
            assert!(claims[name].as_str().is_some_and(|value| !value.is_empty()), "{name}: {claims}");
        }
        // JWT-005
        assert_eq!(claims["iss"], metadata["issuer"]);
        // JWT-006 and JWT-016
        let now = scene.app.clock.now().seconds();
        let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        assert!((now - 5..=now + 1).contains(&iat), "{iat} {now}");
        assert_eq!(json!(exp - iat), expires_in);
        assert!(claims.get("nbf").is_none_or(|nbf| nbf.as_i64().unwrap() <= now + 1));
        // JWT-007
        let audiences = claims["aud"].as_array().cloned().unwrap_or_else(|| vec![claims["aud"].clone()]);
        assert_eq!(audiences, [json!(API), json!(FILES)]);
        // JWT-009 and JWT-010
        assert_eq!((&claims["client_id"], &claims["scope"]), (&json!("main"), &json!("read write")));
        // JWT-019
        assert!(claims.get("auth_time").is_none_or(Value::is_number), "{claims}");
        assert!(claims.get("acr").is_none_or(Value::is_string), "{claims}");
        let is_list = |value: &Value| value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
        assert!(claims.get("amr").is_none_or(is_list), "{claims}");
    }
    let [(user, _), (client, _)] = both_kinds(&scene).await.map(|(token, _)| (jwt_part(&token, 1), ()));
    // JWT-011
    assert_eq!((&user["sub"], &client["sub"]), (&json!(scene.alice), &json!("main")));
    assert_ne!(user["sub"], user["client_id"]);
    // JWT-009, and JWT-007 for a client without audiences
    let other = scene.client_credentials(&scene.other, &[("scope", "read")]).await.text("access_token");
    assert_eq!(jwt_part(&other, 1)["client_id"], json!("other"));
    assert_eq!(jwt_part(&other, 1)["scope"], json!("read"));
    let public = jwt_part(&scene.login(&scene.public).await.access, 1);
    assert_eq!(public["aud"], json!("https://auth.example.com/api"));
});

on_both_stores!(jwt_008_and_jwt_020_no_two_tokens_share_an_id_or_a_signature, async |backend| {
    for algorithm in ALGORITHMS {
        let setup = Setup::default().with_manual_clock().set("JETON_SIGNING_ALG", algorithm);
        let scene = Scene::start_with(backend, setup).await;
        let (mut ids, mut halves) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..10 {
            let token = scene.client_credentials(&scene.main, &[]).await.text("access_token");
            ids.insert(jwt_part(&token, 1)["jti"].as_str().unwrap().to_owned());
            let signature = token.rsplit_once('.').unwrap().1.to_owned();
            halves.insert(signature[..signature.len() / 2].to_owned());
        }
        assert_eq!((ids.len(), halves.len()), (10, 10), "{algorithm}");
    }
});

on_both_stores!(jwt_012_and_jwt_013_a_token_is_for_the_resource_that_was_asked_for, async |backend| {
    let scene = Scene::start(backend).await;
    for resource in [API, FILES] {
        let user = scene.login_with(&scene.main, &[("resource", resource)]).await.access;
        let client = scene.client_credentials(&scene.main, &[("resource", resource)]).await.text("access_token");
        for token in [user, client] {
            assert_eq!(verified(&scene.app, &token).await["aud"], json!(resource));
        }
    }
});

on_both_stores!(jwt_014_a_token_holds_nothing_secret_or_personal, async |backend| {
    let scene = Scene::start(backend).await;
    let claims = json!({"claims": {"tenant": "blue", "plan": "free"}});
    let client = scene.app.client("with-claims", every_grant(claims)).await;
    let members = json!({"username": "bob@example.com", "password": "correct-horse", "claims": {"tenant": "red"}});
    scene.app.admin(reqwest::Method::POST, "/admin/v1/users", Some(members)).await;
    let answer = scene.app.login(&client, "bob@example.com", "correct-horse").await;
    let claims = verified(&scene.app, &answer.text("access_token")).await;
    let known = ["iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti", "sid", "log", "tenant", "plan"];
    for name in claims.as_object().unwrap().keys() {
        assert!(known.contains(&name.as_str()), "{name}");
    }
    for secret in ["bob", "correct-horse", client.secret.as_deref().unwrap()] {
        assert!(!claims.to_string().contains(secret), "{claims}");
    }
    // JWT-018: a claim of both is there once, and it is the user's.
    let payload = answer.text("access_token").split('.').nth(1).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    assert_eq!(String::from_utf8(payload.unwrap()).unwrap().matches("tenant").count(), 1);
    assert_eq!((&claims["tenant"], &claims["plan"]), (&json!("red"), &json!("free")));
});

on_both_stores!(jwt_101_jwt_102_and_jwt_103_a_resource_refuses_unsigned_mac_and_changed_tokens, async |backend| {
    assert_forgeries_refused(backend, async |_, forger| {
        // JWT-101
        let unsigned = [forger.unsigned(), forger.without_signature()].concat();
        // JWT-102 and JWT-103
        [unsigned, forger.hmac_with_the_public_key(), forger.changed_claims()].concat()
    })
    .await;
});

on_both_stores!(jwt_104_and_jwt_105_a_resource_uses_no_key_but_the_published_ones, async |backend| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert_forgeries_refused(backend, async |_, forger| {
        // JWT-104, then JWT-105
        let forged = [forger.own_key_embedded(&address), forger.strange_kids(), forger.own_key_under_the_kid()];
        [forged.concat(), forger.zero_signatures(), forger.other_spellings()].concat()
    })
    .await;
    assert!(listener.accept().is_err(), "nobody asked for the key");
});

on_both_stores!(
    jwt_106_jwt_107_jwt_109_and_jwt_110_even_the_servers_own_key_signs_only_access_tokens,
    async |backend| {
        assert_forgeries_refused(backend, async |app, forger| {
            let signed = |header: Value, claims: Value| {
                (format!("{header} {claims}"), signed_by_the_server(app, &forger.good, header, claims))
            };
            let now = app.clock.now().seconds();
            let mut forged = forger.critical_headers();
            // JWT-110
            forged.extend(critical().map(|change| signed(change, json!({}))));
            // JWT-106: `JWT` is a `typ` of access tokens, too, for clients that say so, but in no other spelling.
            let types = [
                json!("jwt"),
                json!("application/jwt"),
                json!("application/at+jwt"),
                json!("id_token+jwt"),
                json!("dpop+jwt"),
                json!(""),
                json!(1),
                Value::Null,
            ];
            forged.extend(types.map(|typ| signed(json!({"typ": typ}), json!({}))));
            // What has the claims of an ID token is no access token, whatever its type.
            for name in ["log", "client_id", "jti"] {
                forged.push(signed(json!({"typ": "JWT"}), json!({name: null})));
            }
            // JWT-107
            forged.extend(
                [
                    json!({"iss": "https://auth.example.com/"}),
                    json!({"iss": "https://auth.example.net"}),
                    json!({"aud": "https://auth.example.com"}),
                    json!({"aud": ["https://auth.example.com/admin/v1/"]}),
                    json!({"aud": []}),
                ]
                .map(|claims| signed(json!({}), claims)),
            );
            let required = ["iss", "aud", "sub", "client_id", "exp", "iat", "jti"];
            forged.extend(required.map(|name| signed(json!({}), json!({name: null}))));
            forged.extend(required.map(|name| signed(json!({}), json!({name: {"x": 1}}))));
            // JWT-108 and JWT-109
            forged.push(signed(json!({}), json!({"exp": now})));
            forged.push(signed(json!({}), json!({"iat": now + 120})));
            forged
        })
        .await;
        // Unforged tokens signed in the same way pass, so the refusals mean something.
        let app = TestServer::start(backend).await;
        let good = app.admin_token().await;
        let signed = signed_by_the_server(&app, &good, json!({}), json!({"sub": "someone", "client_id": "test-admin"}));
        assert_ne!(signed, good);
        with_bearer(&app, &signed).await.assert_ok();
    }
);

on_both_stores!(jwt_109_a_token_whose_nbf_lies_in_the_future_is_refused, async |backend| {
    assert_forgeries_refused(backend, async |app, forger| {
        let nbf = app.clock.now().seconds() + 120;
        vec![("nbf".into(), signed_by_the_server(app, &forger.good, json!({}), json!({"nbf": nbf})))]
    })
    .await;
});

on_both_stores!(jwt_107_a_token_for_another_resource_is_refused, async |backend| {
    for algorithm in ALGORITHMS {
        let scene = Scene::start_with(backend, Setup::default().set("JETON_SIGNING_ALG", algorithm)).await;
        for (token, _) in both_kinds(&scene).await {
            scene.assert_active(&token).await;
            assert_refused(&with_bearer(&scene.app, &token).await);
        }
    }
});

on_both_stores!(jwt_112_another_kind_of_jwt_is_not_an_access_token, async |backend| {
    assert_forgeries_refused(backend, async |_, forger| forger.other_kinds()).await;
});
