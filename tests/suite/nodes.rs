//! Several nodes on one database: revocations are seen by all of them, and receipts do not lie.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Backend, Setup, TestServer, on_both_stores};

/// Two nodes on one Postgres.
async fn two_nodes() -> (TestServer, TestServer) {
    let first = TestServer::start(Backend::Postgres).await;
    let second = TestServer::start_on(&first.database, &first.master_key, Setup::default()).await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_comes_when_every_node_refuses_what_was_revoked() {
    let (first, second) = two_nodes().await;
    let main = first.main_client("main").await;
    first.user("alice", "wonderland").await;
    for target in ["token", "session", "user", "client", "all"] {
        let login = first.login(&main, "alice", "wonderland").await;
        let token = login.text("access_token");
        second.introspect(&main, &token).await.assert_active();
        let session = first.introspect(&main, &token).await.text("sid");
        let body = match target {
            "token" => json!({"token": token}),
            "session" => json!({"session": session}),
            "user" => json!({"user": "alice", "reason": "left the company"}),
            "client" => json!({"client": "main"}),
            _ => json!({"all": true}),
        };
        let receipt = first.admin(Method::POST, "/admin/v1/revocations?wait=5s", Some(body)).await;
        assert_eq!(receipt.status, StatusCode::CREATED, "{receipt:?}");
        assert_eq!(receipt.json["applied_everywhere"], json!(true), "{receipt:?}");
        assert_eq!(receipt.json["applied_by"].as_array().unwrap().len(), 2, "{receipt:?}");
        first.introspect(&main, &token).await.assert_inactive();
        second.introspect(&main, &token).await.assert_inactive();
        if target == "all" {
            // The administrator's own token was revoked with all others.
            let answer = first.admin(Method::GET, "/admin/v1/revocations", None).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
    }
    // What is issued after a revocation is good on every node.
    let after = first.login(&main, "alice", "wonderland").await.text("access_token");
    second.introspect(&main, &after).await.assert_active();
}

on_both_stores!(a_receipt_names_the_node_that_has_not_applied_a_revocation, async |backend| {
    let app = TestServer::start(backend).await;
    app.main_client("main").await;
    let ghost = jeton::store::NodeRecord {
        id: Uuid::now_v7(),
        name: "a node that fell silent".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        feature_level: jeton::protocol::feature::LEVEL,
        applied: 0,
        applied_at: app.clock.now(),
        heartbeat_at: app.clock.now(),
        max_staleness: 60_000,
    };
    app.server.app.store.node_heartbeat(&ghost).await.unwrap();
    let wait = "/admin/v1/revocations?wait=1s";
    let receipt = app.admin(Method::POST, wait, Some(json!({"client": "main"}))).await;
    assert_eq!(receipt.json["applied_everywhere"], json!(false), "{receipt:?}");
    let waiting: Vec<&Value> =
        receipt.json["applied_by"].as_array().unwrap().iter().filter(|node| node["applied"] == json!(false)).collect();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["name"], json!("a node that fell silent"));
    // Five seconds past its own limit, it answers nothing from memory, and receipts no longer wait for it.
    let store = &app.server.app.store;
    store.node_leave(ghost.id).await.unwrap();
    let number = &receipt.json["number"];
    for (silent_for, applied_everywhere) in [(60_500, false), (66_000, true)] {
        let heartbeat_at = jeton::protocol::time::Timestamp::from_millis(app.clock.now().millis() - silent_for);
        let silent = jeton::store::NodeRecord { id: Uuid::now_v7(), heartbeat_at, ..ghost.clone() };
        store.node_heartbeat(&silent).await.unwrap();
        let shown = app.admin(Method::GET, &format!("/admin/v1/revocations/{number}"), None).await;
        assert_eq!(shown.json["applied_everywhere"], json!(applied_everywhere), "{shown:?}");
        store.node_leave(silent.id).await.unwrap();
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_reaches_another_node_without_a_request() {
    let (first, second) = two_nodes().await;
    let main = first.main_client("main").await;
    let token = first.token(&main, &[("grant_type", "client_credentials")]).await.text("access_token");
    second.introspect(&main, &token).await.assert_active();
    first.revoke(&main, &token).await.assert_ok();
    first.introspect(&main, &token).await.assert_inactive();
    let deadline = Instant::now() + Duration::from_secs(5);
    while second.introspect(&main, &token).await.json["active"] == json!(true) {
        assert!(Instant::now() < deadline, "the bound of JETON_MAX_STALENESS is not held");
    }
    let metrics = reqwest::get(format!("{}/metrics", second.ops)).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("jeton_revocation_lag_seconds_count 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_another_node_just_created_works_at_once() {
    // The second node rarely polls the log: it asks the database before it refuses.
    let first = TestServer::start(Backend::Postgres).await;
    let slow = Setup::default().set("JETON_POLL_INTERVAL", "10s").set("JETON_MAX_STALENESS", "1m");
    let second = TestServer::start_on(&first.database, &first.master_key, slow).await;
    let main = first.main_client("main").await;
    let grant = [("grant_type", "client_credentials")];
    second.token(&main, &grant).await.assert_ok();
    let added = first.admin(Method::POST, "/admin/v1/clients/main/secrets", None).await;
    assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
    second.token(&main.with_secret(&added.text("client_secret")), &grant).await.assert_ok();
    let unseen = first.main_client("unseen").await;
    second.token(&unseen, &grant).await.assert_ok();
}
