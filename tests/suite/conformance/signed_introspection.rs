//! §10 IJW: answers of introspection as JWTs (RFC 9701).

use serde_json::{Value, json};

use super::jose::verified;
use crate::support::scene::{Scene, every_grant};
use crate::support::{Answer, FORM, TestClient, jwt_part, on_both_stores};

const SIGNED: &str = "application/token-introspection+jwt";

/// An introspection whose answer is wanted in this form.
async fn ask(scene: &Scene, client: &TestClient, token: &str, accept: &str) -> Answer {
    let headers = [FORM, ("Authorization", &client.basic()), ("Accept", accept)];
    scene.app.raw("/auth/introspect", &headers, format!("token={token}")).await
}

/// The claims of a signed answer; its signature is good.
async fn signed(scene: &Scene, answer: &Answer, algorithm: &str) -> Value {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(SIGNED)), "{answer:?}");
    assert_eq!(answer.body.split('.').count(), 3);
    let header = jwt_part(&answer.body, 0);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("token-introspection+jwt"), &json!(algorithm)));
    verified(&scene.app, &answer.body).await
}

on_both_stores!(ijw_001_to_ijw_006_a_resource_server_gets_a_signed_answer, async |backend| {
    let scene = Scene::start(backend).await;
    let now = scene.app.clock.now().seconds();
    let token = scene.login(&scene.main).await.access;
    let plain = scene.app.introspect(&scene.rs, &token).await.assert_active().json.clone();
    let claims = signed(&scene, &ask(&scene, &scene.rs, &token, SIGNED).await, "RS256").await;
    let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["iss", "aud", "iat", "token_introspection"], "IJW-005: neither sub nor exp");
    // IJW-003
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(scene.app.issuer()), &json!("rs")));
    let iat = claims["iat"].as_i64().unwrap();
    assert!((now..=now + 10).contains(&iat), "{iat}, {now}");
    // IJW-004
    assert_eq!(claims["token_introspection"], plain);
    // The audience is who asks: its own client sees the same token.
    let claims = signed(&scene, &ask(&scene, &scene.main, &token, SIGNED).await, "RS256").await;
    assert_eq!((&claims["aud"], &claims["token_introspection"]), (&json!("main"), &plain));
    // Who may not see it learns nothing.
    let claims = signed(&scene, &ask(&scene, &scene.other, &token, SIGNED).await, "RS256").await;
    assert_eq!(claims["token_introspection"], json!({"active": false}));
    scene.app.revoke(&scene.main, &token).await.assert_ok();
    let claims = signed(&scene, &ask(&scene, &scene.rs, &token, SIGNED).await, "RS256").await;
    assert_eq!(claims["token_introspection"], json!({"active": false}));
    let claims = signed(&scene, &ask(&scene, &scene.rs, "nonsense", SIGNED).await, "RS256").await;
    assert_eq!(claims["token_introspection"], json!({"active": false}));
});

on_both_stores!(ijw_002_the_algorithm_is_the_one_that_the_client_has_and_is_published, async |backend| {
    let scene = Scene::start(backend).await;
    let token = scene.login(&scene.main).await.access;
    let metadata = scene.app.get("/.well-known/oauth-authorization-server").await;
    let supported = metadata.json["introspection_signing_alg_values_supported"].as_array().unwrap().clone();
    assert_eq!(supported.len(), 4);
    for algorithm in supported.iter().map(|name| name.as_str().unwrap()) {
        let members = json!({"permissions": ["introspect"], "introspection_signed_response_alg": algorithm});
        let client = scene.app.client(&format!("rs-{algorithm}"), members).await;
        let claims = signed(&scene, &ask(&scene, &client, &token, SIGNED).await, algorithm).await;
        assert_eq!(claims["token_introspection"]["active"], true);
    }
    for wrong in ["none", "HS256", "RS512"] {
        let members = json!({"client_id": "wrong", "introspection_signed_response_alg": wrong});
        let answer = scene.app.admin(reqwest::Method::POST, "/admin/v1/clients", Some(members)).await;
        assert_eq!(answer.status.as_u16(), 400, "{answer:?}");
    }
});

on_both_stores!(ijw_007_ijw_008_others_get_json_and_strangers_nothing, async |backend| {
    let scene = Scene::start(backend).await;
    let token = scene.login(&scene.main).await.access;
    for accept in ["application/json", "*/*", "", "application/token-introspection+jwt;q=0, */*", "text/html"] {
        let answer = ask(&scene, &scene.rs, &token, accept).await;
        assert_eq!(answer.header("content-type"), Some("application/json"), "{accept}");
        answer.assert_active();
    }
    for accept in [SIGNED, "application/json"] {
        let headers = [FORM, ("Accept", accept)];
        let nobody = scene.app.raw("/auth/introspect", &headers, format!("token={token}")).await;
        nobody.assert_error(401, "invalid_client");
        let wrong = ask(&scene, &scene.rs.with_secret("wrong"), &token, accept).await;
        wrong.assert_error(401, "invalid_client");
    }
});

on_both_stores!(ijw_009_ijw_012_a_signed_answer_is_no_token, async |backend| {
    let scene = Scene::start(backend).await;
    let exchanges = every_grant(json!({"permissions": ["exchange", "introspect"]}));
    let client = scene.app.client("rs2", exchanges).await;
    let token = scene.login(&scene.main).await.access;
    let answer = ask(&scene, &client, &token, SIGNED).await.body;
    scene.assert_inactive(&answer).await;
    scene.app.introspect(&client, &answer).await.assert_inactive();
    let bearer = format!("Bearer {answer}");
    for path in ["/auth/userinfo", "/admin/v1/users", "/auth/verify?audience=rs2"] {
        let refused = scene.app.get_with(path, &[("Authorization", &bearer)]).await;
        assert_eq!(refused.status.as_u16(), 401, "{path}: {refused:?}");
    }
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", answer.as_str()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    scene.app.token(&client, &exchange).await.assert_error(400, "invalid_request");
    // What a resource server may ask gives it no grant.
    scene.client_credentials(&scene.rs, &[]).await.assert_error(400, "unauthorized_client");
});
