//! A Postgres of a test's own, for tests that freeze it, kill it or set it back: durable as in production, on a port that
//! stays the same.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::postgres::{Account, free_port, programs, readable_copy};

const OPTIONS: &str = "-c max_connections=100 -c listen_addresses=127.0.0.1 -c unix_socket_directories=";

/// Ends the server when the last writer of its pipe is gone, however this process ended. It may be frozen then.
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
    /// Its standard input is the pipe; closed when this is dropped.
    _watchdog: Child,
}

impl Cluster {
    /// A new server that runs, with an empty database `jeton`.
    pub(crate) fn start() -> Self {
        let (programs, account) = programs().unwrap();
        let folder = tempfile::Builder::new().prefix("jeton-cluster-").tempdir().unwrap().keep();
        let programs = readable_copy(programs, &folder, account);
        if let Some((user, group)) = account {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let mut watchdog = by(account, &folder, Path::new("sh"));
        watchdog.process_group(0).args(["-c", WATCHDOG, "sh"]).arg(&folder).arg(&programs).stdin(Stdio::piped());
        let watchdog = watchdog.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let cluster = Self { folder, programs, account, port: free_port(), _watchdog: watchdog };
        let initdb = ["-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust", "--no-sync"];
        cluster.run("initdb", &initdb);
        cluster.go_on();
        cluster
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Kills it at once; what was committed is on the disk.
    pub(crate) fn kill(&self) {
        self.run("pg_ctl", &["-m", "immediate", "-w", "stop"]);
    }

    /// Kills one of its processes, chosen by a number: it ends all others and recovers by itself.
    pub(crate) fn kill_a_process(&self, choice: usize) {
        let all = children(self.main_process());
        signal("KILL", &[all[choice % all.len()]]);
    }

    /// Kills its main process alone, and waits until the others have noticed.
    pub(crate) fn kill_the_main_process(&self) {
        let main = self.main_process();
        let all = children(main);
        signal("KILL", &[main]);
        while all.iter().chain([&main]).any(|process| is_alive(*process)) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        // Where nobody asks for the end of an orphan, its id stays taken, and Postgres would believe that it runs.
        fs::remove_file(self.folder.join("data/postmaster.pid")).unwrap();
    }

    /// The file of its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Stops it in an orderly way.
    pub(crate) fn stop(&self) {
        self.run("pg_ctl", &["-m", "fast", "-w", "stop"]);
    }

    /// Starts it again.
    pub(crate) fn go_on(&self) {
        let (options, log) = (format!("-p {} {OPTIONS}", self.port), self.folder.join("log"));
        self.run("pg_ctl", &["-l", log.to_str().unwrap(), "-o", &options, "-t", "60", "-w", "start"]);
    }

    /// Stops all its processes in the middle of whatever they do.
    pub(crate) fn freeze(&self) {
        let main = self.main_process();
        signal("STOP", &[main]); // from now on there are no new ones
        signal("STOP", &children(main));
    }

    /// Lets them go on.
    pub(crate) fn thaw(&self) {
        let main = self.main_process();
        signal("CONT", &children(main));
        signal("CONT", &[main]);
    }

    /// Keeps a copy of the data of a server that is stopped.
    pub(crate) fn save(&self) {
        copy(&self.folder.join("data"), &self.folder.join("copy"));
    }

    /// Puts the copy in the place of the data of a server that is stopped.
    pub(crate) fn restore(&self) {
        copy(&self.folder.join("copy"), &self.folder.join("data"));
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = by(self.account, &self.folder, &self.programs.join(program));
        command.arg("-D").arg(self.folder.join("data")).args(arguments).stdin(Stdio::null());
        // Not a pipe: the server that pg_ctl starts would keep it open.
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

/// Sends a signal to processes, as far as they are still there.
pub(crate) fn signal(name: &str, processes: &[u32]) {
    for process in processes {
        let kill = format!("kill -{name} {process} 2>/dev/null");
        Command::new("sh").args(["-c", &kill]).status().unwrap();
    }
}

/// Whether a process still does something; one that nobody has asked for its end does not.
fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    state.is_some_and(|state| state != "Z")
}

/// The processes that a process has started, by Linux's list of all processes.
fn children(parent: u32) -> Vec<u32> {
    let is_child = |process: &u32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name stands in parentheses, and may hold anything.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(&parent.to_string())
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}
