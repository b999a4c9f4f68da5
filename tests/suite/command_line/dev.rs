//! `jeton serve --dev` and its database.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use super::{Place, Running};
use crate::support::{Backend, jwt_part, on_both_stores};

/// Runs shell commands as pasted and returns what they print.
fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_printed_commands_get_a_token_and_follow_its_life() {
    let place = Place::bare();
    let server = place.serve(&["--dev"]);
    let printed = server.printed("The API:");
    assert!(printed.contains(&server.base), "{printed}");
    let script: Vec<&str> = printed
        .lines()
        .skip_while(|line| !line.starts_with('#'))
        .take_while(|line| !line.starts_with("The API:"))
        .collect();
    assert!(script.len() >= 8, "{printed}");
    let answers = sh(&script.join("\n"));
    let answers: Vec<&str> = answers.lines().filter(|line| !line.is_empty()).collect();
    assert!(answers.len() >= 3, "{answers:?}");
    let claims = jwt_part(answers[0], 1);
    assert_eq!((&claims["iss"], &claims["client_id"]), (&json!(server.base), &json!("demo-login")));
    assert_eq!(claims["aud"], "https://api.example.com");
    let active: Value = serde_json::from_str(answers[1]).unwrap();
    assert_eq!((&active["active"], &active["username"]), (&json!(true), &json!("demo")));
    assert_eq!(answers[2..4], ["{}", r#"{"active":false}"#]);
    let told: Value = serde_json::from_str(answers[4]).unwrap();
    assert_eq!(told["cause"], "token_revoked");
    assert!(told["detail"].as_str().unwrap().contains("by client demo-login"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_requests_of_the_guides_work_letter_for_letter() {
    let place = Place::bare();
    let server = place.serve(&["--dev"]);
    let guide = "curl -X POST http://127.0.0.1:8080/auth/token -d 'username=demo&password=demo-password'";
    let answer: Value = serde_json::from_str(&sh(&guide.replace("127.0.0.1:8080", &server.address))).unwrap();
    assert_eq!((&answer["token_type"], answer["refresh_token"].is_string()), (&json!("Bearer"), true), "{answer}");
    assert_eq!(answer["scope"], "read:conversations write:conversations");
    let body = r#"{"client_id":"demo-app","client_secret":"demo-app-secret","grant_type":"client_credentials"}"#;
    let request = reqwest::Client::new().post(format!("{}/auth/token", server.base));
    let response = request.header("Content-Type", "application/json").body(body).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert!(answer["access_token"].is_string() && answer.get("refresh_token").is_none(), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_set_exists_and_each_part_can_do_what_it_is_for() {
    let mut place = Place::bare();
    place.set("DATABASE_URL", "postgres://nobody@127.0.0.1:1/production");
    let server = place.serve(&["--dev"]);
    for file in ["jeton-dev.db", "jeton-dev.db.key"] {
        let mode = fs::metadata(place.path(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file} is for its owner only: {mode:o}");
    }
    let admin = server.client_credentials(("demo-admin", "demo-admin-secret")).await.1;
    assert_eq!(admin["scope"], "jeton:admin");
    let app = Some(("demo-app", "demo-app-secret"));
    let login = [("grant_type", "password"), ("username", "demo"), ("password", "demo-password")];
    let (status, tokens) = server.form("/auth/token", app, &login).await;
    assert_eq!(status, 200, "{tokens}");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    assert_eq!(server.form("/auth/token", app, &refresh).await.0, 200);
    for token in [&tokens["access_token"], &admin["access_token"]] {
        let form = [("token", token.as_str().unwrap())];
        let seen = server.form("/auth/introspect", Some(("demo-api", "demo-api-secret")), &form).await.1;
        assert_eq!(seen["active"], true, "{seen}");
    }
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let page = http.get(format!("{}/console", server.base)).send().await.unwrap();
    let cookie = page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = page.text().await.unwrap();
    let hidden = |name: &str| {
        let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let form = [
        ("request", hidden("request")),
        ("proof", hidden("proof")),
        ("username", "admin".to_owned()),
        ("password", "admin-password".to_owned()),
    ];
    let answer = http.post(format!("{}/login", server.base)).header("Cookie", cookie).form(&form).send().await.unwrap();
    let place_after = answer.headers().get("location").and_then(|location| location.to_str().ok());
    assert_eq!((answer.status().as_u16(), place_after), (303, Some("/console")), "{answer:?}");
    // A name that a web page elsewhere could point at this machine.
    let host =
        |name: &str| reqwest::Client::new().get(format!("{}/.well-known/jwks.json", server.base)).header("Host", name);
    assert_eq!(host("localhost:8080").send().await.unwrap().status().as_u16(), 200);
    let status = host("attacker.example").send().await.unwrap().status().as_u16();
    assert!((400..500).contains(&status), "{status}");
}

#[test]
fn a_restart_keeps_the_demo_set_and_what_was_added() {
    let place = Place::bare();
    assert_eq!(place.serve(&["--dev"]).stop().code(), Some(0));
    let clients = place.json(&["client", "list", "--dev"]);
    let ids: Vec<&str> =
        clients.as_array().unwrap().iter().map(|client| client["client_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["demo-admin", "demo-api", "demo-app", "demo-login", "demo-web"]);
    place.run(&["client", "create", "--dev", "--client-id", "mine"]).ok();
    place.run(&["client", "delete", "--dev", "demo-api"]).ok();
    assert_eq!(place.serve(&["--dev"]).stop().code(), Some(0));
    assert_eq!(
        place.json(&["client", "list", "--dev"]).as_array().map(Vec::len),
        Some(6),
        "what is missing is made again"
    );
}

#[test]
fn dev_requires_loopback_and_its_own_database() {
    let place = Place::bare();
    place.run(&["serve", "--dev", "--listen", "0.0.0.0:0"]).misconfigured(&["JETON_LISTEN"]);
    assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 0, "nothing is written");
}

on_both_stores!(dev_puts_no_demo_set_into_a_database_that_is_in_use, async |backend| {
    let place = Place::new(backend).await;
    place.run(&["client", "create", "--client-id", "mine"]).ok();
    place.run(&["serve", "--dev"]).refused_at_start(&["--dev", "another database"]);
    assert_eq!(place.json(&["client", "list"]).as_array().map(Vec::len), Some(1));
    assert_eq!(place.serve(&[]).stop().code(), Some(0), "it was not marked");
});

fn serve_dev_once(place: &Place) {
    let server: Running = place.serve(&["--dev"]);
    assert_eq!(server.stop().code(), Some(0));
}

on_both_stores!(a_production_server_refuses_a_dev_database_until_the_demo_set_is_removed, async |backend| {
    let place = Place::new(backend).await;
    serve_dev_once(&place);
    place.run(&["client", "create", "--client-id", "mine"]).ok();
    place.run(&["user", "update", "admin", "--new-username", "boss"]).ok();
    place.run(&["serve"]).refused_at_start(&["jeton demo remove", "demo-app", "user demo", "user boss"]);
    let doctor = place.run(&["doctor"]);
    assert!(doctor.code == Some(1) && doctor.out.contains("jeton demo remove"), "{doctor:?}");
    assert!(place.run(&["demo", "remove"]).ok().contains("demo-admin"));
    assert!(place.run(&["demo", "remove"]).ok().contains("nothing"));
    assert_eq!(place.json(&["demo", "remove"]).as_object().unwrap().len(), 1);
    let clients = place.json(&["client", "list"]);
    assert_eq!((clients.as_array().unwrap().len(), &clients[0]["client_id"]), (1, &json!("mine")));
    assert_eq!(place.json(&["user", "list"]).as_array().map(Vec::len), Some(0));
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
    place.run(&["serve", "--dev"]).refused_at_start(&["--dev"]);
});

on_both_stores!(a_demo_credential_without_the_mark_is_refused_too, async |backend| {
    let place = Place::new(backend).await;
    let create = ["client", "create", "--client-id", "demo-app", "--import-secret"];
    place.run_with(&create, "demo-app-secret\n").ok();
    place.run(&["serve"]).refused_at_start(&["client demo-app", "jeton demo remove"]);
    place.run(&["client", "delete", "demo-app"]).ok();
    place.run_with(&create, "a secret of its own\n").ok();
    place.run(&["client", "create", "--client-id", "demo-api"]).ok();
    assert_eq!(place.serve(&[]).stop().code(), Some(0), "a name alone is no credential");
});

#[tokio::test(flavor = "multi_thread")]
async fn a_default_client_must_be_public() {
    let place = Place::new(Backend::Sqlite).await;
    place.run(&["client", "create", "--client-id", "secretive"]).ok();
    for (client_id, words) in [("secretive", "not a public client"), ("missing", "no client missing")] {
        place
            .with("JETON_DEFAULT_CLIENT", client_id)
            .run(&["serve"])
            .refused_at_start(&["JETON_DEFAULT_CLIENT", words]);
    }
}
