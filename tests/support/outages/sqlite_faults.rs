//! Faults of a SQLite file.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};

use super::{Outcome, Scene, survey};
use crate::support::postgres::{Account, account};
use crate::support::program::{Place, Running, program};
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
    ReadOnly,
}

impl Fault {
    /// The faults, in the order of the report.
    pub(crate) const ALL: [Self; 6] =
        [Self::DiskFull, Self::WriterHeld, Self::ReaderHeld, Self::Removed, Self::Replaced, Self::ReadOnly];

    /// The fault in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::DiskFull => "disk full (file size limit: every write fails)",
            Self::WriterHeld => "another process holds the write lock (`BEGIN IMMEDIATE`)",
            Self::ReaderHeld => "another process holds a read transaction, so the write-ahead log grows",
            Self::Removed => "the file moved away under the server, then back",
            Self::Replaced => "the file replaced by another database under the server, then put back",
            Self::ReadOnly => "the file and its directory made read-only (`chmod a-w`), connections reopened",
        }
    }

    /// Whether requests must be affected.
    pub(crate) fn bites(self) -> bool {
        self != Self::ReaderHeld
    }
}

/// A server that does not die of SIGXFSZ when a file of it gets too large: the write fails, as on a full disk. Its
/// folder is the one of the database.
fn start(place: &Place, folder: &Path, account: Account) -> Running {
    let server = place.command(&["serve"]);
    let mut shell = Command::new("sh");
    shell.env_clear().envs(server.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(folder);
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    if let Some((user, group)) = account {
        // Other users may not be allowed into cargo's folder.
        let copy = folder.join("server");
        fs::copy(program(), &copy).unwrap();
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).chain([folder.to_owned()]) {
            chown(path, Some(user), Some(group)).unwrap();
        }
        shell.uid(user).gid(group).arg(copy);
    } else {
        shell.arg(server.get_program());
    }
    let mut running = {
        shell.args(server.get_args());
        Running::begin_by(shell)
    };
    running.wait_until_it_listens();
    running
}

fn limit(server: &Running, account: Account, limit: &str) {
    let mut prlimit = Command::new("prlimit");
    if let Some((user, group)) = account {
        // As the same user: root in a container may not limit the processes of others.
        prlimit.uid(user).gid(group);
    }
    prlimit.args(["--pid", &server.guard.0.id().to_string(), limit]);
    assert!(prlimit.status().unwrap().success(), "{prlimit:?}");
}

/// Makes the files of a database and their folder read-only, or writable again.
fn set_writable(database: &Path, is_writable: bool) {
    for ending in ["", "-wal", "-shm"] {
        let mode = if is_writable { 0o600 } else { 0o400 };
        // The last two do not always exist.
        let _ = fs::set_permissions(beside(database, ending), Permissions::from_mode(mode));
    }
    let mode = if is_writable { 0o700 } else { 0o500 };
    fs::set_permissions(database.parent().unwrap(), Permissions::from_mode(mode)).unwrap();
}

/// The same path with another suffix.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Applies this fault for this long to a server on SQLite; returns the outcome and the version of SQLite.
pub(crate) async fn survive(fault: Fault, lasts: Duration) -> (Outcome, String) {
    let (database, _folder) = fresh_database(Backend::Sqlite).await;
    let path = PathBuf::from(database.strip_prefix("sqlite://").unwrap());
    let aside = beside(&path, ".aside");
    // Root may write to read-only files.
    let account = if fault == Fault::ReadOnly { account() } else { None };
    let folder = |path: &Path| path.parent().unwrap().to_owned();
    let scene = Arc::new(Scene::on(&database, 1, |place| start(place, &folder(&path), account)).await);
    let (other, other_folder) = fresh_database(Backend::Sqlite).await;
    let other_place = Scene::on(&other, 1, |place| start(place, other_folder.path(), None)).await;
    drop(other_place); // a database with its own clients, users and keys
    let held = tokio::sync::Mutex::new(None);
    let hold = async |sql: &'static str| {
        let mut connection = SqliteConnection::connect(&database).await.unwrap();
        sqlx::raw_sql("PRAGMA busy_timeout = 10000").execute(&mut connection).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        *held.lock().await = Some(connection);
    };
    let begin = async || match fault {
        Fault::DiskFull => limit(&scene.nodes[0], account, FULL),
        Fault::WriterHeld => hold("BEGIN IMMEDIATE").await,
        Fault::ReaderHeld => hold("BEGIN; SELECT count(*) FROM users").await,
        Fault::Removed => fs::rename(&path, &aside).unwrap(),
        Fault::Replaced => {
            fs::rename(&path, &aside).unwrap();
            fs::copy(other.strip_prefix("sqlite://").unwrap(), &path).map(drop).unwrap();
        }
        Fault::ReadOnly => {
            set_writable(&path, false);
            // What is open stays writable: a failed transaction costs its connection, and the next one is a new one.
            limit(&scene.nodes[0], account, FULL);
            scene.nodes[0].says("readonly database");
            limit(&scene.nodes[0], account, NOT_FULL);
        }
    };
    let end = async || match fault {
        Fault::DiskFull => limit(&scene.nodes[0], account, NOT_FULL),
        Fault::WriterHeld | Fault::ReaderHeld => drop(held.lock().await.take()),
        Fault::Removed | Fault::Replaced => fs::rename(&aside, &path).unwrap(),
        Fault::ReadOnly => set_writable(&path, true),
    };
    let outcome = survey(&scene, lasts, true, begin, end).await;
    let mut connection = SqliteConnection::connect(&database).await.unwrap();
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await.unwrap();
    (outcome, format!("SQLite {version}"))
}
