//! ID tokens (OpenID Connect Core §2, §3.1.3).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jeton::crypto::{sha256, sha512};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Logins, redeem_at, request, web_client};
use crate::conformance::bearer::challenge_attributes;
use crate::conformance::jose::verified;
use crate::store_contract::execute;
use crate::support::scene::API;
use crate::support::{Backend, Setup, TestServer, jwt_part, on_both_stores};

/// The claims that every ID token has.
const ALWAYS: [&str; 9] = ["iss", "sub", "aud", "exp", "iat", "auth_time", "at_hash", "sid", "amr"];

fn names(claims: &Value) -> Vec<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

on_both_stores!(oid_001_oid_002_oid_003_oid_006_and_oid_013_an_id_token_says_who_logged_in_and_when, async |backend| {
    let logins = Logins::start_with(backend, Setup::default().with_manual_clock()).await;
    // OID-001
    let plain = logins.tokens("profile read").await;
    assert!(plain.json.get("id_token").is_none());
    let answer = logins.tokens("openid profile email read").await;
    let id_token = answer.text("id_token");
    let claims = verified(logins.app(), &id_token).await;
    let (access, now) = (jwt_part(&answer.text("access_token"), 1), logins.app().clock.now().seconds());
    // OID-002
    assert_eq!(claims["iss"], json!(logins.app().issuer()));
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!(logins.scene.alice), &json!("web")));
    assert_eq!((&claims["exp"], &claims["iat"]), (&access["exp"], &json!(now)));
    // OID-003 and OID-006
    assert_eq!((&claims["nonce"], &claims["auth_time"]), (&json!("n-0S6_WzA2Mj é"), &json!(now)));
    assert_eq!((&claims["sid"], &claims["amr"]), (&access["sid"], &json!(["pwd"])));
    // The profile is told at UserInfo.
    let mut expected = [ALWAYS.as_slice(), &["nonce"]].concat();
    let mut told = names(&claims);
    expected.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, expected);
    // OID-013
    assert_eq!(jwt_part(&id_token, 0)["typ"], json!("JWT"));
});

on_both_stores!(oid_004_oid_005_and_oid_012_each_client_gets_the_algorithm_that_it_registered, async |backend| {
    let logins = Logins::start(backend).await;
    let before = logins.app().published_keys().await.len();
    for (index, algorithm) in ["RS256", "PS256", "ES256", "EdDSA"].into_iter().enumerate() {
        let members = json!({"id_token_signed_response_alg": algorithm});
        let web = logins.app().client(&format!("web-{algorithm}"), web_client(members)).await;
        for _ in 0..2 {
            let answer = redeem_at(logins.app(), &web, &logins.code_of(&request(&web, "openid")).await, &[]).await;
            let id_token = answer.assert_ok().json["id_token"].as_str().unwrap();
            assert_eq!(jwt_part(id_token, 0)["alg"], json!(algorithm));
            let claims = verified(logins.app(), id_token).await;
            // OID-005: Ed25519 uses SHA-512.
            let access = answer.text("access_token");
            let hash = match algorithm {
                "EdDSA" => URL_SAFE_NO_PAD.encode(&sha512(access.as_bytes())[..32]),
                _ => URL_SAFE_NO_PAD.encode(&sha256(access.as_bytes())[..16]),
            };
            assert_eq!(claims["at_hash"], json!(hash), "{algorithm}");
            // Access tokens are signed as they always were.
            assert_eq!(jwt_part(&access, 0)["alg"], json!("ES256"));
        }
        // Made once, when it was needed; that of ES256 was there.
        let expected = before + (index + 1).min(2) + usize::from(index == 3);
        assert_eq!(logins.app().published_keys().await.len(), expected, "{algorithm}");
    }
    let rotated = logins.app().admin(Method::POST, "/admin/v1/keys/rotate", Some(json!({}))).await;
    let mut algorithms: Vec<&str> = rotated.json["items"]
        .as_array()
        .or(rotated.json.as_array())
        .unwrap()
        .iter()
        .filter_map(|key| key["alg"].as_str())
        .collect();
    algorithms.sort_unstable();
    assert_eq!(algorithms, ["ES256", "EdDSA", "PS256", "RS256"], "what signs is rotated: {rotated:?}");
});

on_both_stores!(who_reads_metadata_and_keys_before_the_first_login_has_the_key_of_its_id_token, async |backend| {
    let logins = Logins::start(backend).await;
    logins.app().get("/.well-known/openid-configuration").await.assert_ok();
    let early = logins.app().published_keys().await;
    let answer = logins.tokens("openid").await;
    let header = jwt_part(&answer.text("id_token"), 0);
    assert!(early.iter().any(|key| key["kid"] == header["kid"] && key["alg"] == header["alg"]), "{header}: {early:?}");
});

on_both_stores!(a_refresh_brings_an_id_token_of_the_same_login_without_the_nonce, async |backend| {
    let logins = Logins::start_with(backend, Setup::default().with_manual_clock()).await;
    let answer = logins.tokens("openid read").await;
    let first = jwt_part(&answer.text("id_token"), 1);
    logins.app().advance(100);
    let refreshed = logins.app().refresh(&logins.web, &answer.text("refresh_token")).await;
    let again = verified(logins.app(), &refreshed.text("id_token")).await;
    for name in ["iss", "sub", "aud", "auth_time", "sid", "amr"] {
        assert_eq!(again[name], first[name], "{name}");
    }
    assert_eq!(again["iat"].as_i64().unwrap(), first["iat"].as_i64().unwrap() + 100);
    assert!(again.get("nonce").is_none() && again["at_hash"] != first["at_hash"]);
    let narrow =
        [("grant_type", "refresh_token"), ("refresh_token", &refreshed.text("refresh_token")), ("scope", "read")];
    let narrowed = logins.app().token(&logins.web, &narrow).await;
    assert!(narrowed.assert_ok().json.get("id_token").is_none());
});

on_both_stores!(claims_that_are_asked_for_by_name_go_into_the_id_token, async |backend| {
    let logins = Logins::start(backend).await;
    let profile = json!({"name": "Alice", "email": "alice@example.com", "phone_number": "+33 1"});
    let path = format!("/admin/v1/users/{}", logins.scene.alice);
    logins.app().admin(Method::PATCH, &path, Some(json!({"profile": profile}))).await.assert_ok();
    let mut asked = request(&logins.web, "openid phone");
    asked.claims.id_token = vec!["email".into(), "preferred_username".into(), "birthdate".into(), "log".into()];
    let answer = logins.redeem(&logins.code_of(&asked).await).await;
    let claims = jwt_part(&answer.text("id_token"), 1);
    assert_eq!((&claims["email"], &claims["preferred_username"]), (&json!("alice@example.com"), &json!("alice")));
    for name in ["name", "phone_number", "birthdate", "log"] {
        assert!(claims.get(name).is_none(), "{name}: {claims}");
    }
});

on_both_stores!(an_id_token_is_never_taken_for_an_access_token_and_is_recognised, async |backend| {
    let logins = Logins::start(backend).await;
    // The same key and the same header as those of access tokens.
    let members = json!({"id_token_signed_response_alg": "ES256", "access_token_typ": "JWT"});
    let web = logins.app().client("alike", web_client(members)).await;
    let answer = redeem_at(logins.app(), &web, &logins.code_of(&request(&web, "openid read")).await, &[]).await;
    let (access, id_token) = (answer.text("access_token"), answer.text("id_token"));
    assert_eq!(access.split('.').next(), id_token.split('.').next());
    logins.scene.assert_active(&access).await;
    for id_token in [id_token, logins.tokens("openid").await.text("id_token")] {
        logins.scene.assert_inactive(&id_token).await;
        let bearer = format!("Bearer {id_token}");
        for path in ["/auth/userinfo".to_owned(), format!("/auth/verify?audience={API}")] {
            let refused = logins.app().get_with(&path, &[("Authorization", &bearer)]).await;
            assert_eq!(refused.status.as_u16(), 401, "{path}: {refused:?}");
            let challenge = challenge_attributes(refused.header("www-authenticate").unwrap());
            assert!(challenge["error_uri"].ends_with("/id_token_as_access_token"), "{challenge:?}");
        }
        let explained = logins.app().form(&logins.scene.rs, "/auth/explain", &[("token", &id_token)]).await;
        let body = &explained.assert_ok().json;
        assert_eq!(body["cause"], json!("id_token_as_access_token"), "{body}");
        assert!(body.to_string().contains("A key of this server signed it."), "{body}");
        let damaged = format!("{}AAAA", &id_token[..id_token.len() - 4]);
        let explained = logins.app().form(&logins.scene.rs, "/auth/explain", &[("token", &damaged)]).await;
        let body = explained.assert_ok().json.to_string();
        assert!(body.contains("id_token_as_access_token") && body.contains("bad_signature"), "{body}");
    }
});

on_both_stores!(
    metadata_is_answered_without_a_key_that_cannot_be_made_and_the_key_is_tried_again_later,
    async |backend| {
        let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
        app.client("web", web_client(json!({"id_token_signed_response_alg": "EdDSA"}))).await;
        let has_key = async || app.published_keys().await.iter().any(|key| key["alg"] == "EdDSA");
        let ask = async || {
            app.get("/.well-known/openid-configuration").await.assert_ok();
        };
        let (fails, mended) = match backend {
            Backend::Sqlite => (
                "CREATE TRIGGER fails BEFORE INSERT ON keys BEGIN SELECT RAISE(ABORT, 'broken'); END",
                "DROP TRIGGER fails",
            ),
            Backend::Postgres => (
                "CREATE SEQUENCE attempts; CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM nextval('attempts'); PERFORM pg_sleep(0.5); RAISE 'broken'; END $$; \
             CREATE TRIGGER fails BEFORE INSERT ON keys FOR EACH ROW EXECUTE FUNCTION fails()",
                // Those who asked at the same time waited for one attempt.
                "DO $$ BEGIN ASSERT (SELECT last_value FROM attempts) = 1; END $$; DROP TRIGGER fails ON keys",
            ),
        };
        execute(&app.database, fails).await;
        tokio::join!(ask(), ask(), ask(), ask());
        execute(&app.database, mended).await;
        app.advance(4);
        ask().await;
        assert!(!has_key().await, "it is not tried again at once");
        app.advance(1);
        ask().await;
        assert!(has_key().await);
    }
);
