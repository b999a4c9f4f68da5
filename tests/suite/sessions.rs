//! Sessions: rotation, the idempotent retry, reuse, and their end.

use std::time::Duration;

use jeton::jose::algorithm::SigningAlgorithm;
use jeton::protocol::client::AccessTokenTyp;
use reqwest::Method;
use serde_json::json;

use crate::support::{Setup, TestServer, jwt_part, on_both_stores};

on_both_stores!(a_repeated_refresh_gets_the_same_successor_until_that_was_used, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let main = app.main_client("main").await;
    app.user("alice", "wonderland").await;
    let first = app.login(&main, "alice", "wonderland").await.text("refresh_token");
    let successor = app.refresh(&main, &first).await.text("refresh_token");
    for _ in 0..3 {
        assert_eq!(app.refresh(&main, &first).await.text("refresh_token"), successor);
    }
    // A fourth repeat is no longer a retry.
    app.refresh(&main, &first).await.assert_error(400, "invalid_grant");
    app.refresh(&main, &successor).await.assert_error(400, "invalid_grant");
});

on_both_stores!(a_session_ends_when_it_is_not_used_and_at_its_absolute_end, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let grants = ["password", "refresh_token"];
    let main = app
        .client("main", json!({"grant_types": grants, "scope": "read", "refresh_token_ttl": 100, "session_ttl": 250}))
        .await;
    app.user("alice", "wonderland").await;
    let idle = app.login(&main, "alice", "wonderland").await.text("refresh_token");
    app.advance(100);
    app.refresh(&main, &idle).await.assert_error(400, "invalid_grant");
    let mut token = app.login(&main, "alice", "wonderland").await.text("refresh_token");
    for _ in 0..3 {
        app.advance(80);
        token = app.refresh(&main, &token).await.text("refresh_token");
    }
    let last = app.refresh(&main, &token).await;
    assert_eq!(last.json["expires_in"], json!(10), "an access token never outlives its session");
    app.advance(10);
    app.refresh(&main, &last.text("refresh_token")).await.assert_error(400, "invalid_grant");
});

on_both_stores!(a_refresh_gives_no_more_than_client_and_user_may_still_have, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    app.user("alice", "wonderland").await;
    let refreshed = async |token: &str| app.refresh(&main, token).await;
    let first = app.login(&main, "alice", "wonderland").await;
    assert_eq!(first.json["scope"], json!("read write"));
    app.admin(Method::PATCH, "/admin/v1/users/alice", Some(json!({"scope": "read"}))).await.assert_ok();
    let second = refreshed(&first.text("refresh_token")).await;
    assert_eq!(second.assert_ok().json["scope"], json!("read"));
    let audiences = json!({"audiences": ["https://files.example.test/"]});
    app.admin(Method::PATCH, "/admin/v1/clients/main", Some(audiences)).await.assert_ok();
    let third = refreshed(&second.text("refresh_token")).await;
    assert_eq!(jwt_part(&third.text("access_token"), 1)["aud"], json!("https://files.example.test/"));
    app.admin(Method::PATCH, "/admin/v1/clients/main", Some(json!({"scope": "write"}))).await.assert_ok();
    refreshed(&third.text("refresh_token")).await.assert_error(400, "invalid_scope");
    app.admin(Method::PATCH, "/admin/v1/clients/main", Some(json!({"scope": "read"}))).await.assert_ok();
    refreshed(&third.text("refresh_token")).await.assert_ok();
});

on_both_stores!(a_refresh_that_is_refused_for_its_scope_spends_nothing, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let main = app.main_client("main").await;
    app.user("alice", "wonderland").await;
    let token = app.login(&main, "alice", "wonderland").await.text("refresh_token");
    let scope = async |scope: &str| {
        app.admin(Method::PATCH, "/admin/v1/clients/main", Some(json!({"scope": scope}))).await.assert_ok();
    };
    // Both by the request and by what the client may still have, long after the retry window.
    let too_much = [("grant_type", "refresh_token"), ("refresh_token", &*token), ("scope", "admin")];
    for _ in 0..4 {
        app.token(&main, &too_much).await.assert_error(400, "invalid_scope");
        scope("other").await;
        app.refresh(&main, &token).await.assert_error(400, "invalid_scope");
        scope("read write").await;
        app.clock.advance(Duration::from_secs(60));
    }
    app.refresh(&main, &token).await.assert_ok();
});

on_both_stores!(a_token_whose_number_the_log_has_not_reached_is_not_accepted, async |backend| {
    // No revocation could ever cover it.
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let keys = app.server.app.issuer.keys();
    let key = keys.ring.access_token_key(SigningAlgorithm::Es256, app.clock.now()).unwrap();
    let token = app.token(&main, &[("grant_type", "client_credentials")]).await.text("access_token");
    let mut claims = jwt_part(&token, 1);
    let sign = |claims: &serde_json::Value| {
        jeton::tokens::jwt::write(&serde_json::from_value(claims.clone()).unwrap(), AccessTokenTyp::AtJwt, key)
    };
    app.introspect(&main, &sign(&claims)).await.assert_active();
    claims["log"] = json!(app.clock.now().millis() + 3_600_000);
    app.introspect(&main, &sign(&claims)).await.assert_inactive();
});

on_both_stores!(what_is_sent_by_mistake_is_not_echoed, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    app.user("alice", "wonderland").await;
    let token = app.login(&main, "alice", "wonderland").await.text("refresh_token");
    for member in ["session", "user", "client"] {
        let answer = app.admin(Method::POST, "/admin/v1/revocations", Some(json!({member: token}))).await;
        assert_eq!(answer.status.as_u16(), 404, "{answer:?}");
        assert!(!answer.body.contains(&token), "{member}: {answer:?}");
    }
});

on_both_stores!(a_misspelt_parameter_of_the_admin_api_changes_and_shows_nothing, async |backend| {
    let app = TestServer::start(backend).await;
    app.main_client("main").await;
    for path in ["clients?clientid=x", "sessions?usr=bob", "users?limit=1&limit=2", "audit?limit=x", "clients?cursor=x"]
    {
        let answer = app.admin(Method::GET, &format!("/admin/v1/{path}"), None).await;
        assert_eq!(answer.status.as_u16(), 400, "{path}: {answer:?}");
    }
    let shown = app.admin(Method::GET, "/admin/v1/clients/main", None).await;
    let secret = shown.json["secrets"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/admin/v1/clients/main/secrets/{secret}?revoke=yes");
    assert_eq!(app.admin(Method::DELETE, &path, None).await.status.as_u16(), 400);
    let again = app.admin(Method::GET, "/admin/v1/clients/main", None).await;
    assert_eq!(again.json["secrets"][0]["id"], json!(secret));
});

on_both_stores!(a_login_that_overlaps_the_retirement_of_its_secret_leaves_nothing_active, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().set("JETON_PASSWORD_THREADS", "1")).await;
    app.user("alice", "wonderland").await;
    let mut decided = 0;
    for round in 0..30 {
        let name = format!("client-{round}");
        let client = app.main_client(&name).await;
        let busy = app.main_client(&format!("busy-{round}")).await;
        let shown = app.admin(Method::GET, &format!("/admin/v1/clients/{name}"), None).await;
        let secret = shown.json["secrets"][0]["id"].as_str().unwrap().to_owned();
        let as_nobody = [("grant_type", "password"), ("username", "nobody"), ("password", "x")];
        let as_alice = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
        let path = format!("/admin/v1/clients/{name}/secrets/{secret}?revoke=true");
        // The hashing of others makes the login wait while the secret is retired.
        let (_, _, _, login, retired) = tokio::join!(
            app.token(&busy, &as_nobody),
            app.token(&busy, &as_nobody),
            app.token(&busy, &as_nobody),
            app.token(&client, &as_alice),
            app.admin(Method::DELETE, &path, None),
        );
        assert_eq!(retired.status.as_u16(), 204, "{retired:?}");
        if login.is_unavailable() {
            // On a busy machine the others may take longer than the longest wait.
            continue;
        }
        if login.status.is_success() {
            let observer = app.resource_server(&format!("observer-{round}")).await;
            app.introspect(&observer, &login.text("access_token")).await.assert_inactive();
            app.introspect(&observer, &login.text("refresh_token")).await.assert_inactive();
        } else {
            login.assert_error(401, "invalid_client");
        }
        decided += 1;
        if decided == 3 {
            return;
        }
    }
    panic!("only {decided} logins of 30 were decided");
});
