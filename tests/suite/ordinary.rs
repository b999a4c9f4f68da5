//! What ordinary clients stumble over: names that differ a little, errors that did not say what was wrong, long tokens.

use reqwest::Method;
use serde_json::{Value, json};

use crate::conformance::jose::verified;
use crate::support::scene::{API, CLIENT_CREDENTIALS, Scene, every_grant};
use crate::support::{FORM, jwt_part, on_both_stores};

const JSON: (&str, &str) = ("Content-Type", "application/json");

on_both_stores!(a_refusal_says_what_was_really_wrong, async |backend| {
    let scene = Scene::start(backend).await;
    let basic = scene.main.basic();
    let said = async |path: &str, headers: &[(&str, &str)], body: &str, status: u16, error: &str| {
        let answer = scene.app.raw(path, headers, body.to_owned()).await;
        answer.assert_error(status, error);
        answer.text("error_description")
    };
    // JSON under the content type that curl and many others send unless told otherwise.
    let body = r#"{"client_id":"main","client_secret":"x","grant_type":"client_credentials"}"#;
    for path in ["/auth/token", "/auth/introspect", "/auth/revoke", "/auth/explain"] {
        let text = said(path, &[FORM], body, 400, "invalid_request").await;
        assert!(text.contains("is JSON") && text.contains("application/json"), "{path}: {text}");
    }
    let assertion =
        "grant_type=client_credentials&client_id=main&client_assertion=e30.e30.x&client_assertion_type=urn%3Ax";
    let text = said("/auth/token", &[FORM], assertion, 401, "invalid_client").await;
    assert!(text.contains("client_assertion_type") && text.contains("jwt-bearer"), "{text}");
    let token = scene.login(&scene.main).await.access;
    let bearer = format!("Bearer {token}");
    for path in ["/auth/introspect", "/auth/revoke", "/auth/token"] {
        let headers = [FORM, ("Authorization", bearer.as_str())];
        let text = said(path, &headers, &format!("token={token}"), 401, "invalid_client").await;
        assert!(text.contains("Bearer") && text.contains("client_secret"), "{path}: {text}");
    }
    let text = said("/auth/token", &[FORM], "grant_type=client_credentials", 401, "invalid_client").await;
    assert!(text.contains("names no client"), "{text}");
    let scope = "grant_type=client_credentials&scope=read+delete+admin%3Aall";
    let text = said("/auth/token", &[FORM, ("Authorization", &basic)], scope, 400, "invalid_scope").await;
    assert!(text.contains("delete admin:all") && !text.contains("read"), "{text}");
    for (body, named) in [
        (r#"{"grant_type":"client_credentials","scope":["read"]}"#, "scope"),
        (r#"{"grant_type":"client_credentials","resource":{"a":1}}"#, "resource"),
        (r#"{"grant_type":1}"#, "grant_type"),
        ("grant_type=client_credentials", "not valid JSON"),
    ] {
        let text = said("/auth/token", &[JSON, ("Authorization", &basic)], body, 400, "invalid_request").await;
        assert!(text.contains(named), "{body}: {text}");
    }
});

on_both_stores!(audience_is_treated_as_resource, async |backend| {
    let scene = Scene::start(backend).await;
    for client in [&scene.main, &scene.opaque] {
        let token = scene.client_credentials(client, &[("audience", API)]).await.text("access_token");
        assert_eq!(scene.assert_active(&token).await["aud"], json!(API));
        let elsewhere = [("audience", "https://elsewhere.example.test/")];
        scene.client_credentials(client, &elsewhere).await.assert_error(400, "invalid_target");
        let login = scene.login(client).await;
        scene.refresh_with(client, &login.refresh, &elsewhere).await.assert_error(400, "invalid_target");
        let narrowed = scene.refresh_with(client, &login.refresh, &[("audience", API)]).await;
        assert_eq!(scene.assert_active(&narrowed.text("access_token")).await["aud"], json!(API));
    }
});

on_both_stores!(the_typ_of_a_jwt_is_what_the_client_says, async |backend| {
    let scene = Scene::start(backend).await;
    let plain = scene.app.client("plain", every_grant(json!({"access_token_typ": "JWT"}))).await;
    for (client, typ) in [(&scene.main, "at+jwt"), (&plain, "JWT")] {
        let login = scene.login(client).await;
        let machine = scene.client_credentials(client, &[]).await.text("access_token");
        for token in [&login.access, &machine] {
            assert_eq!(jwt_part(token, 0)["typ"], json!(typ));
            verified(&scene.app, token).await;
            scene.assert_active(token).await;
            let explained = scene.app.form(&scene.rs, "/auth/explain", &[("token", token)]).await;
            assert_eq!(explained.assert_ok().json["expect"]["typ"], json!(typ), "{explained:?}");
        }
        scene.app.revoke(client, &login.access).await.assert_ok();
        scene.assert_inactive(&login.access).await;
    }
    let patch = async |members: Value| scene.app.admin(Method::PATCH, "/admin/v1/clients/plain", Some(members)).await;
    for wrong in ["jwt", "AT+JWT", "", "application/at+jwt"] {
        assert_eq!(patch(json!({"access_token_typ": wrong})).await.status.as_u16(), 400, "{wrong}");
    }
    assert_eq!(patch(json!({"access_token_typ": null})).await.assert_ok().json["access_token_typ"], json!("at+jwt"));
    assert_eq!(jwt_part(&scene.login(&plain).await.access, 0)["typ"], json!("at+jwt"));
});

on_both_stores!(an_opaque_token_of_a_usual_client_fits_in_256_bytes, async |backend| {
    let scene = Scene::start(backend).await;
    let usual = json!({
        "grant_types": ["password", "client_credentials", "refresh_token"], "access_token_format": "opaque",
        "scope": "read:conversations write:conversations", "audiences": ["https://api.example.com"],
    });
    let usual = scene.app.client("conversations", usual).await;
    let login = scene.login(&usual).await.access;
    let machine = scene.app.token(&usual, &[CLIENT_CREDENTIALS]).await.text("access_token");
    for token in [&login, &machine] {
        assert!(token.len() <= 256, "{}: {token}", token.len());
        let seen = scene.assert_active(token).await;
        assert_eq!(seen["scope"], json!("read:conversations write:conversations"));
        assert_eq!(seen["jti"].as_str().map(str::len), Some(22), "{seen}");
    }
    assert!(machine.len() < login.len());
});

on_both_stores!(a_client_that_can_do_nothing_is_created_with_a_warning, async |backend| {
    let scene = Scene::start(backend).await;
    let create = async |members| scene.app.admin(Method::POST, "/admin/v1/clients", Some(members)).await;
    for (members, part) in [
        (json!({"client_id": "idle", "scope": "read"}), "can do nothing"),
        (json!({"grant_types": ["password", "refresh_token"]}), "tokens allow nothing"),
        (json!({"grant_types": ["password"], "scope": "read"}), "without refresh_token"),
        (json!({"grant_types": ["password", "refresh_token"], "scope": "jeton:admin"}), "client_credentials"),
        (json!({"grant_types": ["client_credentials"], "client_secret": "a+b"}), "in the body"),
    ] {
        let made = create(members).await;
        assert_eq!(made.status.as_u16(), 201, "{made:?}");
        assert!(made.json["warnings"].to_string().contains(part), "{part}: {made:?}");
    }
    let made = create(json!({"grant_types": ["client_credentials"], "client_secret": "chosen"})).await;
    assert!(made.json.get("warnings").is_none(), "{made:?}");
    let path = "/admin/v1/clients/idle";
    let changed = scene.app.admin(Method::PATCH, path, Some(json!({"client_name": "Idle"}))).await;
    assert!(changed.assert_ok().json["warnings"].to_string().contains("can do nothing"), "{changed:?}");
    let mended = scene.app.admin(Method::PATCH, path, Some(json!({"grant_types": ["client_credentials"]}))).await;
    assert!(mended.assert_ok().json.get("warnings").is_none(), "{mended:?}");
});
