//! A server whose database is missing, broken or of another version.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jeton::keys::master::MasterKey;

use super::{Place, make_client};
use crate::support::on_both_stores;
use crate::support::program::{Guard, read_all};

on_both_stores!(a_newer_compatible_schema_is_used, async |backend| {
    let place = Place::new(backend).await;
    let address = &place.environment["JETON_DATABASE_URL"];
    let add = async |number: i64, oldest_program: &str| {
        let row = format!("({number}, 'tomorrow', '', '{oldest_program}')");
        let sql = format!("INSERT INTO migrations (number, name, checksum, oldest_program) VALUES {row}");
        crate::store_contract::execute(address, &sql).await;
    };
    let known = jeton::store::Store::connect(&address.parse().unwrap()).await.unwrap().schema().await.unwrap().known;
    add(known + 1, env!("CARGO_PKG_VERSION")).await;
    let secret = make_client(&place, "app");
    let app = ("app", secret.as_str());
    place.run_with(&["user", "create", "alice"], "wonderland\n").ok();
    let server = place.serve(&[]);
    let log = server.log.lock().unwrap().clone();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("the schema is newer than this program")).collect();
    assert_eq!(told.len(), 1, "{log}");
    let login = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
    let (status, tokens) = server.form("/auth/token", Some(app), &login).await;
    assert_eq!(status, 200, "{tokens}");
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    assert_eq!(server.form("/auth/token", Some(app), &refresh).await.0, 200);
    let token = [("token", tokens["access_token"].as_str().unwrap())];
    assert_eq!(server.form("/auth/introspect", Some(app), &token).await.1["active"], true);
    assert_eq!(server.form("/auth/revoke", Some(app), &token).await.0, 200);
    assert_eq!(server.form("/auth/introspect", Some(app), &token).await.1["active"], false);
    assert_eq!(server.stop().code(), Some(0));
    // The next migration needs a newer program than this one. The newest migration counts.
    add(known + 2, "99.0.0").await;
    for arguments in [&["serve"][..], &["serve", "--migrate", "off"]] {
        place.run(arguments).refused_at_start(&[
            "the database needs Jeton 99.0.0 or newer",
            env!("CARGO_PKG_VERSION"),
            "install the newer version",
        ]);
    }
});

/// A directory and environment whose server lacks only a database.
fn without_database(address: &str) -> Place {
    let mut place = Place::bare();
    place.set("JETON_DATABASE_URL", address);
    place.set("JETON_ISSUER", "https://auth.example.com");
    place.set("JETON_MASTER_KEY", &MasterKey::generate());
    place
}

// It takes half a minute, as long as a server waits for a Postgres that may still be starting.
#[test]
fn a_server_that_cannot_reach_its_database_says_so_in_one_sentence_and_stops() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let postgres = without_database(&format!("postgres://jeton:hidden-password@127.0.0.1:{port}/jeton"));
    let mut waiting = postgres.command(&["serve"]);
    waiting.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (begun, mut waiting) = (Instant::now(), Guard(waiting.spawn().unwrap()));
    let (out, err) = (read_all(waiting.0.stdout.take().unwrap()), read_all(waiting.0.stderr.take().unwrap()));

    let missing = without_database("sqlite:///no/such/folder/jeton.db");
    missing.run(&["serve"]).refused_at_start(&["JETON_DATABASE_URL", "/no/such/folder"]);
    assert!(!std::path::Path::new("/no").exists(), "no folder is made");
    // Nobody can write below a file, not even root.
    let place = Place::bare();
    fs::write(place.path("file"), "").unwrap();
    let below = place.path("file/jeton.db");
    let below = below.to_str().unwrap();
    without_database(&format!("sqlite://{below}")).run(&["serve"]).refused_at_start(&[below]);
    // A folder without the permission to write, which does not stop root.
    let folder = place.path("locked");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let file = folder.join("jeton.db");
    if fs::write(folder.join("try"), "").is_err() {
        let place = without_database(&format!("sqlite://{}", file.display()));
        place.run(&["serve"]).refused_at_start(&[file.to_str().unwrap()]);
    }

    let status = waiting.wait();
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    assert_eq!((status.code(), out.as_str()), (Some(1), ""), "{err}");
    assert!(begun.elapsed() < Duration::from_secs(50), "it gives up");
    assert!(!err.contains("panicked") && !err.contains("hidden-password"), "{err}");
    let last = err.lines().last().unwrap();
    let named = format!("jeton: JETON_DATABASE_URL: Postgres at 127.0.0.1:{port}, database jeton: ");
    assert!(last.starts_with(&named), "{err}");
    let waits = format!("waiting for Postgres at 127.0.0.1:{port}");
    let rest = err.lines().rev().skip(1);
    assert!(rest.clone().count() > 5 && rest.clone().all(|line| line.contains(&waits)), "{err}");
}
