//! The snippets for clients, taken from the pages and run as they are, by the interpreters that are on this machine.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use serde_json::json;

use super::{person, setup};
use crate::issuers::{Idp, key_set};
use crate::support::browser::{Browser, Form};
use crate::support::postgres::free_port;
use crate::support::program::{Guard, read_all};
use crate::support::scene::ALICE;
use crate::support::{Answer, Backend, TestServer};

/// The name on the page, the file, and the command that runs it; what shows that the command is there.
const LANGUAGES: [(&str, &str, &[&str], &[&str]); 7] = [
    ("curl", "snippet.sh", &["sh"], &["curl", "--version"]),
    ("Python", "snippet.py", &["python3"], &["python3", "--version"]),
    ("Node.js", "snippet.mjs", &["node"], &["node", "--version"]),
    ("Go", "snippet.go", &["go", "run"], &["go", "version"]),
    ("Java", "Snippet.java", &["java"], &["java", "-version"]),
    ("PHP", "snippet.php", &["php"], &["php", "--version"]),
    ("Rust", "main.rs", &["./snippet"], &["cargo", "--version"]),
];

/// How long a snippet may take; some compilers are slow at their first run.
const LIMIT: Duration = Duration::from_secs(240);

fn is_there(command: &[&str]) -> bool {
    let answer = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).output();
    answer.is_ok_and(|answer| answer.status.success())
}

/// The languages that this machine has.
fn languages() -> Vec<(&'static str, &'static str, &'static [&'static str])> {
    let found: Vec<_> = LANGUAGES.into_iter().filter(|(.., shows)| is_there(shows)).collect();
    assert!(found.len() >= 2, "there are too few of curl, Python, Node.js, Go, Java, PHP and Rust: {}", found.len());
    found.into_iter().map(|(name, file, run, _)| (name, file, run)).collect()
}

/// The first snippet in a language on a page.
fn snippet(page: &Answer, language: &str) -> Option<String> {
    let rest = page.body.split(&format!("<summary>{language}</summary><pre>")).nth(1)?;
    let mut rest = rest.split("</pre>").next().unwrap();
    let mut text = String::new();
    while let Some((before, after)) = rest.split_once("&#") {
        let (number, after) = after.split_once(';').unwrap();
        text.push_str(before);
        text.push(char::from_u32(number.parse().unwrap()).unwrap());
        rest = after;
    }
    Some(text + rest)
}

/// A server whose issuer is where it listens, as programs have to find it.
async fn start() -> TestServer {
    let address = format!("127.0.0.1:{}", free_port());
    let issuer = format!("http://{address}");
    let app =
        TestServer::start_with(Backend::Sqlite, setup().set("JETON_LISTEN", &address).set("JETON_ISSUER", &issuer))
            .await;
    assert_eq!(app.base, issuer);
    app
}

/// Puts a snippet into a folder; where that is a step of its own, also the program that it is built to.
fn write(folder: &Path, file: &str, text: &str) {
    fs::write(folder.join(file), text).unwrap();
    if file == "main.rs" {
        build_rust(folder, text);
    }
}

/// Builds a snippet in Rust with the dependencies that it names, in the versions that Jeton has of them. That is done by one test at a
/// time, in one place, where it takes seconds but for the first time.
fn build_rust(folder: &Path, text: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let target = target.join("examples-rust");
    let package = target.join("snippet");
    fs::create_dir_all(package.join("src")).unwrap();
    let comment = text.lines().filter_map(|line| line.strip_prefix("// "));
    let dependencies: Vec<&str> = comment.skip_while(|line| *line != "[dependencies]").collect();
    assert!(dependencies.len() > 1, "{text}");
    let about = "[package]\nname = \"snippet\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(package.join("Cargo.toml"), format!("{about}\n{}\n", dependencies.join("\n"))).unwrap();
    fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).unwrap();
    fs::write(package.join("src/main.rs"), text).unwrap();
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--offline"]).current_dir(&package).env("CARGO_TARGET_DIR", &target);
    let built = cargo.stdin(Stdio::null()).output().unwrap();
    let complaints = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success() && complaints.is_empty(), "{complaints}\n{text}");
    // By a program of its own: none that another test starts meanwhile may have the file open for writing.
    let copied = Command::new("cp").arg(target.join("debug/snippet")).arg(folder).status().unwrap();
    assert!(copied.success());
}

fn command(folder: &Path, file: &str, run: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = match run[0].strip_prefix("./") {
        Some(program) => Command::new(folder.join(program)),
        None => Command::new(run[0]),
    };
    command.args(&run[1..]).arg(file).current_dir(folder).envs(environment.iter().copied());
    command.env("NO_PROXY", "127.0.0.1,localhost").env("no_proxy", "127.0.0.1,localhost").env("GOTOOLCHAIN", "local");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for the end, and says whether it was a good one.
fn ended_well(child: &mut Guard) -> bool {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            return status.success();
        }
        assert!(begun.elapsed() < LIMIT, "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a snippet of a page in every language that it is written in, and gives what each prints.
async fn run(page: &Answer, environment: &[(&str, &str)]) -> Vec<(&'static str, bool, String)> {
    let mut results = Vec::new();
    for (name, file, run) in languages() {
        let Some(text) = snippet(page, name) else { continue };
        let environment: Vec<(String, String)> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let result = tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), file, &text);
            let environment: Vec<(&str, &str)> =
                environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let mut child = Guard(command(folder.path(), file, run, &environment).spawn().unwrap());
            drop(child.0.stdin.take());
            let (out, err) = (read_all(child.0.stdout.take().unwrap()), read_all(child.0.stderr.take().unwrap()));
            let is_good = ended_well(&mut child);
            (name, is_good, out.join().unwrap() + &err.join().unwrap())
        });
        results.push(result.await.unwrap());
    }
    assert!(!results.is_empty(), "nothing here can run a snippet of {page:?}");
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_made_in_the_console_calls_an_api_by_its_snippets() {
    // The name has what is special in any of the languages.
    const ID: &str = "it's \"a\" $(client) `x` ${y} \\ %41 @api@ #{z}";
    let app = start().await;
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let form = Form::to(&clara.get(&app, "/console/new-client?kind=service").await, "create");
    let form = form.with("client_name", "Job").with("client_id", ID).with("scope", "read it's$x");
    let page = clara.send(&app, form).await;
    page.assert_ok();
    let secret = page.body.split("<pre>").nth(1).unwrap().split('<').next().unwrap();
    let api = format!("{}/auth/verify?audience={}/api", app.base, app.base);
    for (language, is_good, text) in run(&page, &[("CLIENT_SECRET", secret), ("API_URL", &api)]).await {
        assert!(is_good && text.contains("200"), "{language}: {text}");
    }
    // What is refused is told, and is no success.
    for (language, is_good, text) in run(&page, &[("CLIENT_SECRET", "wrong"), ("API_URL", &api)]).await {
        assert!(!is_good && text.contains("invalid_client"), "{language}: {text}");
    }
    // The page of the client has the same.
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("id", ID).finish();
    let again = clara.get(&app, &format!("/console/client?{query}")).await;
    assert_eq!(snippet(&again, "Python"), snippet(&page, "Python"));
    assert!(snippet(&page, "Python").unwrap().contains(app.issuer()), "{page:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_server_introspects_by_its_snippets() {
    let app = start().await;
    let api = app.resource_server("api").await;
    let main = app.main_client("main").await;
    let token = app.token(&main, &[crate::support::scene::CLIENT_CREDENTIALS]).await.text("access_token");
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let page = ada.get(&app, "/console/client?id=api").await;
    let secret = api.secret.as_deref().unwrap();
    for (language, is_good, text) in run(&page, &[("CLIENT_SECRET", secret), ("ACCESS_TOKEN", &token)]).await {
        let text = text.to_lowercase();
        assert!(
            is_good && text.contains("active") && text.contains("true") && text.contains("main"),
            "{language}: {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workload_proves_itself_by_its_snippets() {
    let app = start().await;
    let idp = Idp::new("https://idp.example.test");
    idp.register(&app, json!({"uses": ["client_assertion"], "audience": [app.issuer()]})).await;
    let (_, mut ada) = person(&app, "ada", "admin").await;
    let form = Form::to(&ada.get(&app, "/console/new-client?kind=workload").await, "create");
    let form = form.with("client_name", "Job").with("issuer", &idp.name).with("value", "job").with("scope", "read");
    let page = ada.send(&app, form).await;
    page.assert_ok();
    let token = idp.token(&app, "job", json!({}), json!({"aud": app.issuer()}));
    let api = format!("{}/auth/verify?audience={}/api", app.base, app.base);
    for (language, is_good, text) in run(&page, &[("PLATFORM_TOKEN", &token), ("API_URL", &api)]).await {
        assert!(is_good && text.contains("200"), "{language}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_key_signs_by_its_snippets() {
    let app = start().await;
    let pkcs8 = SigningKey::generate(SigningAlgorithm::Es256);
    let key = SigningKey::parse(SigningAlgorithm::Es256, &pkcs8).unwrap();
    let members = json!({
        "token_endpoint_auth_method": "private_key_jwt", "jwks": key_set(&[(&key, "own")]),
        "grant_types": ["client_credentials"], "scope": "read",
    });
    app.client("it's \"\\\" $x", members).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8.as_slice()));
    std::fs::write(&path, pem).unwrap();
    let (_, mut ruth) = person(&app, "ruth", "read").await;
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("id", "it's \"\\\" $x").finish();
    let page = ruth.get(&app, &format!("/console/client?{query}")).await;
    let api = format!("{}/auth/verify?audience={}/api", app.base, app.base);
    let environment = [("PRIVATE_KEY_FILE", path.to_str().unwrap()), ("API_URL", api.as_str())];
    for (language, is_good, text) in run(&page, &environment).await {
        assert!(is_good && text.contains("200"), "{language}: {text}");
    }
}

/// Lets alice log in by each snippet of a page; `waits` tells whether the programs wait for the browser themselves.
async fn log_in(app: &TestServer, page: &Answer, secret: Option<&str>, waits: bool) {
    let alice = app.admin(reqwest::Method::GET, "/admin/v1/users/alice", None).await.text("sub");
    let mut count = 0;
    for (name, file, run) in languages() {
        let Some(text) = snippet(page, name) else { continue };
        count += 1;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        tokio::task::spawn_blocking(move || write(&path, file, &text)).await.unwrap();
        let environment: Vec<(&str, &str)> = secret.iter().map(|secret| ("CLIENT_SECRET", *secret)).collect();
        let mut child = Guard(command(folder.path(), file, run, &environment).spawn().unwrap());
        let err = read_all(child.0.stderr.take().unwrap());
        let mut lines = BufReader::new(child.0.stdout.take().unwrap());
        let (address, lines) = tokio::task::spawn_blocking(move || {
            let mut address = String::new();
            lines.read_line(&mut address).unwrap();
            address.clear();
            lines.read_line(&mut address).unwrap();
            (address, lines)
        })
        .await
        .unwrap();
        let (_, query) = address.trim().split_once('?').unwrap_or_else(|| panic!("{name}: {address}"));
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let parameters: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let arrival = Browser::default().agree(app, ALICE, &parameters).await;
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&arrival.parameters).finish();
        let back = format!("{}?{query}", arrival.uri);
        if waits && name != "curl" {
            Answer::of(app.http.get(&back)).await.assert_ok();
        } else {
            writeln!(child.0.stdin.take().unwrap(), "{back}").unwrap();
        }
        let rest = read_all(lines);
        let is_good = tokio::task::spawn_blocking(move || ended_well(&mut child)).await.unwrap();
        let text = rest.join().unwrap() + &err.join().unwrap();
        assert!(is_good && text.contains("200") && text.contains(&alice), "{name}: {text}");
    }
    assert!(count >= 2, "{page:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_log_in_by_the_snippets() {
    let app = start().await;
    app.user(ALICE.0, ALICE.1).await;
    let (_, mut clara) = person(&app, "clara", "clients").await;
    let form = Form::to(&clara.get(&app, "/console/new-client?kind=web").await, "create");
    let form =
        form.with("client_name", "Web").with("redirect_uris", "https://app.example.test/cb").with("consent", "once");
    let page = clara.send(&app, form).await;
    page.assert_ok();
    let secret = page.body.split("<pre>").nth(1).unwrap().split('<').next().unwrap();
    log_in(&app, &page, Some(secret), false).await;
    let form = Form::to(&clara.get(&app, "/console/new-client?kind=native").await, "create");
    let form = form.with("client_name", "Native").with("redirect_uris", "http://127.0.0.1/callback");
    let page = clara.send(&app, form).await;
    log_in(&app, page.assert_ok(), None, true).await;
}
