//! One fault: the operations before, during and after it, and their outcomes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use tokio::task::JoinSet;

use super::operations::{Operation, Verdict};
use super::{RECOVERY, STALENESS, Scene};
use crate::support::{Answer, eventually};

/// The time between two requests of a kind to a node; of those that hash a password, a longer one.
const PACE: Duration = Duration::from_millis(300);
const DEAR_PACE: Duration = Duration::from_millis(900);
/// The most requests of a kind to a node at a time.
const AT_ONCE: usize = 6;
/// The time between two checks of what nodes do not agree on yet.
const POLL: Duration = Duration::from_millis(20);
/// The traffic before the fault.
const BEFORE: Duration = Duration::from_millis(600);
/// How long to wait for the service to come back before giving up.
const GIVE_UP: Duration = Duration::from_secs(40);
/// The most lines at level WARN or ERROR that a node may write about one outage.
const MOST_LINES: usize = 40;

/// The answers of one kind of request.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    right: u64,
    unavailable: u64,
}

#[derive(Debug, Default)]
struct Tally {
    counts: BTreeMap<Operation, Count>,
    wrong: Vec<String>,
    longest: Duration,
}

/// The outcome of a fault.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Answers as without a fault.
    pub(crate) right: u64,
    /// Honest answers that the server cannot tell (503).
    pub(crate) unavailable: u64,
    /// Wrong answers, and acknowledged changes that were lost.
    pub(crate) wrong: Vec<String>,
    /// The longest time that a request took.
    pub(crate) longest: Duration,
    /// From the end of the fault until every operation was served on every node.
    pub(crate) full_service: Duration,
    /// Lines at level WARN or ERROR, from the node that wrote most.
    pub(crate) lines: usize,
    /// The first of them, the message only.
    pub(crate) said: String,
}

impl Outcome {
    /// Failures that count on any machine, however busy. With `bites`, the fault must have affected requests.
    pub(crate) fn problems(&self, bites: bool) -> Vec<String> {
        let mut problems: Vec<String> = self.wrong.iter().take(5).cloned().collect();
        if self.wrong.len() > 5 {
            problems.push(format!("and {} more wrong answers", self.wrong.len() - 5));
        }
        if self.full_service >= GIVE_UP {
            problems.push(format!("no full service within {GIVE_UP:?}"));
        }
        if bites && (self.unavailable == 0 || self.lines == 0) {
            problems.push(format!("the fault was not felt: {} answers 503, {} lines", self.unavailable, self.lines));
        }
        if self.right == 0 {
            problems.push("nothing was answered".into());
        }
        problems
    }

    /// Failures that count only on an idle machine: how soon it serves again, and how much it logs.
    pub(crate) fn slowness(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if (RECOVERY..GIVE_UP).contains(&self.full_service) {
            problems.push(format!("full service after {:?}", self.full_service));
        }
        if self.lines > MOST_LINES {
            problems.push(format!("{} lines in the log: {}", self.lines, self.said));
        }
        problems
    }
}

/// Asks everything of every node while the fault begins, lasts so long, and ends. `keeps_all`: nothing that was
/// acknowledged may be lost.
pub(crate) async fn survey(
    scene: &Arc<Scene>,
    lasts: Duration,
    keeps_all: bool,
    begin: impl AsyncFnOnce(),
    end: impl AsyncFnOnce(),
) -> Outcome {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let (stop, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    eventually(GIVE_UP, "everything is served before the fault", async || scene.serves_all(&tally).await).await;
    *tally.lock().unwrap() = Tally::default();
    let before: Vec<usize> = scene.nodes.iter().map(|node| node.log.lock().unwrap().len()).collect();
    let mut traffic = JoinSet::new();
    for node in 0..scene.nodes.len() {
        for operation in Operation::ALL {
            let (scene, tally) = (Arc::clone(scene), Arc::clone(&tally));
            traffic.spawn(keep_asking(scene, node, operation, tally, Arc::clone(&stop), Arc::clone(&is_over)));
        }
    }
    let begun = Instant::now();
    let step = |what: &str| eprintln!("outages: {:.1} s: {what}", begun.elapsed().as_secs_f64());
    pass_time(BEFORE).await;
    begin().await;
    step("the fault has begun");
    pass_time(lasts).await;
    end().await;
    step("the fault is over");
    let ended = Instant::now();
    is_over.store(true, Ordering::Relaxed);
    while !scene.serves_all(&tally).await && ended.elapsed() < GIVE_UP {}
    let full_service = ended.elapsed();
    step("everything is served");
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = traffic.join_next().await {
        ended.unwrap();
    }
    step("nobody asks any more");
    // Every node knows what the last requests changed within the time that the servers promise.
    pass_time(STALENESS).await;
    scene.settle(&tally, keeps_all).await;
    step("everything was looked for");
    let mut outcome = Outcome {
        right: 0,
        unavailable: 0,
        wrong: vec![],
        longest: Duration::ZERO,
        full_service,
        lines: 0,
        said: String::new(),
    };
    for (node, before) in scene.nodes.iter().zip(before) {
        let log = node.log.lock().unwrap()[before..].to_owned();
        let lines: Vec<&str> = log.lines().filter(|line| is_trouble(line)).collect();
        if lines.len() > outcome.lines {
            (outcome.lines, outcome.said) = (lines.len(), lines[0].to_owned());
        }
        if log.contains("panicked") || log.contains("fault of the server") {
            outcome.wrong.push(format!("a fault of the server itself: {log}"));
        }
    }
    let tally = tally.lock().unwrap();
    for count in tally.counts.values() {
        outcome.right += count.right;
        outcome.unavailable += count.unavailable;
    }
    outcome.wrong.extend(tally.wrong.iter().cloned());
    outcome.longest = tally.longest;
    outcome
}

/// Whether a line of the log is at level WARN or ERROR.
fn is_trouble(line: &str) -> bool {
    matches!(line.split_whitespace().nth(1), Some("WARN" | "ERROR"))
}

/// Lets the traffic run for this long.
async fn pass_time(time: Duration) {
    tokio::time::sleep(time).await;
}

async fn keep_asking(
    scene: Arc<Scene>,
    node: usize,
    operation: Operation,
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
) {
    let mut asked = JoinSet::new();
    while !stop.load(Ordering::Relaxed) {
        // The rest is for the rounds after the fault.
        if asked.len() < AT_ONCE && !is_over.load(Ordering::Relaxed) {
            let (scene, tally) = (Arc::clone(&scene), Arc::clone(&tally));
            asked.spawn(async move { scene.ask(node, operation, false, &tally).await });
        }
        pass_time(if operation.is_dear() { DEAR_PACE } else { PACE }).await;
        while asked.try_join_next().is_some() {}
    }
    while let Some(ended) = asked.join_next().await {
        ended.unwrap();
    }
}

impl Scene {
    /// Performs an operation once and counts the answer. Returns whether it was right.
    async fn ask(&self, node: usize, operation: Operation, is_over: bool, tally: &Mutex<Tally>) -> bool {
        let begun = Instant::now();
        let Some(verdict) = self.perform(node, operation, is_over).await else { return true };
        let mut tally = tally.lock().unwrap();
        tally.longest = tally.longest.max(begun.elapsed());
        let count = tally.counts.entry(operation).or_default();
        match verdict {
            Verdict::Right => count.right += 1,
            Verdict::Unavailable => count.unavailable += 1,
            Verdict::Wrong(text) => {
                tally.wrong.push(format!("node {node}, {operation:?}: {text}"));
                return false;
            }
        }
        matches!(verdict, Verdict::Right)
    }

    /// Whether every node serves every operation now.
    async fn serves_all(&self, tally: &Mutex<Tally>) -> bool {
        let nodes = 0..self.nodes.len();
        let all = nodes.flat_map(|node| Operation::ALL.map(|operation| self.ask(node, operation, true, tally)));
        join_all(all).await.into_iter().all(|served| served)
    }

    /// When no fault is left: what was acknowledged is there on every node, and of what was not, all nodes say the
    /// same.
    async fn settle(&self, tally: &Mutex<Tally>, keeps_all: bool) {
        let mut wrong = Vec::new();
        let (sessions, spent) = {
            let mut deck = self.deck();
            (std::mem::take(&mut deck.doubtful_sessions), std::mem::take(&mut deck.doubtful_spent))
        };
        if keeps_all {
            for (number, session) in sessions.into_iter().enumerate() {
                if !matches!(self.refreshes(number % self.nodes.len(), session).await, Verdict::Right) {
                    wrong.push("a refresh that was in doubt cannot be repeated".to_owned());
                }
            }
            for (number, session) in spent.into_iter().enumerate() {
                if !matches!(self.presents_spent(number % self.nodes.len(), session).await, Verdict::Right) {
                    wrong.push("a spent refresh token is not refused".to_owned());
                }
            }
        }
        let (good, revoked, doubtful) = {
            let deck = self.deck();
            let revoked: Vec<String> = deck.revoked.iter().map(|(token, ..)| token.clone()).collect();
            ([deck.known.clone(), deck.issued.clone()].concat(), revoked, deck.doubtful.clone())
        };
        // The last revocations were made a moment ago.
        let within_bound = Instant::now() + STALENESS;
        // A session that was ended for reuse took its tokens with it.
        for (what, tokens, expected) in
            [("handed out", good, Some(true)), ("revoked", revoked, Some(false)), ("in doubt", doubtful, None)]
        {
            for token in tokens {
                match self.all_say(&token, within_bound).await {
                    Err(text) => wrong.push(format!("of a token that was {what}: {text}")),
                    Ok(active) => {
                        if keeps_all && expected.is_some_and(|expected| active != expected) {
                            wrong.push(format!("a token that was {what} is active: {active}"));
                        }
                    }
                }
            }
        }
        let users = self.deck().users.clone();
        let doubtful = self.deck().doubtful_users.clone();
        for (name, is_sure) in
            users.iter().map(|name| (name, keeps_all)).chain(doubtful.iter().map(|name| (name, false)))
        {
            let mut found = Vec::new();
            for node in 0..self.nodes.len() {
                let answer = Answer::of(self.admin(node, Method::GET, &format!("/admin/v1/users/{name}"))).await;
                found.push(answer.status);
            }
            let is = |status: StatusCode| found.iter().all(|found| *found == status);
            if !is(StatusCode::OK) && (is_sure || !is(StatusCode::NOT_FOUND)) {
                wrong
                    .push(format!("the user {name}, {}: {found:?}", if is_sure { "acknowledged" } else { "in doubt" }));
            }
        }
        tally.lock().unwrap().wrong.extend(wrong);
    }

    /// Whether a token is active, once all nodes agree; they must by now.
    async fn all_say(&self, token: &str, by: Instant) -> Result<bool, String> {
        loop {
            let is_late = Instant::now() > by;
            let said = join_all((0..self.nodes.len()).map(|node| self.is_active(node, token))).await;
            let said = said.into_iter().collect::<Result<Vec<bool>, String>>()?;
            if said.iter().all(|active| *active == said[0]) {
                return Ok(said[0]);
            }
            if is_late {
                return Err(format!("nodes differ: {said:?}"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many statements the nodes run at the same time on `waiting`, which counts those that wait for a lock on the
    /// table of users that is held meanwhile.
    pub(crate) async fn places(
        self: &Arc<Self>,
        waiting: impl AsyncFn() -> i64,
        expected: i64,
        release: impl AsyncFnOnce(),
    ) {
        let mut asked = JoinSet::new();
        for node in 0..self.nodes.len() {
            for _ in 0..20 {
                let scene = Arc::clone(self);
                asked.spawn(async move { Answer::of(scene.admin(node, Method::GET, "/admin/v1/users")).await });
            }
        }
        eventually(Duration::from_secs(5), &format!("{expected} statements run at the same time"), async || {
            waiting().await == expected
        })
        .await;
        release().await;
        for answer in asked.join_all().await {
            assert!(matches!(answer.status.as_u16(), 200 | 503), "{answer:?}");
        }
    }
}
