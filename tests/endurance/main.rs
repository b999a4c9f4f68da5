//! What takes too long for every change: each part attacks the server for hours and counts. `tests/endurance/run` builds
//! and runs it; `cargo test` alone does not.
//!
//! A part is a module with `pub(crate) const PART: Part`, and a line in [`PARTS`]. Its `run` gets a [`Run`]:
//!
//! ```text
//! while run.wants("cycles on SQLite", 300) {      // in short form: as long as its share of the 60 s lasts
//!     let found = cycle(run.random());            // panics when a promise is broken; the seed is printed then
//!     run.add("tokens checked", found.tokens);    // numbers for the report, kept with the counts
//!     run.most("longest start, ms", found.start);
//!     run.done("cycles on SQLite", 1);            // kept at once: the next run goes on from here
//! }
//! format!("{} tokens were checked.\n", run.number("tokens checked"))   // the body of its section of docs/faults.md
//! ```
//!
//! What was done is kept in `target/endurance/PART.json`, and counts as long as the program, its sources and the tests are
//! the same.
//! The parts that come after one that failed run all the same. A failure stays in the report of its commit, whatever is run after it, until it is begun `--again`.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

#[path = "../support/mod.rs"]
mod support;

mod balancer;
mod crashes;
mod fuzz;
mod load;
mod model;
mod outages;
mod report;
mod run;
mod upgrade;
mod upkeep;
mod versions;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use run::Run;
use support::Backend;

/// All parts, in the order in which they run.
const PARTS: &[Part] = &[crashes::PART, fuzz::PART, model::PART, outages::PART, upgrade::PART, upkeep::PART];

/// A part of the endurance tests.
pub(crate) struct Part {
    /// One word: the name on the command line, of its file of counts, and of its markers in docs/faults.md.
    pub(crate) name: &'static str,
    /// The heading of its section.
    pub(crate) title: &'static str,
    /// How many counts share the time in short form.
    pub(crate) counts: u32,
    /// Does the work and gives the body of the section, in Markdown. When something is wrong it panics, or tells it to
    /// [`Run::found`] and goes on.
    pub(crate) run: fn(&mut Run) -> String,
}

/// Attacks the server for a long time and counts.
#[derive(Parser)]
#[command(name = "tests/endurance/run")]
pub(crate) struct Options {
    /// The parts to run: all if none is named.
    #[arg(value_name = "PART", value_parser = PARTS.iter().map(|part| part.name).collect::<Vec<_>>())]
    parts: Vec<String>,
    /// Runs this part only.
    #[arg(long, value_name = "PART", value_parser = PARTS.iter().map(|part| part.name).collect::<Vec<_>>())]
    only: Option<String>,
    /// Runs each part for about 60 seconds, and reports nothing.
    #[arg(long)]
    short: bool,
    /// Runs the full counts and writes docs/faults.md (tests/endurance/run does so unless told otherwise).
    #[arg(long, conflicts_with = "short")]
    full: bool,
    /// Runs on one store only; then nothing is reported.
    #[arg(long)]
    store: Option<Store>,
    /// Replaces every count of the parts; then nothing is reported.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// Begins with this seed, as it was printed by another run.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Forgets what was done before.
    #[arg(long)]
    again: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    Sqlite,
    Postgres,
}

impl Options {
    /// The stores to run on.
    fn stores(&self) -> Vec<Backend> {
        match self.store {
            Some(Store::Sqlite) => vec![Backend::Sqlite],
            Some(Store::Postgres) => vec![Backend::Postgres],
            None => vec![Backend::Sqlite, Backend::Postgres],
        }
    }

    /// Whether this run makes everything that a report tells.
    fn is_whole(&self) -> bool {
        !self.short && self.store.is_none() && self.count.is_none() && !outages::are_some()
    }
}

/// What asynchronous work runs on.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs asynchronous work of a part to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    runtime().block_on(work)
}

/// What was said by whatever panicked.
pub(crate) fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
}

fn main() -> ExitCode {
    // `cargo bench` and `cargo test --all-targets` start every target.
    if !std::env::args().any(|argument| ["--short", "--full", "--help", "-h"].contains(&argument.as_str())) {
        eprintln!(
            "endurance: nothing was run. tests/endurance/run starts it: with --short for minutes, else for hours."
        );
        return ExitCode::SUCCESS;
    }
    let options = Options::parse();
    let named: Vec<&String> = options.parts.iter().chain(&options.only).collect();
    let mut failed = Vec::new();
    for part in PARTS.iter().filter(|part| named.is_empty() || named.iter().any(|name| *name == part.name)) {
        let mut run = Run::begin(part, &options);
        let body = catch_unwind(AssertUnwindSafe(|| (part.run)(&mut run))).unwrap_or_else(|panic| {
            run.found(said(&*panic));
            "It did not run to its end, so its counts are omitted.".to_owned()
        });
        run.end();
        eprintln!("{body}");
        if options.is_whole() {
            report::write(part, &run, &body);
        }
        if run.has_failed() {
            failed.push(part.name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("endurance: FAILED: {}", failed.join(", "));
    ExitCode::FAILURE
}
