//! What can happen to a SQLite file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};

use super::{Outcome, Scene, survey};
use crate::support::program::{Place, Running};
use crate::support::{Backend, fresh_database};

/// No file of the server may be larger: the write-ahead log has more than this with its first page.
const FULL: &str = "--fsize=4096:";
const NOT_FULL: &str = "--fsize=unlimited:";

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    DiskFull,
    WriterHeld,
    ReaderHeld,
    Removed,
    Replaced,
}

impl Fault {
    /// The faults, in the order of the report.
    pub(crate) const ALL: [Self; 5] =
        [Self::DiskFull, Self::WriterHeld, Self::ReaderHeld, Self::Removed, Self::Replaced];

    /// What is done, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::DiskFull => "disk full (limit on the size of files: every write fails)",
            Self::WriterHeld => "another process holds the write lock (`BEGIN IMMEDIATE`)",
            Self::ReaderHeld => "another process holds a read transaction: the write-ahead log grows",
            Self::Removed => "the file moved away under the server, and back",
            Self::Replaced => "the file replaced by another database under the server, and put back",
        }
    }

    /// Whether requests must feel it.
    pub(crate) fn bites(self) -> bool {
        self != Self::ReaderHeld
    }
}

/// A server that does not die of SIGXFSZ when a file of it gets too large: the write fails, as on a full disk.
fn start(place: &Place) -> Running {
    let server = place.command(&["serve"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(server.get_program()).args(server.get_args());
    shell.env_clear().envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(place.folder());
    let mut running = Running::begin_by(shell);
    running.wait_until_it_listens();
    running
}

fn limit(server: &Running, limit: &str) {
    let process = server.guard.0.id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &process, limit]).status().unwrap().success());
}

/// The same path with another ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Does this to a server on SQLite for so long; gives what became of it, and the version of SQLite.
pub(crate) async fn survive(fault: Fault, lasts: Duration) -> (Outcome, String) {
    let (database, _folder) = fresh_database(Backend::Sqlite).await;
    let path = PathBuf::from(database.strip_prefix("sqlite://").unwrap());
    let aside = beside(&path, ".aside");
    let scene = Arc::new(Scene::on(&database, 1, start).await);
    let (other, _other_folder) = fresh_database(Backend::Sqlite).await;
    let other_place = Scene::on(&other, 1, start).await;
    drop(other_place); // a database with clients, users and keys of its own
    let held = tokio::sync::Mutex::new(None);
    let hold = async |sql: &'static str| {
        let mut connection = SqliteConnection::connect(&database).await.unwrap();
        sqlx::raw_sql("PRAGMA busy_timeout = 10000").execute(&mut connection).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        *held.lock().await = Some(connection);
    };
    let begin = async || match fault {
        Fault::DiskFull => limit(&scene.nodes[0], FULL),
        Fault::WriterHeld => hold("BEGIN IMMEDIATE").await,
        Fault::ReaderHeld => hold("BEGIN; SELECT count(*) FROM users").await,
        Fault::Removed => std::fs::rename(&path, &aside).unwrap(),
        Fault::Replaced => {
            std::fs::rename(&path, &aside).unwrap();
            std::fs::copy(other.strip_prefix("sqlite://").unwrap(), &path).map(drop).unwrap();
        }
    };
    let end = async || match fault {
        Fault::DiskFull => limit(&scene.nodes[0], NOT_FULL),
        Fault::WriterHeld | Fault::ReaderHeld => drop(held.lock().await.take()),
        Fault::Removed | Fault::Replaced => std::fs::rename(&aside, &path).unwrap(),
    };
    let outcome = survey(&scene, lasts, true, begin, end).await;
    let mut connection = SqliteConnection::connect(&database).await.unwrap();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await.unwrap();
    (outcome, format!("SQLite {version}"))
}
