//! §5 CCR: the client credentials grant.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answers::scope_tokens;
use crate::support::scene::{ALICE, CLIENT_CREDENTIALS, Scene};
use crate::support::{Answer, jwt_part, on_both_stores};

on_both_stores!(ccr_001_to_ccr_003_a_client_gets_a_token_of_its_own_and_no_refresh_token, async |backend| {
    let scene = Scene::start(backend).await;
    let answer = scene.client_credentials(&scene.main, &[]).await;
    assert!(answer.assert_ok().json.get("refresh_token").is_none(), "CCR-002: {answer:?}");
    let token = answer.text("access_token");
    assert_eq!(jwt_part(&token, 1)["sub"], "main"); // CCR-003
    let introspected = scene.app.introspect(&scene.main, &token).await;
    assert_eq!(introspected.assert_active().json["sub"], "main");
    assert_eq!(introspected.json["client_id"], "main");
});

on_both_stores!(ccr_004_the_subject_of_a_client_is_never_that_of_a_user, async |backend| {
    let scene = Scene::start(backend).await;
    let user = scene.alice.clone();
    Uuid::try_parse(&user).expect("the id of a user is a UUID");
    let create = async |members: Value| scene.app.admin(Method::POST, "/admin/v1/clients", Some(members)).await;
    let as_uuid = Uuid::try_parse(&user).unwrap();
    for id in [user.clone(), user.to_uppercase(), as_uuid.simple().to_string(), as_uuid.braced().to_string()] {
        let answer = create(json!({"client_id": id, "grant_types": ["client_credentials"]})).await;
        assert_eq!(answer.status, 400, "{id}: {answer:?}");
    }
    let generated = create(json!({"grant_types": ["client_credentials"]})).await.text("client_id");
    assert!(Uuid::try_parse(&generated).is_err(), "{generated}");
    // Nor does a client id that equals a username help.
    let namesake = scene.app.client(ALICE.0, json!({"grant_types": ["client_credentials"]})).await;
    let token = scene.client_credentials(&namesake, &[]).await.text("access_token");
    assert_ne!(jwt_part(&token, 1)["sub"], json!(user));
});

on_both_stores!(ccr_005_and_ccr_006_a_subset_is_granted_and_more_is_not, async |backend| {
    let scene = Scene::start(backend).await;
    let token = scene.client_credentials(&scene.main, &[("scope", "read")]).await.assert_ok().text("access_token");
    assert_eq!(scope_tokens(&jwt_part(&token, 1)["scope"]), ["read"]);
    for asked in ["admin", "read admin", "jeton:admin", "jeton:read", "read jeton:revoke"] {
        let answer = scene.client_credentials(&scene.main, &[("scope", asked)]).await; // CCR-006
        if answer.status == 200 {
            let granted = scope_tokens(&answer.json["scope"]);
            assert!(granted.iter().all(|token| ["read", "write"].contains(&token.as_str())), "{asked}: {answer:?}");
        } else {
            answer.assert_error(400, "invalid_scope");
        }
    }
});

on_both_stores!(ccr_007_a_client_without_the_grant_is_unauthorized_client, async |backend| {
    let scene = Scene::start(backend).await;
    let without = scene.app.client("without", json!({"grant_types": ["password"], "scope": "read"})).await;
    scene.client_credentials(&without, &[]).await.assert_error(400, "unauthorized_client");
});

on_both_stores!(ccr_008_a_client_token_is_not_a_user_token, async |backend| {
    let scene = Scene::start(backend).await;
    let token = scene.client_credentials(&scene.main, &[]).await.text("access_token");
    // Nothing about the token looks like a user's.
    for (path, status) in [("/auth/userinfo", 403), ("/admin/v1/clients", 401), ("/admin/v1/users", 401)] {
        let answer = Answer::of(scene.app.http.get(format!("{}{path}", scene.app.base)).bearer_auth(&token)).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {answer:?}");
    }
    let introspected = scene.app.introspect(&scene.main, &token).await;
    for of_users in ["username", "sid", "auth_time", "acr", "amr"] {
        assert!(introspected.assert_active().json.get(of_users).is_none(), "{introspected:?}");
        assert!(jwt_part(&token, 1).get(of_users).is_none(), "{token}");
    }
});

on_both_stores!(ccr_009_no_id_token_comes_with_it, async |backend| {
    let scene = Scene::start(backend).await;
    let openid =
        scene.app.client("openid", json!({"grant_types": ["client_credentials"], "scope": "openid read"})).await;
    for parameters in [&[CLIENT_CREDENTIALS][..], &[CLIENT_CREDENTIALS, ("scope", "openid"), ("nonce", "n")]] {
        let answer = scene.app.token(&openid, parameters).await;
        assert!(answer.assert_ok().json.get("id_token").is_none(), "{answer:?}");
    }
});
