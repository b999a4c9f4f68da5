//! Every command of the README is run.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::support::{Answer, Backend, TestServer, fresh_database};

const README: &str = include_str!("../../README.md");
const BINARY: &str = env!("CARGO_BIN_EXE_jeton");

/// The fenced blocks of one kind, without their fences.
fn blocks(kind: &str) -> Vec<&'static str> {
    let open = format!("```{kind}\n");
    README.split(&open).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Ends a server however the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the binary and waits for the line that says where it listens.
fn serve(command: &mut Command) -> (Running, String) {
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let running = Running(child);
    let line = lines.by_ref().map(Result::unwrap).find(|line| line.contains("listening")).expect("the server starts");
    std::thread::spawn(move || lines.for_each(drop));
    let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    (running, address)
}

/// What differs from run to run, masked: tokens, ids, times, the address.
fn masked(text: &str, address: &str) -> String {
    let text = text.replace(address, "127.0.0.1:8080");
    let mut masked = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '…') {
            word.push(c);
            continue;
        }
        let is_time = word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_digit());
        let is_id = word.len() == 36 && word.matches('-').count() == 4;
        let shown = match &word {
            word if word.starts_with("eyJ") => "JWT",
            word if word.starts_with("jrt_dev_") => "REFRESH-TOKEN",
            _ if is_time => "TIME",
            _ if is_id => "ID",
            word => word,
        };
        masked.push_str(shown);
        masked.push(c);
        word.clear();
    }
    masked.trim_end().to_owned()
}

#[test]
fn the_session_of_the_readme_runs_as_it_is_printed() {
    let start = blocks("sh")[0].trim();
    let arguments = start.strip_prefix("cargo run --release -- ").expect("the first command starts the server");
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(BINARY);
    command.args(arguments.split(' ')).args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
    let (_server, address) = serve(command.current_dir(folder.path()));
    // One shell for all of it, since the token is kept in a variable.
    let mut script = String::new();
    let mut expected = Vec::new();
    for line in blocks("console").concat().lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            script.push_str(&format!("echo; echo ===; {}\n", command.replace("127.0.0.1:8080", &address)));
            expected.push(String::new());
        } else {
            expected.last_mut().unwrap().push_str(line);
        }
    }
    let output = Command::new("sh").args(["-e", "-c", &script]).current_dir(folder.path()).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let found: Vec<&str> = output.split("===\n").skip(1).map(str::trim).collect();
    assert_eq!(found.len(), expected.len(), "{output}");
    assert!(expected.len() >= 6);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(masked(found, &address), masked(expected, &address));
    }
}

#[tokio::test]
async fn the_production_commands_of_the_readme_lead_to_a_token() {
    let block = blocks("sh").into_iter().find(|block| block.contains("jeton migrate")).unwrap();
    let (database, _outlives) = fresh_database(Backend::Postgres).await;
    let folder = tempfile::tempdir().unwrap();
    let bin = std::path::Path::new(BINARY).parent().unwrap().display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let mut script = String::from("set -e\n");
    for line in block.lines() {
        script.push_str(&match line {
            line if line.starts_with("export JETON_DATABASE_URL=") => {
                format!("export JETON_DATABASE_URL='{database}'\n")
            }
            "jeton serve" => "exec jeton serve --listen 127.0.0.1:0 --ops-listen 127.0.0.1:0\n".to_owned(),
            line if line.contains("client create") => format!("{line} --output json >client.json\n"),
            line => format!("{line}\n"),
        });
    }
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env("PATH", path).current_dir(folder.path());
    let (_server, address) = serve(&mut command);
    let client: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("client.json")).unwrap()).unwrap();
    let secret = client["client_secret"].as_str().unwrap();
    let answer = reqwest::Client::new()
        .post(format!("http://{address}/auth/token"))
        .basic_auth("ops", Some(secret))
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_of_the_readme_are_those_that_there_are() {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `jeton_"));
    let named: BTreeSet<String> = rows.map(|row| format!("jeton_{}", row.split('`').next().unwrap())).collect();
    let app = TestServer::start(Backend::Sqlite).await;
    // What is counted by labels is not shown before it was counted once.
    let client = app.main_client("main").await;
    let grant = [("grant_type", "client_credentials")];
    app.token(&client, &grant).await.assert_ok();
    app.token(&client.with_secret("wrong"), &grant).await.assert_error(401, "invalid_client");
    let shown = Answer::of(app.http.get(format!("{}/metrics", app.ops))).await.assert_ok().body.clone();
    let families = shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    // A counter is scraped by this name.
    let sample = |(name, kind)| if kind == "counter" { format!("{name}_total") } else { String::from(name) };
    assert_eq!(named, families.map(sample).collect(), "{shown}");
}

#[test]
fn every_shell_block_of_the_readme_is_known_to_a_test() {
    // The first starts the server, the second runs these tests, the third is run by tests/containers/check, the fourth
    // by the test above.
    let blocks = blocks("sh");
    assert_eq!(blocks.len(), 4);
    assert_eq!(blocks[1].trim(), "cargo test");
    let compose = include_str!("../../docker-compose.yml");
    for line in blocks[2].lines() {
        assert!(compose.contains(line), "docker-compose.yml says otherwise than {line:?}");
    }
}
