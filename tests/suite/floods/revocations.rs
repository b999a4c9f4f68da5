//! A hundred thousand revocations at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jeton::issuer::Issuer;
use jeton::state::NodeState;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

use super::LIMIT;
use crate::support::{Answer, Backend, Setup, TestServer, eventually, on_both_stores};

/// Revocations that are written beside the servers, as many nodes and commands would.
const FLOOD: usize = 100_000;
/// Of these in one transaction.
const BATCH: usize = 500;
/// Revocations by the admin API meanwhile.
const BY_ADMIN: usize = 200;
/// The lifetime of an access token, in seconds.
const TTL: i64 = 900;

/// Statements that write the flood: revocations of tokens and sessions that never existed.
fn batches(backend: Backend, now: i64) -> Vec<String> {
    let (id, series) = match backend {
        Backend::Postgres => ("gen_random_uuid()", "SELECT i FROM generate_series($FROM, $TO) AS i"),
        Backend::Sqlite => (
            "randomblob(16)",
            "WITH RECURSIVE n(i) AS (SELECT $FROM UNION ALL SELECT i + 1 FROM n WHERE i < $TO) SELECT i FROM n",
        ),
    };
    let (until, expires) = (now + TTL * 1000, now + 1_000_000_000);
    let batch = |from: usize| {
        let series = series.replace("$FROM", &from.to_string()).replace("$TO", &(from + BATCH - 1).to_string());
        format!(
            "INSERT INTO changes (id, kind, target_id, cause, actor, created_at, covers_until, expires_at) \
             SELECT {id}, CASE WHEN i % 3 = 0 THEN 'session' ELSE 'token' END, {id}, \
             CASE WHEN i % 3 = 0 THEN 'session_revoked' ELSE 'token_revoked' END, 'flood', {now}, {until}, {expires} \
             FROM ({series}) AS numbers"
        )
    };
    (0..FLOOD).step_by(BATCH).map(batch).collect()
}

on_both_stores!(a_flood_of_revocations_is_applied_by_every_node_and_forgotten_after_it_expires, async |backend| {
    let first = Arc::new(TestServer::start_with(backend, Setup::default().with_manual_clock()).await);
    let mut nodes = vec![Arc::clone(&first)];
    if backend == Backend::Postgres {
        let setup = Setup { clock: Some(first.clock.clone()), ..Setup::default() };
        nodes.push(Arc::new(TestServer::start_on(&first.database, &first.master_key, setup).await));
    }
    let main = first.main_client("main").await;
    let token = async || first.token(&main, &[("grant_type", "client_credentials")]).await.text("access_token");
    let (good, bad) = (token().await, token().await);
    first.revoke(&main, &bad).await.assert_ok();
    for node in &nodes {
        node.server.app.state.catch_up().await.unwrap();
    }
    let mut condemned = Vec::new();
    for _ in 0..BY_ADMIN {
        condemned.push(token().await);
    }

    // A request meanwhile gets the right answer, or a 503.
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut askers = JoinSet::new();
    for node in &nodes {
        let (node, main, asked) = (Arc::clone(node), main.clone(), [(good.clone(), true), (bad.clone(), false)]);
        let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
        askers.spawn(async move {
            for (token, active) in asked.iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let answer = node.introspect(&main, token).await;
                if !answer.is_unavailable() {
                    assert_eq!(answer.assert_ok().json["active"], *active, "{answer:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                // The processors are for the flood.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    let mut writers = JoinSet::new();
    let (database, now) = (first.database.clone(), first.clock.now().millis());
    writers.spawn(async move {
        for batch in batches(backend, now) {
            crate::store_contract::execute(&database, &batch).await;
        }
    });
    let (admin, client, tokens) = (Arc::clone(&first), main.clone(), condemned.clone());
    writers.spawn(async move {
        for token in tokens {
            let body = json!({"token": token});
            let receipt: Answer = loop {
                let answer = admin.admin(Method::POST, "/admin/v1/revocations", Some(body.clone())).await;
                if answer.status != StatusCode::SERVICE_UNAVAILABLE {
                    break answer;
                }
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            };
            assert_eq!(receipt.status, StatusCode::CREATED, "{receipt:?}");
            // Acknowledged, so the node that took it knows.
            let answer = admin.introspect(&client, &token).await;
            assert!(answer.is_unavailable() || answer.json["active"] == false, "{answer:?}");
        }
    });
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    let head = first.server.app.store.log_head().await.unwrap();
    for node in &nodes {
        eventually(LIMIT, "every node has applied everything", async || node.server.app.state.applied() >= head).await;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = askers.join_next().await {
        ended.unwrap();
    }
    assert!(answered.load(Ordering::Relaxed) > 50, "introspection went on");

    let all = FLOOD + BY_ADMIN + 1;
    let shown = format!("jeton_view_revocations {all}.0\n");
    for node in &nodes {
        assert_eq!(node.server.app.state.revocations_held(), all);
        let metrics = reqwest::get(format!("{}/metrics", node.ops)).await.unwrap().text().await.unwrap();
        assert!(metrics.contains(&shown), "{shown} in {metrics}");
        for token in condemned.iter().chain([&bad]) {
            node.introspect(&main, token).await.assert_inactive();
        }
        node.introspect(&main, &good).await.assert_active();
    }
    // A node that starts now reads them all, too.
    let app = &first.server.app;
    let load = async || {
        let issuer = Arc::new(Issuer::new(app.settings.issuer.clone()));
        let state = NodeState::new(app.store.clone(), app.clock.clone(), issuer, Duration::from_secs(5));
        state.load(app.master_keys().await.unwrap()).await.unwrap();
        state
    };
    assert_eq!(load().await.revocations_held(), all);

    first.advance(TTL.unsigned_abs() - 1);
    for node in &nodes {
        node.server.app.state.forget_what_is_over();
        assert_eq!(node.server.app.state.revocations_held(), all, "each may still cover a token");
    }
    // An hour more, in which a revoked token is distinguished from one that only expired.
    first.advance(3601);
    for node in &nodes {
        eventually(LIMIT, "a node forgets by itself", async || node.server.app.state.revocations_held() == 0).await;
        for token in [&good, &bad] {
            node.introspect(&main, token).await.assert_inactive();
        }
    }
    assert_eq!(load().await.revocations_held(), 0);
});
