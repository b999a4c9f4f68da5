//! Sessions: rotation, the idempotent retry, reuse, and their end.

use serde_json::json;

use crate::support::{Setup, TestServer, on_both_stores};

on_both_stores!(a_repeated_refresh_gets_the_same_successor_until_that_was_used, async |backend| {
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let main = app.main_client("main").await;
    app.user("alice", "wonderland").await;
    let first = app.login(&main, "alice", "wonderland").await.text("refresh_token");
    let successor = app.refresh(&main, &first).await.text("refresh_token");
    for _ in 0..3 {
        assert_eq!(app.refresh(&main, &first).await.text("refresh_token"), successor);
    }
    // A fourth repeat is no retry any more.
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
