//! `jeton init` and `jeton completions`.

use serde_json::Value;

use super::Place;
use crate::store_contract::execute;
use crate::support::{Backend, on_both_stores};

const AUDIENCE: &str = "https://api.example.com";

fn secret(made: &Value, client_id: &str) -> String {
    let clients = made["clients"].as_array().unwrap();
    let client = clients.iter().find(|client| client["client_id"] == client_id);
    client.unwrap()["client_secret"].as_str().unwrap().to_owned()
}

on_both_stores!(what_init_makes_logs_in_gets_tokens_introspects_and_administers, async |backend| {
    let place = Place::new(backend).await;
    let arguments = ["init", "--audience", AUDIENCE, "--scope", "read,write", "--username", "anna", "--output", "json"];
    let made = place.run_with(&arguments, "correct horse\n").json();
    assert_eq!((&made["user"]["username"], &made["existing"]), (&"anna".into(), &Value::Array(vec![])));
    let server = place.serve(&[]);

    let login =
        [("grant_type", "password"), ("client_id", "login"), ("username", "anna"), ("password", "correct horse")];
    let (status, tokens) = server.form("/auth/token", None, &login).await;
    assert_eq!((status, &tokens["scope"]), (200, &"read write".into()), "{tokens}");
    let (service, api, ops) = (secret(&made, "service"), secret(&made, "api"), secret(&made, "ops"));
    let grant = [("grant_type", "client_credentials")];
    let (_, of_service) = server.form("/auth/token", Some(("service", &service)), &grant).await;
    for token in [&tokens["access_token"], &of_service["access_token"]] {
        let form = [("token", token.as_str().unwrap())];
        let (_, answer) = server.form("/auth/introspect", Some(("api", &api)), &form).await;
        assert_eq!((&answer["active"], &answer["aud"]), (&Value::Bool(true), &AUDIENCE.into()), "{answer}");
    }
    let (_, of_ops) = server.form("/auth/token", Some(("ops", &ops)), &grant).await;
    assert_eq!(of_ops["scope"], "jeton:admin");
    // The API sees tokens of its own audience only.
    let form = [("token", of_ops["access_token"].as_str().unwrap())];
    assert_eq!(server.form("/auth/introspect", Some(("api", &api)), &form).await.1["active"], false);
});

on_both_stores!(a_second_init_leaves_what_exists_and_makes_what_is_missing, async |backend| {
    let place = Place::new(backend).await;
    let arguments = ["init", "--audience", AUDIENCE, "--scope", "read"];
    let first = place.run(&arguments).ok();
    assert_eq!(first.matches("jcs_live_").count(), 3, "{first}");
    assert!(!first.contains("login"), "without a user nobody logs in: {first}");
    let with_user = [&arguments[..], &["--username", "anna"]].concat();
    let second = place.run_with(&with_user, "correct horse\n").ok();
    assert!(!second.contains("jcs_live_"), "{second}");
    for text in [
        "Kept client service as it was",
        "jeton client secret add",
        "Kept client api",
        "Kept client ops",
        "client_id=login",
        "username=anna",
    ] {
        assert!(second.contains(text), "{text}: {second}");
    }
    assert_eq!(place.json(&["client", "show", "login"])["scope"], "read");
    let third = place.run_with(&with_user, "another password\n").ok();
    assert!(third.contains("Kept user anna as it was"), "{third}");
});

#[test]
fn init_creates_a_sqlite_database_of_its_own() {
    let mut place = Place::bare();
    place.set("JETON_ISSUER", "https://auth.example.com");
    place.set("JETON_MASTER_KEY", &jeton::keys::master::MasterKey::generate());
    place.run(&["init", "--audience", AUDIENCE, "--scope", "read"]).ok();
    assert!(place.path("jeton.db").exists());
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
}

#[test]
fn init_says_what_it_needs_before_it_makes_anything() {
    let mut place = Place::bare();
    place.run(&["init"]).refused(&["--audience"]);
    place.run(&["init", "--audience", AUDIENCE]).refused(&["--scope"]);
    let arguments = ["init", "--audience", AUDIENCE, "--scope", "read", "--username", "anna"];
    place.run(&arguments).refused(&["password", "empty"]);
    place.run(&["init", "--dev"]).refused(&["serve --dev"]);
    place.run_with(&arguments, "correct horse\n").misconfigured(&["JETON_ISSUER", "JETON_MASTER_KEY"]);
    place.set("JETON_ISSUER", "https://auth.example.com");
    assert_eq!(std::fs::read_dir(place.folder()).unwrap().count(), 0, "nothing is written");
}

on_both_stores!(init_makes_nothing_of_bad_input, async |backend| {
    let place = Place::new(backend).await;
    let run = |audience: &str, scope: &str, username: &str, password: &str| {
        let arguments = ["init", "--audience", audience, "--scope", scope, "--username", username];
        place.run_with(&arguments, &format!("{password}\n"))
    };
    for (audience, scope, username, password, named) in [
        ("api.example.com", "read", "anna", "correct horse", "audiences"),
        (AUDIENCE, "\"read\"", "anna", "correct horse", "scope"),
        (AUDIENCE, "jeton:admin", "anna", "correct horse", "the jeton: scopes"),
        (AUDIENCE, "read", " anna", "correct horse", "username"),
        (AUDIENCE, "read", "anna", "a control character \u{7}", "password"),
    ] {
        let ran = run(audience, scope, username, password);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.err.contains(named), "{named}: {ran:?}");
        assert_eq!(place.json(&["client", "list"]).as_array().unwrap().len(), 0, "{named}");
        assert_eq!(place.json(&["user", "list"]).as_array().unwrap().len(), 0, "{named}");
    }
});

#[tokio::test]
async fn secrets_that_init_made_before_the_database_failed_are_printed() {
    let place = Place::new(Backend::Sqlite).await;
    let fails = "CREATE TRIGGER fails BEFORE INSERT ON clients WHEN NEW.client_id = 'ops' \
                 BEGIN SELECT RAISE(ABORT, 'broken'); END";
    execute(&place.environment["JETON_DATABASE_URL"], fails).await;
    let ran = place.run(&["init", "--audience", AUDIENCE, "--scope", "read"]);
    assert_eq!((ran.code, ran.out.matches("jcs_live_").count()), (Some(1), 2), "{ran:?}");
    assert!(!ran.out.contains("curl") && !ran.err.is_empty(), "{ran:?}");
}

#[test]
fn every_shell_gets_a_completion_script_with_the_options_of_every_command() {
    let place = Place::bare();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = place.run(&["completions", shell]).ok();
        // That of fish knows commands of two levels, not `client secret retire`.
        let deepest = if shell == "fish" { "new-master-key-file" } else { "secret-id" };
        for word in ["jeton", "generate-master", deepest, "database-url"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let bash = place.run(&["completions", "bash"]).ok();
    std::fs::write(place.path("script"), &bash).unwrap();
    let asked = ". ./script; COMP_WORDS=(jeton key ex); COMP_CWORD=2; _jeton jeton ex key; echo \"${COMPREPLY[*]}\"";
    let output = std::process::Command::new("bash").args(["-c", asked]).current_dir(place.folder()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "export");
    place.run(&["completions", "tcsh"]).usage();
}
