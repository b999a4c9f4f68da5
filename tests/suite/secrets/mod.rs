//! No secret is stored in the clear, and none gets into a log, a metric, a page, an audit record or an answer that is
//! not meant to have it. The real binary runs at the level `trace`; every endpoint and every command that takes or
//! creates a secret is used, correctly and incorrectly; then everything that it left behind is searched.
//!
//! The environment of a process is not searched: a secret that is set there can be read from `/proc/PID/environ`. The
//! `…_FILE` form of a setting avoids that.

mod needles;
mod scene;

use std::path::Path;
use std::process::Command;

use jeton::keys::master::MasterKey;
use jeton::keys::record::KeyUse;
use jeton::store::{Location, Store};

use crate::support::Backend;
use crate::support::cluster::Cluster;
use needles::Place;
use scene::Scene;

/// The files of a folder and of those in it.
fn files(folder: &Path, places: &mut Vec<Place>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, places);
        } else if let Ok(bytes) = std::fs::read(&path) {
            // What is gone by now was a temporary file of the database.
            places.push(Place::new(path.display().to_string(), bytes));
        }
    }
}

/// The secret parts of the plain data keys.
async fn data_keys(database: &str, master: &MasterKey) -> Vec<(String, Vec<u8>)> {
    let location: Location = database.parse().unwrap();
    let records = Store::connect(&location).await.unwrap().key_list().await.unwrap();
    assert!(records.len() >= 2);
    let secret = |record: &jeton::keys::record::KeyRecord| {
        let name = format!("{} {}", record.key_use.name(), record.kid);
        let key = master.unwrap(&name, &record.wrapped).unwrap().to_vec();
        // The 32 bytes of the private key in PKCS #8; the public key follows, and what precedes them is the same in all
        // keys.
        (name, if record.key_use == KeyUse::Signing { key[36..68].to_vec() } else { key })
    };
    records.iter().map(secret).collect()
}

async fn search_everything(mut scene: Scene, mut places: Vec<Place>) {
    let master = MasterKey::parse(&scene.master_key()).unwrap();
    for (name, key) in data_keys(&scene.database(), &master).await {
        scene.secrets.add(name, key);
    }
    places.append(&mut scene.places);
    let bytes: usize = places.iter().map(|place| place.bytes.len()).sum();
    assert!(scene.secrets.len() > 30, "{} secrets were used", scene.secrets.len());
    let found = scene.secrets.look_for_all_in(&places);
    assert!(found.is_empty(), "in {bytes} bytes of {} places: {found:#?}", places.len());
    // The search works: what an answer may contain is found if it is not allowed.
    assert!(places.iter().any(|place| !place.told.is_empty()));
    places.iter_mut().for_each(|place| place.told.clear());
    let shown = scene.secrets.look_for_all_in(&places);
    for name in [
        "generated client secret",
        "access token",
        "opaque access token",
        "refresh token",
        "printed master key",
        "link to set a password",
        "second factor",
        "recovery code",
        "cookie",
    ] {
        assert!(shown.iter().any(|found| found.name.starts_with(name)), "{name} is found where it is told");
    }
    // And in exactly the places where none may be.
    for place in places.iter_mut().filter(|place| place.name.contains("log") || place.name.contains("dump")) {
        place.bytes.extend_from_slice(scene.planted().as_bytes());
        let found = scene.secrets.look_for_all_in(std::slice::from_ref(place));
        assert!(!found.is_empty(), "a planted secret is found in {}", place.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_in_the_files_logs_metrics_answers_and_audit_of_a_server_on_sqlite() {
    let mut scene = Scene::new(Backend::Sqlite, None).await;
    let folder = scene.folder();
    let mut places = Vec::new();
    for format in ["text", "json"] {
        scene.play(format, format == "json", async |_| {}).await;
        // While the server runs, with what has not moved from the write-ahead log into the file; and after its end.
        files(&folder, &mut places);
        scene.end();
        files(&folder, &mut places);
    }
    let kinds = |end: &str| places.iter().filter(|place| place.name.ends_with(end)).count();
    assert!(kinds(".db") == 4 && kinds(".db-wal") >= 2, "the files of the database are there");
    search_everything(scene, places).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_in_the_files_logs_metrics_answers_and_audit_of_a_server_on_postgres() {
    let cluster = Cluster::start();
    let mut scene = Scene::new(Backend::Postgres, Some(&cluster)).await;
    let mut places = Vec::new();
    for format in ["json", "text"] {
        scene
            .play(format, format == "text", async |is_away| if is_away { cluster.stop() } else { cluster.go_on() })
            .await;
        scene.end();
    }
    let dump = Command::new(cluster.program("pg_dump")).arg(cluster.url()).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let text = String::from_utf8_lossy(&dump.stdout);
    for table in [
        "clients",
        "users",
        "sessions",
        "audit",
        "keys",
        "changes",
        "settings",
        "nodes",
        "second_factors",
        "recovery_codes",
        "password_links",
        "browser_sessions",
    ] {
        assert!(text.contains(&format!("COPY public.{table} ")), "{table} is dumped");
    }
    places.push(Place::new("dump of all tables", dump.stdout));
    // The tables as they lie on the disk, the write-ahead log, and the log of Postgres.
    cluster.stop();
    files(&cluster.data(), &mut places);
    assert!(places.iter().any(|place| place.name.contains("pg_wal/0")), "the write-ahead log is there");
    places.push(Place::new("log of Postgres", cluster.log()));
    cluster.go_on();
    search_everything(scene, places).await;
}
