//! The procedures of `docs/operations.md` do what they promise: their commands are run as they stand there.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use jeton::token::master::MasterKey;
use reqwest::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::readme::{masked, session};
use crate::support::cluster::{Cluster, signal};
use crate::support::postgres::free_port;
use crate::support::{Answer, Backend, Setup, TestServer};

const GUIDE: &str = include_str!("../../docs/operations.md");
const ALERTS: &str = include_str!("../../examples/alerts.yaml");

/// What stands for the service manager of a machine: it starts and stops one server and one Postgres.
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
    kill -0 "$(cat jeton.pid)" || { cat jeton.log >&2; exit 1; }
    sleep 0.02
  done
}
case "$1 $2" in
  "stop jeton") stop_jeton ;;
  "start jeton") start_jeton ;;
  "restart jeton") stop_jeton && start_jeton ;;
  "stop postgresql") pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null ;;
  "start postgresql") pg_ctl -D "$PGDATA" -l "$PGDATA.log" -o "$POSTGRES_OPTIONS" -t 60 -w start >/dev/null ;;
  *) exit 2 ;;
esac
"#;

/// For machines that have no `sqlite3`: what the guide uses of it.
const SQLITE3: &str =
    "#!/bin/sh\nexec python3 -c 'import sqlite3, sys\nsqlite3.connect(sys.argv[1]).execute(sys.argv[2])' \"$@\"\n";

/// A machine on which the guide is followed.
struct Machine {
    folder: TempDir,
    cluster: Option<Cluster>,
    database: String,
    base: String,
    http: reqwest::Client,
    ports: (u16, u16),
    postgres_options: String,
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
    fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut database, mut cluster, mut postgres_options) = ("sqlite://jeton.db".to_owned(), None, String::new());
        if backend == Backend::Postgres {
            let archive = folder.path().join("archive");
            fs::create_dir(&archive).unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            fs::set_permissions(&archive, fs::Permissions::from_mode(0o777)).unwrap();
            let archiving = format!("-c archive_mode=on -c archive_command='cp %p {}/%f'", archive.display());
            let started = Cluster::start_with(&[], &archiving);
            if let Some((user, group)) = started.account() {
                chown(folder.path(), Some(user), Some(group)).unwrap();
            }
            (database, postgres_options) = (started.url(), started.options());
            cluster = Some(started);
        }
        let ports = (free_port(), free_port());
        let base = format!("http://127.0.0.1:{}", ports.0);
        let machine = Self { folder, cluster, database, base, http: reqwest::Client::new(), ports, postgres_options };
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

    /// Runs a script as the user whose machine it is; what it prints.
    #[track_caller]
    fn shell(&self, script: &str) -> String {
        let folder = self.folder.path();
        let (mut command, mut path) = match &self.cluster {
            Some(cluster) => (cluster.command(Path::new("sh")), vec![cluster.program("")]),
            None => (Command::new("sh"), vec![]),
        };
        path.insert(0, folder.join("bin"));
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        command.env_clear().env("PATH", std::env::join_paths(path).unwrap()).env("LC_ALL", "C");
        command.env("JETON_DATABASE_URL", &self.database).env("JETON_ISSUER", "https://auth.example.com");
        command.env("JETON_MASTER_KEY_FILE", "master-key").env("JETON_THROTTLING", "off");
        command.env("JETON_LISTEN", format!("127.0.0.1:{}", self.ports.0));
        command.env("JETON_OPS_LISTEN", format!("127.0.0.1:{}", self.ports.1));
        if let Some(cluster) = &self.cluster {
            command.env("PGDATA", cluster.data()).env("ARCHIVE", folder.join("archive"));
            command.env("POSTGRES_OPTIONS", &self.postgres_options);
        }
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
    fn follow(&self, section: &str, block: usize) {
        let commands = session(blocks(section)[block]);
        let mut script = "set -e\n".to_owned();
        for (command, _) in &commands {
            script.push_str(&format!("{command}\necho '==='\n"));
        }
        let printed = self.shell(&script);
        for (printed, (command, expected)) in printed.split("===\n").zip(&commands) {
            assert_eq!(masked(printed.trim(), ""), masked(expected.trim(), ""), "{command}");
        }
    }

    fn secret(&self, file: &str) -> String {
        let text = fs::read_to_string(self.folder.path().join(file)).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["client_secret"].as_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str, secret: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.http.post(format!("{}{path}", self.base)).basic_auth("shop", Some(secret)).form(form)).await
    }

    async fn login(&self, username: &str, password: &str) -> Answer {
        let form = [("grant_type", "password"), ("username", username), ("password", password)];
        self.post("/auth/token", &self.secret("shop.json"), &form).await
    }

    async fn is_active(&self, token: &str) -> bool {
        let answer = self.post("/auth/introspect", &self.secret("shop.json"), &[("token", token)]).await;
        answer.assert_ok().json["active"] == true
    }

    async fn refresh(&self, tokens: &Answer) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", &tokens.text("refresh_token"))];
        self.post("/auth/token", &self.secret("shop.json"), &form).await
    }

    /// Tokens from before a backup, and some of after it, of which one is taken back.
    async fn lose_something(&self, early: &Answer) -> [String; 3] {
        let late = self.login("alice", "wonderland").await.text("access_token");
        let revoked = early.text("access_token");
        self.post("/auth/revoke", &self.secret("shop.json"), &[("token", &revoked)]).await.assert_ok();
        assert!(!self.is_active(&revoked).await && self.is_active(&late).await);
        self.shell("echo looking-glass | jeton user create bob >/dev/null");
        [revoked, late, self.login("bob", "looking-glass").await.text("access_token")]
    }

    /// Everything is as in the backup, and nothing that was issued before is good.
    async fn is_restored(&self, early: &Answer, lost: &[String], bob: StatusCode) {
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

/// The blocks of a section of the guide, down to the next title.
fn blocks(section: &str) -> Vec<&'static str> {
    let title = format!("# {section}\n");
    let text = GUIDE.split(&title).nth(1).unwrap_or_else(|| panic!("no section {section:?}"));
    let end = text.find("\n## ").unwrap_or(text.len()).min(text.find("\n### ").unwrap_or(text.len()));
    text[..end].split_inclusive("\n```\n").filter(|part| part.contains("```console")).collect()
}

#[test]
fn every_block_of_the_guide_to_operations_is_run() {
    let titles = GUIDE.lines().filter_map(|line| line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")));
    let found: Vec<(&str, usize)> =
        titles.map(|title| (title, blocks(title).len())).filter(|(_, count)| *count > 0).collect();
    let run = [
        ("Backup and restore: SQLite", 2),
        ("Backup and restore: Postgres", 2),
        ("To a point in time", 2),
        ("Change of the master key", 2),
        ("Loss of the master key", 1),
        ("Rotation of the keys", 1),
        ("Compromise of the keys", 1),
        ("Leaks", 2),
        ("Removal of somebody's data", 1),
    ];
    assert_eq!(found, run, "the tests below run these");
    assert_eq!(GUIDE.matches("```console").count(), run.iter().map(|(_, count)| count).sum::<usize>());
}

#[test]
fn every_setting_that_the_guide_and_the_policy_name_exists() {
    let mut names = 0;
    for text in [GUIDE, include_str!("../../SECURITY.md")] {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("JETON_")) {
            let name = name.strip_suffix("_FILE").unwrap_or(name);
            assert!(jeton::settings::TABLE.iter().any(|setting| setting.variable() == name), "{name} is a setting");
            names += 1;
        }
    }
    assert!(names > 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_sqlite_is_restored_and_nothing_that_was_taken_back_comes_to_life() {
    let machine = Machine::new(Backend::Sqlite);
    let early = machine.login("alice", "wonderland").await;
    machine.follow("Backup and restore: SQLite", 0);
    let lost = machine.lose_something(&early).await;
    machine.follow("Backup and restore: SQLite", 1);
    machine.is_restored(&early, &lost, StatusCode::BAD_REQUEST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_postgres_is_restored_and_nothing_that_was_taken_back_comes_to_life() {
    let machine = Machine::new(Backend::Postgres);
    let early = machine.login("alice", "wonderland").await;
    machine.follow("Backup and restore: Postgres", 0);
    let lost = machine.lose_something(&early).await;
    machine.follow("Backup and restore: Postgres", 1);
    machine.is_restored(&early, &lost, StatusCode::BAD_REQUEST).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_restored_from_a_base_backup_and_the_archive() {
    let machine = Machine::new(Backend::Postgres);
    let early = machine.login("alice", "wonderland").await;
    machine.follow("To a point in time", 0);
    let lost = machine.lose_something(&early).await;
    // A clean stop archives all that there is, so bob is there afterwards.
    machine.follow("To a point in time", 1);
    machine.is_restored(&early, &lost, StatusCode::OK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_key_is_changed_as_the_guide_says_and_everything_stays_good() {
    let machine = Machine::new(Backend::Sqlite);
    let tokens = machine.login("alice", "wonderland").await;
    let old = fs::read_to_string(machine.folder.path().join("master-key")).unwrap();
    machine.follow("Change of the master key", 0);
    // A new shell: what was exported for the server is set for the next block too.
    let section = blocks("Change of the master key")[1];
    let commands = session(section);
    let mut script = "set -e\nexport JETON_MASTER_KEY_OLD_FILE=master-key.old\n".to_owned();
    commands.iter().for_each(|(command, _)| script.push_str(&format!("{command}\n")));
    let expected: String = commands.iter().map(|(_, output)| output.as_str()).collect();
    assert_eq!(machine.shell(&script), expected);
    let new = fs::read_to_string(machine.folder.path().join("master-key")).unwrap();
    assert!(MasterKey::parse(&new).is_ok() && new != old);
    assert!(machine.is_active(&tokens.text("access_token")).await);
    machine.refresh(&tokens).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_loss_of_the_master_key_everything_issued_ends_and_everybody_stays() {
    let machine = Machine::new(Backend::Sqlite);
    let tokens = machine.login("alice", "wonderland").await;
    machine.follow("Loss of the master key", 0);
    assert!(!machine.is_active(&tokens.text("access_token")).await);
    assert_eq!(machine.refresh(&tokens).await.status, StatusCode::BAD_REQUEST);
    machine.login("alice", "wonderland").await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_without_notice_and_taken_away_when_they_are_known_to_others() {
    let machine = Machine::new(Backend::Sqlite);
    let tokens = machine.login("alice", "wonderland").await;
    machine.follow("Compromise of the keys", 0);
    crate::support::eventually(std::time::Duration::from_secs(10), "the token is over", async || {
        !machine.is_active(&tokens.text("access_token")).await
    })
    .await;
    assert_eq!(machine.refresh(&tokens).await.status, StatusCode::BAD_REQUEST);
    let again = machine.login("alice", "wonderland").await;
    assert!(machine.is_active(&again.assert_ok().text("access_token")).await);

    let machine = Machine::new(Backend::Sqlite);
    let tokens = machine.login("alice", "wonderland").await;
    machine.follow("Rotation of the keys", 0);
    assert!(machine.is_active(&tokens.text("access_token")).await);
    machine.refresh(&tokens).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_leaked_is_taken_back_and_a_user_is_removed() {
    let machine = Machine::new(Backend::Sqlite);
    let old_secret = machine.secret("shop.json");
    let token = machine.login("alice", "wonderland").await.text("access_token");
    machine.follow("Leaks", 0);
    let grant = [("grant_type", "client_credentials")];
    let limit = std::time::Duration::from_secs(10);
    crate::support::eventually(limit, "the old secret is refused", async || {
        machine.post("/auth/token", &old_secret, &grant).await.status == StatusCode::UNAUTHORIZED
    })
    .await;
    fs::copy(machine.folder.path().join("new-secret.json"), machine.folder.path().join("shop.json")).unwrap();
    assert!(!machine.is_active(&token).await, "what was issued to the client ended");

    let token = machine.login("alice", "wonderland").await.text("access_token");
    let leaked = machine.post("/auth/token", &machine.secret("shop.json"), &grant).await.text("access_token");
    fs::write(machine.folder.path().join("new-password"), "mad hatter\n").unwrap();
    fs::write(machine.folder.path().join("leaked-token"), format!("{leaked}\n")).unwrap();
    machine.follow("Leaks", 1);
    for token in [&token, &leaked] {
        crate::support::eventually(limit, "it is over", async || !machine.is_active(token).await).await;
    }
    assert_eq!(machine.login("alice", "wonderland").await.status, StatusCode::BAD_REQUEST);
    machine.login("alice", "mad hatter").await.assert_ok();

    machine.follow("Removal of somebody's data", 0);
    assert_eq!(machine.login("alice", "mad hatter").await.status, StatusCode::BAD_REQUEST);
    machine.shell("systemctl stop jeton && sqlite3 jeton.db \"VACUUM INTO 'after.db'\"");
    let rows = fs::read(machine.folder.path().join("after.db")).unwrap();
    assert!(!rows.windows(5).any(|window| window == b"alice"), "the name is nowhere in the database");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_and_every_label_that_an_alert_names_is_there() {
    let app = TestServer::start_with(Backend::Sqlite, Setup::default().set("JETON_THROTTLING", "on")).await;
    let client = app.main_client("main").await;
    let grant = [("grant_type", "client_credentials")];
    app.token(&client, &grant).await.assert_ok();
    while app.token(&client.with_secret("wrong"), &grant).await.status != StatusCode::TOO_MANY_REQUESTS {}
    let shown = Answer::of(app.http.get(format!("{}/metrics", app.ops))).await.assert_ok().body.clone();
    let rules: Value = serde_yaml_ng::from_str(ALERTS).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() >= 10);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let texts = rules.iter().map(|rule| rule["expr"].as_str().unwrap()).chain([GUIDE]);
    let mut metrics = 0;
    for text in texts {
        let names = text.split(|c| !is_word(c)).filter(|word| word.starts_with("jeton_"));
        // Other words of the guide that begin so are databases of examples: there are none.
        for name in names {
            metrics += 1;
            let sample = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            assert!(shown.lines().any(sample), "{name} in {text}");
        }
        let causes = text.split("cause=").skip(1).filter_map(|rest| rest.split('"').nth(1));
        for cause in causes.flat_map(|causes| causes.split('|')) {
            let is_cause = cause.parse::<jeton::oauth::cause::Cause>().is_ok();
            let is_error = jeton::oauth::error::ErrorCode::ALL.iter().any(|error| error.name() == cause);
            let is_shown = shown.contains(&format!("cause=\"{cause}\""));
            assert!(is_cause || is_error || is_shown, "{cause} in {text}");
        }
    }
    assert!(metrics > 12);
}
