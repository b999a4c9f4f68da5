//! The contract of the store: every public method on both databases, with its success, its refusals and its effect.

mod active;
mod applied;
mod assertions;
mod audit;
mod bound_tokens;
mod cleanup;
pub(crate) mod client_documents;
mod clients;
mod database;
mod device_requests;
mod events;
mod figures;
mod issuers;
mod keys;
mod listen;
mod log;
mod login_failures;
mod logins;
mod logout_notices;
mod logouts;
mod migrate;
mod nodes;
mod password_links;
mod registrations;
mod resources;
mod revocations;
mod roles;
mod second_factors;
mod sessions;
mod settings;
mod subjects;
mod users;
mod verdicts;
mod webhooks;

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jeton::protocol::cause::Cause;
use jeton::protocol::client::{Client, ClientSecret, SecretDigest};
use jeton::protocol::confirmation::Sender;
use jeton::protocol::revocation::{NewRevocation, Target};
use jeton::protocol::scope::Scope;
use jeton::protocol::session::Session;
use jeton::protocol::time::Timestamp;
use jeton::protocol::user::User;
use jeton::store::{AuditFilter, Audited, Logged, NewSession, Page, Result, Rotation, Store};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::support::{Backend, fresh_database};

/// A database with the schema and nothing else.
struct Db {
    store: Store,
    address: String,
    _folder: TempDir,
}

impl Deref for Db {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Db {
    async fn new(backend: Backend) -> Self {
        let (address, folder) = fresh_database(backend).await;
        let store = connect(&address).await;
        store.migrate().await.unwrap();
        Self { store, address, _folder: folder }
    }

    /// A database with the client `app` and the user `alice`.
    async fn with_holders(backend: Backend) -> (Self, Client, User) {
        let db = Self::new(backend).await;
        let (app, alice) = (client("app"), user("alice"));
        db.client_create(&app, &audited()).await.written();
        db.user_create(&alice, &audited()).await.unwrap();
        (db, app, alice)
    }

    /// The same database with connections of its own, as another node has them.
    async fn node(&self) -> Store {
        connect(&self.address).await
    }

    async fn execute(&self, sql: &str) {
        execute(&self.address, sql).await;
    }

    /// The audit trail, oldest first: actions and targets.
    async fn trail(&self) -> Vec<(String, String)> {
        let records = self.audit_list(&AuditFilter::default(), &all(), 100).await.unwrap().found;
        records.into_iter().rev().map(|record| (record.action, record.target)).collect()
    }

    /// How many entries the log has.
    async fn entries(&self) -> usize {
        self.told(0).await.len()
    }

    /// The entries of the log after `number`, oldest first.
    async fn told(&self, number: i64) -> Vec<String> {
        let page = self.log_after(number, 2000).await.unwrap();
        page.entries.iter().map(|entry| describe(&entry.event)).collect()
    }
}

/// The outcome of a write that was to succeed. No node follows the log here.
trait Written<T> {
    fn written(self) -> T;
}

impl<T> Written<T> for Result<Logged<T>> {
    #[track_caller]
    fn written(self) -> T {
        self.unwrap().without_a_node()
    }
}

fn describe(event: &jeton::store::LogEvent) -> String {
    use jeton::store::LogEvent;
    match event {
        LogEvent::Revoked(revocation) => format!("{} for {}", revocation.target, revocation.cause),
        LogEvent::ClientChanged(id) => format!("client {id} changed"),
        LogEvent::UserChanged(id) => format!("user {id} changed"),
        LogEvent::ResourceChanged(uri) => format!("resource {uri} changed"),
        LogEvent::IssuerChanged(issuer) => format!("issuer {issuer} changed"),
        LogEvent::KeysChanged => "keys changed".into(),
    }
}

async fn connect(address: &str) -> Store {
    Store::connect(&address.parse().unwrap()).await.unwrap()
}

/// Runs SQL beside the store.
pub(crate) async fn execute(address: &str, sql: &str) {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    if address.starts_with("sqlite:") {
        sql.execute(&mut SqliteConnection::connect(address).await.unwrap()).await.unwrap();
    } else {
        sql.execute(&mut PgConnection::connect(address).await.unwrap()).await.unwrap();
    }
}

/// Runs the same thing many times at once, each on a node of its own, all released together.
async fn at_once<T: Send + 'static, F>(db: &Db, count: usize, work: impl Fn(Store, usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let mut works = Vec::new();
    for index in 0..count {
        works.push(work(db.node().await, index));
    }
    together(works).await
}

/// Begins all of this at the same moment; the results, in order.
async fn together<T: Send + 'static>(works: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let barrier = Arc::new(Barrier::new(works.len()));
    let mut tasks = Vec::new();
    for work in works {
        let barrier = Arc::clone(&barrier);
        tasks.push(tokio::spawn(async move {
            barrier.wait().await;
            work.await
        }));
    }
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// Seconds after the moment at which these tests play.
const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

fn audited() -> Audited {
    audited_at(at(0))
}

fn audited_at(moment: Timestamp) -> Audited {
    Audited { actor: "tester".into(), request_id: Some("r-1".into()), address: Some("192.0.2.1".into()), at: moment }
}

fn all() -> Page {
    Page { limit: 1000, after: None }
}

fn page(limit: i64, after: Option<String>) -> Page {
    Page { limit, after }
}

fn client(client_id: &str) -> Client {
    let settings = json!({"client_name": "Café", "grant_types": ["password", "refresh_token"], "scope": "read write"});
    Client {
        client_id: client_id.into(),
        settings: serde_json::from_value(settings).unwrap(),
        secrets: vec![],
        created_at: at(1),
        version: 1,
    }
}

fn secret(byte: u8) -> ClientSecret {
    let digest = SecretDigest::Generated([byte; 32]);
    ClientSecret { id: Uuid::now_v7(), digest, created_at: at(2), last_used_at: None }
}

fn user(username: &str) -> User {
    User {
        id: Uuid::now_v7(),
        sub: format!("auth0|{username}"),
        username: username.into(),
        password_hash: Some("$argon2id$stand-in".into()),
        scope: Some(Scope::parse("read").unwrap()),
        claims: json!({"tenant": "blau"}).as_object().cloned().unwrap(),
        profile: json!({"name": "Anna"}).as_object().cloned().unwrap(),
        enabled: true,
        role: None,
        has_second_factor: false,
        created_at: at(3),
        version: 1,
    }
}

/// The network that everything here comes from.
const NETWORK: &str = "192.0.2.1";

/// A rotation that the client `app` requests.
fn rotation(id: Uuid, generation: i64, now: Timestamp, idle_expires_at: Timestamp) -> Rotation {
    Rotation {
        id,
        client_id: "app".into(),
        generation,
        now,
        idle_expires_at,
        network: NETWORK.into(),
        sender: Sender::default(),
        binds: None,
    }
}

/// A session of this user with this client that is about to begin, last used at `used`.
fn new_session(client: &Client, user: &User, used: Timestamp) -> NewSession {
    let session = Session {
        id: Uuid::now_v7(),
        user_id: user.id,
        sub: user.sub.clone(),
        client_id: client.client_id.clone(),
        scope: Scope::parse("read").unwrap(),
        audiences: vec!["https://api.example/".into()],
        nonce_hash: [7; 32],
        generation: 1,
        retries: 0,
        repeats: 0,
        repeats_since: used,
        network: NETWORK.into(),
        log: -1,
        created_at: used,
        last_refreshed_at: used,
        idle_expires_at: used.plus_seconds(1000),
        expires_at: used.plus_seconds(5000),
        login: None,
        browser_session: None,
        offline: false,
        confirmation: None,
        bound_from: 0,
        code_key: None,
    };
    NewSession {
        session,
        user_version: user.version,
        client_version: client.version,
        max_sessions: 100,
        covers_until: at(86_400),
    }
}

fn revocation(target: Target, cause: Cause) -> NewRevocation {
    NewRevocation { target, cause, reason: Some("because".into()), covers_until: at(900) }
}

/// The public methods of `Store` that ask the database, as its source names them.
fn methods(source: &str) -> Vec<String> {
    let mut methods = Vec::new();
    let mut inside = false;
    for line in source.lines() {
        match line {
            "impl Store {" => inside = true,
            "}" => inside = false,
            _ => {}
        }
        if let (true, Some(rest)) = (inside, line.trim().strip_prefix("pub async fn ")) {
            methods.push(rest.split(['(', '<']).next().unwrap().to_owned());
        }
    }
    methods
}

fn sources(folder: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| {
        if path.is_dir() { sources(path.to_str().unwrap()) } else { fs::read_to_string(path).unwrap() }
    };
    entries.map(text).collect()
}

#[test]
fn every_method_of_the_store_is_tested_here() {
    let methods = methods(&sources("src/store"));
    assert!(methods.len() > 40, "the methods are found: {methods:?}");
    let tests = sources("tests/suite/store_contract");
    let called = |name: &String| tests.contains(&format!(".{name}(")) || tests.contains(&format!("Store::{name}("));
    let forgotten: Vec<&String> = methods.iter().filter(|name| !called(name)).collect();
    assert!(forgotten.is_empty(), "no test calls {forgotten:?}");
}
