//! The database fails in every way that a test can bring about, while everything is asked of every server.
//!
//! `OUTAGES_ONLY='network silent' tests/endurance/run outages` brings about those faults alone whose words have these, and
//! then nothing is reported.

use std::fmt::Write as _;
use std::time::Duration;

use crate::run::Run;
use crate::support::Backend;
use crate::support::outages::{Outcome, postgres_faults, sqlite_faults};
use crate::{Part, block_on};

pub(crate) const PART: Part = Part { name: "outages", title: "Database failures", counts: 2, run };

/// How long a fault lasts: longer than a node may go on without a heartbeat that arrives, and than anything waits for a
/// lock.
const LASTS: Duration = Duration::from_secs(7);
/// Faults at the same time.
const AT_ONCE: usize = 2;

/// The environment variable that names some of the faults.
const ONLY: &str = "OUTAGES_ONLY";

/// Whether only some of the faults are brought about.
pub(crate) fn are_some() -> bool {
    std::env::var_os(ONLY).is_some()
}

/// A fault of either store.
#[derive(Clone, Copy)]
enum Fault {
    Postgres(postgres_faults::Fault),
    Sqlite(sqlite_faults::Fault),
}

impl Fault {
    fn words(self) -> String {
        match self {
            Self::Postgres(fault) => format!("Postgres: {}", fault.words()),
            Self::Sqlite(fault) => format!("SQLite: {}", fault.words()),
        }
    }

    /// `alone`: nothing else keeps the machine busy.
    fn survive(self, alone: bool) -> (Outcome, Vec<String>) {
        let ((outcome, _), bites) = match self {
            Self::Postgres(fault) => (block_on(postgres_faults::survive(fault, LASTS)), fault.bites()),
            Self::Sqlite(fault) => (block_on(sqlite_faults::survive(fault, LASTS)), fault.bites()),
        };
        let mut problems = outcome.problems(bites);
        if alone {
            problems.extend(outcome.slowness());
        }
        (outcome, problems)
    }
}

fn all(store: Backend) -> Vec<Fault> {
    match store {
        Backend::Postgres => block_on(postgres_faults::Fault::all()).into_iter().map(Fault::Postgres).collect(),
        Backend::Sqlite => sqlite_faults::Fault::ALL.into_iter().map(Fault::Sqlite).collect(),
    }
}

fn run(run: &mut Run) -> String {
    let mut table = String::from(
        "| fault | right | 503 | wrong | longest answer, s | full service after, s | log lines |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for store in run.stores.clone() {
        let only = std::env::var(ONLY).unwrap_or_default();
        let mut faults: Vec<Fault> = all(store).into_iter().filter(|fault| fault.words().contains(&only)).collect();
        if faults.is_empty() {
            continue;
        }
        let turn = usize::try_from(run.random()).unwrap_or_default() % faults.len();
        if run.short {
            // Another place in the list each time.
            faults.rotate_left(turn);
        }
        let count = format!("faults on {store:?}");
        for pair in faults.chunks(AT_ONCE) {
            if run.short && !run.wants(&count, 1) {
                break;
            }
            let wanted: Vec<Fault> =
                pair.iter().copied().filter(|fault| run.short || run.wants(&fault.words(), 1)).collect();
            for (fault, survived) in wanted.iter().zip(survive_together(&wanted, !run.short)) {
                let words = fault.words();
                let Some((outcome, problems)) = survived else {
                    run.found(&format!("{words}: the test ended in the middle, as it said when it ran"));
                    continue;
                };
                eprintln!("outages: {words}: {}", in_words(&outcome));
                keep(run, &words, &outcome);
                if !problems.is_empty() {
                    run.found(&format!("{words}: {}", problems.join("; ")));
                    continue;
                }
                run.done(&words, 1);
                if run.short {
                    run.done(&count, 1);
                }
            }
        }
        for fault in all(store).into_iter().filter(|fault| run.number(&format!("{}, times", fault.words())) > 0) {
            row(run, &fault.words(), &mut table);
        }
    }
    format!(
        "Two servers share a Postgres of their own, or one server has a SQLite file. Before, during ({} s) and after each \
         fault, every node gets {PACE_IN_WORDS}: introspection of good, new and revoked tokens; tokens for clients in \
         memory and for others; a wrong secret; an unknown client; correct and wrong logins; good and spent refresh tokens; \
         revocations; verify; explain; the admin API; health; metrics; keys; metadata.\n\n\
         *Right*: the same answer as without a fault. *503*: with `Retry-After`, in the form of its API. *Wrong*: any other \
         answer, none within 30 s, or an acknowledged change that was gone afterwards. *Full service*: the time from the end \
         of the fault until every operation succeeded on every node, in one round. Afterwards every connection in each \
         node's pool was usable. *Log lines*: at level WARN or ERROR, from the node that wrote most.\n\n{table}\n\
         `cargo test` checks that a SQLite file admits a single server \
         (`a_sqlite_file_admits_one_server_and_any_number_of_commands`).\n\n\
         Not run: SQLite's `max_page_count`, which applies to one connection only (the file size limit covers it), and a \
         file system remounted read-only, which needs rights that the tests do not have.\n",
        LASTS.as_secs(),
    )
}

/// Most of a fault is waiting, so several have room beside each other; each has a database and servers of its own. None
/// for one in the middle of which the test ended.
fn survive_together(faults: &[Fault], alone: bool) -> Vec<Option<(Outcome, Vec<String>)>> {
    std::thread::scope(|scope| {
        let all: Vec<_> = faults.iter().map(|fault| scope.spawn(move || fault.survive(alone))).collect();
        all.into_iter().map(|thread| thread.join().ok()).collect()
    })
}

const PACE_IN_WORDS: &str = "each of these requests three times a second";

fn in_words(outcome: &Outcome) -> String {
    format!(
        "{} right, {} times 503, {} wrong, longest {:?}, full service after {:?}, {} lines: {}",
        outcome.right,
        outcome.unavailable,
        outcome.wrong.len(),
        outcome.longest,
        outcome.full_service,
        outcome.lines,
        outcome.said
    )
}

/// A fault that failed is brought about again by the next run: answers add up, and of times the longest counts.
fn keep(run: &mut Run, words: &str, outcome: &Outcome) {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    let count = |things: usize| u64::try_from(things).unwrap();
    run.add(&format!("{words}, times"), 1);
    run.add(&format!("{words}, right"), outcome.right);
    run.add(&format!("{words}, 503"), outcome.unavailable);
    run.add(&format!("{words}, wrong"), count(outcome.wrong.len()));
    run.most(&format!("{words}, longest"), millis(outcome.longest));
    run.most(&format!("{words}, full service"), millis(outcome.full_service));
    run.most(&format!("{words}, lines"), count(outcome.lines));
}

fn row(run: &Run, words: &str, table: &mut String) {
    let number = |name: &str| run.number(&format!("{words}, {name}"));
    let seconds = |name: &str| Duration::from_millis(number(name)).as_secs_f64();
    let [right, unavailable, wrong, lines] = ["right", "503", "wrong", "lines"].map(number);
    let (longest, full) = (seconds("longest"), seconds("full service"));
    writeln!(table, "| {words} | {right} | {unavailable} | {wrong} | {longest:.1} | {full:.1} | {lines} |").unwrap();
}
