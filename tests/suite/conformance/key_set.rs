//! Rows JWK: the key set (RFC 7517).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jeton::jose::algorithm::SigningAlgorithm;
use reqwest::Method;
use serde_json::{Value, json};

use super::jose::verified;
use crate::support::scene::Scene;
use crate::support::{Backend, Setup, TestServer, jwt_part, on_both_stores};

const PLACE: &str = "/.well-known/jwks.json";
const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "RS256"];

/// A server whose key set has a second key, announced for later.
async fn with_two_keys(backend: Backend, algorithm: &str) -> TestServer {
    let app = TestServer::start_with(backend, Setup::default().set("JETON_SIGNING_ALG", algorithm)).await;
    let rotated = app.admin(Method::POST, "/admin/v1/keys/rotate", None).await;
    assert!(rotated.status.is_success(), "{rotated:?}");
    assert_eq!(app.published_keys().await.len(), 2, "the next key is published before it is used");
    app
}

fn bytes(key: &Value, name: &str) -> Vec<u8> {
    let text = key[name].as_str().unwrap_or_else(|| panic!("no {name}: {key}"));
    URL_SAFE_NO_PAD.decode(text).unwrap_or_else(|error| panic!("{name} is no base64url: {error}"))
}

on_both_stores!(jwk_001_jwk_002_jwk_003_jwk_004_and_jwk_012_the_set_holds_public_keys_for_signing, async |backend| {
    for algorithm in ALGORITHMS {
        let app = with_two_keys(backend, algorithm).await;
        let answer = app.get(PLACE).await;
        // JWK-001
        let content_type = answer.assert_ok().header("content-type").unwrap();
        assert!(matches!(content_type, "application/json" | "application/jwk-set+json"), "{content_type}");
        let keys = answer.json["keys"].as_array().unwrap();
        let mut kids = BTreeSet::new();
        let mut material = BTreeMap::new();
        for key in keys {
            // JWK-002
            for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
                assert!(key.get(private).is_none(), "{private}: {key}");
            }
            // JWK-003
            let kid = key["kid"].as_str().unwrap();
            assert!(!kid.is_empty() && kids.insert(kid), "{kid}");
            // JWK-004
            let (kty, curve) = match algorithm {
                "ES256" => ("EC", Some("P-256")),
                "EdDSA" => ("OKP", Some("Ed25519")),
                _ => ("RSA", None),
            };
            assert_eq!((key["kty"].as_str(), key.get("crv").and_then(Value::as_str)), (Some(kty), curve));
            assert_eq!((&key["use"], &key["alg"]), (&json!("sig"), &json!(algorithm)));
            assert!(key.get("key_ops").is_none_or(|operations| operations == &json!(["verify"])), "{key}");
            // JWK-012
            let point = key.get("n").or(key.get("x")).unwrap().to_string();
            assert!(material.insert(point, &key["alg"]).is_none(), "one key is listed twice");
        }
    }
});

on_both_stores!(jwk_005_and_jwk_007_numbers_have_their_full_length_and_canonical_form, async |backend| {
    for algorithm in ALGORITHMS {
        let app = with_two_keys(backend, algorithm).await;
        for key in app.published_keys().await {
            match algorithm {
                "ES256" => {
                    let point = [vec![4], bytes(&key, "x"), bytes(&key, "y")].concat();
                    assert_eq!((bytes(&key, "x").len(), bytes(&key, "y").len()), (32, 32));
                    // JWK-005: the library takes only points on the curve.
                    let curve = &aws_lc_rs::agreement::ECDH_P256;
                    let own = aws_lc_rs::agreement::PrivateKey::generate(curve).unwrap();
                    let public = aws_lc_rs::agreement::UnparsedPublicKey::new(curve, point);
                    assert!(aws_lc_rs::agreement::agree(&own, public, (), |_| Ok(())).is_ok(), "{key}");
                }
                "EdDSA" => assert_eq!(bytes(&key, "x").len(), 32),
                _ => {
                    let (modulus, exponent) = (bytes(&key, "n"), bytes(&key, "e"));
                    assert!(modulus.len() >= 256 && modulus[0] != 0, "{key}");
                    assert_eq!(modulus[0] >> 7, usize::from(modulus.len() == 256) as u8, "2048 bits at least");
                    assert!(exponent[0] != 0 && exponent.last().unwrap() % 2 == 1, "{key}");
                    let value = exponent.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
                    assert!(value >= 65_537, "{value}");
                }
            }
        }
    }
});

on_both_stores!(jwk_006_and_jwk_008_the_key_that_a_token_names_is_in_the_set_and_verifies, async |backend| {
    for algorithm in ALGORITHMS {
        let scene = Scene::start_with(backend, Setup::default().set("JETON_SIGNING_ALG", algorithm)).await;
        let own = scene.client_credentials(&scene.main, &[]).await.text("access_token");
        for token in [scene.login(&scene.main).await.access, own] {
            let claims = verified(&scene.app, &token).await;
            assert_eq!(claims["client_id"], json!("main"));
            let kid = jwt_part(&token, 0)["kid"].clone();
            let keys = scene.app.published_keys().await;
            let key = keys.iter().find(|key| key["kid"] == kid).unwrap();
            // JWK-008: RS256 where it is switched on (by JETON_SIGNING_ALG; the default is ES256).
            assert_eq!((&key["alg"], algorithm == "RS256"), (&json!(algorithm), key["kty"] == "RSA"));
        }
    }
});

on_both_stores!(jwk_009_and_jwk_013_anyone_may_fetch_and_cache_the_set, async |backend| {
    let app = with_two_keys(backend, "ES256").await;
    let answer = app.get_with(PLACE, &[("Origin", "https://spa.example")]).await;
    // JWK-013
    assert_eq!(answer.assert_ok().header("access-control-allow-origin"), Some("*"));
    assert!(answer.header("access-control-allow-credentials").is_none());
    // JWK-009: caches expire before the announced key is used.
    let caching = answer.header("cache-control").unwrap();
    let seconds: i64 = caching.split("max-age=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert!(seconds > 0 && seconds < jeton::keys::lifecycle::ANNOUNCEMENT, "{caching}");
    let now = app.clock.now();
    let keys = app.server.app.issuer.keys();
    let (signing, kid) = (keys.ring.access_token_key(SigningAlgorithm::Es256, now).unwrap(), app.admin_token().await);
    assert_eq!(jwt_part(&kid, 0)["kid"], json!(signing.kid));
    let later = now.plus_seconds(seconds);
    assert_eq!(
        keys.ring.access_token_key(SigningAlgorithm::Es256, later).unwrap().kid,
        signing.kid,
        "the old key signs until then"
    );
    let after = now.plus_seconds(jeton::keys::lifecycle::ANNOUNCEMENT + 1);
    assert_ne!(keys.ring.access_token_key(SigningAlgorithm::Es256, after).unwrap().kid, signing.kid);
});

on_both_stores!(an_algorithm_is_added_without_an_outage_and_the_one_in_use_keeps_a_key, async |backend| {
    let scene = Scene::start_with(backend, Setup::default().with_manual_clock()).await;
    let rotate = async |body: Option<Value>| scene.app.admin(Method::POST, "/admin/v1/keys/rotate", body).await;
    let signs =
        async || jwt_part(&scene.client_credentials(&scene.main, &[]).await.text("access_token"), 0)["alg"].clone();
    for (body, told) in [
        (json!({"alg": "HS256"}), "alg: is not one of ES256, EdDSA, RS256, PS256"),
        (json!({"algorithm": "RS256"}), "unknown member `algorithm`"),
    ] {
        let answer = rotate(Some(body)).await;
        assert_eq!((answer.status.as_u16(), answer.json["detail"].as_str()), (400, Some(told)), "{answer:?}");
    }
    let added = rotate(Some(json!({"alg": "RS256"}))).await;
    assert_eq!(added.status.as_u16(), 201, "{added:?}");
    let added = added.json["items"].as_array().unwrap();
    assert_eq!((added.len(), &added[0]["alg"], &added[0]["state"]), (1, &json!("RS256"), &json!("announced")));
    assert_eq!(rotate(Some(json!({"alg": "RS256"}))).await.status.as_u16(), 409, "it is announced already");
    let published: BTreeSet<String> =
        scene.app.published_keys().await.iter().map(|key| key["alg"].as_str().unwrap().to_owned()).collect();
    assert_eq!(published, ["ES256", "RS256"].map(str::to_owned).into());
    let es256 = jwt_part(&scene.client_credentials(&scene.main, &[]).await.text("access_token"), 0)["kid"].clone();
    let delete = async |kid: &Value| {
        let path = format!("/admin/v1/keys/{}", kid.as_str().unwrap());
        scene.app.admin(Method::DELETE, &path, None).await.status.as_u16()
    };
    assert_eq!(delete(&es256).await, 409, "the last key of the algorithm in use");
    let until_active = std::time::Duration::from_secs(jeton::keys::lifecycle::ANNOUNCEMENT.unsigned_abs());
    scene.app.clock.advance(until_active);
    assert_eq!(signs().await, json!("ES256"), "access tokens keep the configured algorithm");
    let all = rotate(None).await;
    let all: Vec<&Value> = all.json["items"].as_array().unwrap().iter().map(|key| &key["alg"]).collect();
    assert_eq!(all.len(), 2, "a key of the algorithm in use, and a token key: {all:?}");
    assert!(all.contains(&&json!("ES256")) && all.contains(&&Value::Null), "{all:?}");
    assert_eq!(delete(&es256).await, 204, "its successor is announced");
    assert_eq!(signs().await, json!("RS256"), "an active key signs before an announced one");
    scene.app.clock.advance(until_active);
    assert_eq!(signs().await, json!("ES256"));
});

on_both_stores!(the_list_of_keys_has_pages, async |backend| {
    let scene = Scene::start(backend).await;
    let list = async |query: &str| scene.app.admin(Method::GET, &format!("/admin/v1/keys{query}"), None).await;
    let all = list("").await.json["items"].clone();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let first = list("?limit=1").await;
    assert_eq!(first.json["items"], json!([all[0]]));
    let second = list(&format!("?limit=1&cursor={}", first.text("next"))).await;
    assert_eq!((&second.json["items"], &second.json["next"]), (&json!([all[1]]), &Value::Null));
    assert_eq!(list("?limit=0").await.status.as_u16(), 400);
});
