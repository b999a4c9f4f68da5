//! The real binary: a directory to run it in, its commands and its servers.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use jeton::keys::master::MasterKey;
use serde_json::Value;
use tempfile::TempDir;

use super::{Backend, fresh_database};

/// The longest that a command, or the start or stop of a server, may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The binary that `JETON_BIN` names, or the one cargo built.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("JETON_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_jeton")), PathBuf::from)
}

/// A folder, an environment and a migrated database for the binary.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) environment: BTreeMap<String, String>,
    program: PathBuf,
    _database: TempDir,
}

impl Place {
    pub(crate) async fn new(backend: Backend) -> Self {
        let (database, folder) = fresh_database(backend).await;
        let mut place = Self::bare();
        place._database = folder;
        place.set("JETON_DATABASE_URL", &database);
        place.set("JETON_ISSUER", "https://auth.example.com");
        place.set("JETON_MASTER_KEY", &MasterKey::generate());
        place.run(&["migrate"]).ok();
        place
    }

    /// An empty folder; the servers listen on free ports.
    pub(crate) fn bare() -> Self {
        let folder = || tempfile::tempdir().unwrap();
        let (environment, program) = (BTreeMap::new(), program());
        let mut place = Self { folder: folder(), environment, program, _database: folder() };
        place.set("JETON_LISTEN", "127.0.0.1:0");
        place.set("JETON_OPS_LISTEN", "127.0.0.1:0");
        place.set("JETON_THROTTLING", "off");
        place
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.into(), value.into());
    }

    /// The same directory with another environment.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut environment = self.environment.clone();
        environment.insert(name.into(), value.into());
        let folder = || tempfile::tempdir().unwrap();
        Self { folder: folder(), environment, program: self.program.clone(), _database: folder() }
    }

    /// A directory with the same environment, for another version of the program.
    pub(crate) fn of_version(&self, program: &Path) -> Self {
        let folder = || tempfile::tempdir().unwrap();
        let (environment, program) = (self.environment.clone(), program.to_owned());
        Self { folder: folder(), environment, program, _database: folder() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(self.program.as_os_str(), arguments)
    }

    /// Runs lines in a shell where `$0` is the binary.
    pub(crate) fn shell(&self, lines: &str) -> Command {
        let mut command = self.command_of("sh".as_ref(), &["-c", lines]);
        command.arg(&self.program);
        command
    }

    fn command_of(&self, program: &OsStr, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).env_clear().envs(&self.environment);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs a command to its end, with this on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut command = self.command(arguments);
        let mut child =
            Guard(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        // A command that reads nothing may already have closed its input.
        let _ = child.0.stdin.take().unwrap().write_all(input.as_bytes());
        let out = read_all(child.0.stdout.take().unwrap());
        let err = read_all(child.0.stderr.take().unwrap());
        let status = child.wait();
        let (out, err) = (out.join().unwrap(), err.join().unwrap());
        let ran = Ran { code: status.code(), out, err };
        assert!(!ran.out.contains("panicked") && !ran.err.contains("panicked"), "{arguments:?}: {ran:?}");
        ran
    }

    /// Runs a command that prints JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--output", "json"]].concat()).json()
    }

    pub(crate) fn serve(&self, arguments: &[&str]) -> Running {
        Running::start(self, arguments)
    }
}

pub(crate) fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

/// Kills a child process when dropped, even if the test fails.
pub(crate) struct Guard(pub(crate) Child);

impl Guard {
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            match self.0.try_wait().unwrap() {
                Some(status) => return status,
                None => assert!(begun.elapsed() < LIMIT, "it does not end"),
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// It was refused with one plain sentence on standard error that contains these words.
    #[track_caller]
    pub(crate) fn refused(self, words: &[&str]) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{self:?}");
        let text = self.err.trim_end_matches('\n').to_owned();
        assert!(text.starts_with("jeton: ") && !text.contains('\n'), "one line: {self:?}");
        for word in words {
            assert!(text.contains(word), "{word:?} is named: {self:?}");
        }
        text
    }

    /// The server did not start, and its last line is one sentence that contains these words.
    #[track_caller]
    pub(crate) fn refused_at_start(self, words: &[&str]) {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{self:?}");
        let last = self.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("jeton: "), "{self:?}");
        for word in words {
            assert!(last.contains(word), "{word:?} is named: {self:?}");
        }
    }

    /// It was refused because of the configuration, with one line for each problem.
    #[track_caller]
    pub(crate) fn misconfigured(self, problems: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        let lines: Vec<&str> = self.err.lines().filter(|line| line.starts_with("  ")).collect();
        assert_eq!(lines.len(), problems.len(), "{self:?}");
        for problem in problems {
            assert!(lines.iter().any(|line| line.contains(problem)), "{problem:?} is named: {self:?}");
        }
    }

    /// It was refused as wrong usage.
    #[track_caller]
    pub(crate) fn usage(self) {
        assert_eq!((self.code, self.out.as_str()), (Some(2), ""), "{self:?}");
        assert!(self.err.starts_with("error: "), "{self:?}");
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) guard: Guard,
    pub(crate) address: String,
    pub(crate) base: String,
    pub(crate) ops: String,
    pub(crate) log: Arc<Mutex<String>>,
    pub(crate) out: Arc<Mutex<String>>,
}

fn collect(from: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = String::new();
        while from.read_line(&mut line).is_ok_and(|length| length > 0) {
            kept.lock().unwrap().push_str(&line);
            line.clear();
        }
    });
    text
}

/// A field of the log line that announces the addresses, in either log format.
fn logged(log: &str, name: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("listening") && line.contains("ops_address"))?;
    let rest = line.split(&format!(" {name}=")).nth(1).or_else(|| line.split(&format!("\"{name}\":\"")).nth(1))?;
    Some(rest.split([' ', '"', '\n']).next()?.to_owned())
}

impl Running {
    pub(crate) fn start(place: &Place, arguments: &[&str]) -> Self {
        Self::start_by(place.command(&[&["serve"], arguments].concat()))
    }

    /// Starts a server with this command.
    pub(crate) fn start_by(command: Command) -> Self {
        let mut running = Self::begin_by(command);
        running.wait_until_it_listens();
        running
    }

    /// Starts a server without waiting for its addresses.
    pub(crate) fn begin(place: &Place, arguments: &[&str]) -> Self {
        Self::begin_by(place.command(&[&["serve"], arguments].concat()))
    }

    /// The same, with another command that becomes the server.
    pub(crate) fn begin_by(mut command: Command) -> Self {
        let mut guard =
            Guard(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let log = collect(guard.0.stderr.take().unwrap());
        let out = collect(guard.0.stdout.take().unwrap());
        Self { guard, address: String::new(), base: String::new(), ops: String::new(), log, out }
    }

    pub(crate) fn wait_until_it_listens(&mut self) {
        let begun = Instant::now();
        let (address, ops) = loop {
            let text = self.log.lock().unwrap().clone();
            if let (Some(address), Some(ops)) = (logged(&text, "address"), logged(&text, "ops_address")) {
                break (address, ops);
            }
            assert!(self.guard.0.try_wait().unwrap().is_none(), "it did not start: {text}");
            assert!(begun.elapsed() < LIMIT, "it does not start: {text}");
            thread::sleep(Duration::from_millis(5));
        };
        (self.base, self.ops, self.address) = (format!("http://{address}"), format!("http://{ops}"), address);
    }

    /// Its output, once that contains `word`.
    pub(crate) fn printed(&self, word: &str) -> String {
        let begun = Instant::now();
        loop {
            let text = self.out.lock().unwrap().clone();
            if text.contains(word) {
                return text;
            }
            assert!(begun.elapsed() < LIMIT, "{word:?} is not printed: {text}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until this appears in the log.
    pub(crate) fn says(&self, words: &str) {
        let begun = Instant::now();
        while !self.log.lock().unwrap().contains(words) {
            assert!(begun.elapsed() < LIMIT, "{words:?} is not logged: {}", self.log.lock().unwrap());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.guard.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Stops it as a service manager would.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.guard.wait()
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.guard.0.kill().unwrap();
        self.guard.0.wait().unwrap();
    }

    /// A form POST by a client; returns the status and the answer.
    pub(crate) async fn form(&self, path: &str, client: Option<(&str, &str)>, form: &[(&str, &str)]) -> (u16, Value) {
        let mut request = reqwest::Client::new().post(format!("{}{path}", self.base)).form(form);
        if let Some((id, secret)) = client {
            request = request.basic_auth(id, Some(secret));
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    pub(crate) async fn client_credentials(&self, client: (&str, &str)) -> (u16, Value) {
        self.form("/auth/token", Some(client), &[("grant_type", "client_credentials")]).await
    }
}
