//! Storms of logins; a failed login costs the same work whether the user exists or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use super::LIMIT;
use crate::support::{Answer, Backend, Setup, TestClient, TestServer, eventually, on_both_stores};

/// Logins of a storm: more than one thread can hash while they wait.
const STORM: usize = 500;

/// A number that the server shows at `/metrics`.
async fn metric(app: &TestServer, name: &str) -> usize {
    let shown = Answer::of(app.http.get(format!("{}/metrics", app.ops))).await.assert_ok().body.clone();
    let line = shown.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect(name);
    line.parse().unwrap()
}

pub(super) async fn hashes(app: &TestServer) -> usize {
    metric(app, "jeton_password_hash_seconds_count").await
}

async fn try_login(app: &TestServer, client: &TestClient, username: &str, password: &str) -> Answer {
    app.token(client, &[("grant_type", "password"), ("username", username), ("password", password)]).await
}

// PWD-016: not measured times, but the work that takes them.
on_both_stores!(every_login_costs_one_hash_whether_the_user_exists_or_not, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    // The very first password that this server sees is that of an unknown user.
    assert_eq!(hashes(&app).await, 0);
    try_login(&app, &main, "nobody", "x").await.assert_error(400, "invalid_grant");
    assert_eq!(hashes(&app).await, 1);
    app.user("alice", "wonderland").await;
    app.user("bob", "builder").await;
    app.admin(Method::PATCH, "/admin/v1/users/bob", Some(json!({"enabled": false}))).await.assert_ok();
    let without_password = app.admin(Method::POST, "/admin/v1/users", Some(json!({"username": "carol"}))).await;
    assert_eq!(without_password.status, 201, "{without_password:?}");
    for (username, password, is_right) in [
        ("alice", "wonderland", true),
        ("alice", "wrong", false),
        ("nobody", "wrong", false),
        ("bob", "builder", false),
        ("bob", "wrong", false),
        ("carol", "wrong", false),
    ] {
        let before = hashes(&app).await;
        let answer = try_login(&app, &main, username, password).await;
        assert_eq!(answer.status.is_success(), is_right, "{answer:?}");
        assert_eq!(hashes(&app).await, before + 1, "{username}, {password}");
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_storm_of_logins_some_get_503_and_other_requests_are_answered() {
    let app = TestServer::start_with(Backend::Sqlite, Setup::default().set("JETON_PASSWORD_THREADS", "1")).await;
    let app = Arc::new(app);
    let main = app.main_client("main").await;
    let reader = app.resource_server("reader").await;
    app.user("alice", "wonderland").await;
    let token = app.login(&main, "alice", "wonderland").await.text("access_token");
    let before = hashes(&app).await;
    let over = Arc::new(AtomicBool::new(false));
    let asked = tokio::spawn({
        let (app, main, over) = (Arc::clone(&app), main.clone(), Arc::clone(&over));
        async move {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                app.introspect(&reader, &token).await.assert_active();
                app.token(&main, &[("grant_type", "client_credentials")]).await.assert_ok();
                count += 1;
            }
            count
        }
    });
    let mut storm = JoinSet::new();
    for number in 0..STORM {
        let (app, main) = (Arc::clone(&app), main.clone());
        let (username, password) = if number % 2 == 0 { ("alice", "wonderland") } else { ("nobody", "x") };
        storm.spawn(async move { (password, try_login(&app, &main, username, password).await) });
    }
    let mut refused = 0;
    for (password, answer) in storm.join_all().await {
        match answer.status.as_u16() {
            200 => assert_eq!(password, "wonderland"),
            400 => assert_eq!((password, answer.json["error"].as_str()), ("x", Some("invalid_grant")), "{answer:?}"),
            _ => {
                assert!(answer.is_unavailable(), "{answer:?}");
                assert_eq!(answer.header("retry-after"), Some("1"));
                refused += 1;
            }
        }
    }
    over.store(true, Ordering::Relaxed);
    assert!(asked.await.unwrap() > 0);
    assert!(refused > 0 && refused < STORM, "{refused} of {STORM} were refused");
    let hashed = hashes(&app).await - before;
    assert!((STORM - refused..STORM).contains(&hashed), "{refused} were refused, {hashed} were hashed");
    assert_eq!(metric(&app, "jeton_password_refusals_total").await, refused);
    // Abandoned logins count until they are skipped; then none is left.
    eventually(LIMIT, "logins are answered again", async || {
        try_login(&app, &main, "alice", "wonderland").await.status.is_success()
    })
    .await;
    assert_eq!(metric(&app, "jeton_password_queue").await, 0);
}
