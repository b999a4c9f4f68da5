//! The pages that explain the API and its errors.

mod commands;
mod configuration;
mod documents;
pub(crate) mod metrics;

use jeton::current_request::{self, CurrentRequest};
use jeton::diagnosis::investigate;
use jeton::diagnosis::{Diagnosis, Finding, Source};
use jeton::protocol::assertion::Fault;
use jeton::protocol::cause::{BearerAnswer, Cause};
use jeton::protocol::error::ErrorCode;
use jeton::settings::{LogFormat, log_filter};
use jeton::telemetry;
use reqwest::{Method, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Answer, Backend, Setup, TestServer, on_both_stores};

/// A page without scripts or external resources, whose style is the one that its policy allows.
#[track_caller]
fn assert_page(answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let style = answer.body.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
    let hash = {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(jeton::crypto::sha256(style.as_bytes()))
    };
    assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    for forbidden in ["<script", "<link", "<img", "<iframe", "@import", "url(", " on", "style="] {
        let outside_text = answer.body.split('<').filter_map(|tag| tag.split('>').next());
        for tag in outside_text {
            assert!(!format!("<{tag}").contains(forbidden), "{forbidden}: <{tag}>");
        }
    }
    assert!(!style.contains("@import") && !style.contains("url("));
    assert!(answer.body.contains("name=\"viewport\"") && style.contains("prefers-color-scheme"));
}

/// The local URLs that a page links to, resolved against its own.
fn links(base: &str, page: &Answer) -> Vec<url::Url> {
    let here = url::Url::parse(base).unwrap();
    let targets = page.body.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    targets.map(|target| here.join(target).unwrap()).collect()
}

on_both_stores!(every_page_is_there_and_every_link_leads_to_a_page, async |backend| {
    let app = TestServer::start(backend).await;
    let mut seen = Vec::new();
    for path in ["/docs", "/docs/errors", "/docs/errors/invalid_grant"] {
        let page = app.get(path).await;
        page.assert_ok();
        assert_page(&page);
        for mut link in links(&format!("{}{path}", app.base), &page) {
            if let Some(anchor) = link.fragment().filter(|_| link.path() == path) {
                assert!(page.body.contains(&format!("id=\"{anchor}\"")), "{link}");
            }
            link.set_fragment(None);
            if !seen.contains(&link) {
                seen.push(link);
            }
        }
    }
    for link in seen {
        assert_eq!(Answer::of(app.http.get(link.clone())).await.status, StatusCode::OK, "{link}");
    }
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_below_docs_is_a_page_too() {
    let app = TestServer::start(Backend::Sqlite).await;
    for (method, path, status) in [
        (Method::POST, "/docs", 405),
        (Method::DELETE, "/docs/errors/expired", 405),
        (Method::GET, "/docs/errors/no_such_error", 404),
        (Method::GET, "/docs/no_such_page", 404),
    ] {
        let answer = Answer::of(app.http.request(method, format!("{}{path}", app.base))).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {answer:?}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{path}");
        assert_page(&answer);
        for link in links(&format!("{}{path}", app.base), &answer) {
            app.get(link.path()).await.assert_ok();
        }
    }
}

on_both_stores!(every_error_and_every_cause_has_a_page_that_the_index_names, async |backend| {
    let app = TestServer::start(backend).await;
    let index = app.get("/docs/errors").await.body;
    let faults = Fault::ALL.iter().map(|fault| fault.name());
    let errors = ErrorCode::ALL.iter().map(|error| error.name());
    for code in errors.chain(Cause::ALL.iter().map(|cause| cause.name())).chain(faults) {
        let page = app.get(&format!("/docs/errors/{code}")).await;
        page.assert_ok();
        assert_page(&page);
        assert!(page.body.contains(&format!("<h1><code>{code}</code></h1>")), "{code}");
        assert!(!page.body.contains("{issuer}") && !page.body.contains("{ops}"), "{code}");
        assert!(index.contains(&format!("href=\"../docs/errors/{code}\"")), "{code}");
    }
});

on_both_stores!(every_error_leads_to_its_page, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let issuer = app.issuer().to_owned();
    let uri = app.refresh(&main, "nonsense").await.text("error_uri");
    app.get(uri.strip_prefix(&issuer).unwrap()).await.assert_ok();
    let reader = app.client("reader", json!({"grant_types": ["client_credentials"], "scope": "jeton:read"})).await;
    let token = app.token(&reader, &[("grant_type", "client_credentials")]).await.text("access_token");
    let users = format!("{}/admin/v1/users", app.base);
    let problems = [
        app.get("/admin/v1/users").await,
        app.get("/admin/v1/users?access_token=x").await,
        Answer::of(app.http.get(&users).bearer_auth("nonsense")).await,
        Answer::of(app.http.post(&users).bearer_auth(&token)).await,
        app.admin(Method::GET, "/admin/v1/users/nobody", None).await,
        app.admin(Method::POST, "/admin/v1/users", Some(json!({}))).await,
        app.admin(Method::POST, "/admin/v1/clients", Some(json!({"client_id": "main"}))).await,
    ];
    for problem in problems {
        let uri = problem.text("type");
        app.get(uri.strip_prefix(&issuer).unwrap()).await.assert_ok();
    }
});

on_both_stores!(an_unknown_code_is_not_echoed, async |backend| {
    let app = TestServer::start(backend).await;
    for code in ["nothing", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "%FF", "invalid_grant%00", "Invalid_Grant"] {
        let page = app.get(&format!("/docs/errors/{code}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{code}");
        assert_page(&page);
        assert!(!page.body.contains("alert"), "{}", page.body);
    }
});

#[tokio::test]
async fn with_dev_the_commands_name_the_development_database() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("dev.db").display());
    let key = jeton::keys::master::MasterKey::generate();
    let setup = Setup { dev: true, ..Setup::default() };
    let app = TestServer::start_on(&database, &key, setup).await;
    let page = app.get("/docs/errors/user_disabled").await;
    assert!(page.body.contains("<pre>jeton --dev user enable USERNAME</pre>"), "{}", page.body);
    let production = TestServer::start(Backend::Sqlite).await;
    let page = production.get("/docs/errors/expired").await;
    assert!(page.body.contains("https://auth.example.com/auth/token"), "{}", page.body);
}

const GUIDE: &str = include_str!("../../docs/refusals.md");

/// The rows of the guide's tables of causes.
fn causes_of_the_guide() -> Vec<&'static str> {
    let section = GUIDE.split("## All causes").nth(1).unwrap().split("\n## ").next().unwrap();
    section.lines().filter(|line| line.starts_with("| `")).collect()
}

/// How the guide writes a cause: its name, its title and what a resource server answers.
fn row_of(cause: &Cause) -> String {
    let BearerAnswer { status, error } = cause.bearer_answer();
    let error = match (status, error) {
        (503, _) => String::new(),
        (_, None) => ", no error".to_owned(),
        (_, Some(error)) => format!(" `{error}`"),
    };
    format!("| `{cause}` | {} | {status}{error} |", cause.title())
}

/// Collects what a subscriber writes.
#[derive(Clone, Default)]
struct Written(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn every_cause_has_one_name_in_the_log_the_metrics_the_pages_the_description_and_the_guide() {
    let app = TestServer::start(Backend::Sqlite).await;
    let written = Written::default();
    let writer = written.clone();
    let filter = log_filter().parse_lossy("info");
    let subscriber = telemetry::log::subscriber(LogFormat::Text, filter, false, move || writer.clone());
    tracing::subscriber::with_default(subscriber, || {
        let request = CurrentRequest::new("verify", Uuid::nil(), std::net::Ipv4Addr::LOCALHOST.into());
        current_request::within_sync(Some(request), || {
            for cause in Cause::ALL {
                let finding = Finding {
                    cause: *cause,
                    source: Source::Bytes,
                    detail: "-".into(),
                    at: None,
                    needed: None,
                    remedy: None,
                    holder: None,
                };
                let diagnosis = Diagnosis { findings: vec![finding], ..Diagnosis::default() };
                investigate::note_refusal(&app.server.app, "verify", &diagnosis);
            }
        });
    });
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let metrics = Answer::of(app.http.get(format!("{}/metrics", app.ops))).await.body;
    let description: serde_json::Value = serde_yaml_ng::from_str(&app.get("/openapi.yaml").await.body).unwrap();
    let names: Vec<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
    assert_eq!(description["components"]["schemas"]["Cause"]["enum"], json!(names));
    assert_eq!(causes_of_the_guide(), Cause::ALL.iter().map(row_of).collect::<Vec<_>>());
    assert_eq!(log.lines().count(), names.len(), "one line for each: {log}");
    for name in names {
        app.get(&format!("/docs/errors/{name}")).await.assert_ok();
        let label = format!("jeton_refusals_total{{endpoint=\"verify\",cause=\"{name}\"}} 1");
        assert!(metrics.contains(&label), "{label} in {metrics}");
        assert!(log.contains(&format!("token refused endpoint=\"verify\" cause=\"{name}\"")), "{name} in {log}");
    }
}
