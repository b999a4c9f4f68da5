//! The revocation of what does not exist.

use reqwest::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Setup, TestServer, on_both_stores};

on_both_stores!(what_does_not_exist_cannot_be_revoked_and_leaves_no_trace, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let elsewhere = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let main = app.main_client("main").await;
    app.user("alice", "wonderland").await;
    let tokens = app.login(&main, "alice", "wonderland").await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    // Of another server with the same issuer: authentic there, of an unknown key here.
    let their_main = elsewhere.main_client("main").await;
    elsewhere.user("alice", "wonderland").await;
    let theirs = elsewhere.login(&their_main, "alice", "wonderland").await;
    let (their_access, their_refresh) = (theirs.text("access_token"), theirs.text("refresh_token"));
    let store = &app.server.app.store;
    let before = store.log_head().await.unwrap();
    let nobody = Uuid::now_v7().to_string();
    for (body, status) in [
        (json!({"user": "nobody"}), 404),
        (json!({"user": nobody}), 404),
        (json!({"client": "nothing"}), 404),
        (json!({"client": "MAIN"}), 404),
        (json!({"session": nobody}), 404),
        (json!({"session": "x"}), 404),
        (json!({"token": "nonsense"}), 400),
        (json!({"token": ""}), 400),
        (json!({"token": their_access}), 400),
        (json!({"token": their_refresh}), 400),
        (json!({"token": &access[..access.len() - 4]}), 400),
        (json!({"all": false}), 400),
        (json!({}), 400),
    ] {
        let answer = app.admin(Method::POST, "/admin/v1/revocations", Some(body.clone())).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {answer:?}");
        assert!(answer.header("content-type").unwrap().starts_with("application/problem+json"), "{answer:?}");
        assert!(!answer.body.contains(&their_access) && !answer.body.contains(&their_refresh), "{answer:?}");
    }
    let path = format!("/admin/v1/sessions/{nobody}");
    assert_eq!(app.admin(Method::DELETE, &path, None).await.status, StatusCode::NOT_FOUND);
    // To clients all of these look alike (RFC 7009 §2.2).
    for token in ["nonsense", &their_access, &their_refresh, &access[..access.len() - 4], &nobody] {
        let answer = app.revoke(&main, token).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "{}"), "{answer:?}");
    }
    assert_eq!(store.log_head().await.unwrap(), before, "nothing was written");
    assert_eq!(app.server.app.state.revocations_held(), 0);
    app.introspect(&main, &access).await.assert_active();
    app.introspect(&main, &refresh).await.assert_active();
    // What has already expired cannot be revoked either.
    app.advance(3600);
    let answer = app.revoke(&main, &access).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "{}"), "{answer:?}");
    assert_eq!(store.log_head().await.unwrap(), before);
});
