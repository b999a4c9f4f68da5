//! Guessing passwords and secrets is slowed down, and nothing else is (conformance CAU-025, PWD-015, SEC-001 to 003).

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::{Answer, Backend, Setup, TestClient, TestServer, eventually, on_both_stores};

const LIMIT: Duration = Duration::from_secs(20);
/// Failures of one account from one network that are free.
const FREE: usize = 10;
const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

fn throttling() -> Setup {
    Setup::default().set("JETON_THROTTLING", "on").set("JETON_TRUSTED_PROXIES", "127.0.0.1/32").with_manual_clock()
}

/// A request as a trusted proxy passes it on.
async fn from(app: &TestServer, address: &str, client: &TestClient, parameters: &[(&str, &str)]) -> Answer {
    let request = app.http.post(format!("{}/auth/token", app.base));
    let request = request.header("X-Forwarded-For", address).header("Authorization", client.basic());
    Answer::of(request.form(parameters)).await
}

async fn login(app: &TestServer, address: &str, client: &TestClient, username: &str, password: &str) -> Answer {
    let parameters = [("grant_type", "password"), ("username", username), ("password", password)];
    from(app, address, client, &parameters).await
}

async fn fail(app: &TestServer, address: &str, client: &TestClient, username: &str, times: usize) {
    for _ in 0..times {
        login(app, address, client, username, "wrong").await.assert_error(400, "invalid_grant");
    }
}

/// 429, `Retry-After`, and the same text for everyone.
#[track_caller]
fn assert_throttled(answer: &Answer) -> u64 {
    answer.assert_error(429, "temporarily_unavailable");
    assert_eq!(
        answer.json["error_description"],
        "There were too many attempts: wait as many seconds as Retry-After says."
    );
    let seconds = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds > 0, "{answer:?}");
    seconds
}

/// A server, a client of users, and the user alice.
async fn scene(backend: Backend, setup: Setup) -> (TestServer, TestClient) {
    let app = TestServer::start_with(backend, setup).await;
    let main = app.main_client("main").await;
    app.user("alice", "correct horse").await;
    (app, main)
}

async fn audited(app: &TestServer, action: &str) -> Vec<serde_json::Value> {
    let answer = app.admin(Method::GET, &format!("/admin/v1/audit?action={action}"), None).await;
    answer.assert_ok().json["items"].as_array().unwrap().clone()
}

on_both_stores!(guesses_of_a_password_wait_longer_each_time_and_so_does_the_right_one_pwd_015, async |backend| {
    let (app, main) = scene(backend, throttling()).await;
    fail(&app, "192.0.2.1", &main, "alice", FREE).await;
    for expected in [1, 2, 4, 8, 16] {
        let wrong = login(&app, "192.0.2.1", &main, "Alice", "wrong").await;
        let right = login(&app, "192.0.2.1", &main, "alice", "correct horse").await;
        assert_eq!((assert_throttled(&wrong), assert_throttled(&right)), (expected, expected));
        assert_eq!(wrong.body, right.body, "whether it was right is not told");
        app.advance(expected);
        login(&app, "192.0.2.1", &main, "alice", "wrong").await.assert_error(400, "invalid_grant");
    }
    assert_eq!(assert_throttled(&login(&app, "192.0.2.1", &main, "alice", "correct horse").await), 32);
    app.advance(32);
    login(&app, "192.0.2.1", &main, "alice", "correct horse").await.assert_ok();
    // The right password clears the failures.
    fail(&app, "192.0.2.1", &main, "alice", FREE).await;
    eventually(LIMIT, "it is told once each time when it begins", async || {
        audited(&app, "login.throttled").await.len() == 2
    })
    .await;
    let records = audited(&app, "login.throttled").await;
    assert_eq!(records[0]["address"], "192.0.2.1");
    assert!(records[0]["target"].as_str().unwrap().starts_with("user "), "{records:?}");
    let metrics = app.http.get(format!("{}/metrics", app.ops)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"jeton_throttled_total{failures="account_and_network"} 11"#), "{metrics}");
    assert!(metrics.contains(r#"jeton_refusals_total{endpoint="token",cause="throttled"} 11"#), "{metrics}");
});

on_both_stores!(guesses_from_one_network_lock_out_nobody_elsewhere_and_no_other_user_sec_003, async |backend| {
    let (app, main) = scene(backend, throttling()).await;
    app.user("bob", "bob's own").await;
    fail(&app, "192.0.2.1", &main, "alice", FREE).await;
    assert_throttled(&login(&app, "192.0.2.1", &main, "alice", "correct horse").await);
    login(&app, "192.0.2.2", &main, "alice", "correct horse").await.assert_ok();
    login(&app, "192.0.2.1", &main, "bob", "bob's own").await.assert_ok();
    app.advance(1);
    login(&app, "192.0.2.1", &main, "alice", "correct horse").await.assert_ok();
});

on_both_stores!(an_ipv6_network_is_one_guesser, async |backend| {
    let (app, main) = scene(backend, throttling()).await;
    for host in 0..FREE {
        fail(&app, &format!("2001:db8:1:2::{host}"), &main, "alice", 1).await;
    }
    assert_throttled(&login(&app, "2001:db8:1:2:ffff::1", &main, "alice", "correct horse").await);
    login(&app, "2001:db8:1:3::1", &main, "alice", "correct horse").await.assert_ok();
});

on_both_stores!(a_forged_address_gains_nothing_sec_002, async |backend| {
    let untrusting = Setup::default().set("JETON_THROTTLING", "on").with_manual_clock();
    let (app, main) = scene(backend, untrusting).await;
    for guess in 0..FREE {
        fail(&app, &format!("198.51.100.{guess}"), &main, "alice", 1).await;
    }
    assert_throttled(&login(&app, "198.51.100.99", &main, "alice", "correct horse").await);
    // Behind the trusted proxy, what the client wrote precedes the proxy's own entry.
    let (app, main) = scene(backend, throttling()).await;
    for guess in 0..FREE {
        fail(&app, &format!("198.51.100.{guess}, 192.0.2.1"), &main, "alice", 1).await;
    }
    assert_throttled(&login(&app, "198.51.100.99, 192.0.2.1", &main, "alice", "correct horse").await);
});

on_both_stores!(guesses_from_everywhere_are_counted_by_all_nodes_and_spare_known_users, async |backend| {
    let (app, main) = scene(backend, throttling()).await;
    app.user("bob", "bob's own").await;
    login(&app, "192.0.2.7", &main, "alice", "correct horse").await.assert_ok();
    // 100 failures are free: of an account that exists and of one that does not.
    for name in ["alice", "nobody"] {
        for guess in 0..100 {
            fail(&app, &format!("198.51.{guess}.1"), &main, name, 1).await;
        }
    }
    // Another node; on SQLite, which has only one, the same node after a restart.
    let setup = Setup { clock: Some(app.clock.clone()), ..throttling() };
    let other = match backend {
        Backend::Postgres => TestServer::start_on(&app.database, &app.master_key, setup).await,
        Backend::Sqlite => app.restart(setup).await,
    };
    let is_told = "the other nodes are told";
    for name in ["alice", "nobody"] {
        eventually(LIMIT, is_told, async || {
            login(&other, "203.0.113.1", &main, name, "guess").await.status == StatusCode::TOO_MANY_REQUESTS
        })
        .await;
    }
    assert_throttled(&login(&other, "203.0.113.2", &main, "alice", "correct horse").await);
    eventually(LIMIT, "it is noted where alice is known", async || {
        login(&other, "192.0.2.7", &main, "alice", "correct horse").await.status == StatusCode::OK
    })
    .await;
    login(&other, "203.0.113.2", &main, "bob", "bob's own").await.assert_ok();
    eventually(LIMIT, "both are told", async || {
        let records = audited(&other, "login.throttled").await;
        let told = |record: &&serde_json::Value| record["detail"] == "failed logins from networks it is not known from";
        records.iter().filter(told).count() == 2
    })
    .await;
    other.advance(15 * 60);
    login(&other, "203.0.113.2", &main, "alice", "correct horse").await.assert_ok();
});

on_both_stores!(passwords_sprayed_over_many_accounts_are_slowed_down_and_known_users_are_not, async |backend| {
    let (app, main) = scene(backend, throttling()).await;
    app.user("bob", "bob's own").await;
    login(&app, "192.0.2.1", &main, "alice", "correct horse").await.assert_ok();
    for account in 0..300 {
        fail(&app, "192.0.2.1", &main, &format!("account {account}"), 1).await;
    }
    assert_throttled(&login(&app, "192.0.2.1", &main, "bob", "bob's own").await);
    login(&app, "192.0.2.2", &main, "bob", "bob's own").await.assert_ok();
    eventually(LIMIT, "it is noted where alice is known", async || {
        login(&app, "192.0.2.1", &main, "alice", "correct horse").await.status == StatusCode::OK
    })
    .await;
});

on_both_stores!(right_logins_in_parallel_never_wait_and_wrong_ones_gain_nothing, async |backend| {
    let (app, main) = scene(backend, throttling()).await;
    let app = std::sync::Arc::new(app);
    let at_once = async |password: &'static str| {
        let mut tasks = JoinSet::new();
        for _ in 0..40 {
            let (app, main) = (std::sync::Arc::clone(&app), main.clone());
            tasks.spawn(async move { login(&app, "192.0.2.1", &main, "alice", password).await });
        }
        tasks.join_all().await
    };
    let answers = at_once("correct horse").await;
    assert!(answers.iter().any(|answer| answer.status == StatusCode::OK));
    for answer in answers.iter().filter(|answer| !answer.is_unavailable()) {
        answer.assert_ok();
    }
    let mut answers = Vec::new();
    while !answers.iter().any(|answer: &Answer| answer.status == StatusCode::TOO_MANY_REQUESTS) {
        answers.extend(at_once("wrong").await);
    }
    let judged = answers.iter().filter(|answer| answer.json["error"] == "invalid_grant").count();
    // When the last free failure was counted, as many more as there are hashing threads may have been judged.
    assert!((FREE..FREE + 8).contains(&judged), "{judged} of {} guesses were judged", answers.len());
});

on_both_stores!(wrong_secrets_wait_and_the_right_one_never_does_cau_025, async |backend| {
    let (app, main) = scene(backend, throttling()).await;
    let other = app.main_client("other").await;
    let reader = app.resource_server("reader").await;
    let token = app.token(&other, &GRANT).await.text("access_token");
    let stranger = TestClient { id: "stranger".into(), ..main.with_secret("jcs_live_guess") };
    for client in [&main.with_secret("jcs_live_guess"), &stranger] {
        for _ in 0..20 {
            from(&app, "192.0.2.1", client, &GRANT).await.assert_error(401, "invalid_client");
        }
        assert_throttled(&from(&app, "192.0.2.1", client, &GRANT).await);
    }
    from(&app, "192.0.2.1", &main, &GRANT).await.assert_ok();
    from(&app, "192.0.2.1", &other, &GRANT).await.assert_ok();
    let guess = main.with_secret("jcs_live_other");
    from(&app, "192.0.2.2", &guess, &GRANT).await.assert_error(401, "invalid_client");
    // Introspection, revocation and explanation throttle the same guesser in the same way, and serve everyone else.
    for path in ["/auth/introspect", "/auth/revoke", "/auth/explain"] {
        let request = app.http.post(format!("{}{path}", app.base)).header("X-Forwarded-For", "192.0.2.1");
        let request = request.header("Authorization", guess.basic()).form(&[("token", &token)]);
        assert_throttled(&Answer::of(request).await);
    }
    for _ in 0..500 {
        app.introspect(&reader, "no token of ours").await.assert_inactive();
    }
    app.introspect(&reader, &token).await.assert_active();
    eventually(LIMIT, "both are told", async || {
        let records = audited(&app, "client.throttled").await;
        let mut targets: Vec<_> = records.iter().map(|record| record["target"].as_str().unwrap().to_owned()).collect();
        targets.sort();
        targets == ["client main", "unknown client"]
    })
    .await;
});

on_both_stores!(a_secret_tried_on_many_clients_is_slowed_down_and_a_generated_one_never_is, async |backend| {
    let (app, main) = scene(backend, throttling()).await;
    let stranger = |number: usize| TestClient { id: format!("client-{number}"), ..main.with_secret("guess") };
    for number in 0..300 {
        from(&app, "192.0.2.1", &stranger(number), &GRANT).await.assert_error(401, "invalid_client");
    }
    assert_throttled(&from(&app, "192.0.2.1", &stranger(300), &GRANT).await);
    from(&app, "192.0.2.1", &main, &GRANT).await.assert_ok();
    from(&app, "192.0.2.2", &stranger(300), &GRANT).await.assert_error(401, "invalid_client");
});

on_both_stores!(made_up_clients_leave_room_for_real_ones_in_the_audit_trail, async |backend| {
    let (app, main) = scene(backend, throttling()).await;
    let fails = async |client: &TestClient, network: usize| {
        for _ in 0..20 {
            from(&app, &format!("192.0.2.{network}"), client, &GRANT).await.assert_error(401, "invalid_client");
        }
    };
    // More than are reported of one kind.
    for network in 1..=36 {
        fails(&TestClient { id: format!("made-up-{network}"), ..main.with_secret("jcs_live_guess") }, network).await;
    }
    fails(&main.with_secret("jcs_live_guess"), 40).await;
    let mut targets = Vec::new();
    eventually(LIMIT, "the real one is told, too", async || {
        let records = audited(&app, "client.throttled").await;
        targets = records.iter().map(|record| record["target"].as_str().unwrap().to_owned()).collect();
        targets.len() > 30 && targets.iter().any(|target| target == "client main")
    })
    .await;
    let made_up = targets.iter().filter(|target| *target == "unknown client").count();
    assert_eq!((made_up, targets.len()), (30, 31), "{targets:?}");
});

on_both_stores!(a_chosen_secret_cannot_be_guessed_faster, async |backend| {
    let (app, _) = scene(backend, throttling()).await;
    let members =
        json!({"grant_types": ["client_credentials"], "client_secret": "chosen by a person", "scope": "read"});
    let chosen = app.client("chosen", members).await;
    let guess = chosen.with_secret("chosen by a parson");
    for _ in 0..20 {
        from(&app, "192.0.2.1", &guess, &GRANT).await.assert_error(401, "invalid_client");
    }
    assert_throttled(&from(&app, "192.0.2.1", &guess, &GRANT).await);
    assert_throttled(&from(&app, "192.0.2.1", &chosen, &GRANT).await);
    from(&app, "192.0.2.2", &chosen, &GRANT).await.assert_ok();
    // Now this node knows it without a hash, and still does not reveal it to a throttled caller.
    assert_throttled(&from(&app, "192.0.2.1", &chosen, &GRANT).await);
    app.advance(1);
    from(&app, "192.0.2.1", &chosen, &GRANT).await.assert_ok();
    app.advance(3600);
    let app = std::sync::Arc::new(app);
    let mut answers = Vec::new();
    while !answers.iter().any(|answer: &Answer| answer.status == StatusCode::TOO_MANY_REQUESTS) {
        let mut tasks = JoinSet::new();
        for _ in 0..40 {
            let (app, guess) = (std::sync::Arc::clone(&app), guess.clone());
            tasks.spawn(async move { from(&app, "192.0.2.1", &guess, &GRANT).await });
        }
        answers.extend(tasks.join_all().await);
    }
    let judged = answers.iter().filter(|answer| answer.json["error"] == "invalid_client").count();
    assert!((20..28).contains(&judged), "{judged} of {} guesses in parallel were judged", answers.len());
});

on_both_stores!(disconnecting_before_the_verdict_counts_as_a_failure, async |backend| {
    let (app, main) = scene(backend, throttling().set("JETON_PASSWORD_THREADS", "1")).await;
    let body = "grant_type=password&username=alice&password=wrong";
    let host = app.base.trim_start_matches("http://");
    let head = format!(
        "POST /auth/token HTTP/1.1\r\nHost: {host}\r\nAuthorization: {}\r\nX-Forwarded-For: 192.0.2.1\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        main.basic(),
        body.len()
    );
    for _ in 0..2 {
        let mut connections = Vec::new();
        for _ in 0..8 {
            let mut connection = TcpStream::connect(host).await.unwrap();
            connection.write_all(head.as_bytes()).await.unwrap();
            connections.push(connection);
        }
        eventually(LIMIT, "most of them wait for their hash", async || {
            let metrics = app.http.get(format!("{}/metrics", app.ops)).send().await.unwrap().text().await.unwrap();
            let waiting = metrics.lines().find_map(|line| line.strip_prefix("jeton_password_queue "));
            waiting.unwrap().parse::<usize>().unwrap() > 3
        })
        .await;
        drop(connections);
        eventually(LIMIT, "the queue is empty", async || {
            let metrics = app.http.get(format!("{}/metrics", app.ops)).send().await.unwrap().text().await.unwrap();
            metrics.lines().any(|line| line == "jeton_password_queue 0")
        })
        .await;
    }
    assert_throttled(&login(&app, "192.0.2.1", &main, "alice", "correct horse").await);
    login(&app, "192.0.2.2", &main, "alice", "correct horse").await.assert_ok();
});

on_both_stores!(with_throttling_off_nobody_waits, async |backend| {
    let (app, main) = scene(backend, throttling().set("JETON_THROTTLING", "off")).await;
    fail(&app, "192.0.2.1", &main, "alice", FREE + 5).await;
    login(&app, "192.0.2.1", &main, "alice", "correct horse").await.assert_ok();
    for _ in 0..30 {
        from(&app, "192.0.2.1", &main.with_secret("no"), &GRANT).await.assert_error(401, "invalid_client");
    }
});
