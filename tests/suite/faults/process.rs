//! A node is killed, frozen, or started while others revoke.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::Connection;

use super::fleet::{Fleet, waited_for};
use super::oracle::Said;
use crate::support::{Backend, eventually, fresh_database};

const STALENESS: Duration = Duration::from_secs(1);
/// How long a silent node counts as live beyond its limit, plus the time between two heartbeats, with some margin.
const COUNTS_AS_LIVE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revocations_of_a_killed_node_hold_and_receipts_wait_until_it_cannot_answer() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, STALENESS);
    let (first, killed) = (fleet.start(), fleet.start());
    fleet.token(&first, &fleet.app).await;
    let stream = fleet.stream(&killed);
    stream.goes_on().await;
    let process = killed.process();
    fleet.kill(killed);
    drop(stream);
    let token = fleet.token(&first, &fleet.sealed).await;
    let receipt = fleet.revoke(&first, json!({"client": "sealed"}), &[token], "500ms").await;
    assert_eq!(receipt["applied_everywhere"], json!(false), "it may still be alive: {receipt}");
    let waiting = waited_for(&receipt);
    assert!(waiting.len() == 1 && waiting[0].ends_with(&process), "{receipt}");
    fleet.oracle.settle().await;
    eventually(COUNTS_AS_LIVE, "it no longer counts", async || {
        let receipt = fleet.receipt(&first, &receipt["number"]).await;
        let everywhere = receipt["applied_everywhere"] == json!(true);
        assert_eq!(everywhere, waited_for(&receipt).is_empty(), "{receipt}");
        everywhere
    })
    .await;
    // And after a new start.
    let again = fleet.start();
    assert_eq!(fleet.oracle.ask(&again, token).await, Said::Inactive);
    fleet.oracle.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_node_blocks_nobody_and_is_correct_once_it_resumes() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, STALENESS);
    let (first, frozen) = (fleet.start(), fleet.start());
    let good = fleet.token(&first, &fleet.app).await;
    // Shorter and longer than it may answer from memory.
    for frozen_for in [Duration::ZERO, STALENESS * 2, STALENESS / 2] {
        let stream = fleet.stream(&frozen);
        let before = fleet.token(&frozen, &fleet.sealed).await;
        assert_eq!(fleet.oracle.ask(&frozen, before).await, Said::Active);
        stream.goes_on().await;
        frozen.freeze();
        let begun = Instant::now();
        let receipt =
            fleet.revoke(&first, json!({"client": "sealed"}), &fleet.oracle.all_good(" to sealed"), "0s").await;
        let others = fleet.stream(&first);
        eventually(Duration::from_secs(20), "the other node goes on", async || {
            others.acknowledged() >= 5 && begun.elapsed() >= frozen_for
        })
        .await;
        let waiting = fleet.receipt(&first, &receipt["number"]).await;
        assert!(waited_for(&waiting).iter().any(|name| name.ends_with(&frozen.process())), "{waiting}");
        drop((stream, others));
        frozen.thaw();
        // The oracle judges both of these, since they began after the node resumed.
        fleet.oracle.ask(&frozen, before).await;
        fleet.oracle.ask(&frozen, good).await;
        fleet.recovers(&frozen, good).await;
        fleet.oracle.assert_kept();
    }
    fleet.oracle.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_in_the_middle_of_revocations_misses_none() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, STALENESS);
    let first = fleet.start();
    fleet.token(&first, &fleet.app).await;
    let stream = fleet.stream(&first);
    stream.goes_on().await;
    let mut later = Vec::new();
    for _ in 0..3 {
        later.push(fleet.start());
        stream.goes_on().await;
    }
    drop(stream);
    fleet.oracle.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_knows_a_node_from_its_first_answer_on() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, Duration::from_secs(5));
    let first = fleet.start();
    let token = fleet.token(&first, &fleet.sealed).await;
    // The first heartbeat of a node takes a while.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NOT EXISTS (SELECT 1 FROM nodes WHERE id = NEW.id) THEN PERFORM pg_sleep(3); END IF; RETURN NEW; END $$;
        CREATE TRIGGER slow BEFORE INSERT ON nodes FOR EACH ROW EXECUTE FUNCTION slow()";
    let mut connection = sqlx::PgConnection::connect(&database).await.unwrap();
    sqlx::raw_sql(slow).execute(&mut connection).await.unwrap();
    let second = fleet.start();
    assert_eq!(fleet.oracle.ask(&second, token).await, Said::Active);
    let receipt = fleet.revoke(&first, json!({"client": "sealed"}), &[token], "1s").await;
    let said = fleet.oracle.ask(&second, token).await;
    assert!(receipt["applied_everywhere"] == json!(false) || said != Said::Active, "{said:?} after {receipt}");
    fleet.oracle.settle().await;
}
