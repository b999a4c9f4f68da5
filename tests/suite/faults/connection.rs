//! A node whose connection to the database fails.

use std::time::Duration;

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::fleet::{Fleet, waited_for};
use super::oracle::Said;
use crate::store_contract::execute;
use crate::support::proxy::Proxy;
use crate::support::{Backend, eventually, fresh_database};

const STALENESS: Duration = Duration::from_secs(1);

/// Three nodes, one of them behind a proxy that loses its connection and gets it back.
async fn a_node_loses_its_database(lose: fn(&Proxy)) {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, STALENESS);
    let proxy = Proxy::to(&database).await;
    let (first, second, lone) = (fleet.start(), fleet.start(), fleet.start_on(&proxy.address_of(&database)));
    fleet.user(&first, "alice").await;
    let good = fleet.token(&first, &fleet.sealed).await;
    let session = fleet.login(&lone, &fleet.app, "alice").await;
    let stream = fleet.stream(&second);
    stream.goes_on().await;

    lose(&proxy);
    let token = fleet.login(&first, &fleet.sealed, "alice").await;
    let receipt = fleet.revoke(&first, json!({"token": token.access}), &[token.token], "1s").await;
    assert_eq!(receipt["applied_everywhere"], json!(false), "{receipt}");
    let waiting = waited_for(&receipt);
    assert!(waiting.len() == 1 && waiting[0].ends_with(&lone.process()), "{receipt}");
    fleet.falls_behind(&lone, good).await;
    stream.goes_on().await;
    let statuses = fleet.good_requests(&lone, "alice", &session.refresh).await;
    assert_eq!(statuses[1..], [503, 503], "a login and a refresh need the database");
    fleet.oracle.revoking(&[session.token]);
    let answer = fleet.form(&lone, "/auth/revoke", &fleet.app, &[("token", &session.access)]).await;
    assert_eq!(answer.status, 503, "what cannot be written is not acknowledged: {answer:?}");
    assert!(!lone.is_ready().await);
    assert_eq!((first.is_ready().await, second.is_ready().await), (true, true));

    proxy.heal();
    fleet.recovers(&lone, good).await;
    let statuses = fleet.good_requests(&lone, "alice", &session.refresh).await;
    assert_eq!(statuses, [200, 200, 200]);
    eventually(Duration::from_secs(5), "the receipt is complete", async || {
        fleet.receipt(&first, &receipt["number"]).await["applied_everywhere"] == json!(true)
    })
    .await;
    drop(stream);
    fleet.oracle.settle().await;
    assert!(fleet.oracle.count(&lone, Said::Unknown) > 0, "it was asked while it was cut off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_reports_it_and_recovers() {
    a_node_loses_its_database(Proxy::cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_connections_go_silent_reports_it_and_recovers() {
    a_node_loses_its_database(Proxy::silence).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_may_be_lost() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    // Much sooner than their own limit requires, since the nodes poll the log four times a second.
    let fleet = Fleet::on(&database, Duration::from_millis(1200));
    let proxy = Proxy::to(&database).await;
    proxy.lose_notifications();
    let mut place = fleet.place(&proxy.address_of(&database));
    place.set("JETON_MAX_STALENESS", "60s");
    let (first, unnotified) = (fleet.start(), fleet.start_in(&place));
    let stream = fleet.stream(&first);
    for _ in 0..10 {
        let token = fleet.token(&first, &fleet.app).await;
        assert_eq!(fleet.oracle.ask(&unnotified, token).await, Said::Active);
        let before = unnotified.metric("jeton_revocation_lag_seconds_count").await;
        let receipt = fleet.revoke(&first, json!({"client": "app"}), &[token], "5s").await;
        assert_eq!(receipt["applied_everywhere"], json!(true), "{receipt}");
        assert_eq!(fleet.oracle.ask(&unnotified, token).await, Said::Inactive);
        assert!(unnotified.metric("jeton_revocation_lag_seconds_count").await > before, "the lag is counted");
    }
    stream.goes_on().await;
    drop(stream);
    fleet.oracle.settle().await;
    assert!(proxy.swallowed() > 0, "there were notifications to lose");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_connections_were_all_dropped_soon_makes_new_ones() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, STALENESS);
    let proxy = Proxy::to(&database).await;
    let (first, lone) = (fleet.start(), fleet.start_on(&proxy.address_of(&database)));
    let good = fleet.token(&first, &fleet.app).await;
    // Many requests at a time: the node has many connections.
    let ask = async || fleet.admin(&lone, reqwest::Method::GET, "/admin/v1/clients", None).await;
    for _ in 0..3 {
        tokio::join!(ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask());
    }
    proxy.silence();
    fleet.falls_behind(&lone, good).await;
    proxy.heal_for_new_connections();
    fleet.recovers(&lone, good).await;
    fleet.oracle.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_receipts_no_longer_waited_for_is_on_the_list_before_it_answers_again() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, STALENESS);
    let proxy = Proxy::to(&database).await;
    let (first, lone) = (fleet.start(), fleet.start_on(&proxy.address_of(&database)));
    let (good, token) = (fleet.token(&first, &fleet.app).await, fleet.token(&first, &fleet.sealed).await);
    let names_it = |receipt: &serde_json::Value| {
        let nodes = receipt["applied_by"].as_array().unwrap();
        nodes.iter().any(|node| node["name"].as_str().unwrap().ends_with(&lone.process()))
    };
    proxy.cut();
    let early = fleet.token(&first, &fleet.sealed).await;
    let receipt = fleet.revoke(&first, json!({"client": fleet.sealed.id}), &[token, early], "0s").await;
    assert!(names_it(&receipt), "{receipt}");
    eventually(Duration::from_secs(12), "it does not count any more", async || {
        !names_it(&fleet.receipt(&first, &receipt["number"]).await)
    })
    .await;
    proxy.heal();
    fleet.recovers(&lone, good).await;
    let receipt = fleet.revoke(&first, json!({"client": fleet.app.id}), &[good], "5s").await;
    assert!(names_it(&receipt), "{receipt}");
    assert_eq!(receipt["applied_everywhere"], json!(true), "{receipt}");
    assert_eq!(fleet.oracle.ask(&lone, good).await, Said::Inactive);
    fleet.oracle.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_listener_was_lost_under_steady_revocations_listens_again() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, Duration::from_secs(60));
    let (first, _second) = (fleet.start(), fleet.start());
    let stream = fleet.stream(&first);
    stream.goes_on().await;
    let listeners = "FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'";
    execute(&database, &format!("SELECT pg_terminate_backend(pid) {listeners}")).await;
    // Without a listener, each poll found growth that was not announced; that must not end the next listener.
    let watcher = tokio::sync::Mutex::new(PgConnection::connect(&database).await.unwrap());
    let both_listen = async || {
        let count = AssertSqlSafe(format!("SELECT count(*) {listeners}"));
        let count: i64 = sqlx::query_scalar(count).fetch_one(&mut *watcher.lock().await).await.unwrap();
        count == 2
    };
    eventually(Duration::from_secs(20), "both listen, and go on listening", async || {
        for _ in 0..10 {
            if !both_listen().await {
                return false;
            }
            stream.goes_on().await;
        }
        true
    })
    .await;
    drop(stream);
    fleet.oracle.settle().await;
}
