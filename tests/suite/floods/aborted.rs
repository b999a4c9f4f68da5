//! Requests whose clients disconnect at once. Their statements run to the end; otherwise each would cost a database
//! connection, and a stranger could keep the server busy connecting.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Backend, TestServer, eventually};

/// The connections of the server, as Postgres sees them.
async fn connections(watcher: &mut PgConnection) -> BTreeSet<i32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::query_scalar(sql).fetch_all(watcher).await.unwrap().into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_aborted_cost_no_connection_to_the_database() {
    let app = TestServer::start(Backend::Postgres).await;
    let main = app.main_client("main").await;
    app.user("alice", "wonderland").await;
    let token = app.token(&main, &[("grant_type", "client_credentials")]).await.text("access_token");
    let (_, rest) = token.split_once('.').unwrap();
    let header = json!({"typ": "at+jwt", "alg": "ES256", "kid": "AAAAAAAA"}).to_string();
    let unknown_key = format!("{}.{rest}", base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, header));
    let login = "grant_type=password&username=alice&password=wrong";
    let basic = main.basic();
    let requests = [
        format!("GET /admin/v1/clients HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {unknown_key}\r\n\r\n"),
        format!(
            "POST /auth/token HTTP/1.1\r\nHost: localhost\r\nAuthorization: {basic}\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{login}",
            login.len()
        ),
    ];
    let mut watcher = PgConnection::connect(&app.database).await.unwrap();
    let before = connections(&mut watcher).await;
    assert!(!before.is_empty());
    let address = app.base.trim_start_matches("http://");
    for round in 0..400 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Closed with a reset, as when a process is killed.
        stream.set_zero_linger().unwrap();
        stream.write_all(requests[round % 2].as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_micros(200 * u64::try_from(round % 10).unwrap())).await;
    }
    // Abandoned passwords are still being hashed.
    let limit = Duration::from_secs(60);
    eventually(limit, "logins are answered again", async || {
        let login = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
        let answer = app.token(&main, &login).await;
        assert!(answer.status.is_success() || answer.is_unavailable(), "{answer:?}");
        answer.status.is_success()
    })
    .await;
    let after = connections(&mut watcher).await;
    assert!(before.is_subset(&after), "of {before:?} some were closed: {after:?}");
}
