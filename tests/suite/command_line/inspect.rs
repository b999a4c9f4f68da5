//! `jeton migrate`, `config`, `doctor`, `health`, and the help.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use jeton::keys::master::MasterKey;
use jeton::settings::TABLE;
use serde_json::Value;

use super::{Place, make_client};
use crate::support::{Backend, fresh_database, on_both_stores};

#[test]
fn migrate_applies_the_schema_once() {
    for format in ["text", "json"] {
        let mut place = Place::bare();
        let file = place.path("jeton.db");
        place.set("JETON_DATABASE_URL", &format!("sqlite://{}", file.display()));
        place.run(&["client", "list"]).refused(&["no database", "jeton migrate"]);
        assert!(!file.exists(), "looking makes no file");
        let migrate = ["migrate", "--output", format];
        assert!(place.run(&migrate).ok().contains("applied: initial"));
        assert!(place.run(&migrate).ok().contains("up to date"));
        place.run(&["client", "list"]).ok();
    }
}

on_both_stores!(a_missing_or_too_new_schema_is_named, async |backend| {
    let (address, _folder) = match backend {
        Backend::Sqlite => fresh_database(backend).await,
        Backend::Postgres => (crate::support::postgres::empty_database().await, tempfile::tempdir().unwrap()),
    };
    let mut place = Place::bare();
    place.set("JETON_DATABASE_URL", &address);
    if backend == Backend::Sqlite {
        fs::write(address.strip_prefix("sqlite://").unwrap(), "").unwrap();
    }
    place.run(&["client", "list"]).refused(&["schema migrations", "jeton migrate"]);
    place.run(&["migrate"]).ok();
    place.run(&["client", "list"]).ok();
    let store = jeton::store::Store::connect(&address.parse().unwrap()).await.unwrap();
    let number = store.schema().await.unwrap().known + 1;
    let sql =
        format!("INSERT INTO migrations (number, name, checksum, oldest_program) VALUES ({number}, 'x', '', '99.1.0')");
    crate::store_contract::execute(&address, &sql).await;
    for arguments in [&["client", "list"][..], &["migrate"]] {
        place.run(arguments).refused(&["99.1.0", "install the newer version"]);
    }
    place.set("JETON_ISSUER", "https://auth.example.com");
    place.set("JETON_MASTER_KEY", &MasterKey::generate());
    place.run(&["serve"]).refused_at_start(&["99.1.0"]);
});

#[test]
fn config_shows_every_setting_with_its_source_and_no_secret() {
    let mut place = Place::bare();
    let key = MasterKey::generate().to_string();
    fs::write(place.path("key"), &key).unwrap();
    fs::write(place.path("jeton.toml"), "access_token_ttl = '7m'\ncors_origins = ['https://app.example']\n").unwrap();
    place.set("JETON_MASTER_KEY_FILE", place.path("key").to_str().unwrap());
    place.set("JETON_DATABASE_URL", "postgres://jeton:hidden-password@db.example/jeton");
    place.set("JETON_ISSUER", "https://auth.example.com");
    let shown = place.json(&["config"]);
    let of = |name: &str| shown.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    for definition in &TABLE {
        assert_eq!(of(&definition.variable())["help"], definition.help);
    }
    for (name, value, source) in [
        ("JETON_ISSUER", "https://auth.example.com", "environment JETON_ISSUER"),
        ("JETON_ACCESS_TOKEN_TTL", "7m", "jeton.toml"),
        ("JETON_CORS_ORIGINS", "https://app.example", "jeton.toml"),
        ("JETON_SESSION_TTL", "180d", "default"),
        ("JETON_MASTER_KEY", "(hidden)", "file named by JETON_MASTER_KEY_FILE"),
    ] {
        assert_eq!(
            (of(name)["value"].as_str().unwrap(), of(name)["source"].as_str().unwrap()),
            (value, source),
            "{name}"
        );
    }
    let text = place.run(&["config", "--config", "jeton.toml"]).ok();
    for output in [&text, &shown.to_string()] {
        assert!(output.contains("db.example"), "the place of the database is no secret: {output}");
        assert!(!output.contains(&key) && !output.contains("hidden-password"), "{output}");
    }
    // Even if something is wrong.
    place.set("JETON_LISTEN", "everywhere");
    place.set("DATABASE_URL", "postgres://x:other-password@y/z");
    for format in ["text", "json"] {
        let ran = place.run(&["config", "--output", format]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.contains("JETON_LISTEN") && ran.out.contains("7m"), "{ran:?}");
        for secret in [key.as_str(), "hidden-password", "other-password"] {
            assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{ran:?}");
        }
    }
    assert!(serde_json::from_str::<Value>(&place.run(&["config", "--output", "json"]).out).is_ok());
}

on_both_stores!(doctor_has_no_complaint_about_a_healthy_installation, async |backend| {
    let place = Place::new(backend).await;
    make_client(&place, "app");
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
    let checks = place.json(&["doctor"]);
    let names: Vec<&str> = checks.as_array().unwrap().iter().map(|check| check["check"].as_str().unwrap()).collect();
    for name in [
        "configuration",
        "issuer",
        "permissions",
        "calling out",
        "unregistered clients",
        "database",
        "schema",
        "clock",
        "keys",
        "nodes",
        "second factors",
        "PKCE",
        "demo credentials",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(checks.as_array().unwrap().iter().all(|check| check["ok"] == true), "{checks}");
    assert!(place.run(&["doctor"]).ok().trim_start().starts_with("CHECK"));
});

/// The checks that failed.
fn failed_checks(place: &Place) -> Vec<String> {
    let ran = place.run(&["doctor", "--output", "json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let checks: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    let failed = checks.iter().filter(|check| check["ok"] == false);
    failed.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

on_both_stores!(doctor_lists_clients_that_need_no_pkce, async |backend| {
    let place = Place::new(backend).await;
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
    assert!(place.run(&["doctor"]).ok().contains("required of all clients"));
    let code = ["--grant-types", "authorization_code", "--redirect-uris", "https://app.example.com/callback"];
    for (client, required) in [("new", "true"), ("old", "false")] {
        place.run(&[&["client", "create", client, "--require-pkce", required], &code[..]].concat()).ok();
    }
    assert!(place.run(&["doctor"]).ok().contains("not required of old"));
});

on_both_stores!(doctor_names_problems, async |backend| {
    let place = Place::new(backend).await;
    assert_eq!(failed_checks(&place.with("JETON_MASTER_KEY", "short")), ["configuration"]);
    assert_eq!(failed_checks(&place.with("JETON_DATABASE_URL", "postgres://127.0.0.1:1/x")), ["database"]);
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
    assert_eq!(failed_checks(&place.with("JETON_MASTER_KEY", &MasterKey::generate())), ["keys"]);
    let missing = place.path("none.db");
    let elsewhere = place.with("JETON_DATABASE_URL", &format!("sqlite://{}", missing.display()));
    assert_eq!(elsewhere.run(&["doctor"]).code, Some(1));
    assert!(!missing.exists(), "looking makes no file");
});

// No server has run here: whatever master key doctor gets, a later server may use another one.
on_both_stores!(doctor_does_not_store_a_check_value_for_the_master_key, async |backend| {
    let place = Place::new(backend).await;
    place.with("JETON_MASTER_KEY", &MasterKey::generate()).run(&["doctor"]);
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
});

#[test]
fn doctor_names_files_that_are_open_to_everybody() {
    let mut place = Place::bare();
    let file = place.path("jeton.db");
    place.set("JETON_DATABASE_URL", &format!("sqlite://{}", file.display()));
    place.set("JETON_ISSUER", "https://auth.example.com");
    place.set("JETON_MASTER_KEY", &MasterKey::generate());
    assert_eq!(place.serve(&[]).stop().code(), Some(0));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o007, 0, "it is made for its owner only");
    place.run(&["doctor"]).ok();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = place.run(&["doctor"]);
    assert!(ran.code == Some(1) && ran.out.contains(file.to_str().unwrap()) && ran.out.contains("chmod"), "{ran:?}");
}

on_both_stores!(health_asks_the_running_server, async |backend| {
    let place = Place::new(backend).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    place.with("JETON_OPS_LISTEN", &nobody).run(&["health"]).refused(&["no server answers at", &nobody]);
    let server = place.serve(&[]);
    let asking = place.with("JETON_OPS_LISTEN", server.ops.strip_prefix("http://").unwrap());
    assert!(asking.run(&["health"]).ok().contains("ready"));
    assert_eq!(asking.json(&["health"])["status"], "ready");
    // Another program answers there.
    let other = place.with("JETON_OPS_LISTEN", &server.address);
    other.run(&["health"]).refused(&["not ready"]);
});

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    let place = Place::bare();
    for arguments in [
        &[][..],
        &["nonsense"],
        &["client"],
        &["client", "create", "--nonsense"],
        &["client", "show"],
        &["client", "list", "--limit", "many"],
        &["user", "create"],
        &["key"],
        &["serve", "--master-key", "x"],
        &["migrate", "--output", "xml"],
        &["config", "extra"],
    ] {
        let ran = place.run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
    }
    for arguments in [&["--help"][..], &["client", "create", "--help"], &["serve", "--help"], &["--version"]] {
        let ran = place.run(arguments);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    }
    let help = place.run(&["serve", "--help"]).ok();
    assert!(help.contains("--session-ttl") && help.contains("JETON_SESSION_TTL") && !help.contains("--master-key"));
    assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 0, "nothing is written");
}
