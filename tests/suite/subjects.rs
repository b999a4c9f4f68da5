//! Users whose `sub` was given at their creation.

use reqwest::Method;
use serde_json::json;

use crate::support::{TestServer, jwt_part, on_both_stores};

const SUB: &str = "auth0|5f7c8ec7c33c6c004bbafe82";

async fn alice(app: &TestServer) {
    let members = json!({"username": "alice", "password": "wonderland", "sub": SUB});
    let created = app.admin(Method::POST, "/admin/v1/users", Some(members)).await;
    assert_eq!((created.status.as_u16(), &created.json["sub"]), (201, &json!(SUB)), "{created:?}");
    assert_ne!(created.json["id"], created.json["sub"]);
}

on_both_stores!(a_given_sub_is_the_subject_wherever_a_token_is_shown, async |backend| {
    let app = TestServer::start(backend).await;
    let api = app.resource_server("api").await;
    let main = app.main_client("main").await;
    let members = json!({"grant_types": ["password"], "access_token_format": "opaque"});
    let opaque = app.client("opaque", members).await;
    alice(&app).await;
    let login = app.login(&main, "alice", "wonderland").await;
    let refreshed = app.refresh(&main, &login.text("refresh_token")).await;
    assert_eq!(jwt_part(&login.text("access_token"), 1)["sub"], SUB);
    assert_eq!(jwt_part(&refreshed.text("access_token"), 1)["sub"], SUB);
    let sealed = app.login(&opaque, "alice", "wonderland").await.text("access_token");
    for token in [&login.text("access_token"), &refreshed.text("access_token"), &sealed] {
        let answer = app.introspect(&api, token).await;
        let answer = &answer.assert_active().json;
        assert_eq!((&answer["sub"], &answer["username"]), (&json!(SUB), &json!("alice")));
    }
    assert_eq!(app.introspect(&main, &refreshed.text("refresh_token")).await.assert_active().json["sub"], SUB);
    let verify = app.http.get(format!("{}/auth/verify?audience=https://api.example.test/", app.base));
    let passed = verify.bearer_auth(login.text("access_token")).send().await.unwrap();
    assert_eq!((passed.status().as_u16(), &passed.headers()["x-auth-subject"]), (200, &SUB.parse().unwrap()));
    let sessions = app.admin(Method::GET, "/admin/v1/sessions?user=alice", None).await;
    assert_eq!(sessions.json["items"].as_array().map(Vec::len), Some(1), "{sessions:?}");
    let shown = app.admin(Method::GET, "/admin/v1/users/auth0%7C5f7c8ec7c33c6c004bbafe82", None).await;
    assert_eq!(shown.assert_ok().json["username"], "alice", "a user is addressed by sub too");
    for (sub, count) in [("auth0%7C5f7c8ec7c33c6c004bbafe82", 1), ("alice", 0)] {
        let listed = app.admin(Method::GET, &format!("/admin/v1/users?sub={sub}"), None).await;
        assert_eq!(listed.json["items"].as_array().map(Vec::len), Some(count), "{listed:?}");
    }
    let revoked = app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"user": SUB}))).await;
    assert_eq!(revoked.json["target"], json!({"kind": "user", "id": SUB}), "{revoked:?}");
    app.introspect(&api, &sealed).await.assert_inactive();
});

on_both_stores!(a_user_who_is_created_again_with_the_same_sub_gets_nothing_back, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let plain = app.client("plain", json!({"grant_types": ["password"]})).await;
    alice(&app).await;
    let login = app.login(&main, "alice", "wonderland").await;
    let alone = app.login(&plain, "alice", "wonderland").await.text("access_token");
    let own = app.token(&main, &[("grant_type", "client_credentials")]).await.text("access_token");
    let revoked = app.admin(Method::POST, "/admin/v1/revocations", Some(json!({"user": "alice"}))).await;
    assert_eq!(revoked.json["target"], json!({"kind": "user", "id": SUB}));
    app.introspect(&main, &own).await.assert_active();
    for token in [login.text("access_token"), alone] {
        app.introspect(&main, &token).await.assert_inactive();
        app.introspect(&plain, &token).await.assert_inactive();
    }
    let login = app.login(&main, "alice", "wonderland").await;
    assert_eq!(app.admin(Method::DELETE, "/admin/v1/users/alice", None).await.status, 204);
    alice(&app).await;
    app.introspect(&main, &login.text("access_token")).await.assert_inactive();
    app.refresh(&main, &login.text("refresh_token")).await.assert_error(400, "invalid_grant");
    let new = app.login(&main, "alice", "wonderland").await.text("access_token");
    app.introspect(&main, &new).await.assert_active();
});

on_both_stores!(a_sub_is_checked_at_creation_never_changed_and_never_a_client_id, async |backend| {
    let app = TestServer::start(backend).await;
    app.main_client("main").await;
    alice(&app).await;
    let create = async |kind: &str, members| app.admin(Method::POST, &format!("/admin/v1/{kind}"), Some(members)).await;
    for sub in ["", " a", "\u{e9}", "a\nb", &"x".repeat(256)] {
        assert_eq!(create("users", json!({"username": "bob", "sub": sub})).await.status, 400, "{sub:?}");
    }
    let refused = create("users", json!({"username": "bob", "sub": "main"})).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text("detail").contains("client_id"), "{refused:?}");
    assert_eq!(create("users", json!({"username": "bob", "sub": SUB})).await.status, 409);
    assert_eq!(create("clients", json!({"client_id": SUB})).await.status, 409);
    let changed = app.admin(Method::PATCH, "/admin/v1/users/alice", Some(json!({"sub": "other"}))).await;
    assert_eq!(changed.status, 400, "{changed:?}");
    let bob = create("users", json!({"username": "bob"})).await;
    assert_eq!((bob.status.as_u16(), &bob.json["sub"]), (201, &bob.json["id"]), "by default it is the id");
});

on_both_stores!(no_text_leads_to_two_users, async |backend| {
    let app = TestServer::start(backend).await;
    alice(&app).await;
    let create = async |members| app.admin(Method::POST, "/admin/v1/users", Some(members)).await;
    let bob = create(json!({"username": "bob"})).await;
    let (id, upper) = (bob.text("id"), bob.text("id").to_uppercase());
    create(json!({"username": "carol", "sub": "Carol"})).await;
    for members in [
        json!({"username": "dave", "sub": upper}),
        json!({"username": "dave", "sub": "Bob"}),
        json!({"username": "dave", "sub": "alice"}),
        json!({"username": SUB.to_uppercase()}),
    ] {
        let refused = create(members.clone()).await;
        assert_eq!(refused.status, 409, "{members}: {refused:?}");
        assert!(refused.text("detail").contains("already leads to another user"), "{refused:?}");
    }
    let rename = async |name: &str| {
        app.admin(Method::PATCH, &format!("/admin/v1/users/{id}"), Some(json!({"username": name}))).await.status
    };
    assert_eq!((rename(SUB).await.as_u16(), rename("CAROL").await.as_u16()), (409, 409));
    assert_eq!(rename("robert").await, 200);
    let shown = app.admin(Method::GET, "/admin/v1/users/Carol", None).await;
    assert_eq!(shown.assert_ok().json["username"], "carol", "its own sub may be its name");
});
