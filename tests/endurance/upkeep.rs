//! Millions of rows that are over are removed beside a load, and nothing else is.
//!
//! The same servers answer the same load before, while and after they sweep: before, the test itself holds the turn of
//! upkeep, as another node would.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::load::{Cast, KINDS, Load};
use crate::run::Run;
use crate::support::cluster::Cluster;
use crate::support::program::{Place, Running};
use crate::support::{Answer, Backend};
use crate::{Part, block_on};

pub(crate) const PART: Part =
    Part { name: "upkeep", title: "Millions of expired rows, removed under load", counts: 2, run };

/// Rows that are over, in full and in short form.
const ROWS: (u64, u64) = (10_000_000, 200_000);
/// Rows that are over for each active one.
const PER_ACTIVE: u64 = 50;
/// Sessions that the load refreshes.
const SESSIONS: usize = 40;
/// The time between two rounds of upkeep, in seconds.
const INTERVAL: u64 = 5;
/// The time between two looks at the servers.
const LOOK: Duration = Duration::from_millis(500);
/// The longest time without a row removed.
const PATIENCE: Duration = Duration::from_secs(120);
/// Phases of the load.
const WITHOUT: usize = 0;
const WITH: usize = 1;

fn run(run: &mut Run) -> String {
    for store in run.stores.clone() {
        let count = format!("stores swept: {store:?}");
        let rows = run.size(ROWS.0, ROWS.1);
        // Once is all, also where there is more time.
        if run.number(&count) == 0 && run.wants(&count, 1) {
            block_on(sweep(run, store, rows));
            run.done(&count, 1);
        }
    }
    report(run)
}

/// SQL beside the servers.
enum Desk {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Desk {
    async fn at(address: &str) -> Self {
        match address.strip_prefix("sqlite://") {
            Some(_) => Self::Sqlite(SqliteConnection::connect(address).await.unwrap()),
            None => Self::Postgres(PgConnection::connect(address).await.unwrap()),
        }
    }

    async fn run(&mut self, sql: &str) {
        let script = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => drop(script.execute(connection).await.unwrap()),
            Self::Postgres(connection) => drop(script.execute(connection).await.unwrap()),
        }
    }

    async fn number(&mut self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        let number: i64 = match self {
            Self::Sqlite(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
            Self::Postgres(connection) => sqlx::query_scalar(sql).fetch_one(connection).await.unwrap(),
        };
        u64::try_from(number).unwrap()
    }

    /// The time in milliseconds, in SQL.
    fn now(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::Postgres(_) => "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        }
    }

    /// Takes the turn of upkeep, as a node does.
    async fn hold_the_turn(&mut self) {
        let (now, id) = match self {
            Self::Sqlite(_) => (self.now(), "zeroblob(16)"),
            Self::Postgres(_) => (self.now(), "'00000000-0000-0000-0000-000000000000'"),
        };
        self.run(&format!("UPDATE cleanup SET node = {id}, free_at = {now} + 50000 WHERE id = 1")).await;
    }

    /// Inserts rows that are over, marked as such, and an active row beside each [`PER_ACTIVE`] of them.
    async fn fill(&mut self, rows: u64) {
        let is_sqlite = matches!(self, Self::Sqlite(_));
        // An id that begins with a time, so that the active ones lie among the others; of a table, a number, and a
        // mark.
        let id = |table: u64| match is_sqlite {
            true => format!("unhex(printf('%012x7%03x8000%012x', 1500000000000 + i, {table}, i))"),
            false => format!(
                "(lpad(to_hex(1500000000000 + i), 12, '0') || '7{table:03x}8000' || lpad(to_hex(i), 12, '0'))::uuid"
            ),
        };
        let bytes = if is_sqlite { "zeroblob(32)" } else { r"'\x00'::bytea" };
        let (truth, lie) = ("(1 = 1)", "(1 = 0)");
        let day = 86_400_000_i64;
        let now = self.now();
        let from = |count: u64| match is_sqlite {
            true => format!(
                "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)"
            ),
            false => format!("(SELECT i FROM generate_series(1, {count}) AS i) AS n"),
        };
        let (sessions, ended, tokens, notices, audit) = (rows * 4 / 10, rows / 10, rows / 5, rows / 10, rows / 5);
        // A quarter each: too old, unused for too long (two of them), ended.
        let session = |count: u64, mark: &str, id: &str, kept: &str| {
            let (over, then) = (format!("{now} - {}", 40 * day), format!("{now} + {}", 100 * day));
            let end =
                |which: &str| format!("CASE WHEN {kept} THEN {then} WHEN i % 4 {which} THEN {over} ELSE {then} END");
            let (absolute, idle) = (end("= 0"), end("IN (1, 2)"));
            format!(
                "INSERT INTO sessions (id, user_id, sub, client_id, scope, audiences, nonce_hash, generation, retries, \
                 sequence, created_at, last_refreshed_at, idle_expires_at, expires_at, ended) SELECT {id}, {id}, 'nobody', 'nobody', '{mark}', \
                 '[]', {bytes}, 1, 0, 0, 0, 0, {idle}, {absolute}, CASE WHEN {kept} THEN {lie} ELSE i % 4 = 3 END FROM {}",
                from(count)
            )
        };
        // The first numbers of the log, below all that the servers give.
        let entry = |count: u64,
                     numbers: u64,
                     mark: &str,
                     kind: &str,
                     id: &str,
                     covers: i64,
                     ends: i64,
                     target: &str| {
            format!(
                "INSERT INTO changes (id, number, kind, target_id, cause, actor, created_at, covers_until, expires_at) \
                 SELECT {id}, {numbers} + i, '{kind}', {target}, 'session_revoked', '{mark}', {now} - {}, {now} + {covers}, \
                 {now} + {ends} FROM {}",
                41 * day,
                from(count)
            )
        };
        let record = |count: u64, mark: &str, id: &str, at: i64| {
            format!(
                "INSERT INTO audit (id, at, actor, action, target) SELECT {id}, {now} - {at}, '{mark}', 'filled', 'nothing' \
                 FROM {}",
                from(count)
            )
        };
        let trigger = match self {
            Self::Sqlite(connection) => {
                let sql = "SELECT sql FROM sqlite_master WHERE name IN ('changes_number', 'audit_event') ORDER BY name";
                let triggers: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *connection).await.unwrap();
                assert_eq!(triggers.len(), 2);
                self.run(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; DROP TRIGGER changes_number; DROP TRIGGER audit_event",
                )
                .await;
                triggers.join(";\n")
            }
            Self::Postgres(_) => {
                self.run(
                    "SET synchronous_commit = off; ALTER TABLE changes DISABLE TRIGGER changes_number; \
                     ALTER TABLE audit DISABLE TRIGGER audit_event",
                )
                .await;
                "ALTER TABLE changes ENABLE TRIGGER changes_number; ALTER TABLE audit ENABLE TRIGGER audit_event"
                    .to_owned()
            }
        };
        let of_session = id(1)
            .replace(" + i", " + i * 4 - 1")
            .replace(", i)", ", i * 4 - 1)")
            .replace("to_hex(i)", "to_hex(i * 4 - 1)");
        let live = |count: u64| (count / PER_ACTIVE).max(1);
        let statements = [
            session(sessions, "over", &id(1), lie),
            session(live(sessions), "active", &id(2), truth),
            entry(ended, 1, "over", "session", &id(3), -38 * day, 389 * day, &of_session),
            entry(live(ended), 10_000_000, "active", "session", &id(4), -10 * day, 389 * day, &id(8)),
            entry(tokens, 20_000_000, "over", "token", &id(5), -38 * day, 389 * day, &id(5)),
            entry(live(tokens), 30_000_000, "active", "token", &id(6), -10 * day, 389 * day, &id(6)),
            entry(notices, 40_000_000, "over", "user_changed", &id(7), -40 * day, -40 * day, &id(7)),
            entry(live(notices), 50_000_000, "active", "user", &id(8), -day, 389 * day, &id(8)),
            record(audit, "over", &id(9), 401 * day),
            record(live(audit), "active", &id(10), 399 * day),
        ];
        for statement in statements {
            self.run(&statement).await;
        }
        self.run(&trigger).await;
        match self {
            Self::Sqlite(_) => self.run("PRAGMA wal_checkpoint(TRUNCATE)").await,
            Self::Postgres(_) => {
                self.run("VACUUM ANALYZE").await;
                self.run("CHECKPOINT").await;
            }
        }
    }

    /// Rows with a mark, in each table.
    async fn marked(&mut self, mark: &str) -> [u64; 3] {
        let mut counts = [0; 3];
        for (count, (table, column)) in
            counts.iter_mut().zip([("sessions", "scope"), ("changes", "actor"), ("audit", "actor")])
        {
            *count = self.number(&format!("SELECT count(*) FROM {table} WHERE {column} = '{mark}'")).await;
        }
        counts
    }
}

/// What the metrics of a server say.
async fn metrics(http: &reqwest::Client, node: &Running) -> BTreeMap<String, f64> {
    let text = Answer::of(http.get(format!("{}/metrics", node.ops))).await.body;
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    samples.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of rows are whole")]
async fn removed(http: &reqwest::Client, node: &Running) -> u64 {
    let metrics = metrics(http, node).await;
    let of_sweeping = metrics.iter().filter(|(name, _)| name.starts_with("jeton_upkeep_removed_total"));
    of_sweeping.map(|(_, value)| *value as u64).sum()
}

async fn sweep(run: &mut Run, store: Backend, rows: u64) {
    let cluster = (store == Backend::Postgres).then(Cluster::start);
    let mut place = Place::bare();
    let address = match &cluster {
        Some(cluster) => cluster.url(),
        None => format!("sqlite://{}", place.path("jeton.db").display()),
    };
    place.set("JETON_DATABASE_URL", &address);
    place.set("JETON_ISSUER", "https://auth.example.com");
    place.set("JETON_MASTER_KEY", &jeton::keys::master::MasterKey::generate());
    place.set("JETON_UPKEEP_INTERVAL", &format!("{INTERVAL}s"));
    place.run(&["migrate"]);
    let cast = Cast::make(&place);
    let mut desk = Desk::at(&address).await;
    let begun = Instant::now();
    desk.fill(rows).await;
    eprintln!("upkeep: {store:?}: {rows} rows that are over were inserted in {} s", begun.elapsed().as_secs());
    let (over, active) = (desk.marked("over").await, desk.marked("active").await);
    assert_eq!(over.iter().sum::<u64>(), rows, "{over:?}");
    desk.hold_the_turn().await;
    let nodes: Vec<Running> = (0..if cluster.is_some() { 2 } else { 1 }).map(|_| place.serve(&[])).collect();
    *cast.bases.lock().unwrap() = nodes.iter().map(|node| node.base.clone()).collect();
    let load = Load::begin(&cast, SESSIONS).await;
    let quiet = Duration::from_secs(if run.short { 5 } else { 60 });
    without_sweeping(&load, &mut desk, quiet).await;
    let sum = |all: &[u64]| all.iter().sum::<u64>();
    let mut before = vec![0; nodes.len()];
    for (before, node) in before.iter_mut().zip(&nodes) {
        *before = removed(&cast.http, node).await;
    }
    assert_eq!(sum(&before), 0, "nobody has swept before its turn");
    // The turn is free from now on.
    desk.run("UPDATE cleanup SET node = NULL, free_at = 0 WHERE id = 1").await;
    load.enter(WITH);
    let (mut begun, mut looked, mut moved, mut told) = (None, Instant::now(), Instant::now(), Instant::now());
    let journal = place.path("jeton.db-wal");
    while sum(&before) < rows {
        tokio::time::sleep(LOOK).await;
        let mut grew = 0;
        for (before, node) in before.iter_mut().zip(&nodes) {
            let now = removed(&cast.http, node).await;
            grew += usize::from(now > *before);
            *before = now;
        }
        // One that gives its turn back rests for longer than this.
        let judged = looked.elapsed() < Duration::from_secs(INTERVAL - 1);
        assert!(grew <= 1 || !judged, "two nodes sweep at a time");
        run.add(&format!("{store:?} looks at who sweeps"), u64::from(judged && grew > 0));
        looked = Instant::now();
        if grew > 0 {
            moved = looked;
            begun.get_or_insert(looked - LOOK);
        }
        run.most(&format!("{store:?} journal, MB"), fs::metadata(&journal).map_or(0, |file| file.len()) >> 20);
        assert!(moved.elapsed() < PATIENCE, "nothing is removed any more, after {} of {rows} rows", sum(&before));
        load.assert_good();
        if told.elapsed() > Duration::from_secs(10) {
            told = Instant::now();
            eprintln!("upkeep: {store:?}: {} of {rows} rows removed", sum(&before));
        }
    }
    let took = begun.unwrap().elapsed();
    // Until the round has ended: nobody sweeps while the test has the turn.
    let ended = |metrics: &BTreeMap<String, f64>| metrics["jeton_upkeep_last_round_timestamp_seconds"] > 0.0;
    while !ended(&metrics(&cast.http, &nodes[0]).await) {
        tokio::time::sleep(LOOK).await;
        assert!(moved.elapsed() < PATIENCE, "the round does not end");
    }
    without_sweeping(&load, &mut desk, quiet).await;
    let outcome = load.end().await;
    assert_eq!(desk.marked("over").await, [0; 3], "what is over goes");
    assert_eq!(desk.marked("active").await, active, "what lives stays");
    let outcome = outcome.lock().unwrap();
    assert!(outcome.failures.is_empty(), "{} failed: {:?}", outcome.failures.len(), outcome.failures.first());
    for (kind, _) in KINDS {
        for (phase, name) in [(WITHOUT, "without"), (WITH, "with")] {
            assert!(outcome.count(phase, kind) > 0, "{kind} {name}");
            run.add(&format!("{store:?} requests"), outcome.count(phase, kind) as u64);
            for (percentile, part) in [("p50", 500), ("p99", 990)] {
                let micros = outcome.percentile(phase, kind, part).as_micros();
                run.most(&format!("{store:?} {kind} {name} {percentile}, µs"), u64::try_from(micros).unwrap());
            }
        }
    }
    run.most(&format!("{store:?} rows"), rows);
    run.most(&format!("{store:?} active rows"), sum(&active));
    run.most(&format!("{store:?} seconds"), took.as_secs().max(1));
    run.most(&format!("{store:?} rows/s"), rows * 1000 / u64::try_from(took.as_millis()).unwrap().max(1));
    for node in nodes {
        assert!(!node.log.lock().unwrap().contains("panicked"));
        let log = std::sync::Arc::clone(&node.log);
        assert_eq!(node.stop().code(), Some(0));
        let log = log.lock().unwrap();
        let said = log.lines().filter(|line| line.contains("removed expired rows"));
        said.for_each(|line| eprintln!("upkeep: {line}"));
    }
}

/// Keeps the turn from the servers for a while.
async fn without_sweeping(load: &Load, desk: &mut Desk, time: Duration) {
    let begun = Instant::now();
    desk.hold_the_turn().await;
    load.enter(WITHOUT);
    while begun.elapsed() < time {
        tokio::time::sleep(time.min(Duration::from_secs(10))).await;
        desk.hold_the_turn().await;
        load.assert_good();
    }
}

fn report(run: &Run) -> String {
    let mut text = String::from(
        "The test inserts expired sessions, log entries and audit records beside live ones, and the servers (two on Postgres) \
         remove them under a load at a fixed rate. Every expired row was removed and no live one, no request failed, and two \
         nodes never cleaned up at the same time. Latencies count from the moment a request was due; those without cleanup \
         are from the same servers, before and after it.\n\n",
    );
    text += "| store | rows removed | beside live rows | time | rows/s | requests | largest journal |\n";
    text += "| --- | --- | --- | --- | --- | --- | --- |\n";
    let number = |store: Backend, name: &str| run.number(&format!("{store:?} {name}"));
    for store in run.stores.iter().copied() {
        let journal = match store {
            Backend::Sqlite => format!("{} MB", number(store, "journal, MB")),
            Backend::Postgres => "–".to_owned(),
        };
        writeln!(
            text,
            "| {store:?} | {} | {} | {} s | {} | {} | {journal} |",
            number(store, "rows"),
            number(store, "active rows"),
            number(store, "seconds"),
            number(store, "rows/s"),
            number(store, "requests"),
        )
        .unwrap();
    }
    text += "\n| store | request | per second | p50 without | p50 with | p99 without | p99 with |\n";
    text += "| --- | --- | --- | --- | --- | --- | --- |\n";
    for store in run.stores.iter().copied() {
        for (kind, rate) in KINDS {
            let of = |name: &str| {
                let micros = number(store, &format!("{kind} {name}, µs"));
                format!("{}.{} ms", micros / 1000, micros / 100 % 10)
            };
            let columns = ["without p50", "with p50", "without p99", "with p99"].map(of).join(" | ");
            writeln!(text, "| {store:?} | {kind} | {rate} | {columns} |").unwrap();
        }
    }
    text
}
