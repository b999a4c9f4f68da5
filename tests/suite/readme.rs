//! Every command of the README and of the guide to refusals is run.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use jeton::protocol::cause::Cause;
use jeton::protocol::error::ErrorCode;
use serde_json::Value;

use crate::support::{Backend, fresh_database};

const README: &str = include_str!("../../README.md");
const GUIDE: &str = include_str!("../../docs/refusals.md");
const BINARY: &str = env!("CARGO_BIN_EXE_jeton");

/// The fenced blocks of one kind, without their fences.
pub(crate) fn blocks(text: &'static str, kind: &str) -> Vec<&'static str> {
    let open = format!("```{kind}\n");
    text.split(&open).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
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

/// Starts the binary for development in a folder, with its log in `jeton.log`; its address, and that of its metrics.
fn serve_with_log(folder: &Path, arguments: &[&str], log_format: &str) -> (Running, String, String) {
    let log = folder.join("jeton.log");
    let mut command = Command::new(BINARY);
    command.args(arguments).args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
    command.env("JETON_LOG_FORMAT", log_format).current_dir(folder).stdout(Stdio::null());
    let mut running = Running(command.stderr(File::create(&log).unwrap()).spawn().unwrap());
    loop {
        let text = fs::read_to_string(&log).unwrap();
        if let Some(line) = text.lines().find(|line| line.contains("listening") && line.contains("issuer")) {
            let field = |name: &str| {
                let value = line.split(name).nth(1).unwrap().trim_start_matches(['=', '"', ':']);
                value.split([' ', '"']).next().unwrap().to_owned()
            };
            return (running, field("address"), field("ops_address"));
        }
        assert!(running.0.try_wait().unwrap().is_none(), "it did not start: {text}");
        std::thread::yield_now();
    }
}

/// What differs from run to run, masked: tokens, ids, moments, the address, what follows `length` and `kid`.
pub(crate) fn masked(text: &str, address: &str) -> String {
    let text = text.replace(address, "127.0.0.1:8080");
    let mut masked = String::new();
    let mut word = String::new();
    let mut last = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '…') {
            word.push(c);
            continue;
        }
        // A full stop ends a sentence; it is not part of the link before it.
        let stop = if word.ends_with('.') { "." } else { "" };
        word.truncate(word.len() - stop.len());
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        let is_uuid = word.len() == 36 && word.matches('-').count() == 4;
        let is_token_id = word.len() == 22 && ["jti", "token", "token_id"].contains(&last.as_str());
        // The date and the hour; the minute and the seconds follow it.
        let is_hour = word.len() == 13 && word.as_bytes()[10] == b'T' && word.matches('-').count() == 2;
        let shown = match &word {
            word if word.is_empty() => "",
            _ if is_uuid || is_token_id => "ID",
            word if word.starts_with("eyJ") => "JWT",
            word if word.starts_with("jrt_dev_") => "REFRESH-TOKEN",
            _ if is_number && [10, 13].contains(&word.len()) => "TIME",
            _ if is_hour || last == "HOUR" => "HOUR",
            word if last == "HOUR:" && word.ends_with('Z') => "SECONDS",
            _ if ["length", "kid"].contains(&last.as_str()) => "VALUE",
            word => word,
        };
        masked.extend([shown, stop]);
        masked.push(c);
        last = match (shown, last.as_str()) {
            ("", before) => before.to_owned(),
            ("HOUR", "HOUR") => "HOUR:".to_owned(),
            _ => shown.to_owned(),
        };
        word.clear();
    }
    masked.trim_end().to_owned()
}

/// The commands of the sessions in a text, each with what is printed as its output.
pub(crate) fn session(text: &'static str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in blocks(text, "console").concat().lines() {
        match (line.strip_prefix("$ "), line.strip_prefix("> "), commands.last_mut()) {
            (Some(command), ..) => commands.push((command.to_owned(), String::new())),
            (_, Some(more), Some((command, _))) => command.push_str(&format!("\n{more}")),
            (.., Some((_, output))) => output.push_str(&format!("{line}\n")),
            _ => panic!("an output without a command: {line}"),
        }
    }
    commands
}

/// Runs a session in one shell, since it keeps things in variables, and compares what it prints.
fn run_session(commands: &[(String, String)], folder: &Path, address: &str, ops: &str) {
    let mut script = String::new();
    for (command, _) in commands {
        let command = command.replace("127.0.0.1:8080", address).replace("127.0.0.1:8081", ops);
        script.push_str(&format!("echo; echo ===; {command}\n"));
    }
    let bin = Path::new(BINARY).parent().unwrap().display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    let output = command.args(["-c", &script]).env("PATH", path).current_dir(folder).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "");
    let output = String::from_utf8(output.stdout).unwrap();
    let found: Vec<&str> = output.split("===\n").skip(1).map(str::trim).collect();
    assert_eq!(found.len(), commands.len(), "{output}");
    for (found, (command, expected)) in found.iter().zip(commands) {
        assert_eq!(masked(found, address), masked(expected.trim(), address), "{command}");
    }
}

#[test]
fn the_session_in_the_readme_runs_as_printed() {
    let start = blocks(README, "sh")[0].trim();
    let arguments = start.strip_prefix("cargo run --release -- ").expect("the first command starts the server");
    let folder = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let (_server, address, ops) = serve_with_log(folder.path(), &arguments, "text");
    let commands = session(README);
    assert!(commands.len() >= 7);
    run_session(&commands, folder.path(), &address, &ops);
}

#[test]
fn the_session_in_the_guide_to_refusals_runs_as_printed() {
    assert_eq!(blocks(GUIDE, "sh"), ["jeton serve --dev 2>jeton.log\n"]);
    let folder = tempfile::tempdir().unwrap();
    let (_server, address, ops) = serve_with_log(folder.path(), &["serve", "--dev"], "text");
    let commands = session(GUIDE);
    assert!(commands.len() >= 19);
    run_session(&commands, folder.path(), &address, &ops);
    // What the questions to Prometheus name is what there is.
    let metrics = Command::new("curl").args(["-s", &format!("http://{ops}/metrics")]).output().unwrap().stdout;
    let metrics = String::from_utf8(metrics).unwrap();
    let questions = blocks(GUIDE, "promql");
    assert_eq!(questions.len(), 3);
    for question in questions {
        assert!(question.contains("jeton_refusals_total") && metrics.contains("jeton_refusals_total{"));
        let words = question.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.contains('_')) {
            let is_cause = word.parse::<Cause>().is_ok();
            let is_error = ErrorCode::ALL.iter().any(|error| error.name() == word);
            assert!(word == "jeton_refusals_total" || is_cause || is_error, "{word} in {question}");
        }
    }
}

#[test]
fn a_json_log_line_is_as_the_guide_to_refusals_prints_it() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, address, ops) = serve_with_log(folder.path(), &["serve", "--dev"], "json");
    let mut commands = session(GUIDE);
    let until = commands.iter().position(|(command, _)| command.contains("/auth/introspect")).unwrap();
    commands.truncate(until + 1);
    run_session(&commands, folder.path(), &address, &ops);
    let log = fs::read_to_string(folder.path().join("jeton.log")).unwrap();
    let line = log.lines().find(|line| line.contains("token refused")).unwrap();
    assert_eq!(masked(line, &address), masked(blocks(GUIDE, "json")[0].trim(), &address));
}

#[tokio::test]
async fn the_production_commands_and_requests_of_the_readme_log_in_serve_and_introspect() {
    let blocks = blocks(README, "sh");
    let block = blocks.iter().find(|block| block.contains("jeton serve") && block.contains("jeton init")).unwrap();
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
            line if line.contains("jeton init") => format!("echo 'correct horse' | {line} --output json >made.json\n"),
            line => format!("{line}\n"),
        });
    }
    let mut command = Command::new("sh");
    command.args(["-c", &script]).env("PATH", path).current_dir(folder.path());
    let (_server, address) = serve(&mut command);
    let made: Value = serde_json::from_str(&fs::read_to_string(folder.path().join("made.json")).unwrap()).unwrap();
    let clients = made["clients"].as_array().unwrap();
    let names: Vec<_> = clients.iter().map(|client| client["client_id"].as_str().unwrap()).collect();
    assert_eq!(names, ["login", "service", "api", "ops"]);

    // The requests, one after the other, with what they say is to be replaced.
    let requests: Vec<_> = blocks.last().unwrap().lines().collect();
    let mut answers: Vec<Value> = vec![];
    for request in &requests {
        let mut request = request.replace("https://auth.example.com", &format!("http://{address}"));
        for client in clients.iter().filter(|client| client["client_secret"].is_string()) {
            let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
            request = request.replace(&format!("{id}:SECRET"), &format!("{id}:{secret}"));
        }
        request = request.replace("password=PASSWORD", "password='correct horse'");
        if let Some(token) = answers.last().and_then(|answer| answer["access_token"].as_str()) {
            request = request.replace("TOKEN", token);
        }
        let output = Command::new("sh").args(["-c", &request.replacen("curl", "curl -s", 1)]).output().unwrap();
        answers.push(serde_json::from_slice(&output.stdout).unwrap());
    }
    assert_eq!(answers.len(), 3);
    assert!(answers[0]["refresh_token"].is_string(), "{answers:?}");
    assert_eq!(answers[1]["scope"], "read write");
    assert_eq!((&answers[2]["active"], &answers[2]["client_id"]), (&Value::Bool(true), &"service".into()));
}

#[test]
fn the_commands_of_the_guide_to_logins_work() {
    let folder = tempfile::tempdir().unwrap();
    let blocks = blocks(include_str!("../../docs/logins.md"), "sh");
    let bin = Path::new(BINARY).parent().unwrap().display();
    // The program asks for anna's password.
    let script = format!("set -e\nexport PATH={bin}:$PATH\njeton migrate\n{}", blocks.concat())
        .replace("jeton user create", "echo 'correct horse' | jeton user create");
    let database = format!("sqlite://{}", folder.path().join("jeton.db").display());
    let settings = [("JETON_DATABASE_URL", database.as_str()), ("JETON_ISSUER", "https://auth.example.com")];
    let mut command = Command::new("sh");
    let output = command.args(["-c", &script]).envs(settings).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(blocks.concat().matches("jeton ").count(), 5);
    assert_eq!(String::from_utf8(output.stdout).unwrap().matches("jcs_").count(), 1, "the shop's alone");
}

/// Runs the commands of a guide on a database of its own; gives how often it calls the program, and what that showed.
fn run_guide(guide: &'static str) -> (usize, String) {
    let folder = tempfile::tempdir().unwrap();
    let commands = blocks(guide, "sh").concat();
    let bin = Path::new(BINARY).parent().unwrap().display();
    let script = format!("set -e\nexport PATH={bin}:$PATH\njeton migrate >/dev/null\n{commands}");
    let database = format!("sqlite://{}", folder.path().join("jeton.db").display());
    let settings = [("JETON_DATABASE_URL", database.as_str()), ("JETON_ISSUER", "https://auth.example.com")];
    let mut command = Command::new("sh");
    let output = command.args(["-c", &script]).envs(settings).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (commands.matches("jeton ").count(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_commands_of_the_guide_to_keys_work() {
    let (calls, shown) = run_guide(include_str!("../../docs/client-keys.md"));
    assert_eq!(calls, 3);
    assert_eq!((shown.matches("2026-01").count(), shown.matches("client_secret").count()), (2, 0), "{shown}");
}

#[test]
fn the_commands_of_the_guide_to_certificates_work() {
    let (calls, shown) = run_guide(include_str!("../../docs/client-certificates.md"));
    assert_eq!(calls, 4);
    for part in ["CN=billing,O=Example,C=FR", "spiffe://example.com/worker", "self_signed_tls_client_auth", "2026-01"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(shown.matches("client_secret").count(), 0, "{shown}");
}

#[test]
fn every_shell_block_of_the_readme_is_known_to_a_test() {
    // The first starts the server, the second runs these tests, the third is run by tests/containers/check, the others
    // by the test above.
    let blocks = blocks(README, "sh");
    assert_eq!(blocks.len(), 5);
    assert_eq!(blocks[1].trim(), "cargo test");
    let compose = include_str!("../../docker-compose.yml");
    for line in blocks[2].lines() {
        assert!(compose.contains(line), "docker-compose.yml says otherwise than {line:?}");
    }
}

#[test]
fn the_readme_takes_five_minutes() {
    assert!(README.lines().count() <= 150);
}
