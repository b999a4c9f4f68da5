//! The management of a registration by its client (RFC 7592).

use reqwest::Method;
use serde_json::{Value, json};

use super::{PATH, manage, metadata, open, registered};
use crate::support::browser::{Browser, asking};
use crate::support::scene::ALICE;
use crate::support::{TestServer, on_both_stores};

on_both_stores!(reg_011_reg_012_the_registration_token_of_a_client_is_for_that_client, async |backend| {
    let app = TestServer::start_with(backend, open()).await;
    app.main_client("main").await;
    let (client, token) = registered(&app, json!({"token_endpoint_auth_method": "client_secret_basic"})).await;
    let (_, others) = registered(&app, json!({})).await;
    let shown = manage(&app, Method::GET, &client.id, &token, None).await;
    shown.assert_ok();
    assert_eq!(shown.text("client_id"), client.id);
    assert_eq!(shown.json["client_secret_expires_at"], 0);
    for secret in ["client_secret", "registration_access_token"] {
        assert!(shown.json.get(secret).is_none(), "kept as a hash: {shown:?}");
    }
    let own_secret = client.secret.clone().unwrap();
    for (id, wrong) in [
        (client.id.as_str(), "wrong"),
        (&client.id, &others),
        (&client.id, &own_secret),
        (&client.id, &token[..token.len() - 1]),
        ("main", &token),
        ("nobody", &token),
        ("%FF", &token),
        (&client.id, &app.admin_token().await),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let body = (method == Method::PUT).then(|| metadata(json!({"client_id": id})));
            let answer = manage(&app, method, id, wrong, body).await;
            answer.assert_error(401, "invalid_token");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""), "{answer:?}");
        }
    }
    let path = format!("{PATH}/{}", client.id);
    app.get(&path).await.assert_error(401, "invalid_token");
    app.get(&format!("{path}?access_token={token}")).await.assert_error(400, "invalid_request");
    app.admin(Method::PATCH, &format!("/admin/v1/clients/{}", client.id), Some(json!({"enabled": false})))
        .await
        .assert_ok();
    manage(&app, Method::GET, &client.id, &token, None).await.assert_error(401, "invalid_token");
});

on_both_stores!(reg_013_a_client_replaces_what_it_said_of_itself, async |backend| {
    let app = TestServer::start_with(backend, open()).await;
    let (client, token) = registered(&app, json!({"scope": "openid", "client_uri": "https://app.example.test"})).await;
    let admin = format!("/admin/v1/clients/{}", client.id);
    app.admin(Method::PATCH, &admin, Some(json!({"max_sessions": 7}))).await.assert_ok();
    let put = async |body: Value| manage(&app, Method::PUT, &client.id, &token, Some(body)).await;
    let answer = put(json!({"client_id": client.id, "redirect_uris": ["https://app.example.test/new"]})).await;
    answer.assert_ok();
    assert_eq!(answer.json["redirect_uris"], json!(["https://app.example.test/new"]));
    assert_eq!(
        (&answer.json["grant_types"], &answer.json["token_endpoint_auth_method"]),
        (&json!(["authorization_code"]), &json!("none"))
    );
    for gone in ["client_name", "client_uri"] {
        assert!(answer.json.get(gone).is_none(), "{gone}: {answer:?}");
    }
    assert_eq!(manage(&app, Method::GET, &client.id, &token, None).await.json, answer.json);
    let stored = app.admin(Method::GET, &admin, None).await;
    assert_eq!((&stored.json["max_sessions"], &stored.json["registered_by"]), (&json!(7), &json!("itself")));
    for (more, error) in [
        (json!({"client_id": "other"}), "invalid_client_metadata"),
        (json!({"client_id": null}), "invalid_client_metadata"),
        (json!({"client_secret": "chosen"}), "invalid_client_metadata"),
        (json!({"client_secret": 1}), "invalid_client_metadata"),
        (json!({"registration_client_uri": "https://app.example.test"}), "invalid_client_metadata"),
        (json!({"registration_access_token": token}), "invalid_client_metadata"),
        (json!({"token_endpoint_auth_method": "client_secret_basic"}), "invalid_client_metadata"),
        (json!({"redirect_uris": ["http://app.example.test"]}), "invalid_redirect_uri"),
    ] {
        let mut body = metadata(json!({"client_id": client.id}));
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        put(body).await.assert_error(400, error);
    }
    assert_eq!(manage(&app, Method::GET, &client.id, &token, None).await.json, answer.json, "nothing changed");
    let (client, token) = registered(&app, json!({"token_endpoint_auth_method": "client_secret_basic"})).await;
    let same = metadata(json!({
        "client_id": client.id, "client_secret": client.secret, "token_endpoint_auth_method": "client_secret_post",
    }));
    manage(&app, Method::PUT, &client.id, &token, Some(same)).await.assert_ok();
    app.redeem(&client, "bogus").await.assert_error(400, "invalid_grant");
});

on_both_stores!(reg_014_a_client_deletes_itself_and_everything_of_it_ends, async |backend| {
    let app = TestServer::start_with(backend, open()).await;
    app.user(ALICE.0, ALICE.1).await;
    let server = app.resource_server("rs").await;
    let (client, token) = registered(&app, json!({"token_endpoint_auth_method": "client_secret_basic"})).await;
    let wants = asking(&client.id, &[("scope", "openid")]);
    let code = Browser::default().agree(&app, ALICE, &wants).await.code();
    let access = app.redeem(&client, &code).await.text("access_token");
    assert_eq!(app.introspect(&server, &access).await.json["active"], true);
    let answer = manage(&app, Method::DELETE, &client.id, &token, None).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    for method in [Method::GET, Method::DELETE] {
        manage(&app, method, &client.id, &token, None).await.assert_error(401, "invalid_token");
    }
    app.redeem(&client, "bogus").await.assert_error(401, "invalid_client");
    assert_eq!(app.introspect(&server, &access).await.json["active"], false);
});
