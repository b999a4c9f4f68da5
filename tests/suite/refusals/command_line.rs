//! `jeton token explain` says what the server says, and so does the server's log, without the token.

use std::sync::atomic::{AtomicUsize, Ordering};

use jeton::keys::master::MasterKey;
use serde_json::{Value, json};

use super::ask::{Case, assert_quiet, shared_part, without};
use super::damage::{first_capital, percent};
use super::stage::{ACCESS, Form, Jwt, STAGING, Stage};
use crate::support::program::Place;
use crate::support::scene::API;
use crate::support::{Answer, Backend, fresh_database};

/// A directory from which the command line works on the database of a running server.
fn beside(stage: &Stage) -> Place {
    let mut place = Place::bare();
    place.set("JETON_DATABASE_URL", &stage.app.database);
    place.set("JETON_MASTER_KEY", &stage.app.master_key);
    place.set("JETON_ISSUER", stage.app.issuer());
    place.set("JETON_KNOWN_ISSUERS", &format!("staging={STAGING}"));
    place
}

/// What differs by time and by the way of asking.
fn lasting(told: &Value) -> Value {
    let mut told = without(told, &["request_id"]);
    if let Some(expect) = told.get_mut("expect").filter(|expect| expect.is_object()) {
        *expect = without(expect, &["server_time", "seconds_left"]);
    }
    told
}

/// What the command line says of a text, which it reads from standard input.
fn told(place: &Place, text: &str, more: &[&str]) -> Value {
    let ran = place.run_with(&[&["token", "explain", "--output", "json"], more, &["-"]].concat(), text);
    assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
    assert_eq!(shared_part(ran.out.as_bytes(), &[text]), None);
    assert_eq!(shared_part(ran.err.as_bytes(), &[text]), None);
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// What was done, and the text that is asked about.
async fn texts(stage: &Stage, form: Form) -> Vec<(&'static str, String)> {
    let owner = stage.owner(form);
    let good = stage.good(form).await;
    let revoked = stage.good(form).await;
    stage.app.revoke(owner, &revoked).await.assert_ok();
    let ended = stage.login(owner).await;
    stage.app.revoke(owner, &ended.refresh).await.assert_ok();
    let active = stage.login(owner).await;
    let changed = if good.ends_with('A') { "B" } else { "A" };
    vec![
        ("quoted", format!("\"{good}\"")),
        ("with Bearer", format!("Bearer {good}")),
        ("percent-encoded", percent(&good, 1)),
        ("a capital", first_capital(&good)),
        ("a zero-width space", format!("{}\u{200B}{}", &good[..30], &good[30..])),
        ("cut", good[..good.len() - 5].to_owned()),
        ("twice", format!("{good}{good}")),
        ("changed", format!("{}{changed}{}", &good[..good.len() - 30], &good[good.len() - 29..])),
        ("a placeholder", "$TOKEN".to_owned()),
        ("a foreign token", "ghp_16C7e42F292c6912E7710c838347Ae178B4a".to_owned()),
        ("a secret", owner.secret.clone().unwrap()),
        ("revoked", revoked),
        ("its session ended", ended.access),
        ("an ended refresh token", ended.refresh),
        ("an active refresh token", active.refresh),
        ("good, with a session", active.access),
        ("good", good),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_says_what_the_server_says() {
    let stage = Stage::start(Backend::Sqlite).await;
    let place = beside(&stage);
    for form in ACCESS {
        for (name, text) in texts(&stage, *form).await {
            let answer = stage.explain(&stage.rs, &text).await;
            let name = format!("{name} ({form:?})");
            assert_eq!(lasting(&told(&place, &text, &[])), lasting(&answer.assert_ok().json), "{name}");
        }
    }
    // With what is expected.
    let good = stage.good(Jwt).await;
    for (scope, audience) in [("read", API), ("admin", API), ("read", "https://else.example.test/")] {
        let answer = stage.explain_with(&stage.rs, &good, &[("scope", scope), ("audience", audience)]).await;
        let command = told(&place, &good, &["--scope", scope, "--audience", audience]);
        assert_eq!(lasting(&command), lasting(&answer.assert_ok().json), "{scope} {audience}");
    }
    // As an argument the same.
    let ran = place.run(&["token", "explain", &good, "--output", "json"]);
    let argument: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    assert_eq!(lasting(&argument), lasting(&told(&place, &good, &[])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_works_while_no_server_runs() {
    let stage = Stage::start(Backend::Sqlite).await;
    let place = beside(&stage);
    let (good, revoked) = (stage.good(Jwt).await, stage.good(Jwt).await);
    stage.app.revoke(&stage.main, &revoked).await.assert_ok();
    let Stage { scene, .. } = stage;
    let app = scene.app;
    app.server.stop().await;
    assert_eq!(told(&place, &good, &[])["active"], json!(true));
    assert_eq!(told(&place, &revoked, &[])["cause"], json!("token_revoked"));
    // For people: the verdict in words, without colours unless there is a terminal, and without the token.
    let ran = place.run_with(&["token", "explain", "-"], &revoked);
    assert!(ran.out.contains("token_revoked") && !ran.out.contains('\u{1b}'), "{ran:?}");
    assert_eq!(shared_part(ran.out.as_bytes(), &[&revoked]), None);
}

/// Numbers that make scopes distinguishable in the log.
static NEXT: AtomicUsize = AtomicUsize::new(0);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_has_one_line_for_each_refusal_and_never_the_token() {
    let (database, _folder) = fresh_database(Backend::Sqlite).await;
    let mut place = Place::bare();
    place.set("JETON_DATABASE_URL", &database);
    place.set("JETON_ISSUER", "https://auth.example.com");
    place.set("JETON_MASTER_KEY", &MasterKey::generate());
    place.run(&["migrate"]).ok();
    let secret = |made: Value| made["client_secret"].as_str().unwrap().to_owned();
    let create = ["client", "create", "--client-id"];
    let rs = secret(place.json(&[&create, &["rs", "--permissions", "introspect,explain"][..]].concat()));
    let app = ["app", "--grant-types", "client_credentials", "--scope", "read"];
    let app = secret(place.json(&[&create[..], &app].concat()));
    let server = place.serve(&[]);
    let http = reqwest::Client::new();
    let post = async |path: &str, client: (&str, &str), form: &[(&str, &str)]| {
        let request = http.post(format!("{}{path}", server.base)).basic_auth(client.0, Some(client.1)).form(form);
        Answer::of(request).await
    };
    let good = post("/auth/token", ("app", &app), &[("grant_type", "client_credentials")]).await.text("access_token");
    post("/auth/revoke", ("app", &app), &[("token", &good)]).await.assert_ok();
    let evil = format!("eyJhbGciOiJub25lIn0.{}.", "eyJpc3MiOiJodHRwczovL2EudGVzdC9cclxuWC1FdmlsOiAxIn0");
    let texts = [
        good.clone(),
        format!(" {good}"),
        good[..good.len() - 5].to_owned(),
        rs.clone(),
        evil,
        "undefined\r\nX-Evil: 1".into(),
    ];
    for text in &texts {
        let explained = post("/auth/explain", ("rs", &rs), &[("token", text)]).await;
        let cause = explained.assert_ok().text("cause");
        let request_id = explained.header("x-request-id").unwrap().to_owned();
        let mut asked = vec![(request_id, cause)];
        if super::stage::can_stand_in_a_header(text) {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let address = format!("{}/auth/verify?audience=https://auth.example.com/api&scope=n{number}", server.base);
            let verified = Answer::of(http.get(address).header("Authorization", format!("Bearer {text}"))).await;
            assert_quiet(&Case::new("verify", text.clone(), "").made_from(&good), &verified);
            asked.push((verified.header("x-request-id").unwrap().to_owned(), String::new()));
        }
        for (request_id, cause) in asked {
            let begun = std::time::Instant::now();
            let lines = loop {
                let log = server.log.lock().unwrap().clone();
                let lines: Vec<String> =
                    log.lines().filter(|line| line.contains(&request_id)).map(str::to_owned).collect();
                if !lines.is_empty() {
                    break lines;
                }
                assert!(begun.elapsed() < crate::support::program::LIMIT, "the refusal is logged: {log}");
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            };
            assert!(lines.len() == 1 && lines[0].contains(&cause), "{cause}: {lines:?}");
        }
    }
    let log = server.log.lock().unwrap().clone();
    let secrets: Vec<&str> = texts.iter().map(String::as_str).chain([good.as_str(), &app]).collect();
    assert_eq!(shared_part(log.as_bytes(), &secrets), None, "{log}");
    assert!(!log.lines().any(|line| line.starts_with("X-Evil")), "{log}");
    assert_eq!(server.stop().code(), Some(0));
}
