//! Servers, and on Postgres the database too, are killed at random moments under mixed load, and started again. What
//! was acknowledged must be there afterwards; what was asked for and not answered has happened with all its effects and
//! its audit record, or not at all.
//!
//! Each [actor](actor::Actor) has a client and a user of its own and does one thing after the other, so that it knows
//! exactly what is in force. The random numbers depend on the seed alone; where in the work of the server a signal
//! falls does not.

mod actor;
mod records;

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use jeton::keys::master::MasterKey;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use super::cluster::Cluster;
use super::program::{Place, Running};
use super::{Answer, Backend, TestClient, eventually};
use actor::Actor;
use records::Records;

/// How many actors work at the same time.
const ACTORS: usize = 6;
/// The longest that an answer may take; after that it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that a server may take to serve again. It detects a stuck server; it does not measure speed.
const LIMIT: Duration = Duration::from_secs(60);
/// Shortest and longest time under load, in milliseconds.
const LOAD: (u64, u64) = (20, 600);
/// How many lines of the journal are kept as evidence.
const JOURNAL: usize = 20_000;
/// The Postgres roles of the nodes, one each, so that leftovers of one node can be distinguished from the others.
const ROLES: [&str; 2] = ["node_a", "node_b"];

/// Random numbers from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    /// One server; the others continue.
    Node(usize),
    /// All servers.
    Nodes,
    /// One Postgres process that serves or writes: Postgres then restarts all of them.
    Backend,
    /// Postgres, with SIGQUIT: it stops at once.
    Quit,
    /// The main process of Postgres, with SIGKILL: the others end when they notice.
    Postmaster,
    /// The main process of Postgres and all servers.
    Everything,
}

impl Blow {
    fn kills(self, node: usize) -> bool {
        matches!(self, Self::Nodes | Self::Everything) || self == Self::Node(node)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Node(_) => "one of two servers killed",
            Self::Nodes => "all servers killed",
            Self::Backend => "a Postgres process killed",
            Self::Quit => "Postgres stopped by SIGQUIT",
            Self::Postmaster => "the main Postgres process killed",
            Self::Everything => "Postgres and all servers killed",
        }
    }
}

/// What every request needs.
#[derive(Clone)]
pub(crate) struct Scene {
    http: reqwest::Client,
    /// The address of the server to ask.
    base: String,
    /// A token with `jeton:admin`.
    admin_token: String,
    /// May introspect everything.
    asker: TestClient,
    stop: Arc<AtomicBool>,
    journal: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    /// Sends a request. `None` if there is no answer, or a 503: then it is in doubt whether the request took effect.
    async fn ask(&self, who: &str, what: &str, request: RequestBuilder) -> Option<Answer> {
        let begun = Instant::now();
        let answer = Answer::if_any(request).await;
        let said = match &answer {
            Ok(answer) => answer.status.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        self.note(format!("{who}: {what}: {said}, {} ms", begun.elapsed().as_millis()));
        let answer = answer.ok()?;
        assert!(answer.status == 503 || answer.status.as_u16() < 500, "{who}: {what}: {answer:?}");
        (answer.status != 503).then_some(answer)
    }

    async fn form(&self, client: &TestClient, path: &str, form: &[(&str, &str)]) -> Option<Answer> {
        let request = self.http.post(format!("{}{path}", self.base)).header("Authorization", client.basic());
        let what =
            format!("{path} {}", form.first().map_or("", |(_, value)| if path == "/auth/token" { value } else { "" }));
        self.ask(&client.id, &what, request.form(form)).await
    }

    async fn admin(&self, who: &str, method: Method, path: &str, body: Option<Value>) -> Option<Answer> {
        let what = format!("{method} {path} {}", body.as_ref().map(Value::to_string).unwrap_or_default());
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.admin_token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        // What is revoked may be a token: the journal shows only its beginning.
        self.ask(who, &what.chars().take(90).collect::<String>(), request).await
    }

    /// Whether a token is active, asked until there is an answer.
    async fn introspect(&self, token: &str) -> Value {
        let hint = if token.starts_with("jrt_") { "refresh_token" } else { "access_token" };
        let question = [("token", token), ("token_type_hint", hint)];
        self.sure(async || self.form(&self.asker, "/auth/introspect", &question).await).await.json
    }

    /// Asks until there is an answer. Nothing is killed meanwhile.
    async fn sure(&self, mut ask: impl AsyncFnMut() -> Option<Answer>) -> Answer {
        let begun = Instant::now();
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(begun.elapsed() < LIMIT, "the server does not serve again");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn note(&self, line: String) {
        let mut journal = self.journal.lock().unwrap();
        if journal.len() >= JOURNAL {
            journal.drain(..JOURNAL / 2);
        }
        journal.push(line);
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

/// Counters of one cycle.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// The servers, their database and their users.
pub(crate) struct World {
    backend: Backend,
    /// The directory and environment of each node.
    places: Vec<Place>,
    nodes: Vec<Option<Running>>,
    cluster: Option<Cluster>,
    database: String,
    ops: TestClient,
    scene: Scene,
    actors: Vec<Actor>,
    records: Records,
    random: Random,
    /// Numbers for the report, by what they count.
    pub(crate) counts: Counts,
    /// The longest times in milliseconds, by what they measure.
    pub(crate) longest: Counts,
    _folder: TempDir,
}

impl World {
    /// A new database, with one server on SQLite and two on Postgres.
    pub(crate) async fn begin(backend: Backend, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = (backend == Backend::Postgres).then(Cluster::start);
        let database = match &cluster {
            Some(cluster) => cluster.url(),
            None => format!("sqlite://{}", folder.path().join("jeton.db").display()),
        };
        let mut place = Place::bare();
        place.set("JETON_DATABASE_URL", &database);
        place.set("JETON_ISSUER", "https://auth.example.com");
        place.set("JETON_MASTER_KEY", &MasterKey::generate());
        place.set("JETON_PASSWORD_THREADS", "1");
        place.set("JETON_ACCESS_TOKEN_TTL", "24h");
        place.set("JETON_MAX_STALENESS", "2s");
        place.set("JETON_THROTTLING", "on");
        place.run(&["migrate"]).ok();
        let client = |id: &str, settings: &[&str]| {
            let made = place.json(&[&["client", "create", "--client-id", id], settings].concat());
            TestClient { id: id.into(), secret: made["client_secret"].as_str().map(str::to_owned), in_body: false }
        };
        let ops = client("ops", &["--grant-types", "client_credentials", "--scope", "jeton:admin"]);
        let asker = client("asker", &["--permissions", "introspect"]);
        let mut places = vec![];
        for role in &ROLES[..if cluster.is_some() { 2 } else { 1 }] {
            let mut address = database.clone();
            if cluster.is_some() {
                records::execute(&database, &format!("CREATE ROLE {role} SUPERUSER LOGIN")).await;
                let mut url = Url::parse(&database).unwrap();
                url.set_username(role).unwrap();
                address = url.into();
            }
            places.push(place.with("JETON_DATABASE_URL", &address));
        }
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let (base, admin_token) = (String::new(), String::new());
        let scene = Scene { http, base, admin_token, asker, stop: Arc::default(), journal: Arc::default() };
        let mut random = Random(seed);
        let mut world = Self {
            backend,
            nodes: places.iter().map(|_| None).collect(),
            places,
            cluster,
            records: Records::new(),
            database,
            ops,
            scene,
            actors: vec![],
            random: random.clone(),
            counts: Counts::new(),
            longest: Counts::new(),
            _folder: folder,
        };
        world.start().await;
        for number in 0..ACTORS {
            let seed = random.next();
            world.actors.push(Actor::begin(&world.scene_at(0), number, seed).await);
        }
        world.random = random;
        world.records.check(&world.database, &mut world.actors).await;
        world
    }

    /// The same, on a node.
    fn scene_at(&self, node: usize) -> Scene {
        Scene { base: self.nodes[node].as_ref().unwrap().base.clone(), ..self.scene.clone() }
    }

    /// Starts what does not run, without any repair, and waits until everything serves.
    async fn start(&mut self) {
        for (node, place) in self.nodes.iter_mut().zip(&self.places) {
            if node.is_none() {
                let begun = Instant::now();
                *node = Some(place.serve(&[]));
                let most = self.longest.entry("time until a started server listens").or_default();
                *most = u64::try_from(begun.elapsed().as_millis()).unwrap().max(*most);
            }
        }
        let begun = Instant::now();
        let grant = [("grant_type", "client_credentials")];
        for node in 0..self.nodes.len() {
            let scene = self.scene_at(node);
            let answer = scene.sure(async || scene.form(&self.ops, "/auth/token", &grant).await).await;
            self.scene.admin_token = answer.assert_ok().text("access_token");
            let scene = self.scene_at(node);
            // A read of the database, and readiness.
            let admin = async || scene.admin("ops", Method::GET, "/admin/v1/clients/ops", None).await;
            scene.sure(admin).await.assert_ok();
            let ready = format!("{}/readyz", self.nodes[node].as_ref().unwrap().ops);
            eventually(LIMIT, "it is ready", async || {
                Answer::if_any(scene.http.get(&ready)).await.is_ok_and(|answer| answer.status == 200)
            })
            .await;
        }
        let most = self.longest.entry("time from listening until all are ready").or_default();
        *most = u64::try_from(begun.elapsed().as_millis()).unwrap().max(*most);
    }

    /// One cycle: load, a blow, a new start, and what must be so. What a failure leaves is put into `evidence`.
    pub(crate) async fn cycle(&mut self, evidence: &Path) {
        if let Err(panic) = AssertUnwindSafe(self.cycle_of_chance()).catch_unwind().await {
            self.keep(evidence);
            resume_unwind(panic);
        }
    }

    async fn cycle_of_chance(&mut self) {
        let blow = match (self.backend, self.random.below(20)) {
            (Backend::Sqlite, _) | (_, 7..=10) => Blow::Nodes,
            (_, 0..=6) => Blow::Node(self.random.below(2)),
            (_, 11..=13) => Blow::Backend,
            (_, 14..=15) => Blow::Quit,
            (_, 16..=17) => Blow::Postmaster,
            _ => Blow::Everything,
        };
        let load = LOAD.0 + self.random.next() % (LOAD.1 - LOAD.0);
        self.scene.note(format!("--- {load} ms of load, then {blow:?}"));
        *self.counts.entry(blow.name()).or_default() += 1;
        self.scene.stop = Arc::default();
        let mut working = vec![];
        for mut actor in std::mem::take(&mut self.actors) {
            let node = self.random.below(self.nodes.len());
            let scene = self.scene_at(node);
            working.push(tokio::spawn(async move { (actor.work(&scene).await, actor) }));
        }
        tokio::time::sleep(Duration::from_millis(load)).await;
        self.strike(blow).await;
        if let Blow::Node(killed) = blow {
            self.the_other_goes_on(1 - killed).await;
        }
        self.scene.stop.store(true, Ordering::Relaxed);
        for task in working {
            match task.await {
                Ok((counts, actor)) => {
                    counts.iter().for_each(|(name, count)| *self.counts.entry(name).or_default() += count);
                    self.actors.push(actor);
                }
                Err(error) => resume_unwind(error.into_panic()),
            }
        }
        self.what_is_left_ends(blow).await;
        self.start().await;
        self.records.check(&self.database, &mut self.actors).await;
        for node in 0..self.nodes.len() {
            let scene = self.scene_at(node);
            let checks = self.actors.iter_mut().map(|actor| actor.check(&scene));
            for counts in futures_util::future::join_all(checks).await {
                counts.iter().for_each(|(name, count)| *self.counts.entry(name).or_default() += count);
            }
        }
        self.records.check(&self.database, &mut self.actors).await;
    }

    async fn strike(&mut self, blow: Blow) {
        let cluster = self.cluster.as_ref();
        let chance = self.random.below(1000);
        match blow {
            Blow::Node(_) | Blow::Nodes => {}
            Blow::Backend => cluster.unwrap().kill_a_process(chance),
            Blow::Quit => cluster.unwrap().kill(),
            Blow::Postmaster | Blow::Everything => cluster.unwrap().kill_main(),
        }
        for (number, node) in self.nodes.iter_mut().enumerate() {
            if blow.kills(number)
                && let Some(running) = node.take()
            {
                let text = running.log.lock().unwrap().clone();
                assert!(!text.contains("panicked"), "node {number} panicked: {text}");
                running.kill();
            }
        }
    }

    /// The death of one server does not hold up another.
    async fn the_other_goes_on(&self, node: usize) {
        let scene = self.scene_at(node);
        let answer =
            scene.sure(async || scene.form(&self.ops, "/auth/token", &[("grant_type", "client_credentials")]).await);
        answer.await.assert_ok();
        scene.sure(async || scene.admin("ops", Method::GET, "/admin/v1/clients/ops", None).await).await.assert_ok();
    }

    /// Postgres runs again, and has nothing more to do for servers that were killed: what they asked for last has
    /// happened by then, or never will.
    async fn what_is_left_ends(&self, blow: Blow) {
        let Some(cluster) = &self.cluster else { return };
        if matches!(blow, Blow::Quit | Blow::Postmaster | Blow::Everything) {
            cluster.go_on();
        }
        for (node, role) in ROLES.iter().enumerate() {
            if blow.kills(node) {
                let left = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'");
                eventually(LIMIT, "the connections of a killed server end", async || {
                    records::number(&self.database, &left).await == Some(0)
                })
                .await;
            }
        }
        eventually(LIMIT, "Postgres answers", async || {
            records::number(&self.database, "SELECT 1::bigint").await == Some(1)
        })
        .await;
    }

    /// Stops the servers cleanly.
    pub(crate) fn end(&mut self) {
        for node in self.nodes.iter_mut().filter_map(Option::take) {
            assert_eq!(node.stop().code(), Some(0));
        }
    }

    /// The last lines of the journal, the logs of the servers and the SQLite database.
    fn keep(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("journal"), self.scene.journal.lock().unwrap().join("\n")).unwrap();
        for (number, node) in self.nodes.iter().enumerate() {
            if let Some(node) = node {
                fs::write(folder.join(format!("log-{number}")), &*node.log.lock().unwrap()).unwrap();
            }
        }
        if let Some(file) = self.database.strip_prefix("sqlite://") {
            for end in ["", "-wal", "-shm"] {
                let _ = fs::copy(format!("{file}{end}"), folder.join(format!("jeton.db{end}")));
            }
        }
        if let Some(cluster) = &self.cluster {
            let _ = fs::write(folder.join("postgres-log"), cluster.log());
        }
    }
}
