//! Rows RES: resource indicators (RFC 8707).

use serde_json::{Value, json};

use crate::support::scene::{ALICE, API, FILES, Scene};
use crate::support::{Answer, jwt_part, on_both_stores};

/// The audiences of a successful answer: the same in the JWT and by introspection.
async fn audiences(scene: &Scene, answer: &Answer) -> Value {
    let token = answer.assert_ok().json["access_token"].as_str().unwrap();
    let seen = scene.assert_active(token).await["aud"].clone();
    if !token.starts_with("jat_") {
        assert_eq!(jwt_part(token, 1)["aud"], seen);
    }
    seen
}

on_both_stores!(res_001_and_res_008_a_resource_restricts_the_audience_and_an_empty_one_does_not, async |backend| {
    let scene = Scene::start(backend).await;
    for client in [&scene.main, &scene.opaque] {
        for resource in [API, FILES] {
            let answer = scene.client_credentials(client, &[("resource", resource)]).await;
            assert_eq!(audiences(&scene, &answer).await, json!(resource));
            let login = scene.login_with(client, &[("resource", resource)]).await;
            assert_eq!(scene.assert_active(&login.access).await["aud"], json!(resource));
        }
        // RES-008
        for more in [&[][..], &[("resource", "")], &[("resource", ""), ("resource", "")]] {
            let answer = scene.client_credentials(client, more).await;
            assert_eq!(audiences(&scene, &answer).await, json!([API, FILES]), "{more:?}");
        }
    }
    // A client without audiences has the default one (RFC 9068 §3), and may ask for it by name.
    let default = format!("{}/api", scene.app.issuer());
    let tokens = scene.login(&scene.public).await;
    assert_eq!(scene.assert_active(&tokens.access).await["aud"], json!(default));
    let tokens = scene.login_with(&scene.public, &[("resource", &default)]).await;
    assert_eq!(scene.assert_active(&tokens.access).await["aud"], json!(default));
});

on_both_stores!(res_002_res_003_and_res_009_any_other_resource_is_invalid_target, async |backend| {
    let scene = Scene::start(backend).await;
    let admin = format!("{}/admin/v1", scene.app.issuer());
    let wrong = [
        // RES-002
        "/api",
        "https://api.example.test/#x",
        "https://api.example.test/#",
        "not a uri",
        "%",
        "\u{1f4a9}",
        // RES-003
        "https://unknown.example.test/",
        &admin,
        // RES-009
        "https://api.example.test//",
        "https://api.example.test/x",
        "https://api.example.test/?x",
        "https://API.example.test/",
        "HTTPS://api.example.test/",
        "https://api.example.test:443/",
        " https://api.example.test/",
        "https://api.example.test/ https://files.example.test/",
    ];
    for client in [&scene.main, &scene.opaque] {
        for resource in wrong {
            scene.client_credentials(client, &[("resource", resource)]).await.assert_error(400, "invalid_target");
        }
        // An allowed one beside it does not help.
        let both = [("resource", API), ("resource", "https://unknown.example.test/")];
        scene.client_credentials(client, &both).await.assert_error(400, "invalid_target");
    }
    scene.password(&scene.public, ALICE, &[("resource", API)]).await.assert_error(400, "invalid_target");
});

on_both_stores!(a_resource_without_a_path_matches_with_the_slash_that_url_types_add, async |backend| {
    let scene = Scene::start(backend).await;
    let settings = json!({
        "grant_types": ["client_credentials", "password", "refresh_token"], "scope": "read",
        "audiences": ["https://bare.example.test", "https://slash.example.test/"],
    });
    let client = scene.app.client("slashes", settings).await;
    for (asked, registered) in [
        ("https://bare.example.test/", "https://bare.example.test"),
        ("https://slash.example.test", "https://slash.example.test/"),
    ] {
        let answer = scene.client_credentials(&client, &[("resource", asked)]).await;
        assert_eq!(audiences(&scene, &answer).await, json!(registered));
        let login = scene.login_with(&client, &[("resource", asked)]).await;
        let next = scene.refresh_with(&client, &login.refresh, &[("resource", asked)]).await;
        assert_eq!(audiences(&scene, &next).await, json!(registered));
    }
});

on_both_stores!(res_004_a_resource_may_repeat, async |backend| {
    let scene = Scene::start(backend).await;
    for client in [&scene.main, &scene.opaque] {
        let answer = scene.client_credentials(client, &[("resource", API), ("resource", FILES)]).await;
        assert_eq!(audiences(&scene, &answer).await, json!([API, FILES]));
        let answer = scene.client_credentials(client, &[("resource", API), ("resource", API)]).await;
        assert_eq!(audiences(&scene, &answer).await, json!(API));
        // In JSON it may be an array.
        for (resource, audience) in [(json!([API, FILES]), json!([API, FILES])), (json!(FILES), json!(FILES))] {
            let body = json!({"grant_type": "client_credentials", "resource": resource}).to_string();
            let headers = [("Content-Type", "application/json"), ("Authorization", &client.basic())];
            let answer = scene.app.raw("/auth/token", &headers, body).await;
            assert_eq!(audiences(&scene, &answer).await, audience);
        }
    }
});

on_both_stores!(res_005_a_refresh_narrows_the_audience_and_never_widens_it, async |backend| {
    let scene = Scene::start(backend).await;
    for client in [&scene.main, &scene.opaque] {
        let tokens = scene.login_with(client, &[("resource", API)]).await;
        for more in [&[("resource", FILES)][..], &[("resource", API), ("resource", FILES)]] {
            scene.refresh_with(client, &tokens.refresh, more).await.assert_error(400, "invalid_target");
        }
        let next = scene.app.refresh(client, &tokens.refresh).await;
        assert_eq!(audiences(&scene, &next).await, json!(API), "the refusals spent nothing");

        let both = scene.login(client).await;
        let narrow = scene.refresh_with(client, &both.refresh, &[("resource", FILES)]).await;
        assert_eq!(audiences(&scene, &narrow).await, json!(FILES));
        let full = scene.app.refresh(client, &narrow.text("refresh_token")).await;
        assert_eq!(audiences(&scene, &full).await, json!([API, FILES]), "the session itself is not narrowed");
    }
});

on_both_stores!(res_006_a_resource_limits_the_scopes_of_its_tokens, async |backend| {
    let scene = Scene::start(backend).await;
    for (resource, scope) in [(API, "read"), (FILES, "write")] {
        scene.app.resource(json!({"resource": resource, "scopes": {scope: ""}})).await;
    }
    for client in [&scene.main, &scene.opaque] {
        for (resource, scope, other) in [(API, "read", "write"), (FILES, "write", "read")] {
            let answer = scene.client_credentials(client, &[("resource", resource)]).await;
            assert_eq!(answer.assert_ok().text("scope"), scope);
            assert_eq!(audiences(&scene, &answer).await, json!(resource));
            let login = scene.password(client, ALICE, &[("resource", resource)]).await;
            assert_eq!(login.assert_ok().text("scope"), scope);
            let beyond = [("resource", resource), ("scope", other)];
            scene.client_credentials(client, &beyond).await.assert_error(400, "invalid_scope");
            scene.password(client, ALICE, &beyond).await.assert_error(400, "invalid_scope");
        }
        // Of two resources that are both named, the token has the scopes of both.
        let answer = scene.client_credentials(client, &[]).await;
        assert_eq!(answer.assert_ok().text("scope"), "read write");
        // Each refresh may choose another of those that the login was for.
        let mut refresh = scene.login(client).await.refresh;
        for (resource, scope) in [(API, "read"), (FILES, "write"), ("", "read write"), (API, "read")] {
            let next = scene.refresh_with(client, &refresh, &[("resource", resource)]).await;
            assert_eq!(next.assert_ok().text("scope"), scope, "{resource}");
            refresh = next.text("refresh_token");
        }
        let beyond = [("resource", API), ("scope", "write")];
        scene.refresh_with(client, &refresh, &beyond).await.assert_error(400, "invalid_scope");
        scene.refresh(client, &refresh).await;
    }
});
