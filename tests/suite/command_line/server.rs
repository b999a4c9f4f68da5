//! `jeton serve`: what it sees of the command line's changes, and how it ends.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use serde_json::json;

use jeton::settings::MasterKeySource;

use super::{LIMIT, Place, make_client};
use crate::support::program::Running;
use crate::support::{Answer, Backend, TestServer, eventually, on_both_stores};

/// How soon a running server sees what a command changed: it polls the log four times a second.
const SOON: Duration = Duration::from_secs(1);

on_both_stores!(a_running_server_sees_within_a_second_what_a_command_changed, async |backend| {
    let place = Place::new(backend).await;
    let server = place.serve(&[]);
    let secret = make_client(&place, "app");
    let token = async || server.client_credentials(("app", &secret)).await;
    assert_eq!(token().await.0, 200, "what is new is asked of the database");
    place.run(&["client", "update", "app", "--scope", "write", "--claims", r#"{"tenant":"blue"}"#]).ok();
    eventually(SOON, "the new scope", async || token().await.1["scope"] == "write").await;
    place.run(&["client", "disable", "app"]).ok();
    eventually(SOON, "it is disabled", async || token().await.0 == 401).await;
    place.run(&["client", "enable", "app"]).ok();
    eventually(SOON, "it is enabled", async || token().await.0 == 200).await;
    let second = place.json(&["client", "secret", "add", "app"]);
    let second_secret = second["client_secret"].as_str().unwrap();
    assert_eq!(server.client_credentials(("app", second_secret)).await.0, 200, "a moment ago");
    place.run(&["client", "secret", "retire", "app", "--secret-id", second["id"].as_str().unwrap()]).ok();
    eventually(SOON, "it is retired", async || server.client_credentials(("app", second_secret)).await.0 == 401).await;
    let keys = async || {
        let text = reqwest::get(format!("{}/.well-known/jwks.json", server.base)).await.unwrap().text().await.unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["keys"].as_array().unwrap().len()
    };
    assert_eq!(keys().await, 1);
    place.run(&["key", "rotate"]).ok();
    eventually(SOON, "the announced key is published", async || keys().await == 2).await;
    place.run(&["client", "delete", "app"]).ok();
    eventually(SOON, "it is deleted", async || token().await.0 == 401).await;
});

on_both_stores!(a_stop_is_graceful, async |backend| {
    let place = Place::new(backend).await;
    let store = jeton::store::Store::connect(&place.environment["JETON_DATABASE_URL"].parse().unwrap()).await.unwrap();
    for signal in ["TERM", "INT"] {
        let mut server = place.serve(&[]);
        eventually(LIMIT, "the node is known", async || store.node_list().await.unwrap().len() == 1).await;
        server.signal(signal);
        assert_eq!(server.guard.wait().code(), Some(0), "{signal}: {}", server.log.lock().unwrap());
        server.says("stopped");
        assert!(store.node_list().await.unwrap().is_empty(), "it has left");
    }
});

on_both_stores!(a_revocation_that_was_acknowledged_survives_a_kill, async |backend| {
    let place = Place::new(backend).await;
    let secret = make_client(&place, "app");
    let app = ("app", secret.as_str());
    place.run_with(&["user", "create", "alice"], "wonderland\n").ok();
    let login = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
    for round in 0..3 {
        let server = place.serve(&[]);
        let (_, tokens) = server.form("/auth/token", Some(app), &login).await;
        let (access, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
        let revoked = [access, refresh][round % 2];
        assert_eq!(server.form("/auth/revoke", Some(app), &[("token", revoked)]).await.0, 200);
        server.kill();
        let server = place.serve(&[]);
        let answer = server.form("/auth/introspect", Some(app), &[("token", revoked)]).await;
        assert_eq!(answer, (200, json!({"active": false})), "round {round}");
        let answer = server.form("/auth/introspect", Some(app), &[("token", access)]).await;
        assert_eq!(answer, (200, json!({"active": false})), "a session is revoked with its access tokens");
        assert_eq!(server.stop().code(), Some(0));
    }
});

on_both_stores!(a_login_that_was_acknowledged_survives_a_kill, async |backend| {
    let place = Place::new(backend).await;
    let secret = make_client(&place, "app");
    let app = ("app", secret.as_str());
    place.run_with(&["user", "create", "alice"], "wonderland\n").ok();
    let login = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
    let server = place.serve(&[]);
    let (_, tokens) = server.form("/auth/token", Some(app), &login).await;
    server.kill();
    let server = place.serve(&[]);
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    let (status, refreshed) = server.form("/auth/token", Some(app), &refresh).await;
    assert_eq!(status, 200, "{refreshed}");
    server.kill();
    let server = place.serve(&[]);
    let (status, again) = server.form("/auth/token", Some(app), &refresh).await;
    assert_eq!((status, &again["refresh_token"]), (200, &refreshed["refresh_token"]), "the same successor");
});

on_both_stores!(a_statement_is_logged_with_the_request_that_needs_it, async |backend| {
    for (format, before_id) in [("text", "request_id="), ("json", "\"request_id\":\"")] {
        let mut place = Place::new(backend).await;
        place.set("JETON_LOG_LEVEL", "debug");
        place.set("JETON_LOG_FORMAT", format);
        let secret = make_client(&place, "app");
        let server = place.serve(&[]);
        let login = [("grant_type", "password"), ("username", "nobody"), ("password", "guess")];
        let request = reqwest::Client::new().post(format!("{}/auth/token", server.base));
        let answer = Answer::of(request.basic_auth("app", Some(secret)).form(&login)).await;
        let whose = format!("{before_id}{}", answer.header("x-request-id").unwrap());
        let is_logged =
            |words: &str| server.log.lock().unwrap().lines().any(|line| line.contains(words) && line.contains(&whose));
        eventually(LIMIT, "its statement", async || is_logged("db.statement")).await;
        eventually(LIMIT, "its refusal", async || is_logged("invalid_grant")).await;
        assert_eq!(server.stop().code(), Some(0));
    }
});

#[tokio::test]
async fn a_server_that_crashes_leaves_no_core_dump() {
    let place = Place::new(Backend::Sqlite).await;
    // As a machine on which faults of programs are looked for.
    let mut running = Running::begin_by(place.shell("ulimit -c unlimited; exec $0 serve"));
    running.wait_until_it_listens();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.guard.0.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    running.signal("ABRT");
    let status = running.guard.wait();
    assert!(status.signal().is_some() && !status.core_dumped(), "{status:?}");
}

#[tokio::test]
async fn nobody_else_can_hold_the_lock_of_a_sqlite_file() {
    let place = Place::new(Backend::Sqlite).await;
    let database = place.environment["JETON_DATABASE_URL"].strip_prefix("sqlite://").unwrap().to_owned();
    let lock = format!("{database}.lock");
    let mode = || std::fs::metadata(&lock).unwrap().permissions().mode() & 0o777;
    place.serve(&[]).stop();
    assert_eq!(mode(), 0o600);
    // As an earlier version made it.
    std::fs::set_permissions(&lock, std::fs::Permissions::from_mode(0o644)).unwrap();
    place.serve(&[]).stop();
    assert_eq!(mode(), 0o600);
}

on_both_stores!(a_running_server_does_not_keep_the_text_of_its_master_key, async |backend| {
    let app = TestServer::start(backend).await;
    let kept = &app.server.app.settings.master_keys;
    assert!(matches!(kept.current, MasterKeySource::Missing) && kept.old.is_none());
    // It still has the key.
    let rotated = app.admin(reqwest::Method::POST, "/admin/v1/keys/rotate", None).await;
    assert!(rotated.status.is_success(), "{rotated:?}");
});
