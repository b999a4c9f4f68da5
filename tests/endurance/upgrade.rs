//! Versions of the server replace each other one node at a time under load, and nobody notices.
//!
//! Three nodes on one Postgres stand behind a [`Balancer`]. Each step replaces all of them: the base commit by this
//! one, this one by a next one with one more migration, and that one by this one again, which is an upgrade taken back.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinHandle;

use crate::balancer::{Balancer, PROBE};
use crate::load::{Cast, Load, USER};
use crate::run::Run;
use crate::support::cluster::Cluster;
use crate::support::program::{Place, Running};
use crate::support::{Answer, Backend};
use crate::versions::Versions;
use crate::{Part, block_on};

pub(crate) const PART: Part = Part { name: "upgrade", title: "Rolling upgrades", counts: 1, run };

const NODES: usize = 3;
const ROUNDS: u64 = 10;
/// The bound within which a revocation is honoured everywhere.
const STALENESS: Duration = Duration::from_secs(2);
/// JETON_DRAIN_DELAY of the servers that know it: several questions of the balancer.
const DRAIN: Duration = Duration::from_secs(3);
/// The time between two steps of each actor: what they hash must not be too much for a busy machine.
const PACE: Duration = Duration::from_millis(200);
/// Every so many revocations are of a token of a login, the others of tokens of clients.
const LOGINS: usize = 5;

fn run(run: &mut Run) -> String {
    if !run.stores.contains(&Backend::Postgres) {
        return "Not run: a SQLite file admits one server.\n".to_owned();
    }
    let versions = Versions::find();
    while run.wants("rounds", ROUNDS) {
        block_on(round(run, &versions));
        run.done("rounds", 1);
    }
    report(run)
}

/// A version that runs in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Base,
    This,
    Next,
}

struct Node {
    version: Version,
    running: Running,
    drains: bool,
}

struct Fleet<'a> {
    place: Place,
    versions: &'a Versions,
    balancer: Balancer,
    nodes: Vec<Node>,
    /// Where the logs of the nodes go when something fails.
    evidence: PathBuf,
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (index, node) in self.nodes.iter().enumerate() {
                let file = self.evidence.join(format!("node-{index}-{:?}.log", node.version));
                let _ = std::fs::write(file, &*node.running.log.lock().unwrap());
            }
        }
    }
}

impl Fleet<'_> {
    fn program(&self, version: Version) -> &Path {
        match version {
            Version::Base => &self.versions.base,
            Version::This => &self.versions.this,
            Version::Next => &self.versions.next,
        }
    }

    async fn start(&mut self, version: Version) {
        let program = self.program(version).to_owned();
        let drains = has_drain_delay(&program);
        let mut place = self.place.of_version(&program);
        if drains {
            place.set("JETON_DRAIN_DELAY", &format!("{}ms", DRAIN.as_millis()));
        }
        // Waiting for a process must not hold up the balancer.
        let running = tokio::task::spawn_blocking(move || place.serve(&[])).await.unwrap();
        self.balancer.add(&running.base, &running.ops).await;
        self.nodes.push(Node { version, running, drains });
    }

    /// Stops the oldest node as a service manager does.
    async fn stop(&mut self) {
        let Node { version, running, drains } = self.nodes.remove(0);
        if !drains {
            // A version without that setting has to be taken out of the balancer first.
            self.balancer.remove(&running.base);
            tokio::time::sleep(DRAIN).await;
        }
        let (base, log) = (running.base.clone(), Arc::clone(&running.log));
        let status = tokio::task::spawn_blocking(move || running.stop()).await.unwrap();
        self.balancer.remove(&base);
        let log = log.lock().unwrap();
        assert!(status.code() == Some(0) && !log.contains("panicked"), "{version:?} ended with {status}: {log}");
    }

    /// Replaces every node.
    async fn replace(&mut self, version: Version) {
        for _ in 0..NODES {
            self.start(version).await;
            tokio::time::sleep(PROBE * 2).await;
            self.stop().await;
        }
        assert!(self.nodes.iter().all(|node| node.version == version));
    }
}

fn has_drain_delay(program: &Path) -> bool {
    let help = std::process::Command::new(program).args(["serve", "--help"]).output().unwrap();
    String::from_utf8_lossy(&help.stdout).contains("--drain-delay")
}

async fn round(run: &mut Run, versions: &Versions) {
    let cluster = Cluster::start();
    let mut place = Place::bare();
    place.set("JETON_DATABASE_URL", &cluster.url());
    place.set("JETON_ISSUER", "https://auth.example.com");
    place.set("JETON_MASTER_KEY", &jeton::keys::master::MasterKey::generate());
    place.set("JETON_MAX_STALENESS", &format!("{}ms", STALENESS.as_millis()));
    let balancer = Balancer::start().await;
    let mut fleet = Fleet { place, versions, balancer, nodes: Vec::new(), evidence: run.evidence() };
    // The first node makes the schema of its version; the command line then is of that version, too.
    fleet.start(Version::Base).await;
    let cast = Cast::make(&fleet.place.of_version(fleet.program(Version::Base)));
    *cast.bases.lock().unwrap() = vec![fleet.balancer.base.clone()];
    for _ in 1..NODES {
        fleet.start(Version::Base).await;
    }
    let actors = Actors::begin(&cast);
    let load = Load::begin(&cast, 20).await;
    let mut kept = Kept::default();
    kept.issue(&cast).await;
    for step in [Version::This, Version::Next, Version::This] {
        let begun = Instant::now();
        fleet.replace(step).await;
        load.assert_good();
        actors.assert_good();
        // What any version before it gave is good for this one.
        kept.check(&cast).await;
        kept.issue(&cast).await;
        run.add("nodes replaced", NODES as u64);
        run.most("slowest replacement of all nodes, s", begun.elapsed().as_secs());
    }
    let checks = actors.end(&cast, &fleet).await;
    let outcome = load.end().await;
    let outcome = std::mem::take(&mut *outcome.lock().unwrap());
    assert!(outcome.failures.is_empty(), "{} failed: {:?}", outcome.failures.len(), outcome.failures.first());
    for (kind, _) in crate::load::KINDS {
        run.add("requests", outcome.count(0, kind) as u64);
        let slowest = outcome.percentile(0, kind, 1000).as_millis();
        run.most("slowest request, ms", u64::try_from(slowest).unwrap());
    }
    for (name, count) in checks {
        run.add(name, count);
    }
    while !fleet.nodes.is_empty() {
        fleet.stop().await;
    }
}

/// Sessions and tokens of each version, which every later one takes for good.
#[derive(Default)]
struct Kept {
    access: Vec<String>,
    chains: Vec<String>,
}

impl Kept {
    async fn issue(&mut self, cast: &Cast) {
        // One for each node, most likely.
        for _ in 0..NODES * 2 {
            let login = cast.login().await.unwrap();
            self.access.extend([login.text("access_token"), cast.token().await.unwrap().text("access_token")]);
            self.chains.push(login.text("refresh_token"));
        }
    }

    async fn check(&mut self, cast: &Cast) {
        for token in &self.access {
            for _ in 0..NODES {
                assert!(cast.is_active(token).await.unwrap(), "a token of an earlier version is called inactive");
            }
        }
        for chain in &mut self.chains {
            *chain = cast.refresh(chain).await.unwrap().text("refresh_token");
        }
    }
}

/// Those who do several things in order and check that each holds.
struct Actors {
    stop: Arc<AtomicBool>,
    failures: Arc<Mutex<Vec<String>>>,
    revoked: Arc<Mutex<Vec<(String, Instant)>>>,
    counts: [(&'static str, Arc<AtomicU64>); 3],
    tasks: Vec<JoinHandle<()>>,
}

impl Actors {
    fn begin(cast: &Cast) -> Self {
        let counts = ["revocations", "chained refreshes", "admin writes"].map(|name| (name, Arc::default()));
        let mut actors =
            Self { stop: Arc::default(), failures: Arc::default(), revoked: Arc::default(), counts, tasks: Vec::new() };
        let (chain, admin, revoked) = (cast.clone(), cast.clone(), Arc::clone(&actors.revoked));
        let revoker = cast.clone();
        actors.act(0, move || revoke(revoker.clone(), Arc::clone(&revoked)));
        let held = Arc::new(tokio::sync::Mutex::new(None));
        actors.act(1, move || go_on(chain.clone(), Arc::clone(&held)));
        actors.act(2, move || administer(admin.clone()));
        actors
    }

    fn act<F: Future<Output = Result<(), String>> + Send + 'static>(
        &mut self,
        count: usize,
        step: impl Fn() -> F + Send + 'static,
    ) {
        let (stop, failures, count) =
            (Arc::clone(&self.stop), Arc::clone(&self.failures), Arc::clone(&self.counts[count].1));
        self.tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                match step().await {
                    Ok(()) => drop(count.fetch_add(1, Ordering::Relaxed)),
                    Err(failure) => failures.lock().unwrap().push(failure),
                }
                tokio::time::sleep(PACE).await;
            }
        }));
    }

    fn assert_good(&self) {
        let failures = self.failures.lock().unwrap();
        assert!(failures.is_empty(), "{} steps failed, the first: {}", failures.len(), failures[0]);
    }

    /// Stops them, and asks every node about all that was revoked. Gives what they did.
    async fn end(mut self, cast: &Cast, fleet: &Fleet<'_>) -> Vec<(&'static str, u64)> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks.drain(..) {
            task.await.unwrap();
        }
        self.assert_good();
        tokio::time::sleep(STALENESS).await;
        let revoked = self.revoked.lock().unwrap().clone();
        for (token, _) in &revoked {
            for node in &fleet.nodes {
                let answer =
                    cast.form_at(&node.running.base, "/auth/introspect", &cast.asker, &[("token", token)]).await;
                answer.unwrap().assert_inactive();
            }
        }
        let counts = self.counts.iter().map(|(name, count)| (*name, count.load(Ordering::Relaxed)));
        counts.collect()
    }
}

/// Revokes a token on whichever node, and asks the others about it, and about one that was revoked a while ago.
async fn revoke(cast: Cast, revoked: Arc<Mutex<Vec<(String, Instant)>>>) -> Result<(), String> {
    let of_user = revoked.lock().unwrap().len().is_multiple_of(LOGINS);
    let token = if of_user { cast.login().await } else { cast.token().await }?.text("access_token");
    if !cast.is_active(&token).await? {
        return Err("a new token is called inactive".to_owned());
    }
    cast.form("/auth/revoke", &cast.app, &[("token", &token)]).await?;
    let acknowledged = Instant::now();
    revoked.lock().unwrap().push((token.clone(), acknowledged));
    // Those that were acknowledged longer ago than the bound are active nowhere.
    let old = {
        let revoked = revoked.lock().unwrap();
        let old = revoked.iter().rev().filter(|(_, at)| at.elapsed() > STALENESS).take(NODES);
        old.map(|(token, _)| token.clone()).collect::<Vec<_>>()
    };
    for token in old {
        if cast.is_active(&token).await? {
            return Err("what was revoked is called active by another node".to_owned());
        }
    }
    Ok(())
}

/// Goes on in a chain of refreshes, each on whichever node.
async fn go_on(cast: Cast, held: Arc<tokio::sync::Mutex<Option<String>>>) -> Result<(), String> {
    let mut held = held.lock().await;
    let answer = match held.take() {
        Some(token) => cast.refresh(&token).await?,
        None => cast.login().await?,
    };
    *held = Some(answer.text("refresh_token"));
    if cast.is_active(&answer.text("access_token")).await? {
        Ok(())
    } else {
        Err("a refreshed token is inactive".into())
    }
}

/// Makes a user, changes it, logs it in and deletes it.
async fn administer(cast: Cast) -> Result<(), String> {
    let grant = [("grant_type", "client_credentials"), ("scope", "jeton:admin")];
    let token = cast.form("/auth/token", &cast.ops, &grant).await?.text("access_token");
    let name = format!("user-{}", uuid::Uuid::new_v4().simple());
    let admin = async |method: reqwest::Method, path: String, body: serde_json::Value, status: u16| {
        let request = cast.http.request(method, format!("{}/admin/v1/{path}", cast.base())).bearer_auth(&token);
        let answer = Answer::if_any(request.json(&body)).await.map_err(|error| format!("{path}: {error:?}"))?;
        if answer.status.as_u16() == status { Ok(()) } else { Err(format!("{path}: {answer:?}")) }
    };
    admin(reqwest::Method::POST, "users".into(), json!({"username": name, "password": "first"}), 201).await?;
    admin(reqwest::Method::PUT, format!("users/{name}/password"), json!({"password": USER.1}), 204).await?;
    let form = [("grant_type", "password"), ("username", name.as_str()), ("password", USER.1)];
    let login = cast.form("/auth/token", &cast.app, &form).await?.text("access_token");
    if !cast.is_active(&login).await? {
        return Err("the token of a new user is inactive".to_owned());
    }
    admin(reqwest::Method::DELETE, format!("users/{name}"), json!({}), 204).await
}

fn report(run: &Run) -> String {
    let mut text = String::from(
        "Three nodes on one Postgres, behind a load balancer that checks `/readyz` and never repeats a request, are replaced \
         one by one: the base commit with this one, this one with a version that has one more migration, and that one \
         with this one again. No request failed, each version accepted the tokens and sessions of the others, and a token \
         revoked on one node was active on none after `JETON_MAX_STALENESS`.\n\n",
    );
    text += "| what | count |\n| --- | --- |\n";
    for name in [
        "rounds",
        "nodes replaced",
        "requests",
        "revocations",
        "chained refreshes",
        "admin writes",
        "slowest request, ms",
        "slowest replacement of all nodes, s",
    ] {
        writeln!(text, "| {name} | {} |", run.number(name)).unwrap();
    }
    text
}
