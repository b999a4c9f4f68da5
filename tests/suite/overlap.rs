//! A login with the old password that overlaps its change: the change waits for a lock held by the test while the login
//! reads the old hash and finds the password right. Then both continue at the same time, in either order.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::support::{Answer, Backend, Setup, TestClient, TestServer, eventually, on_both_stores};

/// Rounds in which both must wait, and the most rounds that are tried, since a busy machine answers 503.
const ROUNDS: usize = 4;
const MOST: usize = 20;

/// Blocks writes to a user.
enum Lock {
    Sqlite(SqliteConnection),
    Postgres { held: PgConnection, watcher: tokio::sync::Mutex<PgConnection> },
}

impl Lock {
    async fn on(backend: Backend, database: &str, user: &str) -> Self {
        if backend == Backend::Sqlite {
            let mut held = SqliteConnection::connect(database).await.unwrap();
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut held).await.unwrap();
            return Self::Sqlite(held);
        }
        let mut held = PgConnection::connect(database).await.unwrap();
        let lock = AssertSqlSafe(format!("BEGIN; SELECT id FROM users WHERE id = '{user}' FOR UPDATE"));
        sqlx::raw_sql(lock).execute(&mut held).await.unwrap();
        let watcher = PgConnection::connect(database).await.unwrap();
        Self::Postgres { held, watcher: tokio::sync::Mutex::new(watcher) }
    }

    /// Waits until this many wait for it. SQLite does not show that; but once a wrong password sent `after` has been
    /// refused, the one hashing thread has also served everything before it.
    async fn is_waited_for(&self, waiters: i64, after: &TestServer) {
        match self {
            Self::Sqlite(_) => {
                let plain = TestClient { id: "plain".into(), secret: None, in_body: false };
                for _ in 0..2 {
                    let refused = after.token(&plain, &login("wrong")).await;
                    assert!(refused.status == StatusCode::BAD_REQUEST || refused.is_unavailable(), "{refused:?}");
                }
            }
            Self::Postgres { watcher, .. } => {
                let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                             AND wait_event_type = 'Lock'";
                eventually(Duration::from_secs(20), "the lock is waited for", async || {
                    let now: i64 = sqlx::query_scalar(count).fetch_one(&mut *watcher.lock().await).await.unwrap();
                    now >= waiters
                })
                .await;
            }
        }
    }

    async fn release(self) {
        match self {
            Self::Sqlite(mut held) => sqlx::raw_sql("COMMIT").execute(&mut held).await.map(drop),
            Self::Postgres { mut held, .. } => sqlx::raw_sql("COMMIT").execute(&mut held).await.map(drop),
        }
        .unwrap();
    }
}

fn login(password: &str) -> [(&str, &str); 3] {
    [("grant_type", "password"), ("username", "alice"), ("password", password)]
}

on_both_stores!(a_login_that_read_the_old_hash_before_the_change_leaves_no_active_session, async |backend| {
    let setup = Setup::default().set("JETON_PASSWORD_THREADS", "1");
    let first = Arc::new(TestServer::start_with(backend, setup.clone()).await);
    let mut nodes = vec![Arc::clone(&first)];
    if backend == Backend::Postgres {
        nodes.push(Arc::new(TestServer::start_on(&first.database, &first.master_key, setup).await));
    }
    let catch_up = async || {
        for node in &nodes {
            node.server.app.state.catch_up().await.unwrap();
        }
    };
    let main = first.main_client("main").await;
    first.public_client("plain").await;
    let id = first.user("alice", "password 0").await;
    catch_up().await;
    first.admin_token().await;
    let (mut changes, mut overlapped) = (0, 0);
    for round in 0..MOST {
        let (old, new) = (format!("password {changes}"), format!("password {}", changes + 1));
        let other = Arc::clone(nodes.last().unwrap());
        let lock = Lock::on(backend, &first.database, &id).await;
        let change = {
            let (first, path) = (Arc::clone(&first), format!("/admin/v1/users/{id}/password"));
            async move { first.admin(Method::PUT, &path, Some(json!({"password": new}))).await }
        };
        let log_in = {
            let (other, main, old) = (Arc::clone(&other), main.clone(), old.clone());
            async move { other.token(&main, &login(&old)).await }
        };
        let (change, log_in): (_, tokio::task::JoinHandle<Answer>) = if round % 2 == 0 {
            let change = tokio::spawn(change);
            lock.is_waited_for(1, &first).await;
            (change, tokio::spawn(log_in))
        } else {
            let log_in = tokio::spawn(log_in);
            lock.is_waited_for(1, &other).await;
            (tokio::spawn(change), log_in)
        };
        lock.is_waited_for(2, &other).await;
        lock.release().await;
        let (change, log_in) = (change.await.unwrap(), log_in.await.unwrap());
        if change.status != StatusCode::NO_CONTENT {
            assert_eq!(change.status, StatusCode::SERVICE_UNAVAILABLE, "{change:?}");
            // It may still have happened.
            catch_up().await;
            let is_new = first.token(&main, &login(&format!("password {}", changes + 1))).await;
            changes += usize::from(is_new.status == StatusCode::OK);
            continue;
        }
        changes += 1;
        catch_up().await;
        if log_in.is_unavailable() {
            continue;
        }
        overlapped += 1;
        for node in &nodes {
            if log_in.status == StatusCode::OK {
                node.introspect(&main, &log_in.text("access_token")).await.assert_inactive();
                node.refresh(&main, &log_in.text("refresh_token")).await.assert_error(400, "invalid_grant");
            } else {
                log_in.assert_error(400, "invalid_grant");
            }
            node.token(&main, &login(&old)).await.assert_error(400, "invalid_grant");
        }
        let sessions = first.admin(Method::GET, "/admin/v1/sessions?user=alice", None).await;
        for session in sessions.assert_ok().json["items"].as_array().unwrap() {
            assert!(!session["revoked"].is_null(), "a session lives: {session}");
        }
        if overlapped == ROUNDS {
            break;
        }
    }
    assert_eq!(overlapped, ROUNDS, "rounds in which both waited");
});
