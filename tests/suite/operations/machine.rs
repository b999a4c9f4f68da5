//! A machine on which the guide is followed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use super::blocks;
use crate::readme::{masked, session};
use crate::support::cluster::{Cluster, signal};
use crate::support::postgres::free_port;
use crate::support::{Answer, Backend};

/// Plays the service manager of a machine: it starts and stops one server and one Postgres.
const SYSTEMCTL: &str = r#"#!/bin/sh
stop_jeton() {
  [ -f jeton.pid ] || return 0
  kill -TERM "$(cat jeton.pid)" && while kill -0 "$(cat jeton.pid)" 2>/dev/null; do sleep 0.02; done
  rm -f jeton.pid
}
start_jeton() {
  jeton serve >>jeton.log 2>&1 </dev/null &
  echo $! >jeton.pid
  until jeton health >/dev/null 2>&1; do
    kill -0 "$(cat jeton.pid)" || { rm jeton.pid; cat jeton.log >&2; exit 1; }
    sleep 0.02
  done
}
stop_postgresql() { pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null; }
start_postgresql() {
  [ ! -e "$PGDATA.masked" ] && pg_ctl -D "$PGDATA" -l "$PGDATA.log" -o "$POSTGRES_OPTIONS" -t 60 -w start >/dev/null
}
case "$*" in
  "stop jeton") stop_jeton ;;
  "start jeton") start_jeton ;;
  "restart jeton") stop_jeton && start_jeton ;;
  "stop postgresql") stop_postgresql ;;
  "start postgresql") start_postgresql ;;
  "mask --now postgresql") touch "$PGDATA.masked"; ! pg_ctl -D "$PGDATA" status >/dev/null || stop_postgresql ;;
  "unmask postgresql") rm "$PGDATA.masked" ;;
  *) exit 2 ;;
esac
"#;

/// A stand-in for `sqlite3`, with what the guide uses of it.
const SQLITE3: &str =
    "#!/bin/sh\nexec python3 -c 'import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute(sys.argv[2])' \"$@\"\n";

/// A machine on which the guide is followed.
pub(super) struct Machine {
    pub(super) folder: TempDir,
    cluster: Option<Arc<Cluster>>,
    /// The variables of the environment in which its commands run.
    variables: BTreeMap<&'static str, String>,
    base: String,
    http: reqwest::Client,
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok(process) = fs::read_to_string(self.folder.path().join("jeton.pid")) {
            signal("KILL", &[process.trim().parse().unwrap()]);
        }
    }
}

impl Machine {
    /// A server that runs with a client `shop` (a secret of its own) and a user `alice`.
    pub(super) fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = (free_port(), free_port());
        let mut variables = BTreeMap::from([
            ("LC_ALL", "C".to_owned()),
            ("JETON_DATABASE_URL", "sqlite://jeton.db".to_owned()),
            ("JETON_ISSUER", "https://auth.example.com".to_owned()),
            ("JETON_MASTER_KEY_FILE", "master-key".to_owned()),
            ("JETON_THROTTLING", "off".to_owned()),
            ("JETON_LISTEN", format!("127.0.0.1:{}", ports.0)),
            ("JETON_OPS_LISTEN", format!("127.0.0.1:{}", ports.1)),
        ]);
        let mut cluster = None;
        if backend == Backend::Postgres {
            let archive = folder.path().join("archive");
            fs::create_dir(&archive).unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            fs::set_permissions(&archive, fs::Permissions::from_mode(0o777)).unwrap();
            let archiving = format!("-c archive_mode=on -c archive_command='cp %p {}/%f'", archive.display());
            let started = Cluster::start_with(&["--wal-segsize=1"], &archiving);
            if let Some((user, group)) = started.account() {
                chown(folder.path(), Some(user), Some(group)).unwrap();
            }
            variables.insert("JETON_DATABASE_URL", started.url());
            variables.insert("ARCHIVE", archive.to_str().unwrap().to_owned());
            cluster = Some(Arc::new(started));
        }
        let base = format!("http://127.0.0.1:{}", ports.0);
        let mut machine = Self { folder, cluster, variables, base, http: reqwest::Client::new() };
        if let Some(cluster) = machine.cluster.clone() {
            machine.work_on(&cluster);
        }
        let bin = machine.folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        // Another user may be unable to enter the folder of the binary.
        fs::hard_link(env!("CARGO_BIN_EXE_jeton"), bin.join("jeton"))
            .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_jeton"), bin.join("jeton")).map(drop))
            .unwrap();
        let mut programs = vec![("systemctl", SYSTEMCTL)];
        if !Command::new("sqlite3").arg("-version").output().is_ok_and(|output| output.status.success()) {
            programs.push(("sqlite3", SQLITE3));
        }
        for (name, text) in programs {
            fs::write(bin.join(name), text).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine.shell(
            "(umask 077 && jeton key generate-master >master-key) && jeton migrate >/dev/null &&
             jeton client create --client-id shop --grant-types password,refresh_token,client_credentials --scope read \
               --output json >shop.json &&
             echo wonderland | jeton user create alice >/dev/null && systemctl start jeton",
        );
        machine
    }

    /// Its Postgres.
    pub(super) fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(self.cluster.as_ref().unwrap())
    }

    /// From now on commands run where this Postgres is.
    pub(super) fn work_on(&mut self, cluster: &Cluster) {
        self.set("PGDATA", cluster.data().to_str().unwrap());
        self.set("POSTGRES_OPTIONS", &cluster.options());
    }

    /// From now on commands run with this variable.
    pub(super) fn set(&mut self, variable: &'static str, value: &str) {
        self.variables.insert(variable, value.to_owned());
    }

    /// Runs a script as the user whose machine it is; what it prints.
    #[track_caller]
    pub(super) fn shell(&self, script: &str) -> String {
        let folder = self.folder.path();
        let (mut command, mut path) = match &self.cluster {
            Some(cluster) => (cluster.command(Path::new("sh")), vec![cluster.program("")]),
            None => (Command::new("sh"), vec![]),
        };
        path.insert(0, folder.join("bin"));
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        command.env_clear().env("PATH", std::env::join_paths(path).unwrap()).envs(&self.variables);
        // Into files, since the server that is started would keep a pipe open.
        let (out, err) = (folder.join("out"), folder.join("err"));
        command.args(["-c", script]).current_dir(folder).stdin(Stdio::null());
        command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
        let status = command.status().unwrap();
        let (out, err) = (fs::read_to_string(out).unwrap(), fs::read_to_string(err).unwrap());
        assert!(status.success() && err.is_empty(), "{script}\nended with {status}: {out}{err}");
        out
    }

    /// Runs the block with this number of a section of the guide, and compares what it prints.
    #[track_caller]
    pub(super) fn follow(&self, section: &str, block: usize) {
        self.follow_commands(&session(blocks(section)[block]));
    }

    /// The same without the two commands that begin so, which the guide says may be left out.
    #[track_caller]
    pub(super) fn follow_without(&self, left_out: &str, section: &str, block: usize) {
        let all = session(blocks(section)[block]);
        let commands: Vec<_> = all.iter().filter(|(command, _)| !command.starts_with(left_out)).cloned().collect();
        assert_eq!(all.len() - commands.len(), 2);
        self.follow_commands(&commands);
    }

    #[track_caller]
    fn follow_commands(&self, commands: &[(String, String)]) {
        let mut script = "set -e\n".to_owned();
        for (command, _) in commands {
            script.push_str(&format!("{command}\necho '==='\n"));
        }
        let printed = self.shell(&script);
        for (printed, (command, expected)) in printed.split("===\n").zip(commands) {
            let masked = |text: &str| masked(text.trim(), &self.base);
            let (printed, expected) = (masked(printed), masked(expected));
            // What differs from machine to machine is `…` in the guide.
            let (begin, end) = expected.split_once('…').unwrap_or((&expected, ""));
            let rest = printed.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end));
            let is_as_expected = rest.is_some_and(|rest| rest.is_empty() != expected.contains('…'));
            assert!(is_as_expected, "{command}\nprinted {printed:?}, the guide says {expected:?}");
        }
    }

    pub(super) fn secret(&self, file: &str) -> String {
        let text = fs::read_to_string(self.folder.path().join(file)).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["client_secret"].as_str().unwrap().to_owned()
    }

    pub(super) async fn post(&self, path: &str, secret: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.http.post(format!("{}{path}", self.base)).basic_auth("shop", Some(secret)).form(form)).await
    }

    pub(super) async fn login(&self, username: &str, password: &str) -> Answer {
        let form = [("grant_type", "password"), ("username", username), ("password", password)];
        self.post("/auth/token", &self.secret("shop.json"), &form).await
    }

    pub(super) async fn is_active(&self, token: &str) -> bool {
        let answer = self.post("/auth/introspect", &self.secret("shop.json"), &[("token", token)]).await;
        answer.assert_ok().json["active"] == true
    }

    pub(super) async fn refresh(&self, tokens: &Answer) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &tokens.text("refresh_token"))];
        self.post("/auth/token", &self.secret("shop.json"), &form).await
    }

    /// Tokens from before a backup, and some from after it, one of which is revoked.
    pub(super) async fn lose_something(&self, early: &Answer) -> [String; 3] {
        let late = self.login("alice", "wonderland").await.text("access_token");
        let revoked = early.text("access_token");
        self.post("/auth/revoke", &self.secret("shop.json"), &[("token", &revoked)]).await.assert_ok();
        assert!(!self.is_active(&revoked).await && self.is_active(&late).await);
        self.shell("echo looking-glass | jeton user create bob >/dev/null");
        [revoked, late, self.login("bob", "looking-glass").await.text("access_token")]
    }

    /// Everything is as in the backup, and nothing that was issued before is accepted.
    pub(super) async fn is_restored(&self, early: &Answer, lost: &[String], bob: StatusCode) {
        for token in lost {
            assert!(!self.is_active(token).await, "what was issued before is over");
        }
        assert_eq!(self.refresh(early).await.status, StatusCode::BAD_REQUEST);
        let tokens = self.login("alice", "wonderland").await;
        assert!(self.is_active(&tokens.assert_ok().text("access_token")).await, "everybody can log in again");
        self.refresh(&tokens).await.assert_ok();
        assert_eq!(self.login("bob", "looking-glass").await.status, bob);
    }
}
