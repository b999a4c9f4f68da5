//! Bad input: each gets one plain sentence that names what is wrong, exit code 1, and changes nothing.

use std::fs;
use std::net::TcpListener;
use std::time::Instant;

use jeton::keys::master::MasterKey;

use super::{Place, make_client};
use crate::support::{Backend, on_both_stores};

#[test]
fn all_problems_of_the_configuration_are_named_at_once() {
    let mut place = Place::bare();
    place.set("JETON_ISUER", "https://auth.example.com");
    place.set("JETON_MASTER_KEY_FILE", "/no/such/key");
    place.set("JETON_SESSION_TTL", "forever");
    place.set("JETON_SIGNING_ALG", "HS256");
    place.set("JETON_LISTEN", "localhost");
    place.set("JETON_DATABASE_URL", "mysql://x");
    let problems = [
        "unknown setting JETON_ISUER; did you mean JETON_ISSUER?",
        "JETON_ISSUER",
        "JETON_MASTER_KEY_FILE: the file /no/such/key",
        "JETON_SESSION_TTL",
        "JETON_SIGNING_ALG",
        "JETON_LISTEN",
        "JETON_DATABASE_URL",
    ];
    place.run(&["serve"]).misconfigured(&problems);
    fs::write(place.path("jeton.toml"), "isuer = 'x'\n").unwrap();
    place.run(&["serve"]).misconfigured(&[&problems[..], &["unknown setting isuer"]].concat());
    fs::write(place.path("jeton.toml"), "this is no TOML").unwrap();
    place.run(&["serve"]).misconfigured(&[&problems[..], &["jeton.toml is not TOML"]].concat());
    fs::remove_file(place.path("jeton.toml")).unwrap();
    place.run(&["serve", "--config", "other.toml"]).misconfigured(&[&problems[..], &["other.toml"]].concat());
    assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn a_missing_secret_file_is_named() {
    let mut place = Place::bare();
    place.set("JETON_ISSUER", "https://auth.example.com");
    fs::write(place.path("empty"), "\n").unwrap();
    fs::write(place.path("binary"), [0xFF, 0xFE, 0]).unwrap();
    for name in ["missing", "empty", "binary", "."] {
        let file = place.path(name).to_str().unwrap().to_owned();
        place.with("JETON_MASTER_KEY_FILE", &file).run(&["serve"]).misconfigured(&[&file]);
    }
    let both = place.with("JETON_MASTER_KEY_FILE", place.path("empty").to_str().unwrap());
    both.with("JETON_MASTER_KEY", "x").run(&["serve"]).misconfigured(&["both set"]);
}

#[test]
fn an_invalid_master_key_is_refused_and_not_repeated() {
    let mut place = Place::bare();
    place.set("JETON_ISSUER", "https://auth.example.com");
    for key in ["password1234", &"A".repeat(43), "ÄÖÜ", &MasterKey::generate()[..42]] {
        let ran = place.with("JETON_MASTER_KEY", key).run(&["serve"]);
        assert!(!ran.err.contains(key), "{ran:?}");
        ran.misconfigured(&["JETON_MASTER_KEY: is not 32 random bytes in base64url; `jeton key generate-master`"]);
    }
}

on_both_stores!(a_wrong_master_key_is_recognised, async |backend| {
    let place = Place::new(backend).await;
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
    let wrong = place.with("JETON_MASTER_KEY", &MasterKey::generate());
    wrong.run(&["serve"]).refused_at_start(&["JETON_MASTER_KEY is not the one", "jeton key reset"]);
    wrong.run(&["key", "rotate"]).refused(&["JETON_MASTER_KEY is not the one"]);
    wrong.run(&["revoke", "--token", "x"]).refused(&["JETON_MASTER_KEY is not the one"]);
    assert_eq!(place.serve(&[]).stop().code(), Some(0), "the right one still works");
});

#[test]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut place = Place::bare();
    place.set("JETON_DATABASE_URL", &format!("postgres://jeton:hidden-password@127.0.0.1:{port}/jeton"));
    let begun = Instant::now();
    let place_named = format!("127.0.0.1:{port}");
    let text = place.run(&["client", "list"]).refused(&["JETON_DATABASE_URL", &place_named]);
    assert!(!text.contains("hidden-password"), "{text}");
    assert!(begun.elapsed().as_secs() < 20, "a command does not wait for long");
    let mut place = Place::bare();
    place.set("JETON_DATABASE_URL", "sqlite:///no/such/folder/jeton.db");
    place.run(&["migrate"]).refused(&["JETON_DATABASE_URL", "/no/such/folder/jeton.db"]);
}

#[test]
fn a_file_that_is_not_a_database_is_named_and_left_unchanged() {
    let mut place = Place::bare();
    let file = place.path("letter.txt");
    let letter = "This is a letter to a friend, and by no means a database.\n".repeat(100);
    fs::write(&file, &letter).unwrap();
    place.set("JETON_DATABASE_URL", &format!("sqlite://{}", file.display()));
    place.set("JETON_ISSUER", "https://auth.example.com");
    place.set("JETON_MASTER_KEY", &MasterKey::generate());
    for arguments in [&["client", "list"][..], &["migrate"]] {
        place.run(arguments).refused(&["letter.txt", "not a database"]);
    }
    place.run(&["serve"]).refused_at_start(&["letter.txt", "not a database"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), letter);
    place.set("JETON_DATABASE_URL", &format!("sqlite://{}", place.folder().display()));
    place.run(&["client", "list"]).refused(&[place.folder().to_str().unwrap()]);
}

on_both_stores!(a_port_that_is_taken_is_named_before_anything_is_written, async |backend| {
    let place = Place::new(backend).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for setting in ["JETON_LISTEN", "JETON_OPS_LISTEN"] {
        place.with(setting, &address).run(&["serve"]).refused_at_start(&[setting, &address, "port"]);
    }
    assert_eq!(place.json(&["key", "list"]).as_array().map(Vec::len), Some(0), "nothing is written");
});

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_admits_one_server_and_any_number_of_commands() {
    let place = Place::new(Backend::Sqlite).await;
    let server = place.serve(&[]);
    place.run(&["serve"]).refused_at_start(&["in use by another server"]);
    place.run(&["client", "create", "--client-id", "app"]).ok();
    drop(server);
    assert_eq!(
        place.serve(&[]).stop().code(),
        Some(0),
        "the lock goes with the process, also with one that was killed"
    );
}

on_both_stores!(an_existing_name_is_refused_and_stays_unchanged, async |backend| {
    let place = Place::new(backend).await;
    make_client(&place, "app");
    place.run(&["user", "create", "alice", "--no-password", "--claims", r#"{"a":1}"#]).ok();
    let before = (place.json(&["client", "show", "app"]), place.json(&["user", "show", "alice"]));
    place.run(&["client", "create", "--client-id", "app", "--scope", "x"]).refused(&["there is a client app already"]);
    place.run(&["user", "create", "alice", "--no-password"]).refused(&["there is a user \"alice\" already"]);
    assert_eq!((place.json(&["client", "show", "app"]), place.json(&["user", "show", "alice"])), before);
});

on_both_stores!(invalid_members_are_named_and_nothing_is_written, async |backend| {
    let place = Place::new(backend).await;
    let uuid = "018f4d2e-0000-7000-8000-000000000000";
    for (flag, value, word) in [
        ("--client-id", uuid, "client_id"),
        ("--client-id", "é", "client_id"),
        ("--client-id", "a\nb", "client_id"),
        ("--client-id", "", "client_id"),
        ("--scope", "a\"b", "scope"),
        ("--scope", "naïve", "scope"),
        ("--scope", "a\\b", "scope"),
        ("--scope", "jeton:root", "jeton:root"),
        ("--grant-types", "implicit", "grant_types"),
        ("--audiences", "/api", "audiences"),
        ("--token-endpoint-auth-method", "magic", "token_endpoint_auth_method"),
        ("--access-token-format", "paper", "access_token_format"),
        ("--access-token-typ", "jwt", "access_token_typ"),
        ("--access-token-ttl", "soon", "access_token_ttl"),
        ("--access-token-ttl", "2d", "access_token_ttl"),
        ("--session-ttl", "0", "session_ttl"),
        ("--retry-window", "1h", "retry_window"),
        ("--max-sessions", "0", "max_sessions"),
        ("--permissions", "everything", "permissions"),
        ("--claims", r#"{"sub":"x"}"#, "claims"),
        ("--claims", "[1]", "claims"),
        ("--claims", "{", "claims"),
        ("--client-name", "a\u{1b}[2Jb", "client_name"),
    ] {
        let text = place.run(&["client", "create", flag, value]).refused(&[word]);
        assert!(!text.chars().any(char::is_control), "nothing that moves the cursor: {text:?}");
    }
    let public = ["client", "create", "--token-endpoint-auth-method", "none"];
    for extra in [["--grant-types", "client_credentials"], ["--permissions", "introspect"], ["--scope", "jeton:read"]] {
        place.run(&[&public[..], &extra].concat()).refused(&[]);
    }
    assert_eq!(place.json(&["client", "list"]).as_array().map(Vec::len), Some(0));
    make_client(&place, "app");
    let before = place.json(&["client", "show", "app"]);
    place.run(&["client", "update", "app", "--scope", "fine", "--max-sessions=-5"]).refused(&["max_sessions"]);
    place.run(&["client", "update", "app", "--client-name", "New", "--scope", "a\"b"]).refused(&["scope"]);
    assert_eq!(place.json(&["client", "show", "app"]), before, "all or nothing");
});

on_both_stores!(an_invalid_user_is_refused, async |backend| {
    let place = Place::new(backend).await;
    let uuid = "018f4d2e-0000-7000-8000-000000000000";
    for name in ["", " a", "a\r\nb", "\u{1b}[2J", "a\u{85}b", "a\u{0}b".trim_end_matches('b'), uuid, &"x".repeat(256)] {
        // No argument of a process holds a zero byte.
        if name.contains('\0') {
            continue;
        }
        let text = place.run(&["user", "create", name, "--no-password"]).refused(&["username"]);
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    place.run(&["user", "create", "a", "--no-password", "--scope", "a\"b"]).refused(&["scope"]);
    place.run(&["user", "create", "a", "--no-password", "--scope", "jeton:admin"]).refused(&["jeton:"]);
    place.run(&["user", "create", "a", "--no-password", "--claims", r#"{"iss":1}"#]).refused(&["claims", "iss"]);
    place.run_with(&["user", "create", "a"], "a\u{7}b\n").refused(&["password"]);
    place.run_with(&["user", "create", "a"], &format!("{}\n", "x".repeat(1025))).refused(&["password", "1024"]);
    assert_eq!(place.json(&["user", "list"]).as_array().map(Vec::len), Some(0));
});

on_both_stores!(a_cursor_that_was_tampered_with_is_refused, async |backend| {
    let place = Place::new(backend).await;
    for name in ["a", "b", "c"] {
        place.run(&["client", "create", "--client-id", name]).ok();
        place.run(&["user", "create", name, "--no-password"]).ok();
    }
    for (list, other) in [("client", "user"), ("user", "client")] {
        let part = place.run(&[list, "list", "--limit", "1"]);
        let cursor = part.err.trim().rsplit(' ').next().unwrap().to_owned();
        place.run(&[list, "list", "--cursor", &cursor]).ok();
        let mut changed = cursor.clone();
        let last = changed.pop().unwrap();
        changed.push(if last == 'A' { 'Q' } else { 'A' });
        for bad in [changed.as_str(), "x", "", "%00", &cursor[1..], &format!("{cursor}="), &"A".repeat(10_000)] {
            place.run(&[list, "list", "--cursor", bad]).refused(&["cursor"]);
        }
        place.run(&[other, "list", "--cursor", &cursor]).refused(&["cursor"]);
        for limit in ["0", "-1", "201"] {
            place.run(&[list, "list", &format!("--limit={limit}")]).refused(&["limit", "200"]);
        }
    }
});
