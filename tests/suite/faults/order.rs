//! Revocations of every kind on every node; their order is that of the log, whatever commits late and whatever a clock
//! says.

use std::time::Duration;

use jeton::clock::Clock;
use jeton::protocol::time::Timestamp;
use jeton::protocol::token_id::TokenId;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::fleet::{Fleet, Node};
use super::oracle::{Said, Token};
use crate::support::{Backend, fresh_database, jwt_part};

const STALENESS: Duration = Duration::from_millis(500);

/// Withdraws the key that signs JWTs now.
async fn withdraw_key(fleet: &Fleet, node: &Node, covered: &[Token]) {
    let answer = fleet.admin(node, Method::POST, "/admin/v1/keys/rotate", None).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let keys = fleet.admin(node, Method::GET, "/admin/v1/keys", None).await;
    let is_meant = |key: &&serde_json::Value| key["use"] == "signing" && key["state"] == "active";
    let kid = keys.json["items"].as_array().unwrap().iter().find(is_meant).unwrap()["kid"].as_str().unwrap().to_owned();
    fleet.oracle.revoking(covered);
    let answer = fleet.admin(node, Method::DELETE, &format!("/admin/v1/keys/{kid}"), None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    fleet.oracle.revoked(covered, Some(node.number));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_of_any_kind_is_honoured_by_three_nodes() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, STALENESS);
    let nodes = [fleet.start(), fleet.start(), fleet.start()];
    for name in ["alice", "bob"] {
        fleet.user(&nodes[0], name).await;
    }
    for (round, kind) in
        ["token", "own token", "session", "own session", "user", "client", "key", "all"].iter().enumerate()
    {
        let (taker, giver) = (&nodes[round % 3], &nodes[(round + 1) % 3]);
        let login = fleet.login(giver, &fleet.app, "alice").await;
        fleet.token(giver, &fleet.app).await;
        fleet.token(taker, &fleet.sealed).await;
        fleet.login(taker, &fleet.sealed, "bob").await;
        for node in &nodes {
            assert_eq!(fleet.oracle.ask(node, login.token).await, Said::Active);
        }
        let sid = jwt_part(&login.access, 1)["sid"].clone();
        let target = match *kind {
            "token" => Some((json!({"token": login.access}), vec![login.token])),
            "session" => Some((json!({"session": sid}), vec![login.token])),
            "user" => {
                fleet.login(taker, &fleet.sealed, "alice").await;
                Some((json!({"user": "alice"}), fleet.oracle.all_good("login of alice")))
            }
            "client" => Some((json!({"client": "app"}), fleet.oracle.all_good(" to app"))),
            "all" => Some((json!({"all": true}), fleet.oracle.all_good(""))),
            _ => None,
        };
        match (target, *kind) {
            (Some((target, covered)), _) => {
                let receipt = fleet.revoke(taker, target, &covered, "5s").await;
                assert_eq!(receipt["applied_everywhere"], json!(true), "{receipt}");
                for node in &nodes {
                    assert_eq!(fleet.oracle.ask(node, login.token).await, Said::Inactive, "the receipt says so");
                }
            }
            (None, "key") => withdraw_key(&fleet, taker, &fleet.oracle.all_good(" to app")).await,
            (None, kind) => {
                let token = if kind == "own token" { &login.access } else { &login.refresh };
                fleet.oracle.revoking(&[login.token]);
                fleet.form(taker, "/auth/revoke", &fleet.app, &[("token", token)]).await.assert_ok();
                fleet.oracle.revoked(&[login.token], Some(taker.number));
            }
        }
        assert_eq!(fleet.oracle.ask(taker, login.token).await, Said::Inactive, "{kind}: at once where it was taken");
        // What is issued afterwards is good.
        fleet.login(taker, &fleet.app, "alice").await;
        fleet.oracle.settle().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_commits_late_is_not_missed() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, STALENESS);
    let nodes = [fleet.start(), fleet.start()];
    fleet.user(&nodes[0], "alice").await;
    for node in &nodes {
        let early = fleet.login(node, &fleet.app, "alice").await;
        let jti: TokenId = jwt_part(&early.access, 1)["jti"].as_str().unwrap().parse().unwrap();
        let jti = Uuid::from_bytes(*jti.bytes());
        let before = fleet.token(node, &fleet.sealed).await;
        let mut connection = PgConnection::connect(&database).await.unwrap();
        let mut late = connection.begin().await.unwrap();
        for (kind, id, name) in [("token", Some(jti), None), ("client", None, Some("sealed"))] {
            let sql = "INSERT INTO changes (id, kind, target_id, target_name, cause, actor, created_at, covers_until, \
                       expires_at) VALUES ($1, $2, $3, $4, 'token_revoked', 'test', 0, 9e15, 9e15)";
            sqlx::query(sql).bind(Uuid::now_v7()).bind(kind).bind(id).bind(name).execute(&mut *late).await.unwrap();
        }
        // Others are not blocked meanwhile, and every node moves on past them.
        for other in &nodes {
            let login = fleet.login(other, &fleet.app, "alice").await;
            let receipt = fleet.revoke(other, json!({"token": login.access}), &[login.token], "5s").await;
            assert_eq!(receipt["applied_everywhere"], json!(true), "{receipt}");
        }
        let meanwhile = fleet.login(node, &fleet.sealed, "alice").await;
        let covered = [early.token, before, meanwhile.token];
        for token in covered {
            assert_eq!(fleet.oracle.ask(node, token).await, Said::Active);
        }
        fleet.oracle.revoking(&covered);
        late.commit().await.unwrap();
        fleet.oracle.revoked(&covered, None);
        fleet.oracle.settle().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_is_kept_when_a_clock_is_half_a_minute_off() {
    let (database, _folder) = fresh_database(Backend::Postgres).await;
    let fleet = Fleet::on(&database, STALENESS);
    let right = fleet.start();
    fleet.user(&right, "alice").await;
    for offset in [30_000, -30_000] {
        let clock = Clock::manual(Timestamp::from_millis(Clock::system().now().millis() + offset));
        let (wrong, server) = fleet.start_with_clock(clock).await;
        for (giver, taker) in [(&right, &wrong), (&wrong, &right), (&wrong, &wrong)] {
            let login = fleet.login(giver, &fleet.app, "alice").await;
            let sealed = fleet.login(giver, &fleet.sealed, "alice").await;
            let token = fleet.token(giver, &fleet.app).await;
            for token in [login.token, sealed.token, token] {
                assert_eq!(fleet.oracle.ask(taker, token).await, Said::Active);
            }
            let covered = fleet.oracle.all_good("login of alice");
            fleet.revoke(taker, json!({"user": "alice"}), &covered, "0s").await;
            let after = fleet.login(giver, &fleet.app, "alice").await;
            let covered = fleet.oracle.all_good(" to app");
            assert!(covered.contains(&after.token) && covered.contains(&token), "a user's revocation ends neither");
            fleet.revoke(taker, json!({"client": "app"}), &covered, "0s").await;
            fleet.login(giver, &fleet.app, "alice").await;
            fleet.oracle.settle().await;
        }
        fleet.oracle.leave(&wrong);
        server.server.stop().await;
    }
}
