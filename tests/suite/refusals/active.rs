//! A valid token: the fault is elsewhere, so the answer says what a resource server must expect.

use serde_json::{Value, json};

use super::ask::{Case, assert_quiet, without};
use super::causes::ORDER;
use super::stage::{ACCESS, Jwt, Stage};
use crate::support::scene::{API, FILES};
use crate::support::{Setup, jwt_part, on_both_stores};

on_both_stores!(a_valid_token_is_explained_by_what_to_expect, async |backend| {
    let stage = Stage::start_with(backend, Setup::default().with_manual_clock()).await;
    for form in ACCESS {
        let owner = stage.owner(*form);
        for with_session in [false, true] {
            let token = if with_session { stage.login(owner).await.access } else { stage.good(*form).await };
            stage.app.advance(60);
            let answer = stage.explain(&stage.rs, &token).await;
            assert_quiet(&Case::new("a good token", token.clone(), ""), &answer);
            let told = &answer.assert_active().json;
            assert_eq!((&told["cause"], &told["all_causes"]), (&Value::Null, &json!([])), "{told}");
            assert!(told.get("damage").is_none_or(Value::is_null), "{told}");
            assert_eq!(told["request_id"].as_str(), answer.header("x-request-id"));
            let expect = &told["expect"];
            assert_eq!(expect["issuer"], json!(stage.app.issuer()), "{expect}");
            assert_eq!(expect["audience"], json!([API, FILES]), "{expect}");
            assert_eq!(expect["jwks_uri"], json!(format!("{}/.well-known/jwks.json", stage.app.issuer())), "{expect}");
            assert_eq!(expect["seconds_left"], json!(840), "{expect}");
            assert!(!expect["server_time"].is_null(), "{expect}");
            if *form == Jwt {
                let header = jwt_part(&token, 0);
                assert_eq!((&expect["algorithm"], &expect["kid"]), (&header["alg"], &header["kid"]), "{expect}");
                assert!(!expect["key_published_at"].is_null(), "{expect}");
                assert!(stage.app.published_keys().await.iter().any(|key| key["kid"] == expect["kid"]));
            }
            // The owner, an administrator and a client with the permission read the same.
            let bearer = format!("Bearer {}", stage.admin_token().await);
            let to_admin = stage.explain_as(Some(&bearer), &[("token", &token)]).await;
            for other in [to_admin, stage.explain(owner, &token).await] {
                assert_eq!(without(&other.json, &["request_id"]), without(told, &["request_id"]));
            }
            stage.app.introspect(&stage.rs, &token).await.assert_active();
            stage.verify(&token, None, None).await.assert_ok();
        }
    }
});

on_both_stores!(a_valid_token_is_not_counted_as_a_refusal, async |backend| {
    let stage = Stage::start(backend).await;
    let token = stage.good(Jwt).await;
    stage.explain(&stage.rs, &token).await.assert_active();
    stage.verify(&token, None, None).await.assert_ok();
    for cause in ORDER {
        for endpoint in ["explain", "verify"] {
            assert_eq!(stage.counted(endpoint, cause).await, 0, "{endpoint} {cause}");
        }
    }
});

on_both_stores!(to_a_stranger_a_valid_token_looks_like_an_invalid_one, async |backend| {
    let stage = Stage::start(backend).await;
    for form in ACCESS {
        let token = stage.good(*form).await;
        let before = stage.explain(&stage.other, &token).await;
        assert_eq!(before.assert_ok().json["active"], json!(false), "{before:?}");
        assert!(before.json.get("expect").is_none_or(Value::is_null), "{before:?}");
        stage.app.revoke(stage.owner(*form), &token).await.assert_ok();
        let after = stage.explain(&stage.other, &token).await;
        assert_eq!(without(&after.json, &["request_id"]), without(&before.json, &["request_id"]));
        assert_eq!(before.json["limited"], json!(true), "{before:?}");
    }
});

// An answer about a token is never cached.
on_both_stores!(an_explanation_is_not_cached_and_is_asked_by_post_only, async |backend| {
    let stage = Stage::start(backend).await;
    let token = stage.good(Jwt).await;
    let answer = stage.explain(&stage.rs, &token).await;
    assert_eq!(answer.assert_ok().header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let path = format!("/auth/explain?token={token}");
    let got = stage.app.get_with(&path, &[("Authorization", &stage.rs.basic())]).await;
    assert_eq!((got.status.as_u16(), got.header("allow")), (405, Some("POST")), "{got:?}");
    // As JSON the same as a form.
    let body = json!({"token": token, "scope": "read", "audience": API, "unknown": null}).to_string();
    stage.explain_body("application/json", body).await.assert_active();
});
