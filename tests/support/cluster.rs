//! A Postgres for a single test, which may freeze, kill, limit or roll it back, and a standby for it:
//! durable as in production, on a port that never changes.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::postgres::{Account, free_port, programs, readable_copy};

const OPTIONS: &str = "-c max_connections=100 -c listen_addresses=127.0.0.1 -c unix_socket_directories=";

/// Stops the server, even a frozen one, however the test process ends.
const WATCHDOG: &str = r#"
cat >/dev/null
kill -CONT $(head -n 1 "$1/data/postmaster.pid")
"$2/pg_ctl" -D "$1/data" -m immediate -w stop
cd / && rm -rf "$1"
"#;

/// A Postgres server.
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    account: Account,
    port: u16,
    /// Extra options of the server.
    more: String,
    /// Its standard input is the pipe, which closes when this is dropped.
    _watchdog: Child,
}

impl Cluster {
    /// Starts a new server with an empty database.
    pub(crate) fn start() -> Self {
        Self::start_with(&[], "")
    }

    /// The same, with extra options for `initdb` and for the server.
    pub(crate) fn start_with(initdb: &[&str], more: &str) -> Self {
        let cluster = Self::prepare(more);
        let usual = ["-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust", "--no-sync"];
        cluster.run("initdb", &[&usual, initdb].concat());
        cluster.go_on();
        cluster
    }

    /// Starts a standby of this server from a copy of its data.
    pub(crate) fn standby(&self) -> Self {
        let standby = Self::prepare(&self.more);
        let primary = format!("host=127.0.0.1 port={} user=postgres application_name=standby", self.port);
        standby.run("pg_basebackup", &["-d", &primary, "-R", "-X", "stream", "-c", "fast", "--no-sync"]);
        standby.go_on();
        standby
    }

    /// A directory for a standby that has no data yet and is not running.
    pub(crate) fn without_data() -> Self {
        // A promotion waits until the pause between two attempts to reach the primary is over.
        Self::prepare("-c wal_retrieve_retry_interval=100ms")
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        self.run("pg_ctl", &["-w", "promote"]);
    }

    /// A folder and a watchdog for a server without data.
    fn prepare(more: &str) -> Self {
        let (programs, account) = programs().unwrap();
        let folder = tempfile::Builder::new().prefix("jeton-cluster-").tempdir().unwrap().keep();
        let programs = readable_copy(programs, &folder, account);
        if let Some((user, group)) = account {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let mut watchdog = by(account, &folder, Path::new("sh"));
        watchdog.process_group(0).args(["-c", WATCHDOG, "sh"]).arg(&folder).arg(&programs).stdin(Stdio::piped());
        let watchdog = watchdog.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { folder, programs, account, port: free_port(), more: more.to_owned(), _watchdog: watchdog }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The account that runs it, unless that is the user of this process.
    pub(crate) fn account(&self) -> Account {
        self.account
    }

    /// The options of the server.
    pub(crate) fn options(&self) -> String {
        format!("-p {} {OPTIONS} {}", self.port, self.more)
    }

    /// A command that runs as the server's account.
    pub(crate) fn command(&self, program: &Path) -> Command {
        by(self.account, &self.folder, program)
    }

    /// A program of this Postgres, such as `pg_dump`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Kills it; what was committed is on the disk.
    pub(crate) fn kill(&self) {
        self.run("pg_ctl", &["-m", "immediate", "-w", "stop"]);
    }

    /// Kills one of its processes, chosen by a number. Postgres then ends all others and recovers.
    pub(crate) fn kill_a_process(&self, choice: usize) {
        let all = children(self.main_process());
        signal("KILL", &[all[choice % all.len()]]);
    }

    /// Stops it cleanly.
    pub(crate) fn stop(&self) {
        self.run("pg_ctl", &["-m", "fast", "-w", "stop"]);
    }

    /// Starts it again.
    pub(crate) fn go_on(&self) {
        let (options, log) = (self.options(), self.folder.join("log"));
        self.run("pg_ctl", &["-l", log.to_str().unwrap(), "-o", &options, "-t", "60", "-w", "start"]);
    }

    /// Freezes all its processes in the middle of their work.
    pub(crate) fn freeze(&self) {
        let main = self.main_process();
        signal("STOP", &[main]); // no new ones can start after this
        signal("STOP", &children(main));
    }

    /// Freezes the process that accepts connections; open connections continue.
    pub(crate) fn freeze_main(&self) {
        signal("STOP", &[self.main_process()]);
    }

    /// Kills only the main process, as the kernel does when memory is short, and waits until the others have noticed.
    pub(crate) fn kill_main(&self) {
        let main = self.main_process();
        let all = [vec![main], children(main)].concat();
        signal("KILL", &[main]);
        let begun = Instant::now();
        while all.iter().any(|process| is_alive(*process)) {
            assert!(begun.elapsed() < Duration::from_secs(20), "its processes do not end");
            thread::sleep(Duration::from_millis(1));
        }
        // If nothing reaps an orphan, its id stays taken and Postgres believes that it still runs.
        fs::remove_file(self.folder.join("data/postmaster.pid")).unwrap();
    }

    /// Limits the size in bytes of every file that its processes write: writes beyond it fail, as on a full disk.
    pub(crate) fn limit_files(&self, size: Option<u64>) {
        let main = self.main_process();
        let limit = format!("--fsize={}:", size.map_or("unlimited".to_owned(), |size| size.to_string()));
        let set = |process: u32| {
            // As the same user: root in a container may not limit the processes of others.
            let mut prlimit = by(self.account, &self.folder, Path::new("prlimit"));
            prlimit.args(["--pid", &process.to_string(), &limit]).stderr(Stdio::null()).status().unwrap()
        };
        // The main process first, because its new children inherit the limit. Others may end meanwhile.
        assert!(set(main).success(), "prlimit {limit} of {main}");
        children(main).into_iter().for_each(|process| _ = set(process));
    }

    /// Restarts it if it has ended.
    pub(crate) fn revive(&self) {
        let pid = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap_or_default();
        if !pid.lines().next().and_then(|pid| pid.parse().ok()).is_some_and(is_alive) {
            self.go_on();
        }
    }

    /// Replaces `pg_hba.conf`.
    pub(crate) fn admit(&self, rules: &str) {
        fs::write(self.folder.join("data/pg_hba.conf"), rules).unwrap();
        self.run("pg_ctl", &["reload"]);
    }

    /// Resumes its processes.
    pub(crate) fn thaw(&self) {
        let main = self.main_process();
        signal("CONT", &children(main));
        signal("CONT", &[main]);
    }

    /// Copies the data of the stopped server.
    pub(crate) fn save(&self) {
        copy(&self.folder.join("data"), &self.folder.join("copy"));
    }

    /// Replaces the data of the stopped server with the copy.
    pub(crate) fn restore(&self) {
        copy(&self.folder.join("copy"), &self.folder.join("data"));
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = by(self.account, &self.folder, &self.programs.join(program));
        command.arg("-D").arg(self.folder.join("data")).args(arguments).stdin(Stdio::null());
        // Not a pipe: the server started by pg_ctl would keep it open.
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert!(status.success(), "{program} {arguments:?} failed: {log}");
    }

    fn main_process(&self) -> u32 {
        let text = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }
}

fn by(account: Account, folder: &Path, program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = account {
        command.uid(user).gid(group);
    }
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(folder);
    command
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-Rp").arg(from).arg(to).status().unwrap().success());
}

/// Sends a signal to those of the processes that still exist.
pub(crate) fn signal(name: &str, processes: &[u32]) {
    for process in processes {
        let kill = format!("kill -{name} {process} 2>/dev/null");
        Command::new("sh").args(["-c", &kill]).status().unwrap();
    }
}

/// Whether a process exists and has not ended.
fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// The children of a process, according to `/proc`.
fn children(parent: u32) -> Vec<u32> {
    let is_child = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name is in parentheses and may contain anything.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}
